"""A site learns from stays that are over: what its month needs in any case, and when vehicles really leave."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.application.site_past import LEAST_DEPARTURES, LOOK_EVERY_S, Pasts
from backend.application.site_ports import Learned
from tests.unit.backend.site_world import PRICE, RATED_W, SITE, START_S, World, site_world

HOUR_S, DAY_S = 3_600, 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with site_world(tmp_path) as made:
        yield made


def stayed(world: World, from_s: int, *, declared_s: int, left_s: int, wh: int) -> None:
    """A stay at station 11 that charged so much at once."""
    world.clock.time_s = from_s
    world.reads(11, 0, bytes(32))
    session = world.authorise(11, 20_000, hours=10)
    world.reads(11, 0, session)
    world.need(session, 20_000, declared_s)
    world.clock.time_s = from_s + 600
    world.reads(11, wh, session)
    world.clock.time_s = left_s
    world.need(session, 20_000, left_s)


def learned(world: World, pasts: Pasts) -> Learned:
    with world.store.read() as unit:
        return pasts.of(unit, world.scheduling.sites.get(SITE), world.now_s)


def test_the_peak_of_the_last_weeks_counts_as_paid(world: World) -> None:
    """A week ago, 8 kWh had to be charged within an hour; without that, the same need is spread over four hours."""
    for days in (10, 7, 3):
        at_s = START_S - days * DAY_S
        stayed(world, at_s, declared_s=at_s + HOUR_S, left_s=at_s + HOUR_S, wh=8_000)
    world.clock.time_s = START_S
    world.define(demand_micro_per_kw=15_000_000)
    world.price(PRICE // 2, START_S, START_S + 1_800)
    world.authorise(11, 8_000, hours=4)

    assert 7_900 <= world.powers()[11] <= 8_100


def test_who_mostly_leaves_early_is_charged_early(world: World) -> None:
    """All declared four hours and left after one; energy is cheaper in the third."""
    world.define()
    world.price(PRICE // 2, START_S + 2 * HOUR_S, START_S + 3 * HOUR_S)
    for number in range(LEAST_DEPARTURES):
        at_s = START_S - (number + 1) * 5 * HOUR_S
        stayed(world, at_s, declared_s=at_s + 4 * HOUR_S, left_s=at_s + HOUR_S, wh=1_000)
        if number == LEAST_DEPARTURES - 2:
            world.clock.time_s = START_S
            assert learned(world, Pasts()).departures is None
    world.clock.time_s = START_S
    session = world.authorise(12, 8_000, hours=4, account=22)
    world.need(session, 8_000, START_S + 4 * HOUR_S, account=22)

    assert world.powers()[12] == RATED_W


def test_without_a_past_nothing_is_learned(world: World) -> None:
    world.define()
    found = learned(world, Pasts())
    assert (found.level_w, found.departures, found.utc_offset_s) == (None, None, HOUR_S)


def test_the_past_is_looked_at_once_an_hour(world: World) -> None:
    world.define()
    pasts = Pasts()
    assert learned(world, pasts).level_w is None
    stayed(world, START_S + 60, declared_s=START_S + 1_800, left_s=START_S + 1_500, wh=500)
    assert learned(world, pasts).level_w is None
    world.clock.time_s = START_S + LOOK_EVERY_S
    assert learned(world, pasts).level_w is not None
