"""The best plan there is for a problem that is known in full."""

from functools import partial

import numpy as np

from domain.schedule.batteries import broken_limits
from domain.schedule.columns import Columns, Floats
from domain.schedule.model import build
from domain.schedule.plan import Schedule
from domain.schedule.problem import Problem
from domain.schedule.program import ScheduleModel, solve
from domain.schedule.rounding import whole
from domain.schedule.transport import transport

LIMIT_S = 300.0


def optimum(problem: Problem, *, limit_s: float = LIMIT_S) -> Schedule:
    """The optimal schedule in whole Wh: exact by flow, or by linear program and rounded.

    Vehicles may take less than their least power (floor.py). PlanNotFound if the solver needs longer than `limit_s`.
    """
    columns = Columns.of(problem)
    if not len(columns):
        nothing = np.zeros(0, dtype=np.int64)
        return Schedule(columns, nothing, nothing, "optimum: nothing to plan")
    return transport(columns) or by_program(columns, limit_s=limit_s)


def by_program(columns: Columns, *, limit_s: float = LIMIT_S) -> Schedule:
    """The optimum of the linear program by HiGHS, rounded to whole Wh."""
    built = build(columns)
    values = _solve(built, limit_s)
    given = np.zeros(len(columns))
    given[built.gives] = values[built.given.columns]
    return Schedule(columns, *whole(columns, values[built.takes.columns], given), "optimum by HiGHS")


def program_value(columns: Columns, *, limit_s: float = LIMIT_S, at_once: bool = False) -> float:
    """What the program's optimum costs before rounding, micro-euro: no schedule of the problem costs less.

    `at_once` solves it with every limit of every battery from the start.
    """
    built = build(columns, at_once=at_once)
    cost = np.concatenate([block.cost for block in built.model.blocks])
    values = solve(built.model, limit_s=limit_s, broken=None) if at_once else _solve(built, limit_s)
    return float(cost @ values)


def _solve(built: ScheduleModel, limit_s: float) -> Floats:
    batteries = any(vehicle.battery for vehicle in built.columns.problem.vehicles)
    return solve(built.model, limit_s=limit_s, broken=partial(broken_limits, built) if batteries else None)
