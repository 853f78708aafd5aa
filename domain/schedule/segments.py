"""The least peak and the least money for stays that are there, as a linear program over few, long segments of time.

Between two departures, and while a price holds, nothing changes: power that is even there is as good as any. So one
variable for each stay and segment is exact, where limits are the same in all slots. Circuits that could not be
overloaded by those who are there are left out.
"""

from collections.abc import Sequence

import highspy
import numpy as np

from domain.errors import PlanNotFound
from domain.schedule.columns import Floats, Ints
from domain.schedule.room import Stay
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH

PEAK_ROOM = 1e-6


class Segments:
    """One solver, used again and again."""

    def __init__(self, *, unmet_micro_per_kwh: int, limit_s: float) -> None:
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]  # its constructor has no annotations
        for name, value in (
            ("output_flag", False),
            ("threads", 1),
            ("time_limit", limit_s),
            ("presolve", "off"),
            ("solver", "simplex"),
        ):
            self._highs.setOptionValue(name, value)
        self._unmet = unmet_micro_per_kwh / WH_PER_KWH
        self._limit_s = limit_s

    def solve(
        self,
        stays: Sequence[Stay],
        wanted_wh: Ints,
        edges: Ints,
        price: Floats,
        most: Ints,
        free_wh: int,
        peak_price: float,
    ) -> tuple[Floats, float]:
        """Wh by stay and segment, and the Wh above `free_wh` in a slot that are needed. PlanNotFound.

        `edges` are slots, `price` micro-euro per Wh by segment, `most` what a slot holds by row (room.py), `peak_price`
        micro-euro per Wh of the highest slot above `free_wh`.
        """
        lengths = np.diff(edges).astype(float)
        count, segments = len(stays), len(lengths)
        last = np.array([stay.last for stay in stays])
        there = edges[None, :-1] < last[:, None]
        who, when = np.nonzero(there)
        pairs = len(who)
        most_wh = np.array([stay.most_wh for stay in stays], dtype=float)
        place = np.full((count, segments), -1)
        place[who, when] = np.arange(pairs)
        parts = np.zeros((len(most), count))
        for number, stay in enumerate(stays):
            parts[stay.rows, number] = stay.parts[:, 0]
        could = (parts * most_wh) @ there
        circuit, segment = np.nonzero(could > most)
        site = circuit == 0
        circuit, segment = circuit[~site], segment[~site]
        peaks = np.flatnonzero(could[0] > free_wh * 10_000)
        above_most = max(0.0, float(most[0, 0]) / 10_000 - free_wh)
        # rows: needs, site by segment, circuits
        circuit_of = np.full((len(most), segments), -1)
        circuit_of[circuit, segment] = count + len(peaks) + np.arange(len(circuit))
        peak_of = np.full(segments, -1)
        peak_of[peaks] = count + np.arange(len(peaks))
        at = np.flatnonzero(peak_of[when] >= 0)
        rows, cols, values = [who, peak_of[when[at]], peak_of[peaks]], [np.arange(pairs), at, np.full(len(peaks), pairs)], [
            np.ones(pairs), np.ones(len(at)), -lengths[peaks]]
        for row in np.unique(circuit):
            mine = np.flatnonzero((circuit_of[row, when] >= 0) & (parts[row, who] > 0))
            rows.append(circuit_of[row, when[mine]])
            cols.append(mine)
            values.append(parts[row, who[mine]] / 10_000)
        row, col, value = np.concatenate(rows), np.concatenate(cols), np.concatenate(values)
        order = np.argsort(row, kind="stable")
        lp = highspy.HighsLp()
        total = count + len(peaks) + len(circuit)
        lp.num_col_, lp.num_row_ = pairs + 1, total
        worth = self._unmet + peak_price
        middle = (edges[when] - edges[0]) / max(1, edges[-1] - edges[0])
        lp.col_cost_ = np.append(price[when] + 1e-3 * middle - worth, peak_price)
        lp.col_lower_ = np.zeros(pairs + 1)
        lp.col_upper_ = np.append(most_wh[who] * lengths[when], above_most)
        lp.row_lower_ = np.full(total, -np.inf)
        lp.row_upper_ = np.concatenate(
            (wanted_wh, free_wh * lengths[peaks], most[circuit, 0] / 10_000 * lengths[segment])
        ).astype(float)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=total))))
        lp.a_matrix_.index_ = col[order]
        lp.a_matrix_.value_ = value[order]
        self._highs.passModel(lp)
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise PlanNotFound(self._highs.modelStatusToString(status), self._limit_s)
        found = np.asarray(self._highs.getSolution().col_value)
        energy = np.zeros((count, segments))
        energy[who, when] = found[:-1]
        return energy, float(found[-1])
