"""A small made-up world for tests and vectors: keys, two operators, a station, drivers and tariffs.

Everything is fixed: the same call always gives the same bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

import coincurve
from eth_hash.auto import keccak

from domain.drawing import draw_up
from domain.metering import Basis
from domain.reading import NO_SESSION, MeterReading, SignedMeterReading, VerifiedMeterReading, verify_meter
from domain.session import Session, SessionAuthorisation, SignedAuthorisation, open_session
from domain.signing import SigningDomain
from domain.statement import IntervalStatement, SignedStatement
from domain.station import MeterReplacement, Station
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import (
    AccountId,
    EnergyWh,
    MoneyMicro,
    PowerW,
    PriceMicroPerKwh,
    StationId,
    TariffId,
    UnixSeconds,
)

T = TypeVar("T")

CHAIN_ID = 31337
STATION_DOMAIN = SigningDomain(CHAIN_ID, bytes.fromhex("5a" * 20))
ACCOUNT_DOMAIN = SigningDomain(CHAIN_ID, bytes.fromhex("ac" * 20))

START_S = UnixSeconds(1_699_999_200)
"""The first second of a market interval."""
DAY_S = 86_400
NOW_S = UnixSeconds(START_S + 20 * DAY_S)

OPERATOR, OTHER_OPERATOR = AccountId(4), AccountId(5)
ALICE, BOB = AccountId(6), AccountId(7)
STATION = StationId(1)
OPENING_WH = (EnergyWh(1_000_000), EnergyWh(5_000))
RATED_POWER_W = PowerW(22_000)

EXPIRED, CHARGE, DISCHARGE, FOREIGN = (TariffId(n) for n in range(4))


class Key:
    """A private key that follows from its name."""

    def __init__(self, name: str) -> None:
        self.secret = keccak(b"wattledger made-up key " + name.encode())
        self._key = coincurve.PrivateKey(self.secret)
        self.address = keccak(self._key.public_key.format(compressed=False)[1:])[12:]

    def sign(self, digest: bytes) -> bytes:
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


STATION_KEY, OTHER_KEY = Key("station"), Key("somebody else")
DRIVER_KEYS = {ALICE: Key("alice"), BOB: Key("bob")}


def station(
    *,
    signer: bytes | None = STATION_KEY.address,
    bidirectional: bool = True,
    former_keys: Mapping[bytes, int] = MappingProxyType({}),
    suspended_by_operator: bool = False,
    suspended_by_governance: bool = False,
    replacements: tuple[MeterReplacement, ...] = (),
) -> Station:
    return Station(
        station=STATION,
        signer=signer,
        payee=OPERATOR,
        rated_power_w=RATED_POWER_W,
        bidirectional=bidirectional,
        import_wh=OPENING_WH[0],
        export_wh=OPENING_WH[1] if bidirectional else EnergyWh(0),
        former_keys={key: UnixSeconds(until_s) for key, until_s in former_keys.items()},
        suspended_by_operator=suspended_by_operator,
        suspended_by_governance=suspended_by_governance,
        replacements=replacements,
    )


def replacement(
    sequence: int,
    time_s: int,
    *,
    closing: tuple[int, int] = OPENING_WH,
    opening: tuple[int, int] = (0, 0),
    station: int = STATION,
) -> MeterReplacement:
    return MeterReplacement(
        station=StationId(station),
        sequence=sequence,
        time_s=UnixSeconds(time_s),
        closing_import_wh=EnergyWh(closing[0]),
        closing_export_wh=EnergyWh(closing[1]),
        opening_import_wh=EnergyWh(opening[0]),
        opening_export_wh=EnergyWh(opening[1]),
    )


def tariff(number: int, payee: int, direction: Direction, price: int, start_s: int = START_S, days: int = 30) -> Tariff:
    return Tariff(
        tariff=TariffId(number),
        payee=AccountId(payee),
        direction=direction,
        price_micro_per_kwh=PriceMicroPerKwh(price),
        valid_from_s=UnixSeconds(start_s),
        valid_to_s=UnixSeconds(start_s + days * DAY_S),
    )


def tariffs() -> TariffTable:
    """One expired price, one for each direction, and one of another operator."""
    return TariffTable(
        [
            tariff(EXPIRED, OPERATOR, Direction.CHARGE, 280_000, START_S - 2 * DAY_S, 2),
            tariff(CHARGE, OPERATOR, Direction.CHARGE, 300_001),
            tariff(DISCHARGE, OPERATOR, Direction.DISCHARGE, 250_003),
            tariff(FOREIGN, OTHER_OPERATOR, Direction.CHARGE, 100_000),
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of an authorisation, generous unless a test says otherwise."""

    max_energy_wh: int = 10_000_000
    max_price_micro_per_kwh: int = 1_000_000
    max_cost_micro: int = 10_000_000_000
    discharge_allowed: bool = True
    not_before_s: int = START_S - DAY_S
    expiry_s: int = START_S + 30 * DAY_S
    station: int = STATION
    nonce: int = 1


GENEROUS = Limits()


def authorisation(account: AccountId, limits: Limits = GENEROUS) -> SignedAuthorisation:
    """An authorisation that the account's driver signed."""
    unsigned = SessionAuthorisation(
        account=account,
        station=StationId(limits.station),
        max_energy_wh=EnergyWh(limits.max_energy_wh),
        max_price_micro_per_kwh=PriceMicroPerKwh(limits.max_price_micro_per_kwh),
        max_cost_micro=MoneyMicro(limits.max_cost_micro),
        discharge_allowed=limits.discharge_allowed,
        not_before_s=UnixSeconds(limits.not_before_s),
        expiry_s=UnixSeconds(limits.expiry_s),
        nonce=limits.nonce,
    )
    return SignedAuthorisation(unsigned, DRIVER_KEYS[account].sign(unsigned.session_id(ACCOUNT_DOMAIN)))


def session(account: AccountId, limits: Limits = GENEROUS) -> Session:
    driver_key = DRIVER_KEYS[account].address
    return open_session(authorisation(account, limits), driver_key=driver_key, domain=ACCOUNT_DOMAIN)


def by_id(*sessions: Session) -> Mapping[bytes, Session]:
    return {s.session_id: s for s in sessions}


@dataclass(frozen=True, slots=True)
class Step:
    """What happens between two readings. The first step of a station moves nothing."""

    duration_s: int
    imported_wh: int = 0
    exported_wh: int = 0
    session_id: bytes = NO_SESSION


def first_reading(time_s: int = START_S) -> MeterReading:
    return next_reading(None, Step(time_s - START_S))


def next_reading(before: MeterReading | None, step: Step) -> MeterReading:
    import_wh, export_wh = (before.import_wh, before.export_wh) if before else OPENING_WH
    return MeterReading(
        station=STATION,
        sequence=before.sequence + 1 if before else 1,
        time_s=UnixSeconds((before.time_s if before else START_S) + step.duration_s),
        import_wh=EnergyWh(import_wh + step.imported_wh),
        export_wh=EnergyWh(export_wh + step.exported_wh),
        power_w=PowerW((step.imported_wh - step.exported_wh) * 3600 // max(1, step.duration_s)),
        session=step.session_id,
    )


def signed_reading(reading: MeterReading, key: Key = STATION_KEY) -> SignedMeterReading:
    return SignedMeterReading(reading, key.sign(STATION_DOMAIN.digest(reading.struct_hash())))


def series(steps: Iterable[Step], opening: MeterReading | None = None) -> list[VerifiedMeterReading]:
    """Verified readings, one after each step."""
    verified: list[VerifiedMeterReading] = []
    before = opening
    for step in steps:
        signed = signed_reading(next_reading(before, step))
        verified.append(verify_meter(signed, station=station(), previous=before, domain=STATION_DOMAIN, now_s=NOW_S))
        before = signed.reading
    return verified


def basis(steps: Iterable[Step], sessions: Mapping[bytes, Session], *, opening: MeterReading | None = None) -> Basis:
    return Basis(
        station=station(),
        opening=opening,
        readings=series(steps, opening),
        sessions=sessions,
        tariffs=tariffs(),
    )


def signed_statement(statement: IntervalStatement, key: Key = STATION_KEY) -> SignedStatement:
    return SignedStatement(statement, key.sign(STATION_DOMAIN.digest(statement.struct_hash())))


def altered(value: T, **change: Any) -> T:
    """`value` with some fields replaced by whatever a falsifier likes."""
    return replace(value, **change)  # type: ignore[type-var]


def busy_day() -> Basis:
    """Two sessions one after the other, energy given back, energy that nobody is billed for."""
    alice, bob = session(ALICE), session(BOB)
    steps = (
        Step(0),
        Step(300, 1_500, 0, alice.session_id),
        Step(600, 3_001, 0, alice.session_id),
        Step(450, 1_999, 0, alice.session_id),
        Step(60, 2, 1),
        Step(390, 2_000, 0, bob.session_id),
        Step(900, 0, 4_567, alice.session_id),
        Step(5_000),
    )
    return basis(steps, by_id(alice, bob))


def busy_statement() -> SignedStatement:
    return signed_statement(draw_up(1, busy_day()))
