"""Fairness among plans that cost the same: energy moves within a slot, from who has most of its need to who has least.

The site draws the same in every slot afterwards, so no price and no peak changes.
"""

import numpy as np
import numpy.typing as npt

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Columns, Floats, Ints
from domain.schedule.plan import Schedule

PASSES = 8
"""Over all vehicles that lack energy, at most."""


def jain(shares: npt.ArrayLike) -> float:
    """Jain's index of fairness, (Σx)² / (n · Σx²): 1 if all have alike, 1/n if one has all (Jain, Chiu and Hawe,
    DEC-TR-301, 1984); 1 for nobody and for nothing.

    >>> jain([1, 1, 1, 1]), jain([1, 0, 0, 0])
    (1.0, 0.25)
    """
    values = np.asarray(shares, dtype=float)
    squares = float((values**2).sum())
    return float(values.sum()) ** 2 / (len(values) * squares) if squares else 1.0


def worst_decile(shares: npt.ArrayLike) -> float:
    """The mean of the lowest tenth, one at least; 1 for nobody.

    >>> worst_decile([0.2] + [1.0] * 9)
    0.2
    """
    values = np.sort(np.asarray(shares, dtype=float))
    return float(values[: max(1, len(values) // 10)].mean()) if len(values) else 1.0


def shares(schedule: Schedule) -> Floats:
    """What each vehicle gets of what its stay allows of its need, 0 to 1; 1 for who needs nothing."""
    possible = schedule.columns.possible_wh
    return np.where(possible > 0, np.minimum(1.0, schedule.charged_wh / np.maximum(1, possible)), 1.0)


def fairer(schedule: Schedule) -> Schedule:
    """The schedule with the worst served vehicles raised. Batteries in the plan, trades ahead, uncertain presence and
    single conductors leave theirs as it is: there, a Wh is not worth the same to all."""
    columns = schedule.columns
    free = _alike(columns)
    taken_wh = schedule.import_wh.copy()
    room_wh = columns.most_wh - taken_wh
    possible = np.maximum(1, columns.possible_wh)
    charged = schedule.charged_wh
    by_slot = _by_slot(columns)
    for _ in range(PASSES):
        moved = 0
        lacking = np.flatnonzero(free & (charged < columns.possible_wh))
        for poor in lacking[np.argsort(charged[lacking] / possible[lacking], kind="stable")]:
            for pair in range(columns.first[poor], columns.first[poor + 1]):
                moved += _take_from_richer(pair, taken_wh, room_wh, charged, possible, free, columns, by_slot)
        if not moved:
            break
    return Schedule(columns, taken_wh, schedule.export_wh, schedule.how)


def _alike(columns: Columns) -> npt.NDArray[np.bool_]:
    lines = columns.problem.site.line_limit_w is not None
    return np.array(
        [
            v.battery is None
            and not v.bought_wh
            and not v.least_power_w
            and not lines
            and all(share == WHOLE_BP for share in v.presence_bp)
            for v in columns.problem.vehicles
        ],
        dtype=np.bool_,
    )


def _by_slot(columns: Columns) -> list[Ints]:
    order = np.argsort(columns.slot, kind="stable")
    counts = np.bincount(columns.slot, minlength=len(columns.problem.slots))
    return np.split(order, np.cumsum(counts)[:-1])


def _take_from_richer(
    pair: int,
    taken_wh: Ints,
    room_wh: Ints,
    charged: Ints,
    possible: Ints,
    free: npt.NDArray[np.bool_],
    columns: Columns,
    by_slot: list[Ints],
) -> int:
    """Lets the pair's vehicle take over what the richest there takes in its slot, until both have alike."""
    poor, moved = int(columns.vehicle[pair]), 0
    pairs = by_slot[columns.slot[pair]]
    givers = pairs[(taken_wh[pairs] > 0) & free[columns.vehicle[pairs]]]
    rich = columns.vehicle[givers]
    for giver in givers[np.argsort(-charged[rich] / possible[rich], kind="stable")]:
        other = int(columns.vehicle[giver])
        # The amount a that makes (charged_poor + a) / possible_poor = (charged_other - a) / possible_other.
        alike = (int(charged[other]) * int(possible[poor]) - int(charged[poor]) * int(possible[other])) // int(
            possible[poor] + possible[other]
        )
        part = min(alike, int(room_wh[pair]), int(taken_wh[giver]), int(columns.possible_wh[poor] - charged[poor]))
        if part <= 0:
            break
        for number, vehicle, amount in ((pair, poor, part), (int(giver), other, -part)):
            taken_wh[number] += amount
            room_wh[number] -= amount
            charged[vehicle] += amount
        moved += part
    return moved
