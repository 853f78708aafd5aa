"""Plans that never ask for a power between nothing and the least that a vehicle takes (6 A, IEC 61851-1).

The linear program knows no such gap. So its plan is repaired: energy of slots below the least moves to other slots of
the same vehicle, or lifts one of them to the least. For the first slots, whose set-points are used next, a small
mixed-integer program decides before that, if it finds a plan in time.
"""

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.errors import PlanNotFound
from domain.schedule.batteries import broken_limits
from domain.schedule.columns import Bools, Columns, Floats, Ints
from domain.schedule.grid import Grid
from domain.schedule.model import build
from domain.schedule.plan import Schedule
from domain.schedule.problem import LINES
from domain.schedule.program import INFINITY, ScheduleModel, solve
from domain.schedule.rounding import whole
from domain.units import SECONDS_PER_HOUR

FIRST_SLOTS = 2
LIMIT_S = 0.25
SHARES = 6 * WHOLE_BP
"""A Wh has so many parts: circuits carry some of them, and one, two or three conductors share them without a rest."""


def floored(schedule: Schedule, *, first_slots: int = FIRST_SLOTS, limit_s: float = LIMIT_S) -> Schedule:
    """The schedule with no pair between nothing and its vehicle's least power; all other limits hold as before.

    A need below what the least power brings in one slot stays open.
    """
    columns = schedule.columns
    least_wh = least_of_pairs(columns)
    if not _between(schedule.import_wh, schedule.export_wh, least_wh).any():
        return schedule
    taken_wh, given_wh = schedule.import_wh, schedule.export_wh
    first = np.flatnonzero((columns.slot < first_slots) & (least_wh > 0))
    if _between(taken_wh, given_wh, least_wh)[first].any():
        taken_wh, given_wh = _switched(columns, first, least_wh, limit_s) or (taken_wh, given_wh)
    repair = _Repair(columns, taken_wh.copy(), given_wh.copy(), least_wh)
    repair.run()
    return Schedule(columns, repair.taken_wh, repair.given_wh, f"{schedule.how}, above least power")


def least_of_pairs(columns: Columns) -> Ints:
    """What a pair takes at the least power, Wh; rounded down, as what it can take at most is."""
    least_w = np.array([vehicle.least_power_w for vehicle in columns.problem.vehicles], dtype=np.int64)
    return least_w[columns.vehicle] * columns.seconds // SECONDS_PER_HOUR


def _between(taken_wh: Ints, given_wh: Ints, least_wh: Ints) -> Bools:
    return (taken_wh > given_wh) & (taken_wh - given_wh < least_wh)


def _switched(columns: Columns, pairs: Ints, least_wh: Ints, limit_s: float) -> tuple[Ints, Ints] | None:
    """The plan in which `pairs` take nothing or the least at least; None if none was found in time."""
    built = build(columns)
    switches = built.model.variables(np.zeros(len(pairs)), 0.0, 1.0)
    built.model.whole.append(switches)
    for wh, lower, upper in ((columns.most_wh, -INFINITY, 0.0), (least_wh, 0.0, INFINITY)):
        rows = built.model.new_rows(lower, upper, len(pairs))
        built.model.put(rows, built.takes.columns[pairs], 1.0)
        built.model.put(rows, switches.columns, -wh[pairs].astype(float))
    try:
        values = solve(built.model, limit_s=limit_s, broken=lambda found: broken_limits(built, found))
    except PlanNotFound:
        return None
    return _whole(built, values)


def _whole(built: ScheduleModel, values: Floats) -> tuple[Ints, Ints]:
    given = np.zeros(len(built.columns))
    given[built.gives] = values[built.given.columns]
    return whole(built.columns, values[built.takes.columns], given)


class _Repair:
    def __init__(self, columns: Columns, taken_wh: Ints, given_wh: Ints, least_wh: Ints) -> None:
        self.columns = columns
        self.taken_wh, self.given_wh = taken_wh, given_wh
        self._least_wh = least_wh
        grid = Grid.of(columns)
        self._most_wh, self._bottom_wh = grid.most_wh, -(grid.export_wh + grid.load_wh)
        self._room_wh = self._most_wh - columns.by_slot(taken_wh - given_wh)
        self._parts, self._left = _apart(columns, taken_wh - given_wh)

    def run(self) -> None:
        wanted_wh = self.columns.of_vehicle(self.taken_wh)
        for number in np.unique(self.columns.vehicle[_between(self.taken_wh, self.given_wh, self._least_wh)]):
            pairs = np.arange(self.columns.first[number], self.columns.first[number + 1])
            movable = self.columns.problem.vehicles[number].battery is None
            self._lift(pairs, movable=movable)
        while self._fell_below() or self._passed_battery() or self._passed_site() or self._passed_apart():
            pass
        self._give_back(wanted_wh - self.columns.of_vehicle(self.taken_wh))

    def _give_back(self, lost_wh: Ints) -> None:
        """Gives vehicles without a battery what the repair took, at their least or above, where least is drawn."""
        columns, net_wh = self.columns, self.taken_wh - self.given_wh
        drawn_wh = columns.by_slot(net_wh)
        self._room_wh = self._most_wh - drawn_wh
        self._parts, self._left = _apart(columns, net_wh)
        for number in np.flatnonzero(lost_wh > 0):
            if columns.problem.vehicles[number].battery is not None:
                continue
            pairs, lost = np.arange(columns.first[number], columns.first[number + 1]), int(lost_wh[number])
            for pair in self._roomy(pairs, lost, drawn_wh):
                before, room = int(self.taken_wh[pairs].sum()), columns.most_wh[pair] - self.taken_wh[pair]
                self._move(pair, max(0, min(lost, int(room), self._room_of(pair))))
                self._lift(pairs, movable=True)
                lost -= int(self.taken_wh[pairs].sum()) - before
                if lost <= 0:
                    break

    def _roomy(self, pairs: Ints, lost: int, drawn_wh: Ints) -> list[int]:
        """Pairs of a vehicle that can take more, at its least or above with what its others can spare."""
        taken_wh, least_wh, slots = self.taken_wh[pairs], self._least_wh[pairs], self.columns.slot[pairs]
        room_wh = np.minimum(self.columns.most_wh[pairs] - taken_wh, self._room_wh[slots])
        for part, left in zip(self._parts[:, self.columns.vehicle[pairs[0]]], self._left, strict=True):
            room_wh = np.minimum(room_wh, left[slots] // part) if part else room_wh
        spare = int(np.maximum(0, taken_wh - least_wh)[taken_wh > 0].sum())
        fits = (room_wh > 0) & (taken_wh + room_wh >= least_wh) & (taken_wh + lost + spare >= least_wh)
        found: list[int] = pairs[fits][np.argsort(drawn_wh[slots[fits]], kind="stable")].tolist()
        return found

    def _passed_apart(self) -> bool:
        return self._passed_line() or self._passed_circuit()

    def _lift(self, pairs: Ints, *, movable: bool) -> None:
        """The pair that is nearest to its least gets what is missing from the others, or they get what it has."""
        while True:
            low = pairs[_between(self.taken_wh[pairs], self.given_wh[pairs], self._least_wh[pairs])]
            if not len(low):
                return
            pair = int(low[np.argmax(self.taken_wh[low] / self._least_wh[low])])
            missing = int(self._least_wh[pair] - self.taken_wh[pair])
            others = pairs[pairs != pair]
            spare = np.where(
                self.taken_wh[others] >= self._least_wh[others],
                self.taken_wh[others] - self._least_wh[others],
                self.taken_wh[others],
            )
            if movable and missing <= self._room_of(pair) and missing <= spare.sum():
                by_size = np.argsort(self.taken_wh[others], kind="stable")
                for other, most in zip(others[by_size], spare[by_size], strict=True):
                    part = min(missing, int(most))
                    self._move(int(other), -part)
                    missing -= part
                self._move(pair, int(self._least_wh[pair] - self.taken_wh[pair]))
                continue
            left = int(self.taken_wh[pair])
            self._move(pair, -left)
            for other in others if movable else ():
                on = self.taken_wh[other] >= self._least_wh[other] and self.taken_wh[other] > 0
                room = min(int(self.columns.most_wh[other] - self.taken_wh[other]), self._room_of(int(other)))
                part = min(left, max(0, room)) if on else 0
                self._move(int(other), part)
                left -= part

    def _move(self, pair: int, amount: int) -> None:
        slot = self.columns.slot[pair]
        self.taken_wh[pair] += amount
        self._room_wh[slot] -= amount
        self._left[:, slot] -= self._parts[:, self.columns.vehicle[pair]] * amount

    def _room_of(self, pair: int) -> int:
        """What the pair could take beside all others, Wh."""
        slot, parts = self.columns.slot[pair], self._parts[:, self.columns.vehicle[pair]]
        mine = parts > 0
        return int(min([self._room_wh[slot], *(self._left[mine, slot] // parts[mine])]))

    def _fell_below(self) -> bool:
        low = _between(self.taken_wh, self.given_wh, self._least_wh)
        self.taken_wh[low] = 0
        return bool(low.any())

    def _passed_battery(self) -> bool:
        found = False
        for number, vehicle in enumerate(self.columns.problem.vehicles):
            if (battery := vehicle.battery) is None:
                continue
            stored = battery.stored_wh * WHOLE_BP
            floor = min(battery.floor_wh, battery.stored_wh) * WHOLE_BP
            for pair in range(self.columns.first[number], self.columns.first[number + 1]):
                gained = int(self.taken_wh[pair]) * battery.efficiency_bp - int(self.given_wh[pair]) * WHOLE_BP
                if stored + gained < floor or stored + gained > battery.capacity_wh * WHOLE_BP:
                    self.taken_wh[pair] = self.given_wh[pair] = gained = 0
                    found = True
                stored += gained
        return found

    def _passed_site(self) -> bool:
        net = self.columns.by_slot(self.taken_wh - self.given_wh)
        for slot in np.flatnonzero(net > self._most_wh):
            self._drop(self.taken_wh, self.columns.slot == slot, int(net[slot] - self._most_wh[slot]))
        for slot in np.flatnonzero(net < self._bottom_wh):
            self._drop(self.given_wh, self.columns.slot == slot, int(self._bottom_wh[slot] - net[slot]))
        return bool((net > self._most_wh).any() or (net < self._bottom_wh).any())

    def _passed_line(self) -> bool:
        limit_w, columns, found = self.columns.problem.site.line_limit_w, self.columns, False
        for line in LINES if limit_w is not None else ():
            assert limit_w is not None  # noqa: S101 (there is a line only if there is a limit)
            share = columns.line_share[line][columns.vehicle]
            most = limit_w[line] * columns.slot_seconds // SECONDS_PER_HOUR + 1
            flow = np.bincount(columns.slot, (self.taken_wh - self.given_wh) * share, len(most))
            for slot in np.flatnonzero(np.abs(flow) > most):
                values = self.taken_wh if flow[slot] > 0 else self.given_wh
                self._drop(values, (columns.slot == slot) & (share > 0), int(np.ceil(abs(flow[slot]) - most[slot])))
                found = True
        return found

    def _passed_circuit(self) -> bool:
        columns, found = self.columns, False
        for limit_w, parts in zip(columns.problem.site.circuits_w, columns.circuit_bp, strict=True):
            part = parts[columns.vehicle]
            most = limit_w * columns.slot_seconds // SECONDS_PER_HOUR * WHOLE_BP
            flow = columns.by_slot((self.taken_wh - self.given_wh) * part)
            for slot in np.flatnonzero(np.abs(flow) > most):
                values, over = self.taken_wh if flow[slot] > 0 else self.given_wh, int(abs(flow[slot]) - most[slot])
                chosen = (columns.slot == slot) & (part > 0)
                self._drop(values, chosen, -(-over // int(part[chosen & (values > 0)].max())))
                found = True
        return found

    @staticmethod
    def _drop(values: Ints, chosen: Bools, amount: int) -> None:
        """Stops pairs, the smallest that is enough or else the largest, until as much is gone."""
        pairs = np.flatnonzero(chosen & (values > 0))
        while amount > 0 and len(pairs):
            enough = pairs[values[pairs] >= amount]
            pair = enough[np.argmin(values[enough])] if len(enough) else pairs[np.argmax(values[pairs])]
            amount -= int(values[pair])
            values[pair] = 0
            pairs = pairs[pairs != pair]


def _apart(columns: Columns, net_wh: Ints) -> tuple[Ints, Ints]:
    """The part of each vehicle's power on conductors and circuits, and what these carry beside what flows.

    Shapes (limits, vehicles) and (limits, slots), in parts of SHARES of a Wh.
    """
    site = columns.problem.site
    lines = np.rint(columns.line_share * SHARES).astype(np.int64) if site.line_limit_w is not None else []
    parts = np.array([*lines, *(columns.circuit_bp * (SHARES // WHOLE_BP))], dtype=np.int64)
    limits_w = [*(site.line_limit_w or ()), *site.circuits_w]
    most = [limit_w * columns.slot_seconds // SECONDS_PER_HOUR * SHARES for limit_w in limits_w]
    left = [wh - columns.by_slot(net_wh * part[columns.vehicle]) for wh, part in zip(most, parts, strict=True)]
    vehicles, slots = len(columns.problem.vehicles), len(columns.problem.slots)
    return (
        parts.reshape(len(limits_w), vehicles),
        np.array(left, dtype=np.int64).reshape(len(limits_w), slots),
    )
