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
from domain.schedule.columns import Bools, Floats, Ints
from domain.schedule.room import Stay
from domain.units import WH_PER_KWH

EARLY_MICRO_PER_WH = 1e-3
DUAL_SIMPLEX, PRIMAL_SIMPLEX = 1, 4
"""Nothing planned is a solution: from there the primal method is the fastest (0.7 ms against 0.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Money is micro-euro per Wh.

    `edges` are slots, the one that begins first; `price` by segment; `most` what a slot holds by row (room.py), the
    site's own limit first; `parts` by row and group. Up to `free_wh` in a slot the peak is free, what the highest is
    above costs `peak_price`.
    """

    stays: Sequence[Stay]
    edges: Ints
    price: Floats
    most: Floats
    parts: Floats
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
        _pass(highs, asked, there, self._unmet)
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


def _pass(highs: _Highs, asked: Asked, there: Bools, unmet: float) -> None:
    """Variables: Wh by stay and segment, those it is there for, and what the highest slot needs above the free.

    As arrays: a HighsLp would take longer to fill than to solve.
    """
    lengths = np.diff(asked.edges).astype(float)
    stay, segment = np.nonzero(there)
    pairs, needs = len(stay), len(asked.stays)
    most_wh = np.array([each.most_wh for each in asked.stays], dtype=float)
    wanted_wh = np.array([each.possible_wh(int(asked.edges[0])) for each in asked.stays], dtype=float)
    haste = np.array([each.haste for each in asked.stays])
    parts = asked.parts[:, [each.group for each in asked.stays]] / WHOLE_BP
    limits = asked.most / WHOLE_BP
    limits[0] = asked.free_wh
    limit, where = np.nonzero((parts * most_wh) @ there > limits[:, None])
    start, index, value = _matrix(parts, lengths, (stay, segment), (limit, where))
    middle = asked.edges[segment] + lengths[segment] / 2 - asked.edges[0]
    early = EARLY_MICRO_PER_WH / middle.max() + haste[stay]
    above_wh = max(0.0, asked.most[0] / WHOLE_BP - asked.free_wh)
    highs.passModel(
        pairs + 1,
        needs + len(limit),
        len(index),
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        np.append(asked.price[segment] + early * middle - unmet - asked.peak_price, asked.peak_price),
        np.zeros(pairs + 1),
        np.append(most_wh[stay] * lengths[segment], above_wh),
        np.full(needs + len(limit), -np.inf),
        np.concatenate((wanted_wh, limits[limit] * lengths[where])),
        start,
        index,
        value,
        np.full(pairs + 1, int(highspy.HighsVarType.kContinuous)),
    )


def _matrix(
    parts: Floats, lengths: Floats, pairs: tuple[Ints, Ints], limits: tuple[Ints, Ints]
) -> tuple[Ints, Ints, Floats]:
    """By column: where each begins, the rows of its entries and their values.

    A row for each stay, then one for each limit and segment in which it counts.
    """
    (stay, segment), (limit, where) = pairs, limits
    needs = parts.shape[1]
    row_of = np.full((1 + len(parts), len(lengths)), -1)
    row_of[1 + limit, where] = needs + np.arange(len(limit))
    rows = row_of.T[segment]
    rows[:, 0] = stay
    values = np.vstack((np.ones(needs), parts)).T[stay]
    used = (rows >= 0) & (values > 0)
    peaks = np.flatnonzero(limit == 0)
    start = np.concatenate(([0], used.sum(axis=1).cumsum()))
    return start, np.concatenate((rows[used], needs + peaks)), np.concatenate((values[used], -lengths[where[peaks]]))
