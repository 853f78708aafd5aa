"""A receding horizon: whenever something happened, the best plan for what is there, what is known and what is expected.

If the solver misses its deadline, or would serve those who are there worse than least laxity first, that one decides.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.errors import PlanNotFound
from domain.schedule.baselines import least_laxity
from domain.schedule.columns import Columns
from domain.schedule.departures import Departures
from domain.schedule.floor import floored
from domain.schedule.forecast import Record
from domain.schedule.horizon import Horizon, Tuning
from domain.schedule.laxity import raised, served_wh
from domain.schedule.moment import Moment
from domain.schedule.optimum import optimum
from domain.schedule.outlook import Daily
from domain.schedule.plan import Schedule
from domain.schedule.problem import (
    Problem,
    Vehicle,
)
from domain.units import SECONDS_PER_HOUR

HOUR_S = SECONDS_PER_HOUR
_CLOSE_WH = 20
"""A reading that differs by no more than this is what was planned."""
_UNKNOWN = -(10**12)


class Decision(NamedTuple):
    """A plan, and from it the powers of those who are there in its first slot, W.

    Where least laxity first decided, the plan is its first slot.
    """

    schedule: Schedule
    powers: dict[str, int]


class Planner:
    """What it is told of the past and of what is to come is the horizon's (horizon.py)."""

    def __init__(
        self,
        tuning: Tuning | None = None,
        *,
        record: Record | None = None,
        level_w: Callable[[Moment], int] | None = None,
        departures: Departures | None = None,
        sun: Daily | None = None,
        load: Daily | None = None,
        name: str = "planner",
    ) -> None:
        self.name = name
        self._tuning = tuning or Tuning()
        self._record, self._departures = record, departures
        self._horizon = Horizon(
            self._tuning,
            record=record,
            level_w=level_w,
            departures=departures,
            sun=sun or Daily(),
            load=load or Daily(),
        )
        self._plan: _Kept | None = None
        self.replans = 0
        self.fallbacks = 0

    def powers(self, moment: Moment) -> Mapping[str, int]:
        if self._record is not None:
            self._record.watch(moment)
        if not moment.vehicles:
            return {}
        if self._plan is None or not self._plan.holds(moment, self._tuning.stale_s):
            schedule = self._new_plan(self._horizon.problem(moment), moment)
            self._plan = None if schedule is None else _Kept(schedule, moment)
        if self._plan is None:
            return self._fall_back(moment)
        powers = self._plan.next(moment)
        found = self._raised(powers, moment)
        if found != powers:
            self._plan = None
        return found

    def plan(self, moment: Moment) -> Schedule:
        """The best plan from this moment on. PlanNotFound, if it takes longer than the deadline."""
        return self._best(self._horizon.problem(moment))

    def decide(self, moment: Moment) -> Decision:
        """A new plan from this moment on, with the powers of the slot that begins."""
        problem = self._horizon.problem(moment)
        schedule = self._new_plan(problem, moment)
        if schedule is None:
            powers = dict(self._fall_back(moment))
            return Decision(_only_now(powers, problem), powers)
        there = {vehicle.session for vehicle in moment.vehicles}
        planned = {one.session: one.power_w for one in schedule.set_points() if one.session in there}
        return Decision(schedule, self._raised(planned, moment))

    def _fall_back(self, moment: Moment) -> Mapping[str, int]:
        """Least laxity first, without a higher peak as far as it can be avoided; a limit of the site is cap enough."""
        cap_w = self._horizon.free_w(moment) if moment.limit_w is None else None
        return raised(least_laxity(cap_w).powers(moment), moment)

    def _new_plan(self, problem: Problem, moment: Moment) -> Schedule | None:
        """None if there is none in time, or least laxity first would serve those who are there better."""
        self.replans += 1
        try:
            schedule = self._best(problem)
        except PlanNotFound:
            self.fallbacks += 1
            return None
        if not _serves(schedule, moment):
            self.fallbacks += 1
            return None
        return schedule

    def _best(self, problem: Problem) -> Schedule:
        schedule = optimum(problem, limit_s=self._tuning.deadline_s)
        if any(vehicle.least_power_w for vehicle in problem.vehicles):
            return floored(schedule, limit_s=self._tuning.deadline_s)
        return schedule

    def _raised(self, powers: Mapping[str, int], moment: Moment) -> dict[str, int]:
        """Where departures are learned, a told one is not worth another peak."""
        return raised(powers, moment, self._horizon.free_w(moment) if self._departures is not None else None)


def _serves(schedule: Schedule, moment: Moment) -> bool:
    """Whether those who are there get as much by their told departures as least laxity first would give them.

    Where the site's limit leaves room for everybody, the plan's own order of aims sees to that, and `raised`. Vehicles
    that can give back are left to the aims.
    """
    here, problem = slice(0, len(moment.vehicles)), schedule.problem
    limits_w = problem.site.import_limit_w
    uncertain = any(vehicle.presence_bp for vehicle in problem.vehicles[here])
    if uncertain or (limits_w is None and not moment.parts_w):
        return True
    vehicles = problem.vehicles[here]
    plain = [vehicle.battery is None for vehicle in vehicles]
    planned_wh = int(schedule.charged_wh[here][plain].sum())
    if planned_wh >= int(schedule.columns.possible_wh[here][plain].sum()):
        return True
    vehicles = tuple(vehicle for vehicle in vehicles if vehicle.battery is None)
    load_w = int(moment.load_w[-1]) if len(moment.load_w) else 0
    rooms_w = None if limits_w is None else [max(0, limit_w - load_w) for limit_w in limits_w]
    return planned_wh + len(vehicles) >= served_wh(vehicles, problem.slots.edges_s, rooms_w, moment)


def _only_now(powers: Mapping[str, int], problem: Problem) -> Schedule:
    """What these powers do in the first slot, as a plan that knows nothing of those after it."""
    columns = Columns.of(problem)
    power_w = np.array([powers.get(vehicle.session, 0) for vehicle in problem.vehicles], dtype=np.int64)
    wanted_wh = power_w[columns.vehicle] * columns.seconds // SECONDS_PER_HOUR
    taken_wh = np.where(columns.slot == 0, np.clip(wanted_wh, 0, columns.most_wh), 0)
    return Schedule(columns, taken_wh, np.zeros(len(columns), dtype=np.int64), "llf")


class _Kept:
    """A plan that is followed as long as nothing happens that it did not expect."""

    def __init__(self, schedule: Schedule, moment: Moment) -> None:
        columns, problem = schedule.columns, schedule.problem
        self._made_s = moment.now_s
        self._edges = problem.slots.edges_s
        self._limits = moment.import_limit_w, moment.limits
        self._slot = 0
        self._need = {vehicle.session: _held_wh(vehicle) for vehicle in moment.vehicles}
        self._efficiency = {v.session: v.battery.efficiency_bp if v.battery else -WHOLE_BP for v in moment.vehicles}
        self._leaves = {vehicle.session: int(vehicle.departure_s) for vehicle in moment.vehicles}
        net = schedule.import_wh - schedule.export_wh
        self._energy: dict[str, tuple[int, list[int], list[int]]] = {}
        for number, vehicle in enumerate(problem.vehicles[: len(moment.vehicles)]):
            first, last = int(columns.first[number]), int(columns.first[number + 1])
            from_slot = int(columns.slot[first]) if first < last else 0
            self._energy[vehicle.session] = (from_slot, net[first:last].tolist(), columns.seconds[first:last].tolist())

    def holds(self, moment: Moment, stale_s: int) -> bool:
        if moment.now_s - self._made_s >= stale_s or (moment.import_limit_w, moment.limits) != self._limits:
            return False
        if self._slot + 1 >= len(self._edges) or self._edges[self._slot] != moment.now_s:
            return False
        if self._edges[self._slot + 1] != moment.ends_s:
            return False
        there = {vehicle.session for vehicle in moment.vehicles}
        if any(abs(self._need.get(v.session, _UNKNOWN) - _held_wh(v)) > _CLOSE_WH for v in moment.vehicles):
            return False
        return all(session in there or self._leaves[session] <= moment.now_s for session in self._need)

    def next(self, moment: Moment) -> dict[str, int]:
        """The set-points of the slot that begins, after which the next one is due."""
        found = {}
        for vehicle in moment.vehicles:
            from_slot, energy, seconds = self._energy[vehicle.session]
            place = self._slot - from_slot
            wh = energy[place] if 0 <= place < len(energy) else 0
            power_w = abs(wh) * HOUR_S // seconds[place] if wh else 0
            found[vehicle.session] = power_w if wh >= 0 else -power_w
            self._need[vehicle.session] += wh if wh < 0 else wh * self._efficiency[vehicle.session] // WHOLE_BP
        self._slot += 1
        return found


def _held_wh(vehicle: Vehicle) -> int:
    """What a battery holds, or without one, what is missing."""
    return int(vehicle.battery.stored_wh) if vehicle.battery else int(vehicle.need_wh)
