"""Sites are planned anew whenever something happens, and set-points never pass what holds now."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.planner import SolverPlanner
from backend.application import errors as app
from backend.application.filters import Page
from backend.application.market import Amounts
from backend.application.scheduling import READINGS_EVERY_S, set_point_views
from backend.application.site_ports import Learned
from backend.application.site_records import MAX_SITE_STATIONS, SiteStation
from backend.application.site_situation import HELD_S, SILENT_AFTER_S
from domain.errors import (
    FromTheFuture,
    Malformed,
    NeedOutdated,
    NeedRefused,
    UnknownSession,
    UnknownStation,
    WattledgerError,
    WrongSigner,
)
from domain.schedule.moment import Moment
from domain.schedule.planner import Decision
from domain.tariff import Direction
from tests.unit.backend.site_world import OPERATOR, PRICE, RATED_W, SITE, START_S, SUN, World, site_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with site_world(tmp_path) as made:
        yield made


# --- what a plan is made from ------------------------------------------------------------------


def test_vehicle_without_a_need_is_charged_what_its_driver_authorised(world: World) -> None:
    world.define()
    session = world.authorise(11, 5_500, hours=2)

    assert world.powers() == {11: RATED_W, 12: 0, 13: 0}
    [stay] = world.plan().stays
    assert (stay.session, stay.need_wh, stay.departure_s) == (session, 5_500, START_S + 7_200)


def test_vehicle_waits_for_a_cheaper_tariff_if_it_can(world: World) -> None:
    world.define()
    world.price(PRICE // 2, START_S + 3_600, START_S + 7_200)
    world.authorise(11, 5_500, hours=3)

    assert world.powers()[11] == 0
    world.clock.time_s = START_S + 3_600
    assert world.powers()[11] == RATED_W


def test_market_tariffs_count_before_others(world: World) -> None:
    world.define()
    world.price(PRICE * 2, START_S, START_S + 3_600, Direction.MARKET_CHARGE)
    world.authorise(11, 5_500, hours=3)

    assert world.plan().price_micro_per_kwh[0] == PRICE * 2
    assert world.powers()[11] == 0


def test_what_was_metered_for_the_session_is_needed_no_more(world: World) -> None:
    world.define()
    world.reads(11, 0, bytes(32))
    session = world.authorise(11, 5_000, ago_s=60)
    world.clock.time_s += 300
    world.reads(11, 1_800, session)

    [stay] = world.plan().stays
    assert stay.need_wh == 3_200


def test_earlier_session_of_the_station_does_not_count(world: World) -> None:
    world.define()
    world.reads(11, 0, bytes(32))
    first = world.authorise(11, 9_000, hours=0.5)
    world.reads(11, 4_000, first)
    world.clock.time_s += 3_600
    second = world.authorise(11, 5_000, account=22)
    assert [(one.session, one.need_wh) for one in world.plan().stays] == [(second, 5_000)]
    world.clock.time_s += 60
    world.reads(11, 100, second)
    world.clock.time_s += READINGS_EVERY_S
    assert [one.need_wh for one in world.plan().stays] == [4_900]


def test_need_takes_the_place_of_the_authorisation(world: World) -> None:
    world.define()
    session = world.authorise(11, 20_000)
    world.need(session, 5_500, START_S + 1_800)

    [stay] = world.plan().stays
    assert (stay.need_wh, stay.departure_s) == (5_500, START_S + 1_800)


def test_vehicle_that_says_it_leaves_is_served_no_more(world: World) -> None:
    world.define()
    session = world.authorise(11, 20_000)
    assert world.powers()[11] == RATED_W
    world.clock.time_s += 60
    world.need(session, 20_000, world.now_s)

    assert world.powers()[11] == 0
    assert world.points()[11].session is None


def test_vehicle_that_overstays_is_served_as_well_as_can_be(world: World) -> None:
    world.define()
    session = world.authorise(11, 20_000)
    world.need(session, 9_000, START_S + 900)
    world.clock.time_s += 1_000

    assert RATED_W - 10 <= world.powers()[11] <= RATED_W
    assert any("it gets what is possible" in one for one in world.plan().problems)


def test_authorisation_that_expired_gets_nothing(world: World) -> None:
    world.define()
    world.authorise(11, 20_000, hours=1)
    world.plan()
    world.clock.time_s += 3_600

    assert world.powers()[11] == 0


def test_energy_of_own_plants_is_expected_as_the_day_before(world: World) -> None:
    world.define(sun_station=SUN)
    noon_s = START_S + 2_700
    for at_s in range(noon_s - 86_400 - 4 * 3_600, START_S + 1, 900):
        world.clock.time_s = at_s
        world.reads(SUN, 0, bytes(32), given_wh=1_000 if 0 < at_s - (noon_s - 86_400) <= 3_600 else 0)
    world.authorise(11, 2_000, hours=2)

    assert world.powers()[11] == 0
    world.clock.time_s = noon_s
    assert world.powers()[11] > 0


def test_positions_of_the_market_are_commitments(world: World) -> None:
    world.define(market_zone=1)
    with world.store.write() as unit:
        unit.positions.add(1, START_S + 900, 21, Amounts(bought_wh=2_000))
    world.authorise(11, 2_000, hours=2)

    [stay] = world.plan().stays
    assert stay.power_w[:3] == (0, 8_000, 0)


@pytest.mark.parametrize(("gives", "power_w"), [(True, -4_000), (False, 0)])
def test_what_was_sold_is_given_back_if_the_driver_allows_it(world: World, gives: bool, power_w: int) -> None:
    world.define(market_zone=1)
    with world.store.write() as unit:
        unit.positions.add(1, START_S, 21, Amounts(sold_wh=1_000))
        unit.positions.add(1, START_S + 900, 21, Amounts(bought_wh=1_200))
    world.authorise(11, 1_500, hours=2, gives=gives)
    world.price(PRICE * 3, START_S, START_S + 900)

    assert world.powers()[11] == power_w
    assert world.plan().stays[0].power_w[1] >= 4_800


def test_what_was_given_back_is_needed_again(world: World) -> None:
    world.define()
    world.reads(11, 0, bytes(32))
    session = world.authorise(11, 5_000, gives=True)
    world.need(session, 3_000, START_S + 7_200)
    world.clock.time_s += 300
    world.reads(11, 1_000, session, given_wh=400)

    assert [one.need_wh for one in world.plan().stays] == [2_400]


def test_site_without_a_tariff_says_so(world: World) -> None:
    world.define()
    world.clock.time_s = START_S + 8 * 86_400
    world.authorise(11, 2_000)

    assert any("no tariff of the site's operator covers" in one for one in world.plan().problems)
    assert world.powers()[11] == 8_000


# --- limits ------------------------------------------------------------------------------------


def test_site_limit_is_shared(world: World) -> None:
    world.define(import_limit_w=10_000)
    for number, station in enumerate((11, 12, 13)):
        world.authorise(station, 5_000, account=21 + number)

    assert sum(world.powers().values()) == 10_000


def test_line_limit_holds_for_single_phase_vehicles(world: World) -> None:
    stations = tuple(SiteStation(station=one, lines=(0,), most_power_w=7_000) for one in (11, 12))
    world.define(stations=stations, line_limit_w=(8_000, 8_000, 8_000))
    world.authorise(11, 20_000, hours=1)
    world.authorise(12, 20_000, hours=1, account=22)

    assert sum(world.powers().values()) == 8_000


@pytest.mark.parametrize("limit_w", [0, 4, 4_000])
def test_limit_below_what_flows_lowers_set_points_at_once(world: World, limit_w: int) -> None:
    world.define()
    for number, station in enumerate((11, 12)):
        world.authorise(station, 50_000, account=21 + number)
    assert sum(world.powers().values()) == 2 * RATED_W

    plan = world.limit(limit_w)

    assert sum(point.power_w for point in plan.set_points) == limit_w
    assert plan.reason == "limit"
    assert world.powers() == {point.station: point.power_w for point in plan.set_points}


def test_limit_ends_by_itself(world: World) -> None:
    world.define()
    world.authorise(11, 50_000)
    world.limit(0, to_s=START_S + 100)
    assert world.powers()[11] == 0

    world.clock.time_s = START_S + 100
    assert RATED_W - 10 <= world.powers()[11] <= RATED_W


def test_limit_to_come_is_planned_for_and_cuts_a_slot(world: World) -> None:
    world.define(demand_micro_per_kw=1_000_000)
    world.authorise(11, 11_000, hours=1)
    plan = world.limit(0, from_s=START_S + 1_000, to_s=START_S + 3_600)

    assert START_S + 1_000 in plan.edges_s
    [stay] = plan.stays
    spans = zip(plan.edges_s, plan.edges_s[1:], stay.power_w, strict=False)
    assert all(power == 0 for start_s, _, power in spans if start_s >= START_S + 1_000)
    assert stay.power_w[0] == RATED_W


def test_power_is_not_crude_at_the_end_of_a_slot(world: World) -> None:
    world.define(import_limit_w=5_000)
    world.authorise(11, 50_000)
    world.clock.time_s = START_S + 899

    assert 4_990 <= world.powers()[11] <= 5_000
    assert world.plan().edges_s[:2] == (START_S + 899, START_S + 1_800)


def test_limit_holds_at_each_moment_of_a_slot_in_which_somebody_leaves(world: World) -> None:
    world.define(import_limit_w=10_000)
    leaves = world.authorise(11, 90_000)
    world.need(leaves, 90_000, START_S + 900 + 300)
    world.authorise(12, 90_000, account=22)
    plan = world.plan()

    assert [stay.departure_s for stay in plan.stays] == [START_S + 1_200, START_S + 14_400]
    assert all(sum(powers) <= 10_000 for powers in zip(*(stay.power_w for stay in plan.stays), strict=True))


def test_lowest_of_several_limits_counts(world: World) -> None:
    world.define(import_limit_w=9_000)
    world.authorise(11, 50_000)
    world.limit(12_000)
    world.limit(5_000)
    world.limit(7_000)

    assert world.powers()[11] == 5_000


def test_station_gets_its_least_power_or_nothing(world: World) -> None:
    stations = tuple(SiteStation(station=one, least_power_w=4_000) for one in (11, 12, 13))
    world.define(stations=stations, import_limit_w=10_000)
    for number, station in enumerate((11, 12, 13)):
        world.authorise(station, 50_000, account=21 + number)

    powers = sorted(world.powers().values())
    assert sum(powers) <= 10_000
    assert all(power == 0 or power >= 4_000 for power in powers)
    assert powers[-1] >= 4_000


def test_limit_under_which_no_station_can_charge_is_named(world: World) -> None:
    world.define(stations=(SiteStation(station=11, least_power_w=4_000),))
    world.authorise(11, 5_000)
    plan = world.limit(3_000)

    assert [point.power_w for point in plan.set_points] == [0]
    assert any("lets no station reach its least power" in one for one in plan.problems)


def test_need_that_no_stay_allows_is_named_before_it_begins(world: World) -> None:
    world.define()
    world.authorise(11, 90_000, hours=1)

    assert any("90000 Wh are needed, its stay allows 22000 Wh" in one for one in world.plan().problems)
    assert world.powers()[11] == RATED_W


def test_need_that_the_site_cannot_meet_is_named(world: World) -> None:
    world.define(import_limit_w=1_000)
    world.authorise(11, 9_000, hours=2)

    assert any("the site's limits leave 2000 of 9000 Wh" in one for one in world.plan().problems)


# --- a meter that is silent --------------------------------------------------------------------


def silent_world(world: World) -> None:
    """One vehicle charges at 5 kW and is heard of no more, another one needs as much as it can get."""
    world.define(import_limit_w=RATED_W, safe_power_w=1_400, stations=tuple(
        SiteStation(station=one, most_power_w=most) for one, most in ((11, 5_000), (12, None))
    ))  # fmt: skip
    world.reads(11, 0, bytes(32))
    session = world.authorise(11, 90_000, hours=10)
    world.plan()
    world.reads(11, 10, session)
    world.authorise(12, 200_000, hours=10, account=22)


def test_vehicle_with_a_silent_meter_is_counted_with_its_last_set_point(world: World) -> None:
    silent_world(world)
    world.plan()
    world.clock.time_s += SILENT_AFTER_S + 1
    world.reads(12, 0, bytes(32))

    assert world.powers() == {11: 5_000, 12: RATED_W - 5_000}
    assert any("no reading since" in one and "counted with 5000 W" in one for one in world.plan().problems)


def test_vehicle_with_a_silent_meter_goes_to_the_safe_power(world: World) -> None:
    silent_world(world)
    world.plan()
    for _ in range(4):
        world.clock.time_s += (SILENT_AFTER_S + HELD_S) // 4 + 1
        world.reads(12, 100, bytes(32))
        powers = world.powers()

    assert powers == {11: 1_400, 12: RATED_W - 1_400}
    assert any("set to 1400 W" in one for one in world.plan().problems)


def test_vehicle_that_refuses_its_set_point_makes_room_for_others_and_is_asked_again(world: World) -> None:
    world.define(import_limit_w=RATED_W)
    world.reads(11, 0, bytes(32))
    session = world.authorise(11, 80_000, hours=4)
    other = world.authorise(12, 80_000, hours=5, account=22)
    world.plan()
    for _ in range(4):
        world.clock.time_s += 300
        world.reads(11, 0, session)
        world.reads(12, 100, other)
    refused = world.plan()

    assert {one.station: one.power_w for one in refused.set_points}[11] == 0
    assert {one.station: one.power_w for one in refused.set_points}[12] >= RATED_W - 10
    assert any("took nothing of" in one for one in refused.problems)
    world.clock.time_s += 300
    world.reads(11, 0, session)
    assert [one.need_wh for one in world.plan().stays if one.station == 11] == [80_000]


def test_limit_lowers_silent_stations_as_well(world: World) -> None:
    silent_world(world)
    world.plan()
    world.clock.time_s += SILENT_AFTER_S + 1
    world.plan()

    assert {point.power_w for point in world.limit(0).set_points} == {0}


# --- when plans are made anew ------------------------------------------------------------------


def reasons(world: World) -> str:
    """Why the plan was made anew now; nothing if it was not."""
    return world.scheduling.set_points(SITE)[1].reason if world.scheduling.advance() else ""


def test_plan_is_made_anew_for_each_thing_that_happens(world: World) -> None:
    world.define()
    assert (reasons(world), reasons(world)) == ("start", "")
    session = world.authorise(11, 20_000)
    assert (reasons(world), reasons(world)) == ("session", "")
    world.clock.time_s += 10
    world.need(session, 10_000, START_S + 7_200)
    assert (reasons(world), reasons(world)) == ("need", "")
    world.clock.time_s += 10
    world.reads(11, 0, session)
    assert (reasons(world), reasons(world)) == ("reading", "")
    world.price(1, START_S, START_S + 3_600)
    assert (reasons(world), reasons(world)) == ("price", "")
    world.clock.time_s += 10
    world.define(import_limit_w=5_000)
    assert (reasons(world), reasons(world)) == ("site", "")
    world.clock.time_s = START_S + 900
    assert (reasons(world), reasons(world)) == ("slot", "")
    world.limit(100, from_s=world.now_s + 5)
    assert reasons(world) == ""
    world.clock.time_s += 5
    assert (reasons(world), reasons(world)) == ("limit", "")


def test_readings_alone_make_plans_anew_now_and_then(world: World) -> None:
    world.define()
    session = world.authorise(11, 20_000)
    world.plan()
    world.reads(11, 0, session)
    assert reasons(world) == ""
    world.clock.time_s += READINGS_EVERY_S
    assert reasons(world) == "reading"


def test_plan_goes_on_after_a_restart(world: World) -> None:
    world.define(demand_micro_per_kw=15_000_000)
    session = world.authorise(11, 20_000)
    before = world.plan()
    again = world.restarted()

    assert again.scheduling.set_points(SITE)[1] == before
    assert reasons(again) == "start"
    assert again.points()[11].flows_since_s == before.set_points[0].flows_since_s
    assert [one.session for one in again.plan().stays] == [session]


def test_solver_that_misses_its_deadline_is_replaced_by_least_laxity(world: World) -> None:
    # Line limits are for the solver: the exact flow never misses a deadline.
    world.define(import_limit_w=6_000, line_limit_w=(50_000, 50_000, 50_000))
    world.authorise(11, 5_000, hours=4)
    world.authorise(12, 5_000, hours=1, account=22)
    world.scheduling.planner = SolverPlanner(0.0)

    plan = world.plan()
    assert plan.how == "llf"
    assert world.powers() == {11: 0, 12: 6_000, 13: 0}


def test_what_fails_at_one_site_does_not_hold_up_others(world: World) -> None:
    class Fails:
        def decide(self, moment: Moment, learned: Learned) -> Decision:
            raise WattledgerError(f"nothing is known of {moment.now_s}, not even {learned.departures}")

    world.define()
    world.scheduling.planner = Fails()
    assert world.scheduling.advance() == 0
    with pytest.raises(app.NoSchedule):
        world.scheduling.set_points(SITE)


# --- the peak so far ---------------------------------------------------------------------------


def test_peak_so_far_is_what_meters_showed(world: World) -> None:
    world.define(demand_micro_per_kw=15_000_000)
    session = world.authorise(11, 90_000)
    world.reads(11, 0, session)
    for wh in (1_000, 2_000, 500):
        world.clock.time_s += 900
        world.reads(11, wh, session)
        world.clock.time_s += 40
        world.plan()
        world.clock.time_s -= 40

    assert world.plan().peak_w == 8_000
    assert world.restarted().plan().peak_w == 8_000


def test_power_up_to_the_peak_is_used_before_money_is_spent(world: World) -> None:
    world.define(demand_micro_per_kw=15_000_000)
    world.authorise(11, 8_000, hours=4)

    assert max(world.plan().load_w) <= 2_100


# --- what subscribers are told -----------------------------------------------------------------


def told(world: World) -> list[dict[str, Any]]:
    with world.store.read() as unit:
        return [json.loads(one.data) for one in unit.feed.after(0, "sites", 1, 100)]


def test_subscribers_are_told_what_changed_and_all_at_each_slot(world: World) -> None:
    world.define()
    world.plan()
    world.authorise(12, 20_000)
    world.plan()
    world.clock.time_s += 900
    world.plan()

    assert [[one["station"] for one in event["set_points"]] for event in told(world)] == [
        [11, 12, 13],
        [12],
        [11, 12, 13],
    ]
    assert told(world)[-1]["set_points"][0]["valid_until"] == START_S + 1_800 + 60


def test_set_points_are_shown_with_the_safe_power(world: World) -> None:
    world.define(safe_power_w=1_380)
    world.plan()
    shown = set_point_views(*world.scheduling.set_points(SITE))

    assert (shown["safe_power_w"], shown["limit_w"], len(shown["set_points"])) == (1_380, None, 3)


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"zone": "Mars"}, "zone must be"),
        ({"stations": ()}, "1 to 500 stations"),
        ({"stations": (SiteStation(station=11), SiteStation(station=11))}, "each named once"),
        ({"stations": tuple(SiteStation(station=one) for one in range(1, MAX_SITE_STATIONS + 2))}, "1 to 500"),
        ({"import_limit_w": 0}, "import_limit_w 0 lets nothing flow"),
        ({"import_limit_w": -5}, "import_limit_w -5 lets nothing flow"),
        ({"peak_target_w": 0}, "peak_target_w 0"),
        ({"line_limit_w": (1, 0, 1)}, "line_limit_w"),
        ({"sun_station": 11}, "cannot meter"),
        ({"name": "Yard!"}, "a site's name"),
        ({"stations": (SiteStation(station=11, most_power_w=RATED_W + 1),)}, "rated at 22000 W"),
    ],
)
def test_site_that_cannot_be_is_refused(world: World, terms: dict[str, Any], why: str) -> None:
    with pytest.raises(Malformed, match=why):
        world.define(**terms)


def test_station_belongs_to_one_site(world: World) -> None:
    world.define()
    with pytest.raises(app.StationElsewhere):
        world.define(name="other", stations=(SiteStation(station=13),))
    world.define(stations=(SiteStation(station=11),))
    world.define(name="other", stations=(SiteStation(station=13),))
    with pytest.raises(UnknownStation):
        world.define(stations=(SiteStation(station=99),))


@pytest.mark.parametrize(("from_s", "to_s"), [(10, 10), (10, 5), (-900, -800), (0, 367 * 86_400)])
def test_limit_that_holds_for_no_time_is_refused(world: World, from_s: int, to_s: int) -> None:
    world.define()
    with pytest.raises(Malformed):
        world.limit(100, START_S + from_s, START_S + to_s)
    assert world.scheduling.sites.limits(SITE, Page(0, 10)) == []


def test_unknown_sites_and_sites_without_a_plan_are_told_apart(world: World) -> None:
    with pytest.raises(app.UnknownSite):
        world.scheduling.set_points(SITE)
    world.define()
    with pytest.raises(app.NoSchedule):
        world.scheduling.set_points(SITE)
    assert world.scheduling.schedules(Page(0, 10), None) == []
    world.plan()
    assert len(world.scheduling.schedules(Page(0, 10), None)) == 1
    assert world.scheduling.schedules(Page(1, 10), None) == []


def test_needs_are_refused_as_they_must_be(world: World) -> None:
    world.define()
    session = world.authorise(11, 10_000, hours=2)
    later_s = START_S + 3_600
    world.need(session, 5_000, later_s)
    world.need(session, 5_000, later_s)

    for kind, change in (
        (UnknownSession, {"session": bytes(32)}),
        (WrongSigner, {"account": 22}),
        (NeedRefused, {"wh": 10_001, "time_s": START_S + 1}),
        (NeedRefused, {"departure_s": START_S + 7_201, "time_s": START_S + 1}),
        (FromTheFuture, {"time_s": START_S + 61}),
        (NeedOutdated, {"wh": 6_000}),
        (NeedOutdated, {"time_s": START_S - 1, "departure_s": later_s}),
    ):
        asked: dict[str, Any] = {"session": session, "wh": 5_000, "departure_s": later_s} | change
        with pytest.raises(kind):
            world.need(**asked)
    record = world.needs.get(session)
    assert record is not None
    assert record.need.energy_wh == 5_000
    assert world.station(11).station.payee == OPERATOR
