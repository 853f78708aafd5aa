"""JPL's recorded months as courses for simulation, the arms that run on them, and the tables that compare them.

Slots are 15 minutes; arrivals are rounded down to them and departures up, as in the figures to beat. A vehicle needs
what it was given, up to what its power gives in its stay, and charges up to 6.6 kW. A month has the sessions that
arrive in it and ends when the last one leaves. Money is micro-USD, or micro-euro where prices are Dutch.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cache

import numpy as np

from bench.charging_data import JPL_SESSIONS, TOU_EV_4, data_file
from bench.charging_sessions import LOS_ANGELES, Recording, local_midnight_s, read_sessions
from bench.charging_tariff import TimeOfUse, read_tariff
from domain.schedule.departures import Declared
from domain.schedule.forecast import Stayed
from domain.schedule.metrics import Metrics, measure
from domain.schedule.moment import Policy
from domain.schedule.optimum import optimum
from domain.schedule.plan import Schedule
from domain.schedule.problem import DemandCharge, Prices, Site, Slots, Vehicle
from domain.schedule.reward import Reward, mean_power_w
from domain.schedule.simulation import Course, Visit, simulate
from domain.units import SECONDS_PER_HOUR, EnergyWh, UnixSeconds

SLOT_S = 900
REWARD_PERCENT = 80
UTC_OFFSET_S = -7 * SECONDS_PER_HOUR
"""Pacific daylight time, which holds from May to August."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one way of charging came to on a course."""

    name: str
    metrics: Metrics
    seconds: float
    power_w: tuple[int, ...] = ()
    """What the vehicles drew in each slot; empty for several months together."""
    reward: float = 0.0
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case's figures by the names of their keys, its table, and what of it is modelled or composed."""

    figures: Mapping[str, object]
    table: str


@cache
def jpl() -> Recording:
    """Every recorded session of JPL, May to August 2019."""
    return read_sessions(data_file(JPL_SESSIONS))


@cache
def tariff() -> TimeOfUse:
    """SCE's TOU-EV-4 with its demand charge."""
    return read_tariff(data_file(TOU_EV_4))


def month_of(recording: Recording, year: int, month: int) -> Recording:
    return recording.between(date(year, month, 1), _last_day(year, month))


def visits_of(recording: Recording, *, declared: bool = False, exact: bool = False) -> tuple[Visit, ...]:
    """The sessions as visits; with `declared`, drivers tell what they declared, else the truth.

    `exact` leaves times as they are, to the second.
    """
    grid_s = 1 if exact else SLOT_S
    visits = []
    for session in recording.sessions:
        arrival_s = session.arrival_s - session.arrival_s % grid_s
        departure_s = -(-session.departure_s // grid_s) * grid_s
        told_s = -(-session.declared_departure_s // grid_s) * grid_s if declared else departure_s
        most_wh = session.power_w * (departure_s - arrival_s) // SECONDS_PER_HOUR
        vehicle = Vehicle(
            session=session.session_id,
            arrival_s=UnixSeconds(arrival_s),
            departure_s=UnixSeconds(departure_s),
            need_wh=EnergyWh(min(session.energy_wh, most_wh)),
            power_w=session.power_w,
        )
        visits.append(Visit(vehicle=vehicle, declared_s=UnixSeconds(max(told_s, arrival_s + grid_s))))
    return tuple(visits)


def month_course(
    year: int, month: int, *, recording: Recording | None = None, declared: bool = False, exact: bool = False
) -> Course:
    """A month on TOU-EV-4 with its demand charge, as one billing period."""
    visits = visits_of(month_of(recording or jpl(), year, month), declared=declared, exact=exact)
    slots = slots_of(local_midnight_s(date(year, month, 1), LOS_ANGELES), visits)
    demand = DemandCharge(
        price_micro_per_kw=tariff().demand_micro_per_kw(slots.start_s), from_slot=0, to_slot=len(slots)
    )
    prices = tariff().prices(slots.start_s, len(slots), SLOT_S)
    return Course(
        slots=slots, visits=visits, site=Site(), prices=Prices(import_micro_per_kwh=prices, demands=(demand,))
    )


def slots_of(start_s: int, visits: Sequence[Visit]) -> Slots:
    """Whole slots from `start_s` until the last vehicle has left."""
    last_s = max(visit.vehicle.departure_s for visit in visits)
    return Slots.even(start_s, SLOT_S, -(-(last_s - start_s) // SLOT_S))


def past_of(before_s: int, recording: Recording | None = None) -> list[Stayed]:
    """The stays that were over before a time."""
    return [
        Stayed(vehicle.arrival_s, vehicle.departure_s, vehicle.need_wh, vehicle.power_w)
        for vehicle in (visit.vehicle for visit in visits_of(recording or jpl()))
        if vehicle.departure_s <= before_s
    ]


def declared_between(first: date, last: date, recording: Recording | None = None) -> list[Declared]:
    """What was declared and done in the stays that began on these days."""
    visits = visits_of((recording or jpl()).between(first, last), declared=True)
    return [Declared(v.vehicle.arrival_s, v.declared_s, v.vehicle.departure_s) for v in visits]


def play(course: Course, policy: Policy, name: str | None = None) -> Arm:
    """An arm that decides slot by slot."""
    begun = time.perf_counter()
    run = simulate(course, policy)
    seconds = time.perf_counter() - begun
    counted = {what: float(getattr(policy, what)) for what in ("replans", "fallbacks") if hasattr(policy, what)}
    counted["reports"] = float(len(run.reports))
    return _arm(name or policy.name, run.schedule, seconds, counted)


def offline(course: Course, name: str = "optimum, offline") -> Arm:
    """The best there is if all is known from the start."""
    begun = time.perf_counter()
    schedule = optimum(course.problem())
    return _arm(name, schedule, time.perf_counter() - begun, {})


def rewarded(arms: Iterable[Arm], base: Arm) -> list[Arm]:
    """The arms of one course with the review's reward: what is saved against `base`, in whole units of money, less 0.01
    for each kW² above 80 % of its peak in a slot."""
    reward = Reward(most_w=base.metrics.peak_w * REWARD_PERCENT // 100)
    return [
        replace(
            arm,
            reward=reward.of(
                uncontrolled_micro=base.metrics.bill_micro,
                planned_micro=arm.metrics.bill_micro,
                power_w=np.array(arm.power_w, dtype=np.int64),
            ),
        )
        for arm in arms
    ]


def by_months(arms: Mapping[str, Sequence[Arm]], base: str) -> list[Arm]:
    """Each arm's months together, in the order given, with the sum of its rewards against the arm `base`."""
    months = list(zip(*([*parts] for parts in arms.values()), strict=True))
    place = list(arms).index(base)
    paid = [rewarded(month, month[place]) for month in months]
    return [together(name, [month[number] for month in paid]) for number, name in enumerate(arms)]


def _arm(name: str, schedule: Schedule, seconds: float, notes: Mapping[str, float]) -> Arm:
    power_w = tuple(mean_power_w(schedule).tolist())
    return Arm(name=name, metrics=measure(schedule), seconds=seconds, power_w=power_w, notes=notes)


def digest_of(course: Course) -> str:
    """SHA-256 of all that an arm is run on, as canonical JSON."""
    text = json.dumps(asdict(course), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def figures_of(arms: Iterable[Arm]) -> dict[str, dict[str, object]]:
    """All that is known of each arm, for the JSON."""
    return {
        arm.name: {
            **asdict(arm.metrics),
            "bill_micro": arm.metrics.bill_micro,
            "micro_per_kwh": round(arm.metrics.micro_per_kwh),
            "reward": round(arm.reward, 1),
            "seconds": round(arm.seconds, 2),
            **arm.notes,
        }
        for arm in arms
    }


def table_of(title: str, arms: Sequence[Arm], best: Arm, notes: Sequence[str] = ()) -> str:
    """A table of arms in money and service, the notes below it."""
    head = (
        f"{'':34}{'energy':>9}{'demand':>9}{'wear':>7}{'bill':>9}{'/opt':>8}{'peak kW':>9}{'charged':>10}{'sold':>9}"
        f"{'deliv. %':>10}{'full %':>8}{'worst10 %':>10}{'Jain':>8}{'sun %':>7}{'R':>10}{'s':>7}"
    )
    lines = [title, head]
    for arm in arms:
        m = arm.metrics
        money = "".join(f"{value / 1e6:{width}.1f}" for value, width in _money(m))
        lines.append(
            f"{arm.name:34}{money}{m.bill_micro / best.metrics.bill_micro:8.4f}{m.peak_w / 1e3:9.1f}"
            f"{m.charged_wh / 1e3:10.0f}{m.sold_wh / 1e3:9.0f}{100 * m.delivered:10.3f}{100 * m.served:8.2f}"
            f"{100 * m.worst_decile:10.2f}{m.jain:8.4f}{100 * m.renewable_share:7.1f}"
            f"{arm.reward:10.0f}{arm.seconds:7.1f}"
        )
    return "\n".join([*lines, *(f"  {note}" for note in notes), ""])


def together(name: str, arms: Sequence[Arm]) -> Arm:
    """Several months of one arm as one: sums, and means weighted by what each is a share of; the highest peak."""
    parts = [arm.metrics for arm in arms]
    sessions = sum(m.sessions for m in parts)
    charged = sum(m.charged_wh for m in parts)

    def mean(what: str, weight: str) -> float:
        weights = [getattr(m, weight) for m in parts]
        return float(sum(getattr(m, what) * w for m, w in zip(parts, weights, strict=True)) / max(1, sum(weights)))

    metrics = Metrics(
        sessions=sessions,
        energy_micro=sum(m.energy_micro for m in parts),
        demand_micro=sum(m.demand_micro for m in parts),
        wear_micro=sum(m.wear_micro for m in parts),
        peak_w=max(m.peak_w for m in parts),
        charged_wh=charged,
        sold_wh=sum(m.sold_wh for m in parts),
        possible_wh=sum(m.possible_wh for m in parts),
        delivered=mean("delivered", "possible_wh"),
        served=mean("served", "sessions"),
        worst_decile=mean("worst_decile", "sessions"),
        jain=mean("jain", "sessions"),
        renewable_share=mean("renewable_share", "charged_wh"),
    )
    notes: dict[str, float] = {}
    for arm in arms:
        for what, value in arm.notes.items():
            notes[what] = notes.get(what, 0.0) + value
    seconds, reward = sum(arm.seconds for arm in arms), sum(arm.reward for arm in arms)
    return Arm(name=name, metrics=metrics, seconds=seconds, reward=reward, notes=notes)


def _money(m: Metrics) -> tuple[tuple[int, int], ...]:
    return (m.energy_micro, 9), (m.demand_micro, 9), (m.wear_micro, 7), (m.bill_micro, 9)


def _last_day(year: int, month: int) -> date:

    following = date(year + month // 12, month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)


def local_time(time_s: int) -> datetime:
    return datetime.fromtimestamp(time_s, LOS_ANGELES)
