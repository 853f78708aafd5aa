"""Problems in which only the slot decides what a Wh costs, solved exactly as flows, in whole Wh.

Nobody gives back, tapers, traded ahead or may leave early, no conductor or circuit has a limit of its own, and at most
one peak has a price, in intervals of one slot each.
"""

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Columns, Floats, Ints
from domain.schedule.flow import Flow, Stands
from domain.schedule.grid import Grid, intervals
from domain.schedule.peak import PeakPrice, cheapest_peak
from domain.schedule.plan import Schedule
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH

PAIRS_IN_A_SLOT = 100
"""From so many on, a search for the peak by flows is faster than the linear program."""


def transport(columns: Columns) -> Schedule | None:
    """The optimal schedule; None where the problem is none of these, or the linear program is faster."""
    problem = columns.problem
    prices = _peak_prices(columns)
    if not _slot_decides(columns) or prices is None or len(prices) > 1:
        return None
    if prices and len(columns) < PAIRS_IN_A_SLOT * len(problem.slots):
        return None
    grid, stands = Grid.of(columns), Stands(columns)
    steps = grid.steps()
    if (steps.cost < 0).any() and (problem.site.sun_w or any(v.battery for v in problem.vehicles)):
        return None
    if prices:
        flow = cheapest_peak(stands, steps, grid.most_wh, prices[0], unmet=grid.unmet)
    else:
        flow = Flow(stands)
        flow.run(steps, grid.most_wh)
    return Schedule(columns, flow.taken_wh[stands.place], np.zeros(len(columns), dtype=np.int64), "optimum by flow")


def _slot_decides(columns: Columns) -> bool:
    problem = columns.problem
    return not (
        problem.site.line_limit_w is not None
        or problem.site.circuits_w
        or any(v.export_power_w or v.bought_wh or v.taper_bp != WHOLE_BP for v in problem.vehicles)
        or (columns.presence != 1).any()
    )


def _peak_prices(columns: Columns) -> list[PeakPrice] | None:
    """What has a price for its peak; None if that is more than single slots, all equally long, or may be lower for
    sun that is fed in at a loss."""
    problem, grid = columns.problem, Grid.of(columns)
    other_wh = grid.load_wh - grid.sun_wh
    found = []
    for demand in problem.prices.demands:
        slots = np.arange(demand.from_slot, demand.to_slot)
        if not len(slots) or not demand.price_micro_per_kw:
            continue
        row_of, hours, used_wh = intervals(columns, demand)
        if len(row_of) != len(hours) or np.ptp(hours) or (demand.used_wh and problem.site.sun_w):
            return None
        found.append(_peak_price(demand.price_micro_per_kw, demand.peak_w, hours, slots, other_wh[slots] + used_wh))
    aims = problem.aims
    if aims.peak_target_w is not None and aims.over_micro_per_kw:
        hours = columns.slot_seconds / SECONDS_PER_HOUR
        if np.ptp(hours):
            return None
        found.append(_peak_price(aims.over_micro_per_kw, aims.peak_target_w, hours, np.arange(len(hours)), other_wh))
    return found


def _peak_price(micro_per_kw: int, free_w: int, hours: Floats, slots: Ints, other_wh: Ints) -> PeakPrice:
    return PeakPrice(micro_per_kw / WH_PER_KWH / float(hours[0]), int(free_w * hours[0]), slots, other_wh)
