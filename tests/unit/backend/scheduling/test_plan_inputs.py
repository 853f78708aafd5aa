"""What a site's plan is made from: sessions, needs, tariffs, meters, the market."""

import pytest

from backend.application.market import Amounts
from backend.application.scheduling import READINGS_EVERY_S
from domain.tariff import Direction
from tests.unit.backend.site_world import PRICE, RATED_W, START_S, SUN, World


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
