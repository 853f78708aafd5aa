"""What made-up stations and vehicles sign, statement by statement: minutes of charging, selling back and idling.

Everything follows from a station's number, so that stations can be made in processes of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import coincurve

from backend.adapters.evidence.embedded import EmbeddedEvidence
from bench.consortium import key_of
from domain.drawing import draw_up
from domain.evidence import StatementEvidence, VehicleEvidence, statement_blob, vehicle_blob
from domain.keccak import keccak
from domain.metering import Basis
from domain.reading import (
    NO_SESSION,
    BmsReading,
    MeterReading,
    SignedBmsReading,
    SignedMeterReading,
    VerifiedMeterReading,
)
from domain.session import Session, SessionAuthorisation, SignedAuthorisation
from domain.signing import SigningDomain
from domain.statement import IntervalStatement, SignedStatement
from domain.station import MeterReplacement, Station
from domain.tariff import Tariff, TariffTable
from domain.units import (
    AccountId,
    BasisPoints,
    DeciCelsius,
    EnergyWh,
    MoneyMicro,
    PowerW,
    PriceMicroPerKwh,
    StationId,
    UnixSeconds,
)

MINUTE_S = 60
RATED_POWER_W = 22_000
CHARGE_WH, SELL_WH = 183, 90
"""What moves in a minute."""
CYCLE_MINUTES = 120
SESSION_MINUTES = 360
"""How long one authorisation is used."""
BMS_EVERY_MINUTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPlan:
    """One station of the record: its two drivers, and how much it meters from `start_s` on."""

    station: int
    payee: int
    drivers: tuple[int, int]
    start_s: int
    statements: int
    minutes: int
    """Of each statement."""
    replaced: bool
    """Whether its meter is replaced after the first minute of its last statement."""
    tariffs: tuple[Tariff, ...]
    station_domain: SigningDomain
    account_domain: SigningDomain
    evidence: Path

    @property
    def replaced_minute(self) -> int | None:
        """The minute at which the new meter begins; before it, nothing moves in its statement."""
        return (self.statements - 1) * self.minutes if self.replaced else None


@dataclass(frozen=True, slots=True)
class Made:
    """One statement with the CID of its blob, and its vehicles' blobs by account, first and last reading."""

    signed: SignedStatement
    cid: str
    vehicles: dict[tuple[int, int, int], str]
    readings: int


@dataclass(slots=True)
class StationRun:
    """A station on its way through time."""

    plan: StationPlan
    sequence: int = 0
    bms_sequences: dict[int, int] = field(default_factory=dict)
    opening: MeterReading | None = None

    @property
    def key(self) -> coincurve.PrivateKey:
        return station_key(self.plan.station)

    def statements(self) -> Iterator[Made]:
        """All statements of the plan, with their blobs put into the evidence store."""
        store = EmbeddedEvidence(self.plan.evidence)
        tariffs = TariffTable(self.plan.tariffs)
        for number in range(1, self.plan.statements + 1):
            first = (number - 1) * self.plan.minutes
            yield self.statement(number, range(first, first + self.plan.minutes), tariffs, store)

    def statement(self, number: int, minutes: range, tariffs: TariffTable, store: EmbeddedEvidence) -> Made:
        """The next statement, over these minutes since the plan's start."""
        opening = self.opening
        readings = [self._reading(minute) for minute in minutes]
        sessions = {one.session_id: one for one in map(self._session, minutes) if one is not None}
        basis = Basis(
            station=self._station(opening if number == self.plan.statements else None),
            opening=opening,
            readings=readings,
            sessions=sessions,
            tariffs=tariffs,
        )
        statement = draw_up(number + (basis.replacement is not None), basis)
        signed = SignedStatement(statement, sign(self.key, self.plan.station_domain.digest(statement.struct_hash())))
        evidence = StatementEvidence(
            statement=signed,
            authorisations=[SignedAuthorisation(s.authorisation, s.signature) for s in sessions.values()],
            readings=[SignedMeterReading(r.reading, r.signature) for r in readings],
        )
        vehicles = {}
        count = len(readings)
        for account in self.plan.drivers:
            series = self._vehicle(account, minutes)
            if series:
                count += len(series)
                place = (account, series[0].reading.sequence, series[-1].reading.sequence)
                vehicles[place] = store.put(vehicle_blob(VehicleEvidence(account=account, readings=series)))
        return Made(signed, store.put(statement_blob(evidence)), vehicles, count)

    def _reading(self, minute: int) -> VerifiedMeterReading:
        before, self.sequence = self.opening, self.sequence + 1
        session = self._session(minute)
        phase = minute % CYCLE_MINUTES
        moves = before is not None and session is not None and minute != self.plan.replaced_minute
        sells = moves and phase % 60 >= 50
        imported, exported = (before.import_wh, before.export_wh) if before else (EnergyWh(0), EnergyWh(0))
        if minute - 1 == self.plan.replaced_minute:
            imported = exported = EnergyWh(0)
        reading = MeterReading(
            station=StationId(self.plan.station),
            sequence=self.sequence,
            time_s=UnixSeconds(self.plan.start_s + minute * MINUTE_S),
            import_wh=EnergyWh(imported + (CHARGE_WH if moves and not sells else 0)),
            export_wh=EnergyWh(exported + (SELL_WH if sells else 0)),
            power_w=PowerW((-SELL_WH if sells else CHARGE_WH if moves else 0) * 60),
            session=session.session_id if session else NO_SESSION,
        )
        self.opening = reading
        digest = self.plan.station_domain.digest(reading.struct_hash())
        return VerifiedMeterReading(reading, sign(self.key, digest))

    def _driver(self, minute: int) -> int | None:
        """Who charges at this minute: the drivers take turns, five minutes of each hour nobody does."""
        phase = minute % CYCLE_MINUTES
        return self.plan.drivers[phase // 60] if 3 <= phase % 60 < 58 else None

    def _session(self, minute: int) -> Session | None:
        account = self._driver(minute)
        if account is None:
            return None
        return session_of(self.plan, account, minute // SESSION_MINUTES)

    def _vehicle(self, account: int, minutes: Sequence[int]) -> list[SignedBmsReading]:
        return [
            self._bms(account, minute)
            for minute in minutes
            if minute % BMS_EVERY_MINUTES == 0 and self._driver(minute) == account
        ]

    def _bms(self, account: int, minute: int) -> SignedBmsReading:
        sequence = self.bms_sequences[account] = self.bms_sequences.get(account, 0) + 1
        session = self._session(minute)
        reading = BmsReading(
            account=AccountId(account),
            sequence=sequence,
            time_s=UnixSeconds(self.plan.start_s + minute * MINUTE_S + 5),
            state_of_charge_bp=BasisPoints(3_000 + minute % 60 * 100),
            state_of_health_bp=BasisPoints(9_500),
            temperature_deci_c=DeciCelsius(minute % 300 - 50),
            pack_millivolt=380_000 + minute % 1_000,
            pack_milliampere=28_000 - minute % 2_000,
            session=session.session_id if session else NO_SESSION,
        )
        signature = sign(driver_key(account), self.plan.account_domain.digest(reading.struct_hash()))
        return SignedBmsReading(reading, signature)

    def _station(self, closing: MeterReading | None) -> Station:
        """The station; its meter was replaced after `closing` if the plan says so."""
        replacement = replacement_of(self.plan, closing) if closing and self.plan.replaced else None
        return Station(
            station=StationId(self.plan.station),
            signer=address(self.key),
            payee=AccountId(self.plan.payee),
            rated_power_w=PowerW(RATED_POWER_W),
            bidirectional=True,
            import_wh=EnergyWh(0),
            export_wh=EnergyWh(0),
            replacements=(replacement,) if replacement else (),
        )


def replacement_of(plan: StationPlan, closing: MeterReading | IntervalStatement) -> MeterReplacement:
    """The meter replacement of a plan, whose old meter closed with these registers."""
    return MeterReplacement(
        station=StationId(plan.station),
        sequence=plan.statements,
        time_s=UnixSeconds(plan.start_s + (plan.replaced_minute or 0) * MINUTE_S),
        closing_import_wh=closing.import_wh,
        closing_export_wh=closing.export_wh,
        opening_import_wh=EnergyWh(0),
        opening_export_wh=EnergyWh(0),
    )


_SESSIONS: dict[tuple[int, int, int], Session] = {}


def session_of(plan: StationPlan, account: int, number: int) -> Session:
    """The account's session of this number at the plan's station; signed once in each process."""
    known = _SESSIONS.get((plan.station, account, number))
    if known is not None:
        return known
    start_s = plan.start_s + number * SESSION_MINUTES * MINUTE_S
    unsigned = SessionAuthorisation(
        account=AccountId(account),
        station=StationId(plan.station),
        max_energy_wh=EnergyWh(100_000),
        max_price_micro_per_kwh=PriceMicroPerKwh(600_000),
        max_cost_micro=MoneyMicro(60_000_000),
        discharge_allowed=True,
        not_before_s=UnixSeconds(start_s - MINUTE_S),
        expiry_s=UnixSeconds(start_s + SESSION_MINUTES * MINUTE_S),
        nonce=number,
    )
    session_id = unsigned.session_id(plan.account_domain)
    session = Session(session_id, unsigned, sign(driver_key(account), session_id))
    _SESSIONS[plan.station, account, number] = session
    return session


def station_key(station: int) -> coincurve.PrivateKey:
    return key_of(f"station {station}")


def driver_key(account: int) -> coincurve.PrivateKey:
    """The vehicle key of an account."""
    return key_of(f"vehicle {account}")


def address(key: coincurve.PrivateKey) -> bytes:
    return keccak(key.public_key.format(compressed=False)[1:])[12:]


def sign(key: coincurve.PrivateKey, digest: bytes) -> bytes:
    """65 bytes r ‖ s ‖ v."""
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])


def made(plan: StationPlan) -> list[Made]:
    """All that one station makes."""
    return list(StationRun(plan).statements())
