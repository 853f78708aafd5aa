"""A site with stations and drivers in a store of its own: the time and what meters show are what a test says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.adapters.planner import SolverPlanner
from backend.adapters.sql.database import SqlStore
from backend.application.needs import Needs
from backend.application.records import StationRecord
from backend.application.scheduling import Scheduling
from backend.application.site_records import (
    Commander,
    LimitCommand,
    ScheduleRecord,
    SetPoint,
    SiteStation,
    SiteTerms,
)
from backend.application.sites import Sites
from domain.need import ChargingNeed, SignedNeed
from domain.reading import MeterReading, VerifiedMeterReading
from domain.session import Session, SessionAuthorisation
from domain.signing import SigningDomain
from domain.tariff import Direction, Tariff
from domain.units import AccountId, EnergyWh, MoneyMicro, PowerW, PriceMicroPerKwh, StationId, TariffId, UnixSeconds
from tests.unit.backend.market_world import FakeClock
from tests.unit.backend.stores import new_store
from tests.vectors.world import Key

DOMAIN = SigningDomain(31337, b"\xac" * 20)
START_S = 1_700_001_000 - 1_700_001_000 % 3_600
OPERATOR = 4
STATIONS = (11, 12, 13)
SUN = 14
RATED_W = 22_000
PRICE = 300_000
SITE = "yard"
KEYS = {account: Key(f"driver {account}") for account in (21, 22, 23)}


@dataclass
class World:
    """The use cases around schedules, and what they lean on."""

    store: SqlStore
    clock: FakeClock
    scheduling: Scheduling
    needs: Needs
    _sequences: dict[int, int] = field(default_factory=dict)
    _registers: dict[int, tuple[int, int]] = field(default_factory=dict)
    _tariffs: int = 0

    @property
    def now_s(self) -> int:
        return self.clock.time_s

    def define(self, **terms: Any) -> None:
        """The site, with these terms."""
        stations = terms.pop("stations", tuple(SiteStation(station=one) for one in STATIONS))
        wanted = {"name": SITE, "zone": "Europe/Amsterdam", "stations": stations} | terms
        self.scheduling.sites.define(SiteTerms(**wanted))

    def authorise(
        self, station: int, wh: int, hours: float = 4, *, account: int = 21, ago_s: int = 0, gives: bool = False
    ) -> bytes:
        """A session of so much energy that expires in so many hours; its id."""
        limits = SessionAuthorisation(
            account=AccountId(account),
            station=StationId(station),
            max_energy_wh=EnergyWh(wh),
            max_price_micro_per_kwh=PriceMicroPerKwh(900_000),
            max_cost_micro=MoneyMicro(10**9),
            discharge_allowed=gives,
            not_before_s=UnixSeconds(self.now_s - ago_s),
            expiry_s=UnixSeconds(self.now_s + int(hours * 3_600)),
            nonce=self.now_s + station,
        )
        session = limits.session_id(DOMAIN)
        with self.store.write() as unit:
            unit.sessions.add(Session(session, limits, KEYS[account].sign(session)))
        return session

    def need(self, session: bytes, wh: int, departure_s: int, **other: Any) -> None:
        account = other.pop("account", 21)
        need = ChargingNeed(
            session=session,
            energy_wh=EnergyWh(wh),
            departure_s=UnixSeconds(departure_s),
            time_s=UnixSeconds(other.pop("time_s", self.now_s)),
        )
        self.needs.say(SignedNeed(need, KEYS[account].sign(DOMAIN.digest(need.struct_hash()))))

    def reads(self, station: int, wh: int, session: bytes, *, given_wh: int = 0) -> None:
        """The station's next reading: so much more than the one before."""
        sequence = self._sequences[station] = self._sequences.get(station, 0) + 1
        taken, given = self._registers.get(station, (1_000, 500))
        self._registers[station] = taken + wh, given + given_wh
        reading = MeterReading(
            station=StationId(station),
            sequence=sequence,
            time_s=UnixSeconds(self.now_s),
            import_wh=EnergyWh(taken + wh),
            export_wh=EnergyWh(given + given_wh),
            power_w=PowerW(0),
            session=session,
        )
        with self.store.write() as unit:
            unit.readings.add_meter([VerifiedMeterReading(reading, bytes(65))])
            if session != bytes(32):
                unit.sessions.read_at({session: sequence})

    def price(self, micro: int, from_s: int, to_s: int, direction: Direction = Direction.CHARGE) -> None:
        """Another tariff of the operator."""
        self._tariffs += 1
        tariff = Tariff(
            tariff=TariffId(self._tariffs),
            payee=AccountId(OPERATOR),
            direction=direction,
            price_micro_per_kwh=PriceMicroPerKwh(micro),
            valid_from_s=UnixSeconds(from_s),
            valid_to_s=UnixSeconds(to_s),
        )
        with self.store.write() as unit:
            unit.tariffs.published(tariff)

    def limit(self, watts: int, from_s: int | None = None, to_s: int | None = None) -> ScheduleRecord:
        """The operator's limit command; the plan that follows from it."""
        return self.command(watts, from_s, to_s)[1]

    def command(
        self,
        watts: int,
        from_s: int | None = None,
        to_s: int | None = None,
        by: Commander = Commander.OPERATOR,
    ) -> tuple[LimitCommand, ScheduleRecord]:
        """A limit command, and the plan that follows from it."""
        begins_s = self.now_s if from_s is None else from_s
        command = LimitCommand(
            site=0,
            import_limit_w=watts,
            from_s=begins_s,
            to_s=begins_s + 3_600 if to_s is None else to_s,
            taken_at_s=0,
            commanded_by=by,
        )
        return self.scheduling.command(SITE, command)

    def end(self, number: int, by: Commander = Commander.OPERATOR) -> ScheduleRecord:
        """Ends a limit; the plan that follows from it."""
        return self.scheduling.end(SITE, number, by)[1]

    def plan(self) -> ScheduleRecord:
        """The plan once everything was looked at."""
        self.scheduling.advance()
        return self.scheduling.set_points(SITE)[1]

    def points(self) -> dict[int, SetPoint]:
        return {one.station: one for one in self.plan().set_points}

    def powers(self) -> dict[int, int]:
        """Set-points by station."""
        return {station: point.power_w for station, point in self.points().items()}

    def restarted(self) -> "World":
        """The same store, and nothing remembered."""
        scheduling = Scheduling(self.store, self.clock, SolverPlanner(5.0), self.scheduling.sites)
        return World(self.store, self.clock, scheduling, self.needs, self._sequences, self._registers, self._tariffs)

    def station(self, station: int) -> StationRecord:
        with self.store.read() as unit:
            record = unit.stations.find(station)
        assert record is not None
        return record


@contextmanager
def site_world(folder: Path) -> Iterator[World]:
    """Three stations of one operator and one that meters its plants; three drivers; one price for days."""
    store = new_store(folder / "wattledger.sqlite")
    clock = FakeClock(START_S)
    with store.write() as unit:
        unit.accounts.opened(OPERATOR, bytes([OPERATOR] * 20), None)
        for account, key in KEYS.items():
            unit.accounts.opened(account, bytes([account] * 20), key.address)
        for station in (*STATIONS, SUN):
            unit.stations.registered(
                station,
                signer=bytes([station] * 20),
                payee=OPERATOR,
                rated_power_w=RATED_W,
                bidirectional=True,
                import_wh=0,
                export_wh=0,
            )
    sites = Sites(store, clock)
    world = World(store, clock, Scheduling(store, clock, SolverPlanner(5.0), sites), Needs(store, clock, DOMAIN))
    world.price(PRICE, START_S - 86_400, START_S + 7 * 86_400)
    try:
        yield world
    finally:
        store.close()
