"""Charge-only plans as a flow, in whole Wh and exact, where only the slot decides what a Wh costs.

Which sums by slot the vehicles can reach is a polymatroid, so the greedy method is optimal: fill the cheapest step as
far as it can be filled without taking from steps before it, then the next (Federgruen and Groenevelt, The greedy
procedure for resource allocation problems, Operations Research 34, 1986). A slot is filled by vehicles that are there.
Where that is not enough, energy moves over: a vehicle that is there comes from a full slot, and leaves room to another
that misses energy. Such chains are found by breadth-first search over the slots (Edmonds and Karp, 1972), with one bit
for each slot and vehicle, and each moves as much as all vehicles together can.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from domain.schedule.columns import Bools, Columns, Floats, Ints
from domain.schedule.grid import Steps

WORD = 64
_BEFORE_ALL = 1e12
NONE, ALL = np.uint64(0), np.uint64(2**WORD - 1)


@dataclass(frozen=True)
class Stands:
    """The pairs in order of slot, then vehicle: those of slot t are `spans[t]`."""

    columns: Columns

    @cached_property
    def order(self) -> Ints:
        return np.argsort(self.columns.slot, kind="stable")

    @cached_property
    def place(self) -> Ints:
        """Where a pair of `columns` is in this order."""
        place = np.empty(len(self.columns), dtype=np.int64)
        place[self.order] = np.arange(len(self.columns))
        return place

    @cached_property
    def vehicle(self) -> Ints:
        return self.columns.vehicle[self.order]

    @cached_property
    def most_wh(self) -> Ints:
        return self.columns.most_wh[self.order]

    @cached_property
    def spans(self) -> list[slice]:
        ends = np.cumsum(np.bincount(self.columns.slot, minlength=len(self.columns.problem.slots))).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def offset(self) -> Ints:
        """Added to a slot in a vehicle's window, it gives the pair in `columns`."""
        columns = self.columns
        offset = columns.first[:-1].copy()
        there = np.diff(columns.first) > 0
        offset[there] -= columns.slot[columns.first[:-1][there]]
        return offset

    @cached_property
    def words(self) -> list[range]:
        """By slot, the words of bits that the windows of the vehicles there reach into."""
        columns, slots = self.columns, len(self.columns.problem.slots)
        begin = (columns.first[:-1] - self.offset)[columns.vehicle]
        end = begin + np.diff(columns.first)[columns.vehicle] - 1
        low, high = np.full(slots, slots), np.full(slots, -1)
        np.minimum.at(low, columns.slot, begin)
        np.maximum.at(high, columns.slot, end)
        return [range(a // WORD, b // WORD + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True)]

    def at(self, vehicles: Ints, slot: int) -> tuple[Bools, Ints]:
        """Which of the vehicles are there in the slot, and the places of those pairs."""
        pairs = self.offset[vehicles] + slot
        first = self.columns.first
        there = (first[vehicles] <= pairs) & (pairs < first[vehicles + 1])
        return there, self.place[pairs[there]]


class Flow:
    """A plan that grows step by step. `taken_wh` and `room_wh` by pair in the order of `stands`, `left_wh` (what is
    still missing) by vehicle, `drawn_wh` by slot."""

    def __init__(self, stands: Stands, *, like: Ints | None = None) -> None:
        columns = stands.columns
        self.stands = stands
        self.like = like
        self.taken_wh = np.zeros(len(columns), dtype=np.int64)
        self.room_wh = stands.most_wh.copy()
        self.left_wh = _chargeable_wh(columns)
        self.missing_wh = int(self.left_wh.sum())
        slots = len(columns.problem.slots)
        self.drawn_wh = np.zeros(slots, dtype=np.int64)
        self._ahead_wh = columns.of_vehicle(columns.most_wh)
        self._passed = np.zeros(slots, dtype=np.bool_)
        self._taking = np.zeros((-(-slots // WORD), len(self.left_wh)), dtype=np.uint64)
        self._closed: set[int] = set()

    def run(self, steps: Steps, limit_wh: Ints) -> None:
        """Takes the cheapest energy within the limit of each slot."""
        until = np.minimum(steps.until_wh, limit_wh[steps.slot]).tolist()
        for slot, most in zip(steps.slot.tolist(), until, strict=True):
            if not self.missing_wh:
                return
            self._pass(slot)
            room = most - int(self.drawn_wh[slot])
            if room > 0:
                room -= self._fill(slot, room, by_patience=True)
            while room > 0 and self.missing_wh and slot not in self._closed:
                room -= self._move_over(slot, room)

    def moves(self) -> list[list[int]]:
        """By slot, those from which energy could move to it."""
        return [self._sources(slot) for slot in range(len(self.drawn_wh))]

    def missed(self) -> Bools:
        """By slot, whether somebody there could still take energy that is missing."""
        able = np.flatnonzero((self.room_wh > 0) & (self.left_wh[self.stands.vehicle] > 0))
        return np.bincount(self.stands.columns.slot[self.stands.order[able]], minlength=len(self.drawn_wh)) > 0

    def _pass(self, slot: int) -> None:
        """From here on, vehicles cannot wait for this slot."""
        if not self._passed[slot]:
            self._passed[slot] = True
            span = self.stands.spans[slot]
            self._ahead_wh[self.stands.vehicle[span]] -= self.stands.most_wh[span]

    def _fill(self, slot: int, most: int, *, by_patience: bool) -> int:
        """Charges vehicles that miss energy, those first that can wait least. Returns the Wh that the slot gained."""
        span = self.stands.spans[slot]
        vehicles = self.stands.vehicle[span]
        left = self.left_wh[vehicles]
        amounts = np.minimum(self.room_wh[span], left)
        total = int(amounts.sum())
        if total == 0:
            return 0
        if total > most:
            total = most
            if by_patience:
                order = np.argsort(self._patience(span, vehicles, left))
                amounts[order] = _first(amounts[order], most)
            else:
                amounts = _first(amounts, most)
        self._put(slot, span, vehicles, amounts)
        self.left_wh[vehicles] = left - amounts
        self.missing_wh -= total
        return total

    def _patience(self, span: slice, vehicles: Ints, left: Ints) -> Floats:
        """What the stay still offers, by what is missing. Who takes here in the plan that is `like` this goes first."""
        patience: Floats = self._ahead_wh[vehicles] / np.maximum(left, 1)
        if self.like is not None:
            patience -= _BEFORE_ALL * (self.like[span] > self.taken_wh[span])
        return patience

    def _put(self, slot: int, places: slice | Ints, vehicles: Ints, amounts: Ints) -> None:
        taken = self.taken_wh[places] + amounts
        self.taken_wh[places] = taken
        self.room_wh[places] -= amounts
        self.drawn_wh[slot] += int(amounts.sum())
        word, bit = divmod(slot, WORD)
        of_word = self._taking[word]
        rest = of_word[vehicles] & np.uint64(~(1 << bit) & (2**WORD - 1))
        of_word[vehicles] = rest | ((taken > 0).astype(np.uint64) << np.uint64(bit))

    def _move_over(self, slot: int, most: int) -> int:
        """Moves energy along chains of slots that end in `slot`. Returns the Wh that the slot gained.

        If no chain is there, none of the slots that were seen can ever gain again: whoever has room there takes energy
        in such slots only, and misses none.
        """
        following: dict[int, int] = {}
        seen, severed = {slot}, set[int]()
        queue = [slot]
        gained = 0
        for here in queue:
            if not severed.isdisjoint(_chain_of(here, following)):
                continue
            for before in self._sources(here):
                if before in seen or before in self._closed:
                    continue
                seen.add(before)
                following[before] = here
                queue.append(before)
                chain = _chain_of(before, following)
                if not severed.isdisjoint(chain):
                    break
                gained += self._shift(chain, most - gained, severed)
                if gained == most or not self.missing_wh:
                    return gained
        if not gained:
            self._closed |= seen
        return gained

    def _sources(self, slot: int) -> list[int]:
        """Slots in which somebody takes energy that has room in this one."""
        span = self.stands.spans[slot]
        able = np.where(self.room_wh[span] > 0, ALL, NONE)
        vehicles = self.stands.vehicle[span]
        slots = []
        for number in self.stands.words[slot]:
            word = int(np.bitwise_or.reduce(self._taking[number][vehicles] & able))
            while word:
                lowest = word & -word
                slots.append(number * WORD + lowest.bit_length() - 1)
                word ^= lowest
        return slots

    def _shift(self, chain: list[int], most: int, severed: set[int]) -> int:
        """Fills the first slot, whose energy moves on from slot to slot, up to `most`. Returns the Wh that the last one
        gained; slots from which no more can move on are added to `severed`."""
        span = self.stands.spans[chain[0]]
        most = min(most, int(np.minimum(self.room_wh[span], self.left_wh[self.stands.vehicle[span]]).sum()))
        if not most:
            return 0
        moves = []
        for here, to in pairwise(chain):
            span = self.stands.spans[here]
            places = np.flatnonzero(self.taken_wh[span]) + span.start
            there, targets = self.stands.at(self.stands.vehicle[places], to)
            places = places[there]
            amounts = np.minimum(self.taken_wh[places], self.room_wh[targets])
            movable = int(amounts.sum())
            if movable <= most:
                severed.add(here)
            if not movable:
                return 0
            most = min(most, movable)
            moves.append((here, to, places, targets, amounts))
        self._fill(chain[0], most, by_patience=False)
        for source, target, places, targets, amounts in moves:
            parts = _first(amounts, most)
            some = np.flatnonzero(parts)
            vehicles = self.stands.vehicle[places[some]]
            self._put(source, places[some], vehicles, -parts[some])
            self._put(target, targets[some], vehicles, parts[some])
        return most


def _chain_of(start: int, following: dict[int, int]) -> list[int]:
    chain = [start]
    while chain[-1] in following:
        chain.append(following[chain[-1]])
    return chain


def _chargeable_wh(columns: Columns) -> Ints:
    """What of each need stay, power and battery allow."""
    possible = columns.possible_wh.copy()
    for number, vehicle in enumerate(columns.problem.vehicles):
        if vehicle.battery is not None:
            possible[number] = min(possible[number], vehicle.battery.room_wh)
    return possible


def _first(amounts: Ints, most: int) -> Ints:
    """Of amounts in their order, as much as `most` reaches."""
    return np.clip(most - (np.cumsum(amounts) - amounts), 0, amounts)
