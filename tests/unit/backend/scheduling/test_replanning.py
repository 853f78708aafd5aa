"""Sites are planned anew whenever something happens, with the peak so far, and subscribers are told."""

import json
from typing import Any

import pytest

from backend.adapters.planner import SolverPlanner
from backend.application import errors as app
from backend.application.scheduling import READINGS_EVERY_S, set_point_views
from backend.application.site_ports import Learned
from domain.errors import (
    WattledgerError,
)
from domain.schedule.moment import Moment
from domain.schedule.planner import Decision
from tests.unit.backend.site_world import SITE, START_S, World

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
