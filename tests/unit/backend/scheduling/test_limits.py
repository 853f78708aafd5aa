"""Set-points never pass what holds now, and what no limit allows is named."""

import pytest

from backend.application.site_records import SiteStation
from tests.unit.backend.site_world import RATED_W, START_S, World


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
