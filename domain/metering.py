"""What a statement rests on: readings, sessions and tariffs, and the rows that follow from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import UnknownSession
from domain.merkle import leaf, merkle_root
from domain.reading import NO_SESSION, MeterReading, VerifiedMeterReading, first_of
from domain.session import Session
from domain.station import MeterReplacement, Station
from domain.tariff import Direction, TariffTable
from domain.units import HOUSE_ACCOUNT, AccountId, EnergyWh, UnixSeconds, interval_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredRow:
    """What the readings say of one session in one market interval and direction."""

    session_id: bytes
    account: AccountId
    direction: Direction
    start_s: UnixSeconds
    end_s: UnixSeconds
    energy_wh: EnergyWh


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a statement rests on.

    `opening` is the last reading of the station's statement before (None for its first), `readings`
    are those since then, in order; `sessions` holds each session that they name.
    """

    station: Station
    opening: MeterReading | None
    readings: Sequence[VerifiedMeterReading]
    sessions: Mapping[bytes, Session]
    tariffs: TariffTable

    @property
    def start_s(self) -> UnixSeconds:
        return (self.opening or self.readings[0].reading).time_s

    @property
    def replacement(self) -> MeterReplacement | None:
        """The last meter replacement within the statement's time."""
        return self.station.replacement_within(self.start_s, self.readings[-1].reading.time_s)

    @property
    def registers(self) -> tuple[EnergyWh, EnergyWh]:
        """Import and export register that the statement counts from."""
        if self.replacement is not None:
            return self.replacement.opening
        if self.opening is not None:
            return self.opening.import_wh, self.opening.export_wh
        return self.station.registers_before(self.readings[0].reading.time_s)

    @property
    def telemetry_root(self) -> bytes:
        return merkle_root(leaf(r.reading.struct_hash(), r.signature) for r in self.readings)


def meter_rows(basis: Basis) -> tuple[MeteredRow, ...]:
    """The rows that follow from the readings, by start, account and direction.

    The energy between two readings belongs to the session that the second one names, and to the
    market interval in which both lie. UnknownSession if a reading names a session that is not given.
    The old meter's readings before a replacement move nothing: it closed where the last statement did.
    """
    spans: dict[tuple[bytes, int, Direction], tuple[int, int, int]] = {}
    before = basis.opening
    replacement = basis.replacement
    for verified in basis.readings:
        reading = verified.reading
        if replacement is not None and reading.time_s <= replacement.time_s:
            continue
        if replacement is not None:
            before, replacement = first_of(replacement, reading), None
        if before is not None:
            for direction, energy_wh in _moved(before, reading):
                key = (reading.session, interval_of(before.time_s), direction)
                start_s, _, sum_wh = spans.get(key, (before.time_s, 0, 0))
                spans[key] = (start_s, reading.time_s, sum_wh + energy_wh)
        before = reading
    rows = (
        MeteredRow(
            session_id=session_id,
            account=_account_of(session_id, basis.sessions),
            direction=direction,
            start_s=UnixSeconds(start_s),
            end_s=UnixSeconds(end_s),
            energy_wh=EnergyWh(energy_wh),
        )
        for (session_id, _, direction), (start_s, end_s, energy_wh) in spans.items()
    )
    return tuple(sorted(rows, key=lambda row: (row.start_s, row.account, row.direction)))


def _moved(before: MeterReading, after: MeterReading) -> Iterable[tuple[Direction, int]]:
    if after.import_wh != before.import_wh:
        yield Direction.CHARGE, after.import_wh - before.import_wh
    if after.export_wh != before.export_wh:
        yield Direction.DISCHARGE, after.export_wh - before.export_wh


def _account_of(session_id: bytes, sessions: Mapping[bytes, Session]) -> AccountId:
    if session_id == NO_SESSION:
        return HOUSE_ACCOUNT
    if session_id not in sessions:
        raise UnknownSession(session_id)
    return sessions[session_id].authorisation.account
