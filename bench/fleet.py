"""Stations and drivers with keys in memory, on a running platform: they sign what the benchmarks send."""

import json
from dataclasses import dataclass, field, replace

import coincurve

from bench.consortium import address_of, key_of
from domain.drawing import draw_up
from domain.metering import Basis
from domain.packet import pack_readings
from domain.reading import MeterReading, SignedMeterReading, VerifiedMeterReading
from domain.session import Session, SessionAuthorisation, SignedAuthorisation
from domain.signing import SigningDomain
from domain.statement import SignedStatement
from domain.station import Station
from domain.tariff import TariffTable
from domain.text import parse_address
from domain.units import (
    MARKET_INTERVAL_S,
    AccountId,
    EnergyWh,
    MoneyMicro,
    PowerW,
    PriceMicroPerKwh,
    StationId,
    UnixSeconds,
)
from domain.wire import authorisation_to_json, statement_to_json
from oracle.client import BackendClient
from oracle.clock import SystemClock
from scripts.platform import Platform

RATED_POWER_W = 22_000
DRAWN_POWER_W = 6_000
PRICE_MICRO_PER_KWH = 300_000
START_S = UnixSeconds(1_562_716_800)
END_S = UnixSeconds(START_S + 90 * 86_400)
PER_CALL = 100
DEPOSIT_MICRO = 10**10


@dataclass(slots=True)
class Meter:
    """One station with one session, which lasts."""

    station: StationId
    key: coincurve.PrivateKey
    session: bytes
    domain: SigningDomain
    last: MeterReading | None = None

    def sign(self, digest: bytes) -> bytes:
        signature = self.key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])

    def read(self, step_s: int) -> SignedMeterReading:
        """The next reading, so many seconds after the last one."""
        reading = self._next(step_s)
        self.last = reading
        return SignedMeterReading(reading, self.sign(self.domain.digest(reading.struct_hash())))

    def _next(self, step_s: int) -> MeterReading:
        if self.last is None:
            return MeterReading(
                station=self.station,
                sequence=1,
                time_s=START_S,
                import_wh=EnergyWh(0),
                export_wh=EnergyWh(0),
                power_w=PowerW(0),
                session=self.session,
            )
        return replace(
            self.last,
            sequence=self.last.sequence + 1,
            time_s=UnixSeconds(self.last.time_s + step_s),
            import_wh=EnergyWh(self.last.import_wh + DRAWN_POWER_W * step_s // 3600),
            power_w=PowerW(DRAWN_POWER_W),
        )


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement as JSON, and the readings before it, packed."""

    station: StationId
    readings: bytes
    statement: bytes


@dataclass(slots=True)
class Fleet:
    """So many stations of one operator, each with one driver of its own."""

    at: Platform
    size: int
    meters: list[Meter] = field(init=False, default_factory=list)
    sessions: dict[bytes, Session] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        contracts = self.at.get("/v1/network")
        chain_id, addresses = contracts["chain_id"], contracts["contracts"]
        stations = SigningDomain(chain_id, parse_address(addresses["StationRegistry"]))
        drivers = SigningDomain(chain_id, parse_address(addresses["AccountRegistry"]))
        self._publish()
        for first in range(0, self.size, PER_CALL):
            names = [str(number) for number in range(first, min(first + PER_CALL, self.size))]
            self._enrol(names, stations, drivers)

    def stated(self, number: int, rows: int) -> list[Stated]:
        """Statement `number` of each station, of so many rows: its readings are at the ends of market intervals."""
        with BackendClient(self.at.url, SystemClock()) as client:
            tariffs = client.tariffs()
            stations = {meter.station: client.station(meter.station).station for meter in self.meters}
        return [self._stated(number, rows, meter, stations[meter.station], tariffs) for meter in self.meters]

    def _stated(self, number: int, rows: int, meter: Meter, station: Station, tariffs: TariffTable) -> Stated:
        opening = meter.last
        readings = [meter.read(MARKET_INTERVAL_S) for _ in range(rows + (opening is None))]
        verified = [VerifiedMeterReading(one.reading, one.signature) for one in readings]
        basis = Basis(station=station, opening=opening, readings=verified, sessions=self.sessions, tariffs=tariffs)
        statement = draw_up(number, basis)
        signed = SignedStatement(statement, meter.sign(meter.domain.digest(statement.struct_hash())))
        body = json.dumps(statement_to_json(signed)).encode()
        return Stated(meter.station, pack_readings(readings, []), body)

    def _publish(self) -> None:
        tariff = {
            "direction": "charge",
            "price_micro_per_kwh": PRICE_MICRO_PER_KWH,
            "valid_from": START_S,
            "valid_to": END_S,
        }
        self.at.post("/v1/tariffs", {"tariffs": [tariff]})

    def _enrol(self, names: list[str], stations: SigningDomain, drivers: SigningDomain) -> None:
        signers = [address_of(key_of(f"station {name}")) for name in names]
        made = self.at.post(
            "/v1/stations", {"signers": signers, "rated_power_w": RATED_POWER_W, "bidirectional": False}
        )["stations"]
        owners = [address_of(key_of(f"driver {name}")) for name in names]
        accounts = self.at.post("/v1/accounts", {"members": [{"owner": o, "driver_key": o} for o in owners]})[
            "accounts"
        ]
        self.at.post("/v1/deposits", {"deposits": [{"account": a, "amount_micro": DEPOSIT_MICRO} for a in accounts]})
        for name, station, account in zip(names, made, accounts, strict=True):
            session = self._authorise(name, station, account, drivers)
            self.meters.append(Meter(StationId(station), key_of(f"station {name}"), session, stations))

    def _authorise(self, name: str, station: int, account: int, domain: SigningDomain) -> bytes:
        authorisation = SessionAuthorisation(
            account=AccountId(account),
            station=StationId(station),
            max_energy_wh=EnergyWh(10**9),
            max_price_micro_per_kwh=PriceMicroPerKwh(PRICE_MICRO_PER_KWH),
            max_cost_micro=MoneyMicro(10**12),
            discharge_allowed=False,
            not_before_s=START_S,
            expiry_s=END_S,
            nonce=1,
        )
        session = authorisation.session_id(domain)
        signature = key_of(f"driver {name}").sign_recoverable(session, hasher=None)
        signed = SignedAuthorisation(authorisation, signature[:64] + bytes([signature[64] + 27]))
        self.at.post("/v1/sessions", authorisation_to_json(signed))
        self.sessions[session] = Session(session, authorisation, signed.signature)
        return session
