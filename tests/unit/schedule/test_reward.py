"""The review's reward and its program (6)-(7)."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.optimize import linprog

from domain.schedule.check import check
from domain.schedule.columns import Columns
from domain.schedule.problem import Problem
from domain.schedule.reward import Reward, energy_micro, mean_power_w, review_optimum, review_problem
from tests.unit.schedule.problems import battery, demand_charge, problem, problems, vehicle


def test_power_below_the_limit_is_not_punished() -> None:
    reward = Reward(alpha=2.0, beta=0.5, most_w=10_000)
    saved = {"uncontrolled_micro": 7_000_000, "planned_micro": 4_000_000}
    assert reward.of(**saved, power_w=np.array([0, 10_000])) == 6.0
    assert reward.of(**saved, power_w=np.array([12_000, 13_000])) == 6.0 - 0.5 * (4 + 9)


@settings(max_examples=60, deadline=None)
@given(problems(slots=6, vehicles=5, dear=True))
def test_reviews_optimum_costs_what_its_equations_say(drawn: Problem) -> None:
    columns = Columns.of(review_problem(drawn))
    rows = np.zeros((len(drawn.vehicles) + len(drawn.slots), len(columns)))
    rows[columns.vehicle, np.arange(len(columns))] = 1
    rows[len(drawn.vehicles) + columns.slot, np.arange(len(columns))] = 1
    needs, limits = rows[: len(drawn.vehicles)], rows[len(drawn.vehicles) :]
    most = columns.wh_of(drawn.site.import_limit_w or ()) if drawn.site.import_limit_w else np.full(len(limits), 10**9)
    price = np.array(drawn.prices.import_micro_per_kwh)[columns.slot] / 1_000
    if not len(columns):
        return
    found = linprog(price, limits, most, needs, columns.need_wh, [(0, wh) for wh in columns.most_wh.tolist()])
    plan = review_optimum(drawn)
    assert not check(plan)
    met = plan.charged_wh.tolist() == columns.need_wh.tolist()
    assert met == (found.status == 0)
    if met:
        # Earliness may cost a thousandth of a micro-euro for each Wh.
        slack = 1 + 1e-3 * float(plan.charged_wh.sum())
        assert found.fun - 1e-6 * (1 + found.fun) <= energy_micro(plan) <= found.fun * (1 + 1e-9) + slack


def test_review_knows_neither_batteries_nor_demand_charges() -> None:
    full = problem(vehicle(battery=battery(), export_power_w=5_000), demands=(demand_charge(),), sun_w=(5,) * 4)
    plain = review_problem(full)
    assert plain.vehicles[0].battery is None
    assert not plain.prices.demands
    assert not plain.site.sun_w


def test_mean_power_is_energy_over_time() -> None:
    plan = review_optimum(problem(vehicle(need_wh=2_500)))
    assert mean_power_w(plan).tolist() == [8_000, 2_000, 0, 0]
    assert energy_micro(plan) == pytest.approx(250_000)
