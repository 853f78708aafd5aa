"""The course of a session whose driver trades: what was planned, as far as connector and battery allow."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from domain.units import AccountId, EnergyWh, PowerW, StationId, UnixSeconds
from oracle.acn import ReplaySession
from oracle.course import Limits, Planned, PlannedCourse
from oracle.pack import FLOOR_BP, battery_of
from oracle.replay import ReplayMeters, ReplayVehicles
from oracle.sitemap import SiteMap
from oracle.source import Admission, AuthorisationNeeded, BatterySample, PluggedIn, Sample
from oracle.visits import RecordedVisits

EIGHT_S = 1_562_770_800  # 2019-07-10 08:00 at UTC-7
INTERVAL_S, HOUR_S = 900, 3_600
DRIVER = AccountId(100)


@dataclass
class Agents:
    """Plans that the test wrote down, by interval from eight o'clock on; remembers what was asked for."""

    taken: Mapping[int, int] = field(default_factory=dict)
    given: Mapping[int, int] = field(default_factory=dict)
    traders: tuple[int, ...] = (DRIVER,)
    asked: list[int] = field(default_factory=list)

    def takes_part(self, account: AccountId) -> bool:
        return account in self.traders

    @property
    def step_s(self) -> int:
        return INTERVAL_S

    def of(self, account: AccountId, start_s: UnixSeconds, end_s: UnixSeconds) -> Planned | None:
        assert account in self.traders
        assert start_s < end_s
        number = (start_s - EIGHT_S) // INTERVAL_S
        self.asked.append(number)
        if not self.taken and not self.given:
            return None
        return Planned(EnergyWh(self.taken.get(number, 0)), EnergyWh(self.given.get(number, 0)))


def stay(hours: float, delivered_wh: int, *, begins_s: int = EIGHT_S, name: str = "s1") -> ReplaySession:
    departure_s = UnixSeconds(begins_s + int(hours * HOUR_S))
    return ReplaySession(
        session_id=name,
        station_name="A",
        arrival_s=UnixSeconds(begins_s),
        departure_s=departure_s,
        estimated_departure_s=departure_s,
        requested_wh=EnergyWh(delivered_wh),
        delivered_wh=EnergyWh(delivered_wh),
        utc_offset_s=-7 * HOUR_S,
    )


def steps(course: PlannedCourse, count: int) -> list[tuple[int, int]]:
    """Wh taken and given in each interval from eight on."""
    edges = [EIGHT_S + n * INTERVAL_S for n in range(count + 1)]
    taken, given_back = [course.import_at(e) for e in edges], [course.export_at(e) for e in edges]
    return [(taken[n + 1] - taken[n], given_back[n + 1] - given_back[n]) for n in range(count)]


def test_the_vehicle_takes_what_is_planned_in_each_interval() -> None:
    course = PlannedCourse(stay(4, 3_000), DRIVER, Agents(taken={1: 1_000, 3: 2_000}))
    assert steps(course, 5) == [(0, 0), (1_000, 0), (0, 0), (2_000, 0), (0, 0)]


def test_energy_runs_evenly_through_an_interval() -> None:
    course = PlannedCourse(stay(4, 3_000), DRIVER, Agents(taken={0: 900}))
    assert [course.import_at(EIGHT_S + t) for t in (0, 300, 600, 900, 1_200)] == [0, 300, 600, 900, 900]


def test_no_more_is_taken_than_the_battery_takes() -> None:
    course = PlannedCourse(stay(4, 1_500), DRIVER, Agents(taken={0: 1_000, 1: 1_000, 2: 1_000}))
    assert steps(course, 3) == [(1_000, 0), (500, 0), (0, 0)]


def test_no_more_is_taken_than_the_connector_carries() -> None:
    course = PlannedCourse(stay(4, 9_000), DRIVER, Agents(taken={0: 9_000}), rated_power_w=PowerW(7_200))
    assert steps(course, 1) == [(1_800, 0)]


def test_without_a_plan_energy_is_taken_before_the_declared_departure() -> None:
    course = PlannedCourse(stay(2, 3_300), DRIVER, Agents())
    assert steps(course, 8) == [(0, 0)] * 6 + [(1_650, 0)] * 2


def test_who_leaves_before_the_declared_departure_leaves_without_the_rest() -> None:
    session = replace(stay(2, 3_300), estimated_departure_s=UnixSeconds(EIGHT_S + 3 * HOUR_S))
    course = PlannedCourse(session, DRIVER, Agents(taken={0: 1_000, 9: 2_300}))
    assert course.import_at(session.departure_s) == 1_000


def test_who_stays_past_the_declared_departure_takes_the_rest_at_once() -> None:
    session = replace(stay(3, 3_000), estimated_departure_s=UnixSeconds(EIGHT_S))
    assert steps(PlannedCourse(session, DRIVER, Agents()), 3) == [(1_650, 0), (1_350, 0), (0, 0)]


def test_the_vehicle_gives_what_is_planned_down_to_its_floor() -> None:
    session = stay(8, 20_000)
    course = PlannedCourse(session, DRIVER, Agents(taken={0: 5_500, 1: 5_500, 2: 5_500, 3: 3_500}, given={10: 1_000}))
    assert steps(course, 11)[-1] == (0, 1_000)
    greedy = PlannedCourse(
        session,
        DRIVER,
        Agents(taken={0: 5_500, 1: 5_500, 2: 5_500, 3: 3_500}, given=dict.fromkeys(range(8, 24), 5_500)),
    )
    given_back = greedy.export_at(EIGHT_S + 24 * INTERVAL_S)
    assert 0 < given_back < 16 * 5_500
    assert battery_of(session).charge_bp(20_000, given_back) >= FLOOR_BP


def test_a_driver_who_allows_no_discharge_gives_nothing() -> None:
    plans = Agents(taken={0: 5_000, 1: 5_000}, given={10: 1_000})
    course = PlannedCourse(stay(8, 10_000), DRIVER, plans, limits=Limits(discharge=False))
    assert course.export_at(EIGHT_S + 8 * HOUR_S) == 0


def test_limits_of_the_driver_end_the_course() -> None:
    plans = Agents(taken=dict.fromkeys(range(8), 1_000))
    capped = PlannedCourse(stay(2, 8_000), DRIVER, plans, limits=Limits(max_energy_wh=2_500))
    assert capped.import_at(EIGHT_S + 2 * HOUR_S) == 2_500
    expired = PlannedCourse(stay(2, 8_000), DRIVER, plans, limits=Limits(until_s=EIGHT_S + 1_000))
    assert expired.import_at(EIGHT_S + 2 * HOUR_S) == 1_000


def test_intervals_are_asked_for_only_as_they_begin() -> None:
    plans = Agents(taken={0: 500})
    course = PlannedCourse(stay(4, 500), DRIVER, plans)
    course.import_at(EIGHT_S + INTERVAL_S)
    assert plans.asked == [0]
    course.import_at(EIGHT_S + INTERVAL_S + 1)
    assert plans.asked == [0, 1]


@given(
    hours=st.floats(0.2, 12),
    begins_s=st.integers(0, 3_600),
    delivered_wh=st.integers(1, 60_000),
    taken=st.dictionaries(st.integers(0, 52), st.integers(0, 6_000)),
    giving=st.dictionaries(st.integers(0, 52), st.integers(0, 6_000)),
)
def test_no_course_outruns_connector_battery_or_recording(
    hours: float, begins_s: int, delivered_wh: int, taken: dict[int, int], giving: dict[int, int]
) -> None:
    session = stay(hours, delivered_wh, begins_s=EIGHT_S + begins_s)
    course = PlannedCourse(session, DRIVER, Agents(taken=taken, given=giving))
    times = list(course.reading_times())
    assert times == sorted(set(times))
    before: tuple[int, int, int] = (0, 0, session.arrival_s)
    for time_s in times:
        moved_wh = course.import_at(time_s), course.export_at(time_s)
        # Each piece is rounded down for itself, which may bring one Wh more into a span.
        assert 0 <= moved_wh[0] - before[0] <= 22_000 * (time_s - before[2]) // HOUR_S + 1
        assert 0 <= moved_wh[1] - before[1] <= 22_000 * (time_s - before[2]) // HOUR_S + 1
        assert moved_wh[0] <= delivered_wh + moved_wh[1] * 100 // 81
        before = (*moved_wh, time_s)


def test_meters_and_vehicles_follow_the_same_plan() -> None:
    session = stay(6, 20_000)
    site = SiteMap(stations={"A": StationId(1)}, accounts={"s1": DRIVER})
    plans = Agents(taken=dict.fromkeys(range(4), 5_000) | {20: 5_000}, given={12: 700})
    meters = ReplayMeters(RecordedVisits([session], site), plans=plans)
    samples = []
    for event in meters.events(StationId(1), -1):
        if isinstance(event, PluggedIn):
            assert event.discharge is not None
            admission = Admission(
                max_energy_wh=EnergyWh(30_000),
                discharge=True,
                until_s=UnixSeconds(10**10),
                import_wh=EnergyWh(500),
                export_wh=EnergyWh(20),
            )
            meters.admit(event.key, admission)
        elif isinstance(event, Sample):
            samples.append(event)
    taken_again_wh = 864  # 700 Wh come out of so many, at 90 % each way
    moved_wh = (samples[-1].import_wh - 500, samples[-1].export_wh - 20)
    assert moved_wh == (20_000 + taken_again_wh, 700)
    events = list(ReplayVehicles(RecordedVisits([session], site), plans=plans).events({}))
    assert isinstance(events[0], AuthorisationNeeded)
    assert events[0].discharge
    battery = battery_of(session)
    shown = [event for event in events if isinstance(event, BatterySample)]
    assert len(shown) == len(samples)
    assert shown[-1].state_of_charge_bp == battery.charge_bp(20_864, 700)


def test_who_takes_no_part_charges_as_planned() -> None:
    session = stay(2, 3_300)
    site = SiteMap(stations={"A": StationId(1)}, accounts={"s1": DRIVER})
    untouched = Agents(taken={4: 3_300}, traders=())
    with_market = list(ReplayVehicles(RecordedVisits([session], site), plans=untouched).events({}))
    assert with_market == list(ReplayVehicles(RecordedVisits([session], site)).events({}))
