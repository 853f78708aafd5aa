"""Queues serve in their order, and never beyond the cap or the site's limit."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.schedule.baselines import (
    RoundRobin,
    Uncontrolled,
    earliest_deadline,
    first_come,
    laxity_s,
    least_laxity,
)
from domain.schedule.check import check
from domain.schedule.metrics import measure
from domain.schedule.moment import Policy
from domain.schedule.simulation import Course, simulate
from domain.units import PowerW
from tests.unit.schedule.courses import POWER_W, Fixed, at, course, days, visit

QUEUES: list[Callable[..., Policy]] = [first_come, earliest_deadline, least_laxity, RoundRobin]


@pytest.mark.parametrize(
    ("policy", "first"),
    [(first_come, "early"), (earliest_deadline, "soon"), (least_laxity, "hungry")],
)
def test_each_queue_serves_its_own_first(policy: Callable[..., Policy], first: str) -> None:
    visits = [visit("early", 0, 12, 2_000), visit("soon", 1, 4, 1_000), visit("hungry", 1, 6, 9_900)]
    run = simulate(course(visits), Fixed())
    assert run.schedule.charged_wh.sum() == 0
    shown = Fixed()
    simulate(course(visits), shown)
    decided = policy(PowerW(POWER_W)).powers(shown.moments[1])
    assert max(decided, key=lambda session: decided[session]) == first


def test_round_robin_gives_all_the_same_and_what_one_does_not_need_to_others() -> None:
    shown = Fixed()
    simulate(course([visit("a", 0, 4, 500), visit("b", 0, 4, 9_000), visit("c", 0, 4, 9_000)]), shown)
    assert RoundRobin(PowerW(12_000)).powers(shown.moments[0]) == {"a": 2_000, "b": 5_000, "c": 5_000}


def test_who_cannot_have_the_least_power_has_none() -> None:
    shown = Fixed()
    simulate(course([visit("a", 0, 4, least_power_w=PowerW(1_400))]), shown)
    assert least_laxity(PowerW(1_399)).powers(shown.moments[0]) == {"a": 0}
    assert RoundRobin(PowerW(1_399)).powers(shown.moments[0]) == {"a": 0}


def test_laxity_is_the_time_that_a_vehicle_can_wait() -> None:
    assert laxity_s(visit("a", 0, 4, 4_000).vehicle, at(0)) == 1_800


@pytest.mark.parametrize("queue", QUEUES)
@settings(max_examples=30, deadline=None)
@given(day=days(limited=True), cap_w=st.none() | st.integers(0, 30_000))
def test_no_queue_passes_the_cap_or_the_limit(queue: Callable[..., Policy], day: Course, cap_w: int | None) -> None:
    schedule = simulate(day, queue(cap_w)).schedule
    assert check(schedule) == []
    assert cap_w is None or measure(schedule).peak_w <= cap_w


@settings(max_examples=30, deadline=None)
@given(days())
def test_without_a_cap_all_queues_are_uncontrolled(day: Course) -> None:
    expected = simulate(day, Uncontrolled()).schedule.import_wh.tolist()
    for queue in QUEUES:
        assert simulate(day, queue()).schedule.import_wh.tolist() == expected
