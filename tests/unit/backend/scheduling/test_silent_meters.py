"""A vehicle whose meter is silent is counted with what it may take."""

from backend.application.site_records import SiteStation
from backend.application.site_situation import HELD_S, SILENT_AFTER_S
from tests.unit.backend.site_world import RATED_W, World


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
