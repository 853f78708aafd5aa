"""What batteries ask of the linear program: the target at departure, never below the floor nor above the capacity.

Few vehicles ever reach floor or capacity on the way, so these rows are added where a solution breaks them. A vehicle
that tapers needs what is stored at every slot from the start.
"""

from dataclasses import dataclass

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Columns, Floats, Ints
from domain.schedule.program import INFINITY, Block, Row, ScheduleModel

_CLOSE = 1e-6


def ask_of_batteries(built: ScheduleModel, *, at_once: bool) -> None:
    """What is stored at departure reaches the target, or is missing. `at_once` puts all limits in from the start."""
    columns, model = built.columns, built.model
    mine = _with_batteries(built)
    if not len(mine):
        return
    packs = Packs.of(columns)
    missing = model.variables(built.grid.unmet / packs.efficiency[mine], 0.0, INFINITY)
    target_wh = np.minimum(packs.capacity_wh, packs.stored_wh + columns.need_wh * packs.efficiency)
    rows = np.full(len(columns.need_wh), -1, dtype=np.int64)
    spare_wh = np.array([vehicle.spare_wh for vehicle in columns.problem.vehicles], dtype=float)
    rows[mine] = model.new_rows((target_wh - packs.stored_wh - spare_wh)[mine], INFINITY, len(mine))
    model.put(rows[mine], missing.columns, 1.0)
    of_pair = rows[columns.vehicle]
    pairs = np.flatnonzero(of_pair >= 0)
    model.put(of_pair[pairs], built.takes.columns[pairs], packs.efficiency[columns.vehicle[pairs]])
    model.put(of_pair[built.gives], built.given.columns, -1.0)
    given_of = built.given_of
    for number in mine.tolist():
        taper_bp = columns.problem.vehicles[number].taper_bp
        if at_once or taper_bp < WHOLE_BP:
            stored = _stored(built, packs, number, given_of)
            if taper_bp < WHOLE_BP:
                _taper(built, packs, number, stored)


def broken_limits(built: ScheduleModel, values: Floats) -> list[Row]:
    """Rows of what is stored, where the solution has it below a floor or above a capacity: the worst of each excursion.

    What a vehicle gained until then, efficiency · x - g summed, is floor - stored at least and capacity - stored at
    most.
    """
    columns = built.columns
    packs, given_of = Packs.of(columns), built.given_of
    moved = values[built.takes.columns] * packs.efficiency[columns.vehicle]
    moved[built.gives] -= values[built.given.columns]
    running = np.cumsum(moved)
    stored = packs.stored_wh[columns.vehicle] + running
    stored -= np.concatenate(([0.0], running))[columns.first[:-1]][columns.vehicle]
    rows = []
    for beyond in (stored - packs.capacity_wh[columns.vehicle], packs.floor_wh[columns.vehicle] - stored):
        for pair in _worst(beyond, columns.vehicle):
            number = columns.vehicle[pair]
            pairs = np.arange(columns.first[number], pair + 1)
            giving = given_of[pairs[given_of[pairs] >= 0]]
            rows.append(
                Row(
                    lower=float(packs.floor_wh[number] - packs.stored_wh[number]),
                    upper=float(packs.capacity_wh[number] - packs.stored_wh[number]),
                    cols=np.concatenate((built.takes.columns[pairs], giving)),
                    values=np.concatenate((np.full(len(pairs), packs.efficiency[number]), np.full(len(giving), -1.0))),
                )
            )
    return rows


@dataclass(frozen=True)
class Packs:
    """Batteries by vehicle; endless where a vehicle has none in the plan. The floor is never above what is stored."""

    efficiency: Floats
    stored_wh: Floats
    floor_wh: Floats
    capacity_wh: Floats

    @classmethod
    def of(cls, columns: Columns) -> "Packs":
        packs = [vehicle.battery for vehicle in columns.problem.vehicles]
        return cls(
            efficiency=np.array([b.efficiency_bp / WHOLE_BP if b else 1.0 for b in packs]),
            stored_wh=np.array([float(b.stored_wh) if b else 0.0 for b in packs]),
            floor_wh=np.array([float(min(b.floor_wh, b.stored_wh)) if b else -INFINITY for b in packs]),
            capacity_wh=np.array([float(b.capacity_wh) if b else INFINITY for b in packs]),
        )


def _with_batteries(built: ScheduleModel) -> Ints:
    """Vehicles that have a battery in the plan and are there at all."""
    there = np.diff(built.columns.first) > 0
    has = np.array([vehicle.battery is not None for vehicle in built.columns.problem.vehicles], dtype=np.bool_)
    return np.flatnonzero(there & has)


def _worst(beyond: Floats, vehicle: Ints) -> list[int]:
    """Of each run of consecutive pairs of one vehicle that are beyond, the one that is farthest."""
    pairs = np.flatnonzero(beyond > _CLOSE)
    if not len(pairs):
        return []
    begins = np.flatnonzero((np.diff(pairs) > 1) | (np.diff(vehicle[pairs]) > 0)) + 1
    return [int(run[np.argmax(beyond[run])]) for run in np.split(pairs, begins)]


def _stored(built: ScheduleModel, packs: Packs, number: int, given_of: Ints) -> Block:
    """s_t = s_(t-1) + efficiency · x_t - g_t, between floor and capacity."""
    columns, model = built.columns, built.model
    pairs = np.arange(columns.first[number], columns.first[number + 1])
    stored = model.variables(np.zeros(len(pairs)), packs.floor_wh[number], packs.capacity_wh[number])
    start = np.zeros(len(pairs))
    start[0] = packs.stored_wh[number]
    rows = model.new_rows(start, start, len(pairs))
    model.put(rows, stored.columns, 1.0)
    model.put(rows[1:], stored.columns[:-1], -1.0)
    model.put(rows, built.takes.columns[pairs], -packs.efficiency[number])
    giving = np.flatnonzero(given_of[pairs] >= 0)
    model.put(rows[giving], given_of[pairs[giving]], 1.0)
    return stored


def _taper(built: ScheduleModel, packs: Packs, number: int, stored: Block) -> None:
    """x_t <= most_t · (capacity - s_(t-1)) / (capacity · (1 - taper))."""
    columns, model = built.columns, built.model
    pairs = np.arange(columns.first[number], columns.first[number + 1])
    taper_bp = columns.problem.vehicles[number].taper_bp
    slope = columns.most_wh[pairs] / (packs.capacity_wh[number] * (1 - taper_bp / WHOLE_BP))
    upper = slope * packs.capacity_wh[number]
    upper[0] -= slope[0] * packs.stored_wh[number]
    rows = model.new_rows(-INFINITY, upper, len(pairs))
    model.put(rows, built.takes.columns[pairs], 1.0)
    model.put(rows[1:], stored.columns[:-1], slope[1:])
