"""A plan in whole Wh: rounded down; what a vehicle lost by that it gets where it lost most (largest remainder)."""

import numpy as np

from domain.schedule.columns import Columns, Floats, Ints

_CLOSE = 1e-6


def whole(columns: Columns, taken: Floats, given: Floats) -> tuple[Ints, Ints]:
    """Whole Wh by pair, taken and given. No limit of vehicle or site is passed; a need that was met is met."""
    given_wh = np.floor(given + _CLOSE).astype(np.int64)
    taken_wh = np.floor(taken + _CLOSE).astype(np.int64)
    remainder = taken - taken_wh
    lost = np.rint(np.add.reduceat(np.append(remainder, 0.0), columns.first[:-1])).astype(np.int64)
    lost[np.diff(columns.first) == 0] = 0
    order = np.lexsort((-remainder, columns.vehicle))
    rank = np.arange(len(order)) - columns.first[columns.vehicle[order]]
    raised = order[(rank < lost[columns.vehicle[order]]) & (remainder[order] > _CLOSE)]
    taken_wh[raised] = np.minimum(taken_wh[raised] + 1, columns.most_wh[raised])
    _below_limits(columns, taken_wh, given_wh, raised)
    return taken_wh, given_wh


def _below_limits(columns: Columns, taken_wh: Ints, given_wh: Ints, raised: Ints) -> None:
    """Takes raised Wh back where the site's limit is passed by them."""
    site = columns.problem.site
    if site.import_limit_w is None:
        return
    room = np.maximum(0, columns.wh_of(site.import_limit_w) - columns.wh_of(site.load_w) + columns.wh_of(site.sun_w))
    over = columns.by_slot(taken_wh - given_wh) - room
    for pair in raised[over[columns.slot[raised]] > 0]:
        if over[columns.slot[pair]] > 0:
            taken_wh[pair] -= 1
            over[columns.slot[pair]] -= 1
