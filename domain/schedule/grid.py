"""A site's connection to the grid, by slot: what else it draws, what its plants give, its limits, and its prices.

Money is micro-euro per Wh. Where only the slot decides what a Wh costs, a charging problem is a transport problem
(flow.py); `Steps` are what each slot then offers: the sun that would be curtailed, the sun that would be fed in, and
the grid, up to the site's limit.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.schedule.columns import Columns, Floats, Ints
from domain.schedule.problem import DemandCharge
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH

EARLY_MICRO_PER_WH = 1e-3
"""What the last slot costs more than the first, where all else is alike."""
PLENTY_WH = np.iinfo(np.int64).max // 8


@dataclass(frozen=True)
class Grid:
    """Wh and micro-euro per Wh by slot. Where there is no limit, it is `PLENTY_WH`.

    `unmet` is what a Wh may cost that would else be missing: what the aims say, and every peak that it may raise. So no
    price of a peak sheds energy. Where it is uncertain who stays, the aims alone say what a Wh is worth: it is weighed
    against the chance that it is missing, and a peak for every such chance would be paid.
    """

    load_wh: Ints
    sun_wh: Ints
    import_wh: Ints
    export_wh: Ints
    price: Floats
    feed_in: Floats
    unmet: float

    @classmethod
    def of(cls, columns: Columns) -> "Grid":
        problem, count = columns.problem, len(columns.problem.slots)
        site, prices = problem.site, problem.prices
        return cls(
            load_wh=columns.wh_of(site.load_w),
            sun_wh=columns.wh_of(site.sun_w),
            import_wh=_limit(columns, site.import_limit_w),
            export_wh=_limit(columns, site.export_limit_w),
            price=_micro_per_wh(prices.import_micro_per_kwh, count) + _micro_per_wh(prices.carbon_micro_per_kwh, count),
            feed_in=_micro_per_wh(prices.export_micro_per_kwh, count),
            unmet=problem.aims.unmet_micro_per_kwh / WH_PER_KWH + _raised_peaks(columns),
        )

    @cached_property
    def most_wh(self) -> Ints:
        """What the vehicles can draw: the grid's limit and the sun, less what else the site draws."""
        return np.maximum(0, np.minimum(self.import_wh - self.load_wh + self.sun_wh, PLENTY_WH))

    @cached_property
    def early(self) -> Floats:
        count = len(self.price)
        return EARLY_MICRO_PER_WH * np.arange(count) / count

    def steps(self) -> "Steps":
        spare_wh = np.maximum(0, self.sun_wh - self.load_wh)
        exported_wh = np.minimum(spare_wh, self.export_wh)
        paid = self.price < 0
        ends = np.array(
            [
                np.where(paid, np.clip(self.import_wh - self.load_wh, 0, self.most_wh), spare_wh - exported_wh),
                np.where(paid, self.most_wh, spare_wh),
                self.most_wh,
            ]
        )
        ends = np.minimum(ends, self.most_wh)
        costs = np.array(
            [
                np.where(paid, self.price, 0.0),
                np.where(paid, 0.0, np.maximum(0.0, self.feed_in - EARLY_MICRO_PER_WH)),
                self.price,
            ]
        )
        return Steps.sorted(ends, costs + self.early, below=self.unmet)


@dataclass(frozen=True)
class Steps:
    """By step, cheapest first: its slot, what a Wh costs there, and up to which draw of its slot it reaches, Wh."""

    slot: Ints
    cost: Floats
    until_wh: Ints

    @classmethod
    def sorted(cls, ends_wh: Ints, costs: Floats, *, below: float) -> "Steps":
        """Of steps by (step, slot), those that hold something for less than energy that is missing is worth."""
        widths = np.diff(ends_wh, axis=0, prepend=0)
        number, slot = np.nonzero((widths > 0) & (costs < below))
        cost, until = costs[number, slot], ends_wh[number, slot]
        order = np.lexsort((number, cost))
        return cls(slot[order], cost[order], until[order])


def intervals(columns: Columns, demand: DemandCharge) -> tuple[Ints, Floats, Ints]:
    """The metered intervals of a demand charge: of which each of its slots is part, their hours, and Wh drawn before.

    A slot that is longer than an interval is one of its own: power is even in it.
    """
    problem = columns.problem
    edges_s = np.array(problem.slots.edges_s, dtype=np.int64)
    chosen = np.arange(demand.from_slot, demand.to_slot)
    interval, row_of = np.unique(edges_s[chosen] // demand.interval_s, return_inverse=True)
    seconds = np.bincount(row_of, weights=columns.slot_seconds[chosen], minlength=len(interval))
    runs = interval == edges_s[0] // demand.interval_s
    return row_of, np.maximum(seconds, demand.interval_s) / SECONDS_PER_HOUR, np.where(runs, demand.used_wh, 0)


def _raised_peaks(columns: Columns) -> float:
    """What a Wh costs that raises every peak with a price, micro-euro; nothing where it is uncertain who stays."""
    problem, raised = columns.problem, 0.0
    if any(vehicle.presence_bp for vehicle in problem.vehicles):
        return raised
    for demand in problem.prices.demands:
        raised += demand.price_micro_per_kw / WH_PER_KWH * SECONDS_PER_HOUR / demand.interval_s
    if problem.aims.peak_target_w is not None:
        hours = float(np.median(columns.slot_seconds)) / SECONDS_PER_HOUR
        raised += problem.aims.over_micro_per_kw / WH_PER_KWH / hours
    return raised


def _limit(columns: Columns, limit_w: tuple[int, ...] | None) -> Ints:
    return np.full(len(columns.problem.slots), PLENTY_WH) if limit_w is None else columns.wh_of(limit_w)


def _micro_per_wh(micro_per_kwh: tuple[int, ...], count: int) -> Floats:
    return np.array(micro_per_kwh, dtype=float) / WH_PER_KWH if micro_per_kwh else np.zeros(count)
