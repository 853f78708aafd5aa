"""Limits of sites: who commanded them, ended early or dropped, each by its own commander; the lowest of all counts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from backend.adapters.sql.database import SqlStore, migration_config
from backend.adapters.sql.sites import LIMITS_KEPT
from backend.application import errors as app
from backend.application.filters import Page
from backend.application.site_records import Commander, LimitCommand, SiteStation
from backend.application.sites import MAX_LIMITS_AHEAD
from domain.errors import Malformed
from tests.unit.backend.site_world import RATED_W, SITE, START_S, World, site_world

GRID = Commander.GRID_OPERATOR


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site where one vehicle takes all that it can get."""
    with site_world(tmp_path) as made:
        made.define()
        made.authorise(11, 200_000, hours=10)
        assert made.powers()[11] == RATED_W
        yield made


def listed(world: World) -> list[LimitCommand]:
    return world.scheduling.sites.limits(SITE, Page(0, 500))


# --- ended early -------------------------------------------------------------------------------


def test_limit_that_is_ended_lets_power_flow_at_once(world: World) -> None:
    kept, _ = world.command(3_000)
    world.clock.time_s += 60
    plan = world.end(kept.serial)

    assert plan.reason == "limit"
    assert {one.station: one.power_w for one in plan.set_points}[11] >= RATED_W - 10
    assert world.powers() == {one.station: one.power_w for one in plan.set_points}
    assert [one.ended_at_s for one in listed(world)] == [START_S + 60]


def test_limit_that_was_ended_is_answered_alike_when_it_is_ended_again(world: World) -> None:
    kept, _ = world.command(3_000)
    world.clock.time_s += 60
    world.end(kept.serial)
    world.clock.time_s += 60

    assert {one.power_w for one in world.end(kept.serial).set_points} >= {0}
    assert [one.ended_at_s for one in listed(world)] == [START_S + 60]


def test_limit_that_has_not_begun_is_dropped(world: World) -> None:
    kept, plan = world.command(0, from_s=START_S + 1_000)
    assert START_S + 1_000 in plan.edges_s
    plan = world.end(kept.serial)

    assert START_S + 1_000 not in plan.edges_s
    world.clock.time_s = START_S + 1_000
    assert world.powers()[11] >= RATED_W - 10


def test_limit_that_ended_by_itself_was_ended_by_nobody(world: World) -> None:
    kept, _ = world.command(3_000, to_s=START_S + 60)
    world.clock.time_s += 60
    world.end(kept.serial)

    assert [one.ended_at_s for one in listed(world)] == [None]


def test_limit_stays_ended_after_a_restart(world: World) -> None:
    kept, _ = world.command(3_000)
    world.end(kept.serial)

    assert world.restarted().powers()[11] == RATED_W


def test_end_that_no_plan_followed_is_made_up_for_by_the_next_look(world: World) -> None:
    kept, _ = world.command(3_000)
    world.scheduling.sites.end(SITE, kept.serial, Commander.OPERATOR)

    assert world.powers()[11] == RATED_W
    assert world.plan().reason == "limit"


def test_limit_of_no_such_number_or_of_another_site_is_unknown(world: World) -> None:
    kept, _ = world.command(3_000)
    with pytest.raises(app.UnknownLimit):
        world.end(kept.serial + 1)
    with pytest.raises(app.UnknownSite):
        world.scheduling.end("none", kept.serial, Commander.OPERATOR)
    world.define(stations=(SiteStation(station=11), SiteStation(station=12)))
    world.define(name="other", stations=(SiteStation(station=13),))
    with pytest.raises(app.UnknownLimit):
        world.scheduling.end("other", kept.serial, Commander.OPERATOR)
    assert world.powers()[11] == 3_000


# --- who commands ------------------------------------------------------------------------------


def test_lowest_limit_counts_whoever_commanded_it(world: World) -> None:
    ours, _ = world.command(5_000)
    theirs, _ = world.command(3_000, by=GRID)
    assert world.powers()[11] == 3_000
    world.end(theirs.serial, GRID)
    assert world.powers()[11] == 5_000
    world.command(9_000, by=GRID)
    world.end(ours.serial)
    assert world.powers()[11] == 9_000


@pytest.mark.parametrize(("by", "other"), [(GRID, Commander.OPERATOR), (Commander.OPERATOR, GRID)])
def test_limit_is_ended_by_its_commander_alone(world: World, by: Commander, other: Commander) -> None:
    kept, _ = world.command(3_000, by=by)
    with pytest.raises(app.LimitOfAnother, match=f"commanded by the {by.value.replace('-', ' ')}"):
        world.end(kept.serial, other)
    assert world.powers()[11] == 3_000
    world.end(kept.serial, by)
    assert world.powers()[11] == RATED_W


def test_commanders_are_told_apart_in_what_is_kept_and_in_the_feed(world: World) -> None:
    world.command(5_000)
    kept, _ = world.command(3_000, by=GRID)
    world.end(kept.serial, GRID)
    with world.store.read() as unit:
        told: list[Any] = [json.loads(one.data) for one in unit.feed.after(0, "sites", 1, 100) if one.kind == "limit"]

    assert [one.commanded_by for one in listed(world)] == [Commander.OPERATOR, GRID]
    assert [(one["number"], one["by"], one["ended_at"]) for one in told] == [
        (1, "operator", None),
        (2, "grid-operator", None),
        (2, "grid-operator", START_S),
    ]


# --- how many are kept -------------------------------------------------------------------------


def test_many_later_limits_do_not_push_one_out_that_holds(world: World) -> None:
    held, _ = world.command(3_000, by=GRID)
    with world.store.write() as unit:
        for _ in range(LIMITS_KEPT + 5):
            other = unit.sites.command(
                LimitCommand(
                    site=1,
                    import_limit_w=9_000,
                    from_s=START_S,
                    to_s=START_S + 3_600,
                    taken_at_s=START_S,
                    commanded_by=Commander.OPERATOR,
                )
            )
            unit.sites.end_limit(other.serial, START_S)
    world.command(8_000)

    assert listed(world)[0] == held
    assert world.powers()[11] == 3_000
    with world.store.read() as unit:
        assert len(unit.sites.limits(1, Page(0, 5_000))) == LIMITS_KEPT + 1


def test_commander_with_too_many_limits_ahead_is_refused_and_the_other_is_not(world: World) -> None:
    with world.store.write() as unit:
        for _ in range(MAX_LIMITS_AHEAD):
            unit.sites.command(
                LimitCommand(
                    site=1,
                    import_limit_w=9_000,
                    from_s=START_S,
                    to_s=START_S + 3_600,
                    taken_at_s=START_S,
                    commanded_by=Commander.OPERATOR,
                )
            )
    with pytest.raises(Malformed, match="not over yet; end some of them first"):
        world.limit(8_000)
    world.command(3_000, by=GRID)
    assert world.powers()[11] == 3_000
    world.end(listed(world)[0].serial)
    assert world.limit(2_000).set_points[0].power_w == 2_000


# --- data from before --------------------------------------------------------------------------


def test_limits_from_before_are_the_operators_and_ended_ones_stay_ended_on_the_way_back(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "wattledger.sqlite")
    row = "INSERT INTO site_limits (site, import_limit_w, from_s, to_s, taken_at_s{}) VALUES (1, 5, 100, 200, 90{})"
    try:
        with store.engine.connect() as connection:
            command.upgrade(migration_config(connection), "0007")
        with store.engine.connect() as connection, connection.begin():
            connection.execute(text(row.format("", "")))
        store.upgrade()
        with store.write() as unit:
            assert [one.commanded_by for one in unit.sites.limits_between(1, 0, 500)] == [Commander.OPERATOR]
            unit.sites.end_limit(1, 150)
        with store.engine.connect() as connection:
            command.downgrade(migration_config(connection), "0007")
        with store.engine.connect() as connection:
            assert connection.execute(text("SELECT serial, to_s FROM site_limits")).all() == [(1, 150)]
            connection.rollback()
        store.upgrade()
        with store.read() as unit:
            assert [one.to_s for one in unit.sites.limits(1, Page(0, 5))] == [150]
    finally:
        store.close()
