"""What is expected of prices, load and sun: what is published, and beyond that what the last days were like."""

from collections.abc import Sequence

import numpy as np

from domain.schedule.columns import Floats, Ints
from domain.schedule.moment import Moment
from domain.schedule.problem import Slots
from domain.units import SECONDS_PER_HOUR

DAY_S = 86_400
DAYS = 3
RECENT_S = 2 * SECONDS_PER_HOUR


def published(values: Sequence[int] | Ints, moment: Moment, slots: Slots) -> tuple[int, ...]:
    """Values given by slot from the one that runs, as means over each of `slots`; where they end, the last day again.

    Nothing for nothing.
    """
    if not len(values):
        return ()
    return _means(np.array(values, dtype=np.float64), moment, slots)


def totals(values: Sequence[int], moment: Moment, slots: Slots) -> tuple[int, ...]:
    """Sums over each of `slots` of amounts given by slot from the one that runs, all of which is still to come.

    An amount whose slot is cut is shared by time.
    """
    found, edges_s = [0] * len(slots), slots.edges_s
    place, begins_s = 0, edges_s[0]
    for number, amount in enumerate(values):
        ends_s = moment.ends_s + number * moment.slot_s
        at_s, left = begins_s, amount
        while place < len(found):
            to_s = min(ends_s, edges_s[place + 1])
            part = left * (to_s - at_s) // (ends_s - at_s)
            found[place] += part
            at_s, left = to_s, left - part
            if to_s == edges_s[place + 1]:
                place += 1
            if to_s == ends_s:
                break
        begins_s = ends_s
    return tuple(found)


class Daily:
    """Mean power expected of a load or a plant: the last days' at the same time, scaled by what today was like so far.

    Weekdays are expected to be like weekdays and weekends like weekends. `past_w` are means of slots of the moments'
    length, up to the first of them. The scale is what the last two hours gave by what they gave on those days, at most
    `most_scale`; it fades by half in `half_life_s`, because weather changes. Without any past, the last value stays.
    """

    def __init__(
        self,
        past_w: Sequence[int] = (),
        *,
        utc_offset_s: int = 0,
        days: int = DAYS,
        most_scale: float = 2.0,
        half_life_s: int = 4 * SECONDS_PER_HOUR,
    ) -> None:
        self._past = np.array(past_w, dtype=np.float64)
        self._offset_s, self._days = utc_offset_s, days
        self._most_scale, self._half_life_s = most_scale, half_life_s

    def expected(self, values_w: Sequence[int] | Ints, moment: Moment, slots: Slots) -> tuple[int, ...]:
        """W by slot, rounded down; `values_w` are those of the moment, up to it."""
        seen = np.concatenate((self._past, np.asarray(values_w, dtype=np.float64)))
        count = -(-(slots.end_s - moment.now_s) // moment.slot_s) + 1
        if not len(seen):
            return (0,) * len(slots)
        day, recent = DAY_S // moment.slot_s, max(1, RECENT_S // moment.slot_s)
        chosen = self._alike(moment, (len(seen) - recent) // day)
        if not chosen:
            return _means(np.full(count, seen[-1]), moment, slots)
        ends = [len(seen) - back * day for back in chosen]
        usual = np.mean([seen[end : end + day] for end in ends], axis=0)
        before = float(np.mean([seen[end - recent : end].sum() for end in ends]))
        expected = np.resize(usual, count)
        if before > 0:
            scale = min(self._most_scale, float(seen[-recent:].sum()) / before)
            fading = 0.5 ** (np.arange(count) * moment.slot_s / self._half_life_s)
            expected = expected * (1 + (scale - 1) * fading)
        return _means(expected, moment, slots)

    def _alike(self, moment: Moment, days: int) -> list[int]:
        """How many days back the last ones of today's kind are."""
        today = (moment.now_s + self._offset_s) // DAY_S
        weekend = _weekend(today)
        return [back for back in range(1, days + 1) if _weekend(today - back) == weekend][: self._days]


def _weekend(day: int) -> bool:
    """Of a day since 1 January 1970, a Thursday."""
    return (day + 3) % 7 >= 5  # noqa: PLR2004 (Saturday and Sunday)


def _means(steps: Floats, moment: Moment, slots: Slots) -> tuple[int, ...]:
    """Means over each slot of values by slots of `moment.slot_s`, the first of which is the one that runs.

    It counts for what of the slot before is left as well, where that was joined to it.
    """
    start_s = moment.ends_s - moment.slot_s
    edges = np.maximum(0, np.array(slots.edges_s, dtype=np.int64) - start_s) / moment.slot_s
    first = np.floor(edges[:-1]).astype(np.int64)
    last = np.maximum(np.ceil(edges[1:]).astype(np.int64), first + 1)
    if last[-1] > len(steps):
        steps = np.concatenate((steps, np.resize(steps[-(DAY_S // moment.slot_s) :], last[-1] - len(steps))))
    running = np.concatenate(([0.0], np.cumsum(steps)))
    return tuple(np.floor((running[last] - running[first]) / (last - first) + 1e-6).astype(np.int64).tolist())
