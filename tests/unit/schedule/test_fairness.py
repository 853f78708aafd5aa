"""Fairness: the worst served are raised, and nobody pays for it."""

import numpy as np
import pytest
from hypothesis import given, settings

from domain.schedule.check import check
from domain.schedule.fairness import fairer, jain, shares, worst_decile
from domain.schedule.optimum import optimum
from domain.schedule.plan import Schedule
from domain.schedule.problem import Problem
from tests.unit.schedule.problems import battery, demand_charge, problem, problems, vehicle, worth


@settings(max_examples=100, deadline=None)
@given(
    problems(slots=6, vehicles=8)
    | problems(slots=6, vehicles=8, demand=True)
    | problems(slots=6, vehicles=8, gives=True)
)
def test_fairer_plan_costs_the_same_and_serves_the_worst_no_less(drawn: Problem) -> None:
    plan = optimum(drawn)
    fair = fairer(plan)
    assert not check(fair)
    assert fair.net_wh.tolist() == plan.net_wh.tolist()
    assert worth(fair) == pytest.approx(worth(plan), rel=1e-12, abs=1e-6)
    assert shares(fair).min() >= shares(plan).min() - 1e-9
    assert worst_decile(shares(fair)) >= worst_decile(shares(plan)) - 1e-9


def test_two_alike_share_what_is_there() -> None:
    limited = problem(vehicle("a"), vehicle("b"), import_limit_w=(4_000,) * 4)
    columns = optimum(limited).columns
    one_has_all = Schedule(columns, np.array([1_000] * 3 + [0] * 4 + [1_000]), np.zeros(8, dtype=np.int64), "by hand")
    fair = fairer(one_has_all)
    assert fair.charged_wh.tolist() == [2_000, 2_000]
    assert jain(shares(one_has_all)) < jain(shares(fair)) == 1.0


def test_vehicle_with_a_battery_in_the_plan_keeps_its_energy() -> None:
    limited = problem(vehicle("a", battery=battery()), vehicle("b"), import_limit_w=(3_000,) * 4)
    plan = optimum(limited)
    assert fairer(plan).charged_wh.tolist() == plan.charged_wh.tolist()


def test_who_needs_nothing_has_all_it_needs() -> None:
    assert shares(optimum(problem(vehicle(need_wh=0), demands=(demand_charge(),)))).tolist() == [1.0]
    assert (jain([]), worst_decile([]), jain([0, 0])) == (1.0, 1.0, 1.0)
