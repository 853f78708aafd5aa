"""What is planned on a site by slot, and the room that its limits leave: whole Wh, slots of even length.

Row 0 is the site, the others are its circuits, on each of which a part of a vehicle's power counts.
"""

from dataclasses import dataclass

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Floats, Ints
from domain.schedule.problem import Vehicle

SPAN = 2_048
"""Slots that are held at first; there are more when a stay needs them."""


@dataclass(slots=True)
class Stay:
    """A vehicle in slots [first, last), what it still misses, and what is planned for it in each of them."""

    vehicle: Vehicle
    first: int
    last: int
    missing_wh: int
    most_wh: int
    rows: Ints
    parts: Ints
    planned_wh: Ints

    @classmethod
    def of(cls, vehicle: Vehicle, slot: int, slot_s: int) -> "Stay":
        """From this slot to its told departure; for who should have left, in this slot."""
        last = max(slot + 1, int(vehicle.departure_s) // slot_s)
        parts = np.array((WHOLE_BP, *vehicle.circuits_bp), dtype=np.int64)
        rows = np.flatnonzero(parts)
        most_wh = vehicle.power_w * slot_s // 3_600
        nothing = np.zeros(last - slot, dtype=np.int64)
        return cls(vehicle, slot, last, int(vehicle.need_wh), most_wh, rows, parts[rows, None], nothing)

    def possible_wh(self, slot: int) -> int:
        """What of its need its power and the rest of its stay allow."""
        return max(0, min(self.missing_wh, self.most_wh * (self.last - slot)))


class Room:
    """`most_wh` by row is what a slot can hold, in parts of WHOLE_BP of a Wh."""

    def __init__(self, rows: int, slot: int) -> None:
        self.most = np.zeros((rows, 1), dtype=np.int64)
        self._used = np.zeros((rows, SPAN), dtype=np.int64)
        self._begin = slot

    def left_wh(self, stay: Stay, slot: int) -> Ints:
        """What the stay could take in each of its slots from this one on."""
        used = self._used[stay.rows, slot - self._begin : stay.last - self._begin]
        left = ((self.most[stay.rows] - used) // stay.parts).min(axis=0)
        wh: Ints = np.clip(left, 0, stay.most_wh)
        return wh

    def hold(self, stay: Stay, slot: int) -> None:
        """Room for the stay's slots from this one on."""
        if stay.last - self._begin <= self._used.shape[1]:
            return
        kept = self._used[:, max(0, slot - self._begin) :]
        self._used = np.zeros((len(kept), max(SPAN, 2 * (stay.last - slot))), dtype=np.int64)
        some = min(kept.shape[1], self._used.shape[1])
        self._used[:, :some] = kept[:, :some]
        self._begin = slot

    def put(self, stay: Stay, slot: int, planned_wh: Ints) -> None:
        """Replaces what is planned for the stay from this slot on."""
        here = slice(slot - self._begin, stay.last - self._begin)
        change = planned_wh - stay.planned_wh[slot - stay.first :]
        self._used[stay.rows, here] += stay.parts * change
        stay.planned_wh[slot - stay.first :] = planned_wh

    def over(self, slot: int, last: int) -> bool:
        """Whether more is planned in some slot than it can hold."""
        return bool((self._used[:, slot - self._begin : last - self._begin] > self.most).any())


def cheapest(room_wh: Ints, price: Floats, wanted_wh: int) -> Ints:
    """As much as is wanted where it costs least, the earliest first."""
    order = np.argsort(price, kind="stable")
    sorted_wh = room_wh[order]
    before = np.cumsum(sorted_wh) - sorted_wh
    found = np.empty_like(room_wh)
    found[order] = np.clip(wanted_wh - before, 0, sorted_wh)
    return found
