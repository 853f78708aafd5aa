"""The least peak and the least money for stays that are there, as a linear program over few, long segments of time.

Between two departures, while a price holds, nothing changes, so power that is even there is as good as any: one
variable for each stay and segment is exact, where limits are the same in all slots. Rows that those who are there could
not break are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np
from highspy._core import _Highs  # highspy.Highs, a wrapper, writes to the standard output whenever it is made

from domain.bidding.stay import WHOLE_BP
from domain.errors import PlanNotFound
from domain.schedule.columns import Floats, Ints
from domain.schedule.room import Stay
from domain.units import WH_PER_KWH

EARLY_MICRO_PER_WH = 1e-3
DUAL_SIMPLEX, PRIMAL_SIMPLEX = 1, 4
"""Nothing planned is a solution: from there the primal method is the fastest (0.7 ms against 0.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Money is micro-euro per Wh.

    `edges` are slots; `price` by segment; `most` what a slot holds by row (room.py), the site's own limit first;
    `haste` what a stay's Wh costs more with each slot that it waits. Up to `free_wh` in a slot the peak is free, what
    the highest is above costs `peak_price`.
    """

    stays: Sequence[Stay]
    wanted_wh: Ints
    edges: Ints
    price: Floats
    most: Ints
    haste: Floats
    free_wh: int
    peak_price: float


class Segments:
    """One solver, used again and again."""

    def __init__(self, *, unmet_micro_per_kwh: int, limit_s: float) -> None:
        self._highs = _Highs()
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        self._highs.setOptionValue("presolve", "off")
        self._highs.setOptionValue("solver", "simplex")
        self._highs.setOptionValue("simplex_strategy", PRIMAL_SIMPLEX)
        self._unmet = unmet_micro_per_kwh / WH_PER_KWH
        self._limit_s = limit_s

    def solve(self, asked: Asked) -> tuple[Floats, float]:
        """Wh by stay and segment, and the Wh above `free_wh` that the highest slot needs. PlanNotFound."""
        highs = self._highs
        last = np.array([stay.last for stay in asked.stays])
        there = asked.edges[:-1] < last[:, None]
        highs.setOptionValue("time_limit", highs.getRunTime() + self._limit_s)
        highs.passModel(_program(asked, there, self._unmet))
        highs.run()
        status = highs.getModelStatus()
        if status == highspy.HighsModelStatus.kUnknown:
            status = self._again()
        if status != highspy.HighsModelStatus.kOptimal:
            raise PlanNotFound(highs.modelStatusToString(status), self._limit_s)
        values = np.asarray(highs.getSolution().col_value)
        energy_wh = np.zeros(there.shape)
        energy_wh[there] = values[:-1]
        return energy_wh, float(values[-1])

    def _again(self) -> highspy.HighsModelStatus:
        """By the dual method, where the primal one came to no end (one of 296 plans for Caltech's March)."""
        self._highs.clearSolver()
        self._highs.setOptionValue("simplex_strategy", DUAL_SIMPLEX)
        self._highs.run()
        self._highs.setOptionValue("simplex_strategy", PRIMAL_SIMPLEX)
        return self._highs.getModelStatus()


def _program(asked: Asked, there: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", unmet: float) -> highspy.HighsLp:
    """Variables: Wh by stay and segment, those it is there for, and what the highest slot needs above the free."""
    lengths = np.diff(asked.edges).astype(float)
    stay, segment = np.nonzero(there)
    pairs, needs = len(stay), len(asked.stays)
    most_wh = np.array([each.most_wh for each in asked.stays], dtype=float)
    parts = np.array([each.parts for each in asked.stays]).T / WHOLE_BP
    limits = asked.most / WHOLE_BP
    limits[0] = asked.free_wh
    row_of = np.full((len(limits), len(lengths)), -1)
    limit, where = np.nonzero((parts * most_wh) @ there > limits[:, None])
    row_of[limit, where] = needs + np.arange(len(limit))
    peaks = np.flatnonzero(limit == 0)
    at, pair = np.nonzero((row_of[:, segment] >= 0) & (parts[:, stay] > 0))
    row = np.concatenate((stay, row_of[at, segment[pair]], needs + peaks))
    col = np.concatenate((np.arange(pairs), pair, np.full(len(peaks), pairs)))
    value = np.concatenate((np.ones(pairs), parts[at, stay[pair]], -lengths[where[peaks]]))
    order = row.argsort(kind="stable")
    rows = needs + len(limit)
    middle = asked.edges[segment] + lengths[segment] / 2 - asked.edges[0]
    early = EARLY_MICRO_PER_WH / middle.max() + asked.haste[stay]
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = pairs + 1, rows
    lp.col_cost_ = np.append(asked.price[segment] + early * middle - unmet - asked.peak_price, asked.peak_price)
    lp.col_lower_ = np.zeros(pairs + 1)
    above_wh = max(0.0, asked.most[0] / WHOLE_BP - asked.free_wh)
    lp.col_upper_ = np.append(most_wh[stay] * lengths[segment], above_wh)
    lp.row_lower_ = np.full(rows, -np.inf)
    lp.row_upper_ = np.concatenate((asked.wanted_wh.astype(float), limits[limit] * lengths[where]))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate(([0], np.bincount(row, minlength=rows).cumsum()))
    lp.a_matrix_.index_ = col[order]
    lp.a_matrix_.value_ = value[order]
    return lp
