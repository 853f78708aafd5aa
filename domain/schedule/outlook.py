"""What is expected of prices, load and sun: what is published, and beyond that what the last days were like."""

from collections.abc import Sequence

import numpy as np

from domain.schedule.columns import Floats
from domain.schedule.moment import Moment
from domain.schedule.problem import Slots
from domain.units import SECONDS_PER_HOUR

DAY_S = 86_400
DAYS = 5
RECENT_S = 2 * SECONDS_PER_HOUR


def published(values: Sequence[int], moment: Moment, slots: Slots) -> tuple[int, ...]:
    """Values given by slot from the one that runs, as means over each of `slots`; where they end, the last day again.

    Nothing for nothing.
    """
    if not len(values):
        return ()
    return _means(np.array(values, dtype=np.float64), moment, slots)


class Daily:
    """Mean power expected of a load or a plant: the last days' at the same time, scaled by what today was like so far.

    `past_w` are means of slots of `slot_s` that end where those of the moments begin. The scale is what the last two
    hours gave by what they gave on the days before, at most `most_scale`; it fades over `fades_s`, because weather
    changes. Without any past, the last value stays.
    """

    def __init__(
        self,
        past_w: Sequence[int] = (),
        *,
        days: int = DAYS,
        most_scale: float = 1.5,
        fades_s: int = 6 * SECONDS_PER_HOUR,
    ) -> None:
        self._past = np.array(past_w, dtype=np.float64)
        self._days, self._most_scale, self._fades_s = days, most_scale, fades_s

    def expected(self, values_w: Sequence[int], moment: Moment, slots: Slots) -> tuple[int, ...]:
        """W by slot, rounded down; `values_w` are those of the moment, up to it."""
        seen = np.concatenate((self._past, np.asarray(values_w, dtype=np.float64)))
        count = -(-(slots.end_s - moment.now_s) // moment.slot_s) + 1
        if not len(seen):
            return (0,) * len(slots)
        day = DAY_S // moment.slot_s
        whole = min(self._days, len(seen) // day)
        if not whole:
            return _means(np.full(count, seen[-1]), moment, slots)
        usual = seen[-whole * day :].reshape(whole, day).mean(axis=0)
        expected = np.resize(usual, count)
        recent = max(1, RECENT_S // moment.slot_s)
        before = usual[-recent:].sum()
        if before > 0:
            scale = min(self._most_scale, float(seen[-recent:].sum() / before))
            fading = np.exp(-np.arange(count) * moment.slot_s / self._fades_s)
            expected = expected * (1 + (scale - 1) * fading)
        return _means(expected, moment, slots)


def _means(steps: Floats, moment: Moment, slots: Slots) -> tuple[int, ...]:
    """Means over each slot of values by slots of `moment.slot_s`, the first of which is the one that runs."""
    start_s = moment.ends_s - moment.slot_s
    edges = (np.array(slots.edges_s, dtype=np.int64) - start_s) / moment.slot_s
    first = np.floor(edges[:-1]).astype(np.int64)
    last = np.maximum(np.ceil(edges[1:]).astype(np.int64), first + 1)
    if last[-1] > len(steps):
        steps = np.concatenate((steps, np.resize(steps[-(DAY_S // moment.slot_s) :], last[-1] - len(steps))))
    running = np.concatenate(([0.0], np.cumsum(steps)))
    return tuple(np.floor((running[last] - running[first]) / (last - first) + 1e-6).astype(np.int64).tolist())
