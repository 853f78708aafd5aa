"""What is to come, from what has been: vehicles not there yet, and the peak that a month will need anyway.

JPL's weeks are alike, its days are not (every second Friday is free), so what is expected of a day is the same weekday
of the last weeks. Only stays that ended are looked at.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from domain.schedule.moment import Moment
from domain.schedule.problem import Vehicle
from domain.units import EnergyWh, PowerW, UnixSeconds

WEEK_S = 7 * 86_400


class Stayed(NamedTuple):
    """A stay that is over: when it was, and what it needed when it began."""

    arrival_s: int
    departure_s: int
    need_wh: int
    power_w: int


class Record:
    """Stays that ended, by arrival: those given, and those seen to end since."""

    def __init__(self, past: Iterable[Stayed] = ()) -> None:
        self.stays: list[Stayed] = sorted(past)
        self._present: dict[str, Stayed] = {}

    def watch(self, moment: Moment) -> None:
        """Takes note of who came and who is gone. To be called once a slot."""
        there = {vehicle.session: vehicle for vehicle in moment.vehicles}
        for session in [session for session in self._present if session not in there]:
            insort(self.stays, self._present.pop(session)._replace(departure_s=int(moment.now_s)))
        for session, vehicle in there.items():
            if session not in self._present:
                self._present[session] = Stayed(vehicle.arrival_s, 0, vehicle.need_wh, vehicle.power_w)

    def between(self, from_s: int, to_s: int) -> Sequence[Stayed]:
        """The stays that began after `from_s` and up to `to_s`."""
        first = bisect_right(self.stays, from_s, key=lambda stay: stay.arrival_s)
        last = bisect_right(self.stays, to_s, key=lambda stay: stay.arrival_s)
        return self.stays[first:last]


def phantoms(record: Record, moment: Moment, until_s: int, *, weeks: Sequence[int], grain_s: int) -> list[Vehicle]:
    """The vehicles that will come after this slot and up to `until_s`, if the given weeks (1: the last one) come again.

    None takes room in this slot, where nobody could use it.

    Stays that are alike up to `grain_s` are one vehicle with their joint need and power; of several weeks it is their
    mean. Arrivals are rounded up and departures down: nobody is expected to be there when nobody was.
    """
    alike: dict[tuple[int, int], tuple[int, int]] = {}
    for week in weeks:
        shift_s = week * WEEK_S
        for stay in record.between(moment.now_s - shift_s, min(moment.now_s, until_s - shift_s)):
            arrival_s = max(int(moment.ends_s), -(-(stay.arrival_s + shift_s) // grain_s) * grain_s)
            departure_s = stay.departure_s + shift_s
            key = (arrival_s, max(arrival_s + grain_s, departure_s - departure_s % grain_s))
            need_wh, power_w = alike.get(key, (0, 0))
            alike[key] = (need_wh + stay.need_wh, power_w + stay.power_w)
    return [
        Vehicle(
            session=f"expected {arrival_s} {departure_s}",
            arrival_s=UnixSeconds(arrival_s),
            departure_s=UnixSeconds(departure_s),
            need_wh=EnergyWh(need_wh // len(weeks)),
            power_w=PowerW(max(1, power_w // len(weeks))),
        )
        for (arrival_s, departure_s), (need_wh, power_w) in sorted(alike.items())
    ]
