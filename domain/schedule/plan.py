"""A schedule: what each vehicle takes and gives in each slot, in whole Wh, and what that comes to."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from domain.schedule.columns import Columns, Ints
from domain.schedule.problem import Problem
from domain.units import SECONDS_PER_HOUR


class Watts(NamedTuple):
    """A set-point: positive charges, negative gives back."""

    session: str
    power_w: int


@dataclass(frozen=True)
class Schedule:
    """`import_wh` and `export_wh` by pair of `columns`. `how` says what found it: "optimum", "llf" and so on."""

    columns: Columns
    import_wh: Ints
    export_wh: Ints
    how: str

    @property
    def problem(self) -> Problem:
        return self.columns.problem

    @property
    def charged_wh(self) -> Ints:
        """By vehicle."""
        return self.columns.of_vehicle(self.import_wh)

    @property
    def sold_wh(self) -> Ints:
        """By vehicle."""
        return self.columns.of_vehicle(self.export_wh)

    @property
    def net_wh(self) -> Ints:
        """What all vehicles draw together, by slot; negative where they give more than they take."""
        return self.columns.by_slot(self.import_wh - self.export_wh)

    def set_points(self, slot: int = 0) -> list[Watts]:
        """Power of each vehicle that is there in the slot, W, rounded towards nothing."""
        columns = self.columns
        there = np.flatnonzero((columns.slot == slot) & (columns.seconds > 0))
        net = (self.import_wh - self.export_wh)[there] * SECONDS_PER_HOUR
        power_w = np.sign(net) * (np.abs(net) // columns.seconds[there])
        vehicles = self.problem.vehicles
        return [
            Watts(vehicles[number].session, int(power))
            for number, power in zip(columns.vehicle[there], power_w, strict=True)
        ]
