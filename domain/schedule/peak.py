"""The cheapest peak of a charge-only plan: how high, when each kW of it has a price.

What energy costs falls in a convex curve as the peak may be higher; each solved flow gives the curve's value and both
its slopes there, from the prices that its full slots would pay for more room. So the search keeps a bracket, and goes
on where the two tangents meet (Kelley, The cutting-plane method, J. SIAM 8, 1960) until neither a Wh more nor a Wh less
is cheaper.
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.schedule.columns import Columns, Floats, Ints
from domain.schedule.flow import Flow, Stands
from domain.schedule.grid import PLENTY_WH, Steps

SAMPLE, SAMPLE_FROM = 400, 3_200
"""Of how many vehicles a first guess of the peak is made, and from how many on it is worth it."""
BELOW_GUESS = 0.97
"""The curve is steep where energy would be missing, and its tangents lead to the peak fastest from there."""
STRIDE = 0.01
"""Of the peak: while none was too low, the next is tried below the last by twice as much as before, from twice this."""
CLOSE = 1e-12


@dataclass(frozen=True)
class PeakPrice:
    """What a Wh more in the interval with the highest draw costs, micro-euro; the first `free_wh` cost nothing more.

    In each of `slots`, vehicles can take the peak less `other_wh`.
    """

    micro_per_wh: float
    free_wh: int
    slots: Ints
    other_wh: Ints

    @property
    def least_wh(self) -> int:
        """What is paid for or drawn by others anyway."""
        return max(self.free_wh, int(self.other_wh.max(initial=0)))

    def limit_wh(self, peak_wh: int, most_wh: Ints) -> Ints:
        limit = most_wh.copy()
        limit[self.slots] = np.minimum(limit[self.slots], np.maximum(0, peak_wh - self.other_wh))
        return limit

    def of_sample(self, scale: int) -> "PeakPrice":
        return replace(self, free_wh=self.free_wh // scale, other_wh=self.other_wh // scale)


@dataclass(frozen=True)
class Trial:
    """A flow under one peak. `more` and `less` are what a Wh more and a Wh less of peak change in all, micro-euro."""

    peak_wh: int
    cost: float
    more: float
    less: float
    flow: Flow


def cheapest_peak(stands: Stands, steps: Steps, most_wh: Ints, price: PeakPrice, *, unmet: float) -> Flow:
    """The flow of least energy and peak cost."""
    search = _Search(stands, steps, most_wh, price, unmet)
    free = search.at(PLENTY_WH, None)
    if free.peak_wh <= price.least_wh or free.less >= 0:
        return free.flow
    return search.below(free, search.guess_wh(free)).flow


@dataclass(frozen=True)
class _Search:
    stands: Stands
    steps: Steps
    most_wh: Ints
    price: PeakPrice
    unmet: float

    def below(self, high: Trial, guess_wh: int) -> Trial:
        """The cheapest trial with a peak up to that of `high`."""
        first_wh, best = self.price.least_wh, high
        low: Trial | None = None
        peak_wh, like, stride = guess_wh, high.flow.taken_wh, STRIDE
        while first_wh < high.peak_wh:
            trial = self.at(min(max(peak_wh, first_wh), high.peak_wh - 1), like)
            best, like = min(best, trial, key=lambda t: t.cost), trial.flow.taken_wh
            if trial.more < 0:
                low, first_wh = trial, trial.peak_wh + 1
            elif trial.less < 0:
                high = trial
            else:
                return trial
            if low is None:
                stride *= 2
                peak_wh = int(high.peak_wh * (1 - stride))
            elif first_wh < high.peak_wh:
                peak_wh, bound = _crossing(low, high)
                if bound >= best.cost - CLOSE * abs(best.cost):
                    return best
        return best

    def at(self, peak_wh: int, like: Ints | None) -> Trial:
        limit_wh = self.price.limit_wh(peak_wh, self.most_wh)
        flow = Flow(self.stands, like=like)
        flow.run(self.steps, limit_wh)
        slots, drawn_wh = self.price.slots, flow.drawn_wh[self.price.slots]
        peak_wh = min(peak_wh, int((drawn_wh + self.price.other_wh).max(initial=0)))
        limit_wh = self.price.limit_wh(peak_wh, self.most_wh)
        shadows = _Shadows(flow, self.steps, limit_wh, self.unmet)
        full = slots[drawn_wh + self.price.other_wh == peak_wh]
        drawing, more_room = full[flow.drawn_wh[full] > 0], full[limit_wh[full] < self.most_wh[full]]
        paid = self.price.micro_per_wh
        cost = shadows.cost + paid * (peak_wh - self.price.least_wh)
        more = paid - float(np.maximum(0, shadows.dearest[more_room] - shadows.next[more_room]).sum())
        less = float(np.maximum(0, shadows.instead[drawing] - shadows.last[drawing]).sum()) - paid
        return Trial(peak_wh, cost, more, less, flow)

    def guess_wh(self, free: Trial) -> int:
        """A little below the cheapest peak of a sample of the vehicles, under a share of the limits."""
        problem = self.stands.columns.problem
        scale = len(problem.vehicles) // SAMPLE
        if len(problem.vehicles) < SAMPLE_FROM:
            return int(free.flow.drawn_wh.sum()) // max(1, np.count_nonzero(free.flow.drawn_wh))
        stands = Stands(Columns.of(replace(problem, vehicles=problem.vehicles[::scale])))
        steps = replace(self.steps, until_wh=self.steps.until_wh // scale)
        price = self.price.of_sample(scale)
        flow = cheapest_peak(stands, steps, self.most_wh // scale, price, unmet=self.unmet)
        return int(BELOW_GUESS * scale * int((flow.drawn_wh[price.slots] + price.other_wh).max(initial=0)))


class _Shadows:
    """What energy is worth in each slot of a flow, micro-euro per Wh.

    `last` is the cost of the last step that is used, `next` of the one that would be used then; `dearest` what the
    dearest energy costs that could move here, `instead` what the cheapest place asks that energy from here could move
    to. Energy that is missing costs `unmet`.
    """

    def __init__(self, flow: Flow, steps: Steps, limit_wh: Ints, unmet: float) -> None:
        slots = len(flow.drawn_wh)
        self.last, self.next = np.full(slots, -np.inf), np.full(slots, np.inf)
        self.cost = unmet * flow.missing_wh
        drawn_wh, used_wh = flow.drawn_wh.tolist(), [0] * slots
        for slot, cost, until in zip(steps.slot.tolist(), steps.cost.tolist(), steps.until_wh.tolist(), strict=True):
            here = min(drawn_wh[slot], until) - used_wh[slot]
            if here > 0:
                self.last[slot] = cost
                self.cost += cost * here
                used_wh[slot] += here
            if drawn_wh[slot] < until:
                self.next[slot] = min(self.next[slot], cost)
        moves = flow.moves()
        back: list[list[int]] = [[] for _ in range(slots)]
        for slot, sources in enumerate(moves):
            for source in sources:
                back[source].append(slot)
        dearest = np.where(flow.missed(), unmet, self.last)
        self.dearest = -_spread(-dearest, back)
        self.instead = _spread(np.minimum(np.where(flow.drawn_wh < limit_wh, self.next, np.inf), unmet), moves)


def _spread(values: Floats, to: list[list[int]]) -> Floats:
    """The least value of all slots from which one comes here."""
    spread = values.copy()
    seen: set[int] = set()
    for start in np.argsort(values, kind="stable").tolist():
        queue = [start] if start not in seen else []
        seen.update(queue)
        for slot in queue:
            spread[slot] = min(spread[slot], values[start])
            found = [other for other in to[slot] if other not in seen]
            seen.update(found)
            queue += found
    return spread


def _crossing(low: Trial, high: Trial) -> tuple[int, float]:
    """The peak between both, whole Wh, at which the higher of their tangents is lowest, and how high it is there."""

    def bound(peak_wh: int) -> float:
        return max(low.cost + low.more * (peak_wh - low.peak_wh), high.cost + high.less * (high.peak_wh - peak_wh))

    apart = high.peak_wh - low.peak_wh
    meet = low.peak_wh + int((low.cost - high.cost - high.less * apart) / -(low.more + high.less))
    inside = [min(max(peak_wh, low.peak_wh + 1), high.peak_wh - 1) for peak_wh in (meet, meet + 1)]
    peak_wh = min(inside, key=bound)
    return peak_wh, bound(peak_wh)
