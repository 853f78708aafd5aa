"""When a vehicle will really leave, learned from what others declared and did.

Of 6,026 drivers at JPL in 2019, one in six left over an hour before the departure they had declared, and two in three
stayed longer. Who comes at a like hour and declares a like stay leaves like others did: each of the past counts by how
near it is (a Gaussian kernel), and the share of them that stayed longer is how likely this one does, given that it is
still there now.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Floats
from domain.schedule.problem import Slots, Vehicle
from domain.units import SECONDS_PER_HOUR

DAY_S = 86_400
WIDTH_S = SECONDS_PER_HOUR
NOBODY = 1e-6
"""A share of the past that is none."""
LEAST_BP = 200
"""Of 10,000: who is that unlikely to be there is not counted on."""


class Declared(NamedTuple):
    """A stay that is over: when it began, what departure was declared, and when it ended."""

    arrival_s: int
    declared_s: int
    departure_s: int


class Departures:
    """The distribution of departures. `utc_offset_s` makes hours of the day; weekends count apart from weekdays."""

    def __init__(self, past: Iterable[Declared], *, utc_offset_s: int = 0, width_s: int = WIDTH_S) -> None:
        known = np.array([tuple(stay) for stay in past], dtype=np.float64).reshape(-1, 3)
        arrival = known[:, 0] + utc_offset_s
        self._offset_s, self._width_s = utc_offset_s, width_s
        self._hour = arrival % DAY_S
        self._weekend = _weekend(arrival)
        self._declared = known[:, 1] - known[:, 0]
        self._late = known[:, 2] - known[:, 1]
        self._order = np.argsort(self._late)
        self._late = self._late[self._order]
        self._weights: dict[str, Floats] = {}

    def presence_bp(self, vehicle: Vehicle, now_s: int, slots: Slots) -> tuple[int, ...]:
        """How likely the vehicle is there until the end of each slot, of 10,000, given that it is there now.

        `vehicle.departure_s` is the declared one. Nobody known: it stays until then, and half as likely for each hour
        after it. The same where it stayed longer than everybody.
        """
        ends_s = np.array(slots.edges_s[1:], dtype=np.float64)
        now = self._staying(vehicle, np.array([float(now_s)]))[0]
        if now < NOBODY:
            from_s = max(now_s, int(vehicle.departure_s))
            share = np.minimum(1.0, 0.5 ** ((ends_s - from_s) / SECONDS_PER_HOUR))
        else:
            share = self._staying(vehicle, ends_s) / now
        return tuple(np.floor(np.clip(share, 0, 1) * WHOLE_BP).astype(np.int64).tolist())

    def latest_s(self, vehicle: Vehicle, now_s: int, until_s: int, step_s: int) -> int:
        """The end of the last step up to which the vehicle is still there by `LEAST_BP`; one step at least."""
        slots = Slots.from_now(now_s, step_s, max(until_s, now_s + step_s))
        shares = self.presence_bp(vehicle, now_s, slots)
        there = [end_s for end_s, share in zip(slots.edges_s[1:], shares, strict=True) if share >= LEAST_BP]
        return there[-1] if there else slots.edges_s[1]

    def _staying(self, vehicle: Vehicle, times_s: Floats) -> Floats:
        """The weighted share of the past that stayed at least as long, relative to what was declared."""
        above = self._weights.get(vehicle.session)
        if above is None:
            above = self._weights[vehicle.session] = self._weigh(vehicle)
        found: Floats = above[np.searchsorted(self._late, times_s - vehicle.departure_s, side="left")]
        return found

    def _weigh(self, vehicle: Vehicle) -> Floats:
        """Weight of those later than each of the past, which are sorted; the last one has none above it."""
        if not len(self._late):
            return np.zeros(1)
        arrival = vehicle.arrival_s + self._offset_s
        hours = np.abs(self._hour - arrival % DAY_S)
        hours = np.minimum(hours, DAY_S - hours)
        stays = self._declared - (vehicle.departure_s - vehicle.arrival_s)
        near = np.exp(-((hours / self._width_s) ** 2 + (stays / self._width_s) ** 2) / 2)
        near = (near + 1e-9) * np.where(self._weekend == _weekend(np.array([arrival]))[0], 1.0, 0.1)
        sorted_near = near[self._order]
        above: Floats = np.concatenate((np.cumsum(sorted_near[::-1])[::-1], [0.0]))
        share: Floats = above / above[0]
        return share


def _weekend(local_s: Floats) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """The 1st of January 1970 was a Thursday."""
    return (local_s // DAY_S + 3) % 7 >= 5  # noqa: PLR2004 (Saturday and Sunday)


def declared_of(stays: Sequence[tuple[int, int, int]]) -> list[Declared]:
    """Arrival, declared and true departure, of those that can be: the declared one after the arrival."""
    return [Declared(*stay) for stay in stays if stay[1] > stay[0] and stay[2] > stay[0]]
