"""A site, slot by slot: a policy decides from what has happened, and the simulation keeps to what is physical.

No vehicle takes more than its power, its need or its battery allows, or is served when it is not there; a faulty one
does what its fault says. What nobody may exceed but a policy can, the site's limits, is not enforced but reported.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from operator import attrgetter

import numpy as np

from domain.bidding.stay import WHOLE_BP, Battery
from domain.errors import Malformed
from domain.schedule.columns import Columns
from domain.schedule.moment import DemandSoFar, Moment, Policy, Report
from domain.schedule.plan import Schedule
from domain.schedule.problem import NO_POWER, DemandCharge, Prices, Problem, Site, Slots, Vehicle
from domain.units import SECONDS_PER_HOUR, EnergyWh, PowerW, UnixSeconds

_PUT = tuple(getattr(Vehicle, field.name).__set__ for field in fields(Vehicle))
_VALUES = attrgetter(*(field.name for field in fields(Vehicle)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A vehicle as it came and left, and the departure its driver declared."""

    vehicle: Vehicle
    declared_s: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """From `from_s` up to `to_s`, a vehicle takes at least and at most so much, whatever it is told, or is not metered.

    `most_w` None is no bound but the vehicle's own.
    """

    session: str
    from_s: UnixSeconds
    to_s: UnixSeconds
    silent: bool = False
    least_w: PowerW = NO_POWER
    most_w: PowerW | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """All that happens at a site, of which a policy is shown what is past and what is published.

    In slot t, prices are published up to slot `published[t]`, excluded; all of them, if it is empty.
    """

    slots: Slots
    visits: tuple[Visit, ...]
    prices: Prices
    site: Site
    published: tuple[int, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.slots)
        if self.published and (len(self.published) != count or any(p <= t for t, p in enumerate(self.published))):
            raise Malformed("prices are published for each slot before it begins")

    def problem(self) -> Problem:
        """The same with everything known: what an offline plan is made for. The first of duplicate sessions counts."""
        return Problem(
            slots=self.slots,
            vehicles=tuple(visit.vehicle for visit in _unique(self.visits)),
            site=self.site,
            prices=self.prices,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What each vehicle took and gave, as a schedule of the course's problem, and what was not as it should be."""

    schedule: Schedule
    reports: tuple[Report, ...]


def simulate(course: Course, policy: Policy) -> Run:
    """Lets the policy decide every slot of the course."""
    return _Simulation(course, policy).run()


class _Stay:
    """A vehicle while it is there."""

    def __init__(self, visit: Visit, first_pair: int, from_slot: int) -> None:
        self.true, battery = visit.vehicle, visit.vehicle.battery
        self.declared_s = visit.declared_s
        self.pair = first_pair - from_slot
        self.missing_wh = int(visit.vehicle.need_wh)
        self.stored_wh = int(battery.stored_wh) if battery else 0
        self.target_wh = battery.target_wh(visit.vehicle.need_wh) if battery else 0
        self.seen = replace(visit.vehicle, departure_s=UnixSeconds(max(visit.declared_s, visit.vehicle.arrival_s + 1)))

    def move(self, power_w: int, seconds: int) -> tuple[int, int]:
        """Takes or gives what the set-point and physics allow, Wh."""
        vehicle, battery = self.true, self.true.battery
        if not power_w and battery is None:
            return 0, 0
        if power_w < 0 and battery is not None:
            most_wh = min(-power_w, vehicle.export_power_w) * seconds // SECONDS_PER_HOUR
            given_wh = max(0, min(most_wh, self.stored_wh - battery.floor_wh))
            self._store(-given_wh, battery)
            return 0, given_wh
        taken_wh = max(0, min(power_w, vehicle.power_w)) * seconds // SECONDS_PER_HOUR
        if battery is None:
            taken_wh = min(taken_wh, self.missing_wh)
            self.missing_wh -= taken_wh
            return taken_wh, 0
        room_wh = (battery.capacity_wh - self.stored_wh) * WHOLE_BP // battery.efficiency_bp
        taken_wh = min(taken_wh, room_wh, self._accepted_wh(battery, seconds))
        self._store(taken_wh * battery.efficiency_bp // WHOLE_BP, battery)
        return taken_wh, 0

    def look(self) -> Vehicle:
        """The vehicle as the site sees it."""
        if self.seen.need_wh != self.missing_wh or (
            self.seen.battery and self.seen.battery.stored_wh != self.stored_wh
        ):
            battery = self.true.battery
            held = replace(battery, stored_wh=EnergyWh(self.stored_wh)) if battery else None
            spare_wh = max(0, self.stored_wh - self.target_wh) if battery else 0
            self.seen = _updated(self.seen, self.missing_wh, held, spare_wh)
        return self.seen

    def _store(self, more_wh: int, battery: Battery) -> None:
        self.stored_wh += more_wh
        self.missing_wh = max(0, -(-(self.target_wh - self.stored_wh) * WHOLE_BP // battery.efficiency_bp))

    def _accepted_wh(self, battery: Battery, seconds: int) -> int:
        most_wh = self.true.power_w * seconds // SECONDS_PER_HOUR
        if self.true.taper_bp == WHOLE_BP:
            return most_wh
        tail = battery.capacity_wh * (WHOLE_BP - self.true.taper_bp)
        return min(most_wh, most_wh * (battery.capacity_wh - self.stored_wh) * WHOLE_BP // tail)


class _Simulation:
    def __init__(self, course: Course, policy: Policy) -> None:
        self._course, self._policy = course, policy
        self._columns = Columns.of(course.problem())
        self._taken = [0] * len(self._columns)
        self._given = [0] * len(self._columns)
        self._reports = [*_duplicates(course)]
        self._arriving = self._arrivals()
        self._present: dict[str, _Stay] = {}
        self._read: dict[str, int] = {}
        self._meters = [_Peak(demand) for demand in course.prices.demands]
        self._bought, self._sold, self._carbon = (
            np.array(values, dtype=np.int64)
            for values in (
                course.prices.import_micro_per_kwh,
                course.prices.export_micro_per_kwh,
                course.prices.carbon_micro_per_kwh,
            )
        )
        self._load = np.array(course.site.load_w, dtype=np.int64)
        self._sun = np.array(course.site.sun_w, dtype=np.int64)

    def run(self) -> Run:
        edges = self._course.slots.edges_s
        for slot, (start_s, end_s) in enumerate(pairwise(edges)):
            self._come_and_go(start_s)
            powers = self._policy.powers(self._moment(slot, start_s, end_s))
            self._flow(slot, start_s, end_s, powers)
        self._come_and_go(edges[-1])
        taken, given = (np.array(values, dtype=np.int64) for values in (self._taken, self._given))
        return Run(Schedule(self._columns, taken, given, self._policy.name), tuple(self._reports))

    def _arrivals(self) -> list[_Stay]:
        """Last arrival first."""
        columns = self._columns
        from_slot = columns.slot[np.minimum(columns.first[:-1], max(0, len(columns) - 1))] if len(columns) else []
        stays = [
            _Stay(visit, int(columns.first[number]), int(from_slot[number]))
            for number, visit in enumerate(_unique(self._course.visits))
            if columns.first[number] < columns.first[number + 1]
        ]
        return sorted(stays, key=lambda stay: -stay.true.arrival_s)

    def _come_and_go(self, now_s: int) -> None:
        for session, stay in list(self._present.items()):
            if stay.true.departure_s <= now_s:
                del self._present[session]
                self._note_departure(stay)
        while self._arriving and self._arriving[-1].true.arrival_s <= now_s:
            stay = self._arriving.pop()
            if stay.true.departure_s > now_s:
                self._present[stay.true.session] = stay
                self._note_arrival(stay, now_s)

    def _moment(self, slot: int, start_s: int, end_s: int) -> Moment:
        site, to_slot = self._course.site, self._published(slot)
        return Moment(
            now_s=UnixSeconds(start_s),
            ends_s=UnixSeconds(end_s),
            slot_s=end_s - start_s,
            vehicles=self._seen(start_s),
            import_micro_per_kwh=self._bought[slot:to_slot],
            export_micro_per_kwh=self._sold[slot:to_slot],
            carbon_micro_per_kwh=self._carbon[slot:to_slot],
            demand=next((m.so_far(self._course.slots) for m in self._meters if m.runs(slot)), None),
            import_limit_w=PowerW(site.import_limit_w[slot]) if site.import_limit_w is not None else None,
            export_limit_w=PowerW(site.export_limit_w[slot]) if site.export_limit_w is not None else None,
            line_limit_w=site.line_limit_w,
            circuits_w=site.circuits_w,
            load_w=self._load[:slot],
            sun_w=self._sun[:slot],
            read_wh=self._read,
        )

    def _published(self, slot: int) -> int:
        return self._course.published[slot] if self._course.published else len(self._course.slots)

    def _seen(self, now_s: int) -> tuple[Vehicle, ...]:
        """A silent meter tells what it told last."""
        if not self._course.faults:
            return tuple([stay.look() for stay in self._present.values()])
        found = ((stay, self._fault(stay.true.session, now_s - 1)) for stay in self._present.values())
        return tuple(stay.seen if fault and fault.silent else stay.look() for stay, fault in found)

    def _fault(self, session: str, time_s: int) -> Fault | None:
        if not self._course.faults:
            return None
        found = (f for f in self._course.faults if f.session == session and f.from_s <= time_s < f.to_s)
        return next(found, None)

    def _flow(self, slot: int, start_s: int, end_s: int, powers: Mapping[str, int]) -> None:
        self._read, net_wh = {}, 0
        for session, stay in self._present.items():
            power_w, fault = powers.get(session, 0), self._fault(session, start_s) if self._course.faults else None
            if fault:
                power_w = max(power_w, fault.least_w)
                power_w = power_w if fault.most_w is None else min(power_w, fault.most_w)
            taken_wh, given_wh = stay.move(power_w, min(end_s, stay.true.departure_s) - start_s)
            self._taken[stay.pair + slot], self._given[stay.pair + slot] = taken_wh, given_wh
            net_wh += taken_wh - given_wh
            if not (fault and fault.silent):
                self._read[session] = taken_wh - given_wh
        self._note_limit(slot, start_s, end_s, net_wh)
        site = self._course.site
        other_w = (site.load_w[slot] if site.load_w else 0) - (site.sun_w[slot] if site.sun_w else 0)
        for meter in self._meters:
            if meter.runs(slot):
                meter.count(start_s, end_s, net_wh + other_w * (end_s - start_s) // SECONDS_PER_HOUR)

    def _note_arrival(self, stay: _Stay, now_s: int) -> None:
        vehicle = stay.true
        most_wh = vehicle.power_w * max(0, stay.declared_s - now_s) // SECONDS_PER_HOUR
        if vehicle.need_wh > most_wh:
            text = f"needs {vehicle.need_wh} Wh, and can take {most_wh} Wh until its declared departure: best effort"
            self._reports.append(Report(now_s, vehicle.session, text))

    def _note_departure(self, stay: _Stay) -> None:
        left_s, early_s = stay.true.departure_s, stay.declared_s - stay.true.departure_s
        if early_s > 0 and stay.missing_wh:
            text = f"left {early_s} s before its declared departure, {stay.missing_wh} Wh are missing"
            self._reports.append(Report(left_s, stay.true.session, text))
        elif early_s < 0:
            self._reports.append(Report(left_s, stay.true.session, f"stayed {-early_s} s past its declared departure"))

    def _note_limit(self, slot: int, start_s: int, end_s: int, net_wh: int) -> None:
        site = self._course.site
        if site.import_limit_w is None:
            return
        other_w = (site.load_w[slot] if site.load_w else 0) - (site.sun_w[slot] if site.sun_w else 0)
        drawn_w = net_wh * SECONDS_PER_HOUR // (end_s - start_s) + other_w
        if net_wh > 0 and drawn_w > site.import_limit_w[slot]:
            text = f"the site draws {drawn_w} W, its limit is {site.import_limit_w[slot]} W"
            self._reports.append(Report(start_s, "", text))


class _Peak:
    """The meter of a billing period: the highest mean of its whole intervals, rounded up to W."""

    def __init__(self, demand: DemandCharge) -> None:
        self._demand = demand
        self._peak_w = int(demand.peak_w)
        self._interval = -1
        self._used_wh = 0
        self._so_far: DemandSoFar | None = None

    def runs(self, slot: int) -> bool:
        return self._demand.from_slot <= slot < self._demand.to_slot

    def count(self, start_s: int, end_s: int, net_wh: int) -> None:
        interval = start_s // self._demand.interval_s
        self._used_wh = net_wh + (self._used_wh if interval == self._interval else 0)
        self._interval = interval
        if end_s % self._demand.interval_s == 0:
            mean_w = -(-self._used_wh * SECONDS_PER_HOUR // self._demand.interval_s)
            self._peak_w, self._used_wh = max(self._peak_w, mean_w), 0

    def so_far(self, slots: Slots) -> DemandSoFar:
        """The same object for as long as it stays so."""
        used_wh = max(0, self._used_wh)
        if self._so_far is None or (self._so_far.peak_w, self._so_far.used_wh) != (self._peak_w, used_wh):
            self._so_far = DemandSoFar(
                price_micro_per_kw=self._demand.price_micro_per_kw,
                until_s=UnixSeconds(slots.edges_s[self._demand.to_slot]),
                interval_s=self._demand.interval_s,
                peak_w=PowerW(self._peak_w),
                used_wh=EnergyWh(used_wh),
            )
        return self._so_far


def _updated(vehicle: Vehicle, missing_wh: int, battery: Battery | None, spare_wh: int) -> Vehicle:
    """The vehicle as it is now. It was checked when it came, and is not again in each slot."""
    found: Vehicle = object.__new__(Vehicle)
    for put, value in zip(_PUT, _VALUES(vehicle), strict=True):
        put(found, value)
    object.__setattr__(found, "need_wh", EnergyWh(missing_wh))
    object.__setattr__(found, "battery", battery)
    object.__setattr__(found, "spare_wh", EnergyWh(spare_wh))
    return found


def _unique(visits: Sequence[Visit]) -> list[Visit]:
    return list({visit.vehicle.session: visit for visit in reversed(visits)}.values())[::-1]


def _duplicates(course: Course) -> Iterable[Report]:
    seen: set[str] = set()
    for visit in course.visits:
        session = visit.vehicle.session
        if session in seen:
            yield Report(visit.vehicle.arrival_s, session, "is announced twice: the first one counts")
        seen.add(session)
