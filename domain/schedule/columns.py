"""A problem as columns: one pair for each vehicle and slot in which the vehicle is there. Vectorised throughout."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from domain.bidding.stay import WHOLE_BP
from domain.schedule.problem import LINES, Problem
from domain.units import SECONDS_PER_HOUR

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """Pairs in order of vehicle, then slot. `vehicle` and `slot` say whose a pair is; a vehicle's pairs are
    [first[v], first[v + 1])."""

    problem: Problem
    vehicle: Ints
    slot: Ints
    seconds: Ints
    first: Ints

    @classmethod
    def of(cls, problem: Problem) -> "Columns":
        edges_s = np.array(problem.slots.edges_s, dtype=np.int64)
        vehicles = problem.vehicles
        arrival_s = np.array([v.arrival_s for v in vehicles], dtype=np.int64)
        departure_s = np.array([v.departure_s for v in vehicles], dtype=np.int64)
        count = len(problem.slots)
        from_slot = np.clip(np.searchsorted(edges_s, arrival_s, side="right") - 1, 0, count)
        to_slot = np.clip(np.searchsorted(edges_s, departure_s, side="left"), 0, count)
        lengths = np.where(departure_s > edges_s[0], np.maximum(0, to_slot - from_slot), 0)
        first = np.concatenate(([0], np.cumsum(lengths)))
        vehicle = np.repeat(np.arange(len(vehicles)), lengths)
        slot = np.arange(first[-1]) - np.repeat(first[:-1] - from_slot, lengths)
        seconds = np.minimum(edges_s[slot + 1], departure_s[vehicle]) - np.maximum(edges_s[slot], arrival_s[vehicle])
        return cls(problem, vehicle, slot, seconds, first)

    def __len__(self) -> int:
        return len(self.vehicle)

    @cached_property
    def slot_seconds(self) -> Ints:
        return np.diff(np.array(self.problem.slots.edges_s, dtype=np.int64))

    @cached_property
    def most_wh(self) -> Ints:
        """What a pair can take, Wh, rounded down."""
        return self._of_vehicles("power_w")[self.vehicle] * self.seconds // SECONDS_PER_HOUR

    @cached_property
    def most_export_wh(self) -> Ints:
        return self._of_vehicles("export_power_w")[self.vehicle] * self.seconds // SECONDS_PER_HOUR

    @cached_property
    def need_wh(self) -> Ints:
        return self._of_vehicles("need_wh")

    @cached_property
    def possible_wh(self) -> Ints:
        """What of each vehicle's need its stay and power allow, whatever the site's limits are."""
        return np.minimum(self.need_wh, self.of_vehicle(self.most_wh))

    @cached_property
    def presence(self) -> Floats:
        """How likely the vehicle is still there, by pair, 0 to 1."""
        shares = np.ones(len(self))
        for number, vehicle in enumerate(self.problem.vehicles):
            if vehicle.presence_bp:
                mine = slice(self.first[number], self.first[number + 1])
                shares[mine] = np.array(vehicle.presence_bp, dtype=np.float64)[self.slot[mine]] / WHOLE_BP
        return shares

    @cached_property
    def bought_wh(self) -> Ints:
        """What the vehicle's account bought for the slot, by pair; sold, if negative."""
        bought = np.zeros(len(self), dtype=np.int64)
        for number, vehicle in enumerate(self.problem.vehicles):
            if vehicle.bought_wh:
                mine = slice(self.first[number], self.first[number + 1])
                bought[mine] = np.array(vehicle.bought_wh, dtype=np.int64)[self.slot[mine]]
        return bought

    @cached_property
    def trades(self) -> Bools:
        """Whether the pair's vehicle traded ahead, by pair."""
        traded = np.array([bool(v.bought_wh) for v in self.problem.vehicles], dtype=np.bool_)
        return traded[self.vehicle] if len(self) else np.zeros(0, dtype=np.bool_)

    @cached_property
    def line_share(self) -> Floats:
        """Which part of a vehicle's power each conductor carries, shape (3, vehicles)."""
        shares = np.zeros((len(LINES), len(self.problem.vehicles)))
        for number, vehicle in enumerate(self.problem.vehicles):
            shares[list(vehicle.lines), number] = 1 / len(vehicle.lines)
        return shares

    @cached_property
    def circuit_bp(self) -> Ints:
        """Which part of a vehicle's power counts on each circuit, of 10,000, shape (circuits, vehicles)."""
        circuits = len(self.problem.site.circuits_w)
        nothing = (0,) * circuits
        parts = [vehicle.circuits_bp or nothing for vehicle in self.problem.vehicles]
        return np.array(parts, dtype=np.int64).reshape(len(parts), circuits).T

    def by_slot(self, values: Ints) -> Ints:
        """Sums over the vehicles, for each slot."""
        sums = np.zeros(len(self.problem.slots), dtype=np.int64)
        np.add.at(sums, self.slot, values)
        return sums

    def of_vehicle(self, values: Ints) -> Ints:
        """Sums over the slots, for each vehicle."""
        running = np.concatenate(([0], np.cumsum(values)))
        sums: Ints = running[self.first[1:]] - running[self.first[:-1]]
        return sums

    def wh_of(self, power_w: tuple[int, ...]) -> Ints:
        """Mean powers by slot as Wh, rounded down; nothing for an empty tuple."""
        if not power_w:
            return np.zeros(len(self.problem.slots), dtype=np.int64)
        return np.array(power_w, dtype=np.int64) * self.slot_seconds // SECONDS_PER_HOUR

    def _of_vehicles(self, name: str) -> Ints:
        return np.array([getattr(v, name) for v in self.problem.vehicles], dtype=np.int64)
