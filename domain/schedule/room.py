"""What is planned on a site by slot, and the room that its limits leave: whole Wh, slots of even length.

Row 0 is the site, the others are its circuits, on each of which a part of a vehicle's power counts. Rows are in parts
of WHOLE_BP of a Wh.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Bools, Floats, Ints
from domain.schedule.problem import Vehicle
from domain.units import SECONDS_PER_HOUR

SPAN = 2_048
"""Slots that are held at first; there are more when a stay needs them."""


@dataclass(slots=True, eq=False)
class Stay:
    """A vehicle in slots [first, last), what it still misses, and what is planned for it in each of them."""

    vehicle: Vehicle
    first: int
    last: int
    missing_wh: int
    most_wh: int
    parts: Ints
    planned_wh: Ints

    @classmethod
    def of(cls, vehicle: Vehicle, slot: int, slot_s: int, rows: int) -> "Stay":
        """From this slot up to the last one before its told departure; who should have left stays this slot."""
        last = max(slot + 1, int(vehicle.departure_s) // slot_s)
        parts = np.zeros(rows, dtype=np.int64)
        parts[0] = WHOLE_BP
        parts[1 : 1 + len(vehicle.circuits_bp)] = vehicle.circuits_bp
        most_wh = vehicle.power_w * slot_s // SECONDS_PER_HOUR
        return cls(vehicle, slot, last, int(vehicle.need_wh), most_wh, parts, np.zeros(last - slot, dtype=np.int64))

    def possible_wh(self, slot: int) -> int:
        """What of its need its power and the rest of its stay allow."""
        return max(0, min(self.missing_wh, self.most_wh * (self.last - slot)))


class Room:
    """`most` by row is what a slot can hold, `tight` the rows that those who are there could fill, at full power.

    Floats hold whole numbers here, because their division is faster: below 2**53 it is exact.
    """

    def __init__(self, rows: int, slot: int) -> None:
        self.most = np.zeros(rows, dtype=np.int64)
        self.tight: Bools = np.ones(rows, dtype=np.bool_)
        self._used = np.zeros((rows, SPAN))
        self._begin = slot

    def look(self, stays: Iterable[Stay]) -> None:
        """Finds which rows are tight; the site always is."""
        could = sum((stay.parts * stay.most_wh for stay in stays), start=np.zeros_like(self.most))
        self.tight = could > self.most
        self.tight[0] = True

    def hold(self, last: int, slot: int) -> None:
        """Keeps room from this slot up to `last`, and forgets what is past if there is too little."""
        if last - self._begin <= self._used.shape[1]:
            return
        kept = self._used[:, max(0, slot - self._begin) :]
        self._used = np.zeros((len(kept), max(SPAN, 2 * (last - slot))))
        some = min(kept.shape[1], self._used.shape[1])
        self._used[:, :some] = kept[:, :some]
        self._begin = slot

    def left_wh(self, stay: Stay, slot: int) -> Ints:
        """What the stay could take in each of its slots from this one on, beside what is planned for it."""
        rows = (self.tight & (stay.parts > 0)).nonzero()[0]
        used = self._used[rows, slot - self._begin : stay.last - self._begin]
        left = ((self.most[rows, None] - used) / stay.parts[rows, None]).min(axis=0)
        wh: Ints = np.minimum(np.maximum(left, 0.0), stay.most_wh).astype(np.int64)
        return wh

    def put(self, stay: Stay, slot: int, planned_wh: Ints) -> None:
        """Replaces what is planned for the stay from this slot on."""
        planned = stay.planned_wh[slot - stay.first :]
        change = planned_wh - planned
        if change.any():
            self._used[:, slot - self._begin : stay.last - self._begin] += stay.parts[:, None] * change
            planned[:] = planned_wh


def cheapest(room_wh: Ints, price: Floats, wanted_wh: int) -> Ints:
    """As much as is wanted where it costs least, the earliest first."""
    order = price.argsort(kind="stable")
    most_wh = room_wh[order]
    found = np.empty_like(room_wh)
    found[order] = np.minimum(np.maximum(wanted_wh - (most_wh.cumsum() - most_wh), 0), most_wh)
    return found
