"""What is planned on a site by slot, and the room that its limits leave: whole Wh, slots of even length.

Row 0 is the site, the others are its circuits, on each of which a part of a vehicle's power counts. Rows are in parts
of WHOLE_BP of a Wh. Vehicles whose power counts alike on every row are a group: what is planned is kept by group.

Arrays are floats that hold whole numbers, because that is faster: below 2**53 it is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Floats
from domain.schedule.problem import Vehicle
from domain.units import SECONDS_PER_HOUR

SPAN = 2_048
"""Slots that are held at first; there are more when a stay needs them."""


@dataclass(slots=True, eq=False)
class Stay:
    """A vehicle, what it still misses, and what is planned for it in slots [since, last).

    `haste` is what a Wh of it costs more with each slot that it waits, micro-euro.
    """

    vehicle: Vehicle
    last: int
    missing_wh: int
    most_wh: int
    group: int
    since: int
    planned_wh: Floats
    haste: float = 0.0

    @classmethod
    def of(cls, vehicle: Vehicle, slot: int, slot_s: int, group: int) -> "Stay":
        """From this slot up to the last one before its told departure; who should have left stays this slot."""
        last = max(slot + 1, int(vehicle.departure_s) // slot_s)
        most_wh = vehicle.power_w * slot_s // SECONDS_PER_HOUR
        return cls(vehicle, last, int(vehicle.need_wh), most_wh, group, slot, np.zeros(last - slot))

    def possible_wh(self, slot: int) -> int:
        """What of its need its power and the rest of its stay allow."""
        return max(0, min(self.missing_wh, self.most_wh * (self.last - slot)))

    def ahead_wh(self, slot: int) -> Floats:
        """What is planned in each slot from this one on."""
        return self.planned_wh[slot - self.since :]


class Room:
    """`most` by row is what a slot can hold, `parts` by row and group what of a Wh counts there.

    Only rows that those who are there could fill, at full power, bound what is left.
    """

    def __init__(self, rows: int, slot: int) -> None:
        self.most = np.zeros(rows)
        self.parts = np.zeros((rows, 0))
        self._groups: dict[tuple[int, ...], int] = {}
        self._planned_wh = np.zeros((0, SPAN))
        self._begin = slot
        self._tight = np.ones(rows, dtype=np.bool_)
        self._bounds: dict[int, tuple[Floats, Floats, Floats]] = {}

    def group_of(self, vehicle: Vehicle) -> int:
        """The number of its group, by which it is known here."""
        found = self._groups.get(vehicle.circuits_bp)
        if found is None:
            found = self._groups[vehicle.circuits_bp] = len(self._groups)
            mine = np.zeros((len(self.most), 1))
            mine[0] = WHOLE_BP
            mine[1 : 1 + len(vehicle.circuits_bp), 0] = vehicle.circuits_bp
            self.parts = np.hstack((self.parts, mine))
            self._planned_wh = np.vstack((self._planned_wh, np.zeros(self._planned_wh.shape[1])))
        return found

    def look(self, stays: Sequence[Stay]) -> None:
        """Finds which rows those who are there could fill, after they or `most` changed; the site always counts."""
        self._tight = self.parts @ self.by_group(stays, [stay.most_wh for stay in stays]) > self.most
        self._tight[0] = True
        self._bounds = {}

    def by_group(self, stays: Sequence[Stay], values: Sequence[int]) -> Floats:
        """Sums of a value of each stay."""
        sums = np.zeros(self.parts.shape[1])
        for stay, value in zip(stays, values, strict=True):
            sums[stay.group] += value
        return sums

    def hold(self, last: int, slot: int) -> None:
        """Keeps room from this slot up to `last`, and forgets what is past if there is too little."""
        if last - self._begin <= self._planned_wh.shape[1]:
            return
        kept = self._planned_wh[:, max(0, slot - self._begin) :]
        self._planned_wh = np.zeros((len(kept), max(SPAN, 2 * (last - slot))))
        some = min(kept.shape[1], self._planned_wh.shape[1])
        self._planned_wh[:, :some] = kept[:, :some]
        self._begin = slot

    def left_wh(self, stay: Stay, slot: int) -> Floats:
        """What the stay could take in each of its slots from this one on, beside what is planned for it."""
        most, parts, mine = self._bounds.get(stay.group) or self._bound(stay.group)
        planned_wh = self._planned_wh[:, slot - self._begin : stay.last - self._begin]
        left = ((most - parts @ planned_wh) / mine).min(axis=0)
        wh: Floats = np.minimum(np.maximum(np.floor(left), 0.0), stay.most_wh)
        return wh

    def put(self, stay: Stay, slot: int, planned_wh: Floats) -> None:
        """Replaces what is planned for the stay from this slot on."""
        mine = self._planned_wh[stay.group, slot - self._begin : stay.last - self._begin]
        mine += planned_wh - stay.ahead_wh(slot)
        stay.since, stay.planned_wh = slot, planned_wh

    def put_all(self, stays: Sequence[Stay], slot: int, planned_wh: Floats) -> None:
        """Replaces all that is planned from this slot on: by stay and slot, nothing for anybody else."""
        first, members = slot - self._begin, np.zeros((len(self._planned_wh), len(stays)))
        members[[stay.group for stay in stays], range(len(stays))] = 1
        self._planned_wh[:, first : first + planned_wh.shape[1]] = members @ planned_wh
        for stay, mine in zip(stays, planned_wh, strict=True):
            stay.since, stay.planned_wh = slot, mine[: stay.last - slot]

    def _bound(self, group: int) -> tuple[Floats, Floats, Floats]:
        """The rows that bound a group: their `most`, the parts of all groups, and its own."""
        rows = (self._tight & (self.parts[:, group] > 0)).nonzero()[0]
        parts = self.parts[rows]
        found = self._bounds[group] = self.most[rows, None], parts, parts[:, group, None]
        return found


def cheapest(room_wh: Floats, price: Floats, wanted_wh: int) -> Floats:
    """As much as is wanted where it costs least, the earliest first."""
    order = price.argsort(kind="stable")
    most_wh = room_wh[order]
    upto_wh = np.minimum(most_wh.cumsum(), wanted_wh)
    upto_wh[1:] -= upto_wh[:-1].copy()
    found = np.empty_like(room_wh)
    found[order] = upto_wh
    return found
