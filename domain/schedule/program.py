"""A sparse linear program under construction, and its optimum by HiGHS.

Rows that few optima touch can be left out at first: what a solution breaks is added, and the solver goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import highspy
import numpy as np
from highspy._core import _Highs  # highspy.Highs, a wrapper, writes to the standard output whenever it is made

from domain.errors import PlanNotFound
from domain.schedule.columns import Columns, Floats, Ints
from domain.schedule.grid import Grid

INFINITY = np.inf
GAP = 1e-4
DUAL, PRIMAL = 1, 4
"""HiGHS's numbers for the two simplex methods."""
FEASIBLE = 2
"""What HiGHS calls a solution that keeps to all rows."""


@dataclass
class Block:
    """Variables of one kind: their columns are [start, start + len(cost))."""

    start: int
    cost: Floats
    lower: Floats
    upper: Floats

    @property
    def columns(self) -> Ints:
        return np.arange(self.start, self.start + len(self.cost))


@dataclass
class Model:
    """A linear program under construction: minimise cost @ v, lower <= v <= upper, row_lower <= A v <= row_upper.

    Variables of `whole` are whole numbers; a solution within `GAP` of their optimum is taken, or the best in time.
    """

    blocks: list[Block] = field(default_factory=list)
    whole: list[Block] = field(default_factory=list)
    rows: list[Ints] = field(default_factory=list)
    cols: list[Ints] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    row_lower: list[Floats] = field(default_factory=list)
    row_upper: list[Floats] = field(default_factory=list)
    row_count: int = 0

    def variables(self, cost: Floats, lower: Floats | float, upper: Floats | float) -> Block:
        start = self.blocks[-1].start + len(self.blocks[-1].cost) if self.blocks else 0
        full = np.ones(len(cost))
        block = Block(start, cost, full * lower, full * upper)
        self.blocks.append(block)
        return block

    def new_rows(self, lower: Floats | float, upper: Floats | float, count: int) -> Ints:
        full = np.ones(count)
        self.row_lower.append(full * lower)
        self.row_upper.append(full * upper)
        self.row_count += count
        return np.arange(self.row_count - count, self.row_count)

    def put(self, rows: Ints, cols: Ints, values: Floats | float) -> None:
        self.rows.append(rows)
        self.cols.append(cols)
        self.values.append(np.ones(len(rows)) * values)


@dataclass
class ScheduleModel:
    """The program of a problem, and where its pairs are in it. `gives` are the pairs that can give back."""

    columns: Columns
    model: Model
    takes: Block
    gives: Ints
    given: Block
    grid: Grid

    @cached_property
    def given_of(self) -> Ints:
        """By pair, the variable of what it gives back; -1 where it cannot."""
        given_of = np.full(len(self.columns), -1, dtype=np.int64)
        given_of[self.gives] = self.given.columns
        return given_of


@dataclass(frozen=True)
class Row:
    """lower <= values @ v[cols] <= upper."""

    lower: float
    upper: float
    cols: Ints
    values: Floats


def solve(model: Model, *, limit_s: float, broken: Callable[[Floats], list[Row]] | None) -> Floats:
    """The program's variables at its optimum, at which `broken` finds no row. PlanNotFound after `limit_s`.

    Presolve is left out where rows are added, so that the solver can go on from its last basis.
    """
    highs = _Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("time_limit", limit_s)
    highs.setOptionValue("presolve", "off" if broken and not model.whole else "choose")
    highs.setOptionValue("mip_rel_gap", GAP)
    highs.passModel(_program(model))
    while True:
        highs.run()
        if highs.getModelStatus() == highspy.HighsModelStatus.kUnknown:
            _run_anew(highs)
        status = highs.getModelStatus()
        in_time = model.whole and highs.getInfo().primal_solution_status == FEASIBLE
        if status != highspy.HighsModelStatus.kOptimal and not in_time:
            raise PlanNotFound(highs.modelStatusToString(status), limit_s)
        values: Floats = np.asarray(highs.getSolution().col_value)
        rows = broken(values) if broken else []
        if not rows:
            return values
        starts = np.cumsum([0, *(len(row.cols) for row in rows)])
        highs.addRows(
            len(rows),
            np.array([row.lower for row in rows]),
            np.array([row.upper for row in rows]),
            int(starts[-1]),
            starts[:-1].astype(np.int32),
            np.concatenate([row.cols for row in rows]).astype(np.int32),
            np.concatenate([row.values for row in rows]),
        )


def _run_anew(highs: _Highs) -> None:
    """Without the basis it has, by other methods: HiGHS stops short now and then, where costs differ by many orders."""
    for presolve, strategy in (("on", DUAL), ("off", PRIMAL), ("off", DUAL)):
        highs.clearSolver()
        highs.setOptionValue("presolve", presolve)
        highs.setOptionValue("simplex_strategy", strategy)
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kUnknown:
            return


def _program(model: Model) -> highspy.HighsLp:
    rows, cols = np.concatenate(model.rows), np.concatenate(model.cols)
    by_row = np.argsort(rows, kind="stable")
    lp = highspy.HighsLp()
    lp.col_cost_ = np.concatenate([block.cost for block in model.blocks])
    lp.num_col_, lp.num_row_ = len(lp.col_cost_), model.row_count
    lp.col_lower_ = np.concatenate([block.lower for block in model.blocks])
    lp.col_upper_ = np.concatenate([block.upper for block in model.blocks])
    lp.row_lower_, lp.row_upper_ = np.concatenate(model.row_lower), np.concatenate(model.row_upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=model.row_count))))
    lp.a_matrix_.index_ = cols[by_row]
    lp.a_matrix_.value_ = np.concatenate(model.values)[by_row]
    if model.whole:
        kinds = np.full(lp.num_col_, highspy.HighsVarType.kContinuous)
        for block in model.whole:
            kinds[block.columns] = highspy.HighsVarType.kInteger
        lp.integrality_ = kinds.tolist()
    return lp
