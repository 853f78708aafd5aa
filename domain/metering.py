"""What a statement rests on: readings, sessions and tariffs, and the rows that follow from them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.errors import UnknownSession
from domain.merkle import leaf, merkle_root
from domain.reading import NO_SESSION, MeterReading, VerifiedMeterReading
from domain.session import Session
from domain.station import MeterReplacement, Station
from domain.tariff import Direction, TariffTable
from domain.units import HOUSE_ACCOUNT, MARKET_INTERVAL_S, AccountId, EnergyWh, UnixSeconds


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
    are those since then, in order; `sessions` holds each session that they name. The energy of `traders` is
    traded in the market of the station's operator.
    """

    station: Station
    opening: MeterReading | None
    readings: Sequence[VerifiedMeterReading]
    sessions: Mapping[bytes, Session]
    tariffs: TariffTable
    traders: Collection[AccountId] = ()

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

    @property
    def closing(self) -> "Shown | None":
        """What the last reading shows; None if there is no reading."""
        if not self.readings:
            return None
        last = self.readings[-1].reading
        return last.time_s, last.import_wh, last.export_wh

    @property
    def rows(self) -> tuple[MeteredRow, ...]:
        """The rows that follow from the readings, as `meter_rows` has them."""
        return meter_rows(self)


class Metered(Protocol):
    """What statements are held against: a basis, or what stands in for one. Described in `Basis`."""

    @property
    def station(self) -> Station: ...

    @property
    def sessions(self) -> Mapping[bytes, Session]: ...

    @property
    def tariffs(self) -> TariffTable: ...

    @property
    def start_s(self) -> UnixSeconds: ...

    @property
    def registers(self) -> tuple[EnergyWh, EnergyWh]: ...

    @property
    def telemetry_root(self) -> bytes: ...

    @property
    def closing(self) -> "Shown | None": ...

    @property
    def rows(self) -> tuple[MeteredRow, ...]: ...


Shown = tuple[int, int, int]
"""What a meter showed: at which second, and its import and export register."""


def meter_rows(basis: Basis) -> tuple[MeteredRow, ...]:
    """The rows that follow from the readings, as `rows_between` has them."""
    opening = basis.opening
    readings = (verified.reading for verified in basis.readings)
    return rows_between(
        (opening.time_s, opening.import_wh, opening.export_wh) if opening else None,
        ((r.time_s, r.import_wh, r.export_wh, r.session) for r in readings),
        replacement=basis.replacement,
        sessions=basis.sessions,
    )


def rows_between(
    opening: Shown | None,
    readings: Iterable[tuple[int, int, int, bytes]],
    *,
    replacement: MeterReplacement | None,
    sessions: Mapping[bytes, Session],
) -> tuple[MeteredRow, ...]:
    """The rows that follow from readings (time, import, export, session), by start, account and direction.

    The energy between two readings belongs to the session that the second one names, and to the
    market interval in which both lie. UnknownSession if a reading names a session that is not given.
    The old meter's readings before a replacement move nothing: it closed where the last statement did.
    """
    spans: dict[tuple[bytes, int, Direction], tuple[int, int, int]] = {}
    before = opening
    for time_s, import_wh, export_wh, session in readings:
        if replacement is not None:
            if time_s <= replacement.time_s:
                continue
            before, replacement = (replacement.time_s, *replacement.opening), None
        if before is not None:
            before_s, before_import_wh, before_export_wh = before
            for direction, energy_wh in (
                (Direction.CHARGE, import_wh - before_import_wh),
                (Direction.DISCHARGE, export_wh - before_export_wh),
            ):
                if energy_wh:
                    key = (session, before_s // MARKET_INTERVAL_S, direction)
                    start_s, _, sum_wh = spans.get(key, (before_s, 0, 0))
                    spans[key] = (start_s, time_s, sum_wh + energy_wh)
        before = (time_s, import_wh, export_wh)
    rows = (
        MeteredRow(
            session_id=session_id,
            account=_account_of(session_id, sessions),
            direction=direction,
            start_s=UnixSeconds(start_s),
            end_s=UnixSeconds(end_s),
            energy_wh=EnergyWh(energy_wh),
        )
        for (session_id, _, direction), (start_s, end_s, energy_wh) in spans.items()
    )
    return tuple(sorted(rows, key=lambda row: (row.start_s, row.account, row.direction)))


def _account_of(session_id: bytes, sessions: Mapping[bytes, Session]) -> AccountId:
    if session_id == NO_SESSION:
        return HOUSE_ACCOUNT
    if session_id not in sessions:
        raise UnknownSession(session_id)
    return sessions[session_id].authorisation.account
