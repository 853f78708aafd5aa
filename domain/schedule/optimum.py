"""The best plan there is for a problem that is known in full."""

import highspy
import numpy as np

from domain.errors import PlanNotFound
from domain.schedule.columns import Columns, Floats
from domain.schedule.model import ScheduleModel, build
from domain.schedule.plan import Schedule
from domain.schedule.problem import Problem
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
    values = solve(built, limit_s=limit_s)
    taken = values[built.takes.columns]
    given = np.zeros(len(columns))
    given[built.gives] = values[built.given.columns]
    return Schedule(columns, *whole(columns, taken, given), "optimum by HiGHS")


def program_value(columns: Columns, *, limit_s: float = LIMIT_S) -> float:
    """What the program's optimum costs before rounding, micro-euro: no schedule of the problem costs less."""
    built = build(columns)
    cost = np.concatenate([block.cost for block in built.model.blocks])
    return float(cost @ solve(built, limit_s=limit_s))


def solve(built: ScheduleModel, *, limit_s: float) -> Floats:
    """The program's variables at its optimum."""
    model = built.model
    cost = np.concatenate([block.cost for block in model.blocks])
    rows, cols = np.concatenate(model.rows), np.concatenate(model.cols)
    by_row = np.argsort(rows, kind="stable")
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(cost), model.row_count
    lp.col_cost_ = cost
    lp.col_lower_ = np.concatenate([block.lower for block in model.blocks])
    lp.col_upper_ = np.concatenate([block.upper for block in model.blocks])
    lp.row_lower_, lp.row_upper_ = np.concatenate(model.row_lower), np.concatenate(model.row_upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=model.row_count))))
    lp.a_matrix_.index_ = cols[by_row]
    lp.a_matrix_.value_ = np.concatenate(model.values)[by_row]
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # its constructor has no annotations
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("time_limit", limit_s)
    highs.setOptionValue("threads", 1)
    highs.passModel(lp)
    highs.run()
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise PlanNotFound(highs.modelStatusToString(status), limit_s)
    return np.asarray(highs.getSolution().col_value)
