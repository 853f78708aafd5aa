"""A receding horizon: whenever something happened, the best plan for what is there, what is known and what is expected.

Power up to the peak that the month will need in any case is as good as paid, so it counts like the peak so far. If the
solver misses its deadline, or would serve those who are there worse than least laxity first, that decides instead.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.bidding.stay import WHOLE_BP
from domain.errors import PlanNotFound
from domain.schedule.baselines import least_laxity, room_w
from domain.schedule.departures import Departures
from domain.schedule.floor import floored
from domain.schedule.forecast import Record, phantoms
from domain.schedule.laxity import raised, served_wh
from domain.schedule.moment import Moment
from domain.schedule.optimum import optimum
from domain.schedule.outlook import Daily, published, totals
from domain.schedule.plan import Schedule
from domain.schedule.problem import (
    UNMET_MICRO_PER_KWH,
    Aims,
    DemandCharge,
    Prices,
    Problem,
    Site,
    Slots,
    Vehicle,
)
from domain.units import SECONDS_PER_HOUR, EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds

HOUR_S = SECONDS_PER_HOUR
_CLOSE_WH = 20
"""A reading that differs by no more than this is what was planned."""
_UNKNOWN = -(10**12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How far and how fine the planner looks. Plans older than `stale_s` are made anew even if nothing happened.

    Slots are fine for `fine_s`, then `coarse_s` long, up to `horizon_s`. Vehicles are expected up to `expect_s` ahead,
    as in the last `weeks`, in groups alike up to `grain_s`.
    """

    fine_s: int = 12 * HOUR_S
    coarse_s: int = HOUR_S
    horizon_s: int = 48 * HOUR_S
    stale_s: int = HOUR_S
    deadline_s: float = 0.5
    expect_s: int = 24 * HOUR_S
    weeks: tuple[int, ...] = (1, 2, 3, 4)
    grain_s: int = HOUR_S
    patience_micro_per_kwh: int = 2_000
    unmet_micro_per_kwh: PriceMicroPerKwh = UNMET_MICRO_PER_KWH


class Planner:
    """`record` holds the stays of the past, from which those to come are expected; None expects nobody.

    `level_w` tells what peak to expect of the billing period that runs at a moment: power up to it is free.
    """

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
        self._record = record
        self._level_w = level_w
        self._departures = departures
        self._sun, self._load = sun or Daily(), load or Daily()
        self._plan: _Kept | None = None
        self.replans = 0
        self.fallbacks = 0

    def powers(self, moment: Moment) -> Mapping[str, int]:
        if self._record is not None:
            self._record.watch(moment)
        if not moment.vehicles:
            return {}
        if self._plan is None or not self._plan.holds(moment, self._tuning.stale_s):
            self._plan = self._new_plan(moment)
        if self._plan is None:
            return self._fall_back(moment)
        powers = self._plan.next(moment)
        found = raised(powers, moment, self._free_w(moment) if self._departures is not None else None)
        if found != powers:
            self._plan = None
        return found

    def plan(self, moment: Moment) -> Schedule:
        """The best plan from this moment on. PlanNotFound, if it takes longer than the deadline."""
        schedule = optimum(self.problem(moment), limit_s=self._tuning.deadline_s)
        if any(vehicle.least_power_w for vehicle in moment.vehicles):
            return floored(schedule, limit_s=self._tuning.deadline_s)
        return schedule

    def problem(self, moment: Moment) -> Problem:
        """What is there, known and expected, as a charging problem."""
        vehicles = [self._ahead(vehicle, moment) for vehicle in moment.vehicles]
        vehicles += self._expected(moment)
        slots = self._slots(moment, [int(vehicle.departure_s) for vehicle in vehicles])
        vehicles = [_within(vehicle, slots) for vehicle in vehicles if vehicle.arrival_s < slots.end_s]
        vehicles = [replace(v, bought_wh=totals(v.bought_wh, moment, slots)) if v.bought_wh else v for v in vehicles]
        if self._departures is not None:
            vehicles[: len(moment.vehicles)] = [
                replace(vehicle, presence_bp=self._departures.presence_bp(told, moment.now_s, slots))
                for vehicle, told in zip(vehicles, moment.vehicles, strict=False)
            ]
        return Problem(
            slots=slots,
            vehicles=tuple(vehicles),
            site=self._site(moment, slots),
            prices=self._prices(moment, slots),
            aims=Aims(unmet_micro_per_kwh=self._tuning.unmet_micro_per_kwh),
        )

    def _fall_back(self, moment: Moment) -> Mapping[str, int]:
        """Least laxity first, without a higher peak as far as it can be avoided; a limit of the site is cap enough."""
        cap_w = self._free_w(moment) if moment.import_limit_w is None else None
        return raised(least_laxity(cap_w).powers(moment), moment)

    def _new_plan(self, moment: Moment) -> "_Kept | None":
        self.replans += 1
        try:
            schedule = self.plan(moment)
        except PlanNotFound:
            self.fallbacks += 1
            return None
        if not _serves(schedule, moment):
            self.fallbacks += 1
            return None
        return _Kept(schedule, moment)

    def _free_w(self, moment: Moment) -> PowerW | None:
        """The peak that costs nothing more. Where departures are learned, a told one is not worth another."""
        if moment.demand is None:
            return None
        return PowerW(max(int(moment.demand.peak_w), self._level_w(moment) if self._level_w else 0))

    def _ahead(self, vehicle: Vehicle, moment: Moment) -> Vehicle:
        """Until the vehicle has surely left; without a learned distribution, who should have left may go."""
        departure_s = int(vehicle.departure_s)
        if self._departures is not None:
            until_s = moment.now_s + self._tuning.horizon_s
            departure_s = self._departures.latest_s(vehicle, moment.now_s, until_s, moment.slot_s)
        departure_s = max(departure_s, int(moment.ends_s))
        return vehicle if departure_s == vehicle.departure_s else replace(vehicle, departure_s=UnixSeconds(departure_s))

    def _expected(self, moment: Moment) -> list[Vehicle]:
        if self._record is None:
            return []
        tuning, until_s = self._tuning, moment.now_s + self._tuning.expect_s
        return phantoms(self._record, moment, until_s, weeks=tuning.weeks, grain_s=tuning.grain_s)

    def _slots(self, moment: Moment, departures_s: Sequence[int]) -> Slots:
        """Coarse slots end early where somebody who is there leaves: nobody's last slot is lost to the grid."""
        tuning = self._tuning
        last_s = max(departures_s, default=0)
        until_s = max(int(moment.ends_s), min(last_s, moment.now_s + tuning.horizon_s))
        fine = Slots.from_now(moment.now_s, moment.slot_s, min(until_s, moment.now_s + tuning.fine_s)).edges_s
        whole = -(-fine[-1] // tuning.coarse_s) * tuning.coarse_s
        fine = (*fine, *range(fine[-1] + moment.slot_s, whole + 1, moment.slot_s))
        coarse = range(fine[-1] + tuning.coarse_s, until_s + tuning.coarse_s, tuning.coarse_s)
        leaving = {departure_s // moment.slot_s * moment.slot_s for departure_s in departures_s[: len(moment.vehicles)]}
        between = {edge_s for edge_s in leaving if coarse and fine[-1] < edge_s < coarse[-1]}
        return Slots((*fine, *sorted(between.union(coarse))))

    def _site(self, moment: Moment, slots: Slots) -> Site:
        count = len(slots)
        limits = None if moment.import_limit_w is None else (int(moment.import_limit_w),) * count
        exports = None if moment.export_limit_w is None else (int(moment.export_limit_w),) * count
        return Site(
            import_limit_w=limits,
            export_limit_w=exports,
            line_limit_w=moment.line_limit_w,
            circuits_w=moment.circuits_w,
            load_w=self._load.expected(moment.load_w, moment, slots) if len(moment.load_w) else (),
            sun_w=self._sun.expected(moment.sun_w, moment, slots) if len(moment.sun_w) else (),
        )

    def _prices(self, moment: Moment, slots: Slots) -> Prices:
        bought = published(moment.import_micro_per_kwh, moment, slots)
        sold = published(moment.export_micro_per_kwh, moment, slots)
        if len(moment.sun_w):
            steps = range(len(slots), 0, -1)
            bought = tuple(
                p + self._tuning.patience_micro_per_kwh * n // len(slots) for p, n in zip(bought, steps, strict=True)
            )
        return Prices(
            import_micro_per_kwh=bought,
            export_micro_per_kwh=sold,
            carbon_micro_per_kwh=published(moment.carbon_micro_per_kwh, moment, slots),
            demands=self._demands(moment, slots),
        )

    def _demands(self, moment: Moment, slots: Slots) -> tuple[DemandCharge, ...]:
        demand = moment.demand
        if demand is None:
            return ()
        free_w = self._free_w(moment) or PowerW(0)
        level_w = self._level_w(moment) if self._level_w else 0
        here = sum(start_s < demand.until_s for start_s in slots.edges_s[:-1])
        first = DemandCharge(
            price_micro_per_kw=demand.price_micro_per_kw,
            from_slot=0,
            to_slot=here,
            peak_w=free_w,
            interval_s=demand.interval_s,
            used_wh=demand.used_wh,
        )
        if here == len(slots):
            return (first,)
        return (first, replace(first, from_slot=here, to_slot=len(slots), peak_w=PowerW(level_w), used_wh=EnergyWh(0)))


def _within(vehicle: Vehicle, slots: Slots) -> Vehicle:
    """It leaves at the end of a slot, not within one, whose limit it could else use up in half of the time."""
    edges_s = slots.edges_s
    end_s = edges_s[max(1, bisect_right(edges_s, vehicle.departure_s) - 1)]
    if vehicle.departure_s in (end_s, edges_s[0]) or end_s > vehicle.departure_s or end_s <= vehicle.arrival_s:
        return vehicle
    return replace(vehicle, departure_s=UnixSeconds(end_s))


def _serves(schedule: Schedule, moment: Moment) -> bool:
    """Whether those who are there get as much by their told departures as least laxity first would give them.

    Where the site's limit leaves room for everybody, the plan's own order of aims sees to that, and `raised`. Vehicles
    that can give back are left to the aims.
    """
    here = slice(0, len(moment.vehicles))
    if (moment.import_limit_w is None and not moment.circuits_w) or schedule.problem.vehicles[0].presence_bp:
        return True
    vehicles = schedule.problem.vehicles[here]
    plain = [vehicle.battery is None for vehicle in vehicles]
    planned_wh = int(schedule.charged_wh[here][plain].sum())
    if planned_wh >= int(schedule.columns.possible_wh[here][plain].sum()):
        return True
    vehicles = tuple(vehicle for vehicle in vehicles if vehicle.battery is None)
    edges_s = schedule.problem.slots.edges_s
    return planned_wh + len(vehicles) >= served_wh(vehicles, edges_s, room_w(moment), moment.circuits_w)


class _Kept:
    """A plan that is followed as long as nothing happens that it did not expect."""

    def __init__(self, schedule: Schedule, moment: Moment) -> None:
        columns, problem = schedule.columns, schedule.problem
        self._made_s = moment.now_s
        self._edges = problem.slots.edges_s
        self._limit_w = moment.import_limit_w
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
        if moment.now_s - self._made_s >= stale_s or moment.import_limit_w != self._limit_w:
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
