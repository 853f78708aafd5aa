"""Case D: JPL in July and August 2019 with photovoltaics that give as much on each day as the sessions that begin on it
need: MODELLED (the shape of each day is that of a typical year of an array of 220 kW in Los Angeles, in standard time).

A plant of one size that gives as much in the month stands beside: few vehicles come on weekends, and without a battery
nobody can use the sun of Sundays on Mondays, so even the optimum has two thirds then.

Energy from the grid costs the same at any time and feeding in earns nothing, so that the least cost is the most sun.
What the sun gives in a slot is known when the slot is over; online, it is expected to be as it was at that time on the
last three weekdays (or days of weekends), scaled by what today was like so far. The two weeks before are known.
"""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from datetime import date
from functools import cache

from bench.charging_data import SOLAR_YEAR, data_file
from bench.charging_series import TypicalYear, read_solar
from bench.charging_sessions import LOS_ANGELES, local_midnight_s
from bench.schedule_jpl import DEADLINE_S, YEAR
from bench.schedule_site import (
    SLOT_S,
    UTC_OFFSET_S,
    Arm,
    Case,
    by_months,
    digest_of,
    figures_of,
    jpl,
    local_time,
    month_course,
    offline,
    play,
    table_of,
    visits_of,
)
from domain.schedule.baselines import Uncontrolled, least_laxity
from domain.schedule.horizon import Tuning
from domain.schedule.outlook import Daily
from domain.schedule.planner import Planner
from domain.schedule.problem import Prices, Site, constant
from domain.schedule.simulation import Course
from domain.units import SECONDS_PER_HOUR, UnixSeconds

MONTHS = (7, 8)
PRICE_MICRO_PER_KWH = 100_000
DAY_S, DAYS_BEFORE = 86_400, 14
COVERED = (date(2019, 4, 1), date(2019, 10, 1))
ARMS = ("uncontrolled", "llf", "planner", "optimum, offline")
ONE_SIZE = {name: f"{name}, one size" for name in ("uncontrolled", "planner", "optimum, offline")}


def run(pool: Executor) -> Case:
    """All arms of both months, and the months together."""
    jobs = {(name, month): pool.submit(arm_of, name, month) for name in ARMS for month in MONTHS}
    arms = {name: [jobs[name, month].result() for month in MONTHS] for name in ARMS}
    beside = {n: [pool.submit(arm_of, n, month, one_size=True) for month in MONTHS] for n in ONE_SIZE}
    found = by_months(arms, ARMS[0])
    found += by_months({ONE_SIZE[n]: [job.result() for job in parts] for n, parts in beside.items()}, ONE_SIZE[ARMS[0]])
    by_name = {arm.name: arm.metrics for arm in found}
    figures = {
        "renewable_share": round(by_name["planner"].renewable_share, 4),
        "renewable_share_uncontrolled": round(by_name["uncontrolled"].renewable_share, 4),
        "renewable_share_optimum": round(by_name["optimum, offline"].renewable_share, 4),
        "delivered": round(by_name["planner"].delivered, 5),
        "by_month": {
            month: {name: round(parts[place].metrics.renewable_share, 4) for name, parts in arms.items()}
            for place, month in enumerate(MONTHS)
        },
        "inputs_sha256": [digest_of(course_of(month)) for month in MONTHS],
        "arms": figures_of(found),
    }
    notes = [
        "Photovoltaics MODELLED: a typical year, scaled to each day's sessions (one size: to the month's).",
        "0.10 USD/kWh from the grid.",
        "The planner knows the sun of slots that are past, and none to come; the optimum knows all.",
    ]
    title = "D: JPL July and August 2019, photovoltaics of 1.0 times the sessions' energy"
    return Case(figures=figures, table=table_of(title, found, found[len(ARMS) - 1], notes))


def course_of(month: int, *, one_size: bool = False) -> Course:
    """A month under the sun."""
    course = month_course(YEAR, month)
    count = len(course.slots)
    sun_w = _sized(course.slots.start_s, count, one_size=one_size)
    prices = Prices(import_micro_per_kwh=constant(PRICE_MICRO_PER_KWH, course.slots))
    return replace(course, prices=prices, site=Site(sun_w=sun_w))


def past_sun_w(course: Course, *, one_size: bool = False) -> tuple[int, ...]:
    """What the same plant gave in the weeks before."""
    count = DAYS_BEFORE * DAY_S // SLOT_S
    return _sized(course.slots.start_s - count * SLOT_S, count, one_size=one_size)


def arm_of(name: str, month: int, *, one_size: bool = False) -> Arm:
    course = course_of(month, one_size=one_size)
    if name == "uncontrolled":
        return play(course, Uncontrolled())
    if name == "llf":
        return play(course, least_laxity())
    return play(course, planner_of(course, one_size=one_size)) if name == "planner" else offline(course, name)


def planner_of(course: Course, *, one_size: bool = False) -> Planner:
    tuning = Tuning(weeks=(), deadline_s=DEADLINE_S, stale_s=SLOT_S)
    return Planner(tuning, sun=Daily(past_sun_w(course, one_size=one_size), utc_offset_s=UTC_OFFSET_S))


def _sized(start_s: int, count: int, *, one_size: bool) -> tuple[int, ...]:
    """The plant's power by slot, scaled day by day, or by what makes four months equal."""
    powers = _year().slots(UnixSeconds(start_s), count, SLOT_S)
    days = [local_time(time_s).date() for time_s in range(start_s, start_s + count * SLOT_S, SLOT_S)]
    sun, need = _sun_wh(), _need_wh()
    if one_size:
        months = {day: (day.year, day.month) for day in sun}
        wanted = {m: sum(wh for day, wh in need.items() if months.get(day) == m) for m in set(months.values())}
        given = {m: sum(wh for day, wh in sun.items() if months[day] == m) for m in set(months.values())}
        return tuple(w * wanted[months[d]] // given[months[d]] for w, d in zip(powers, days, strict=True))
    return tuple(w * need.get(day, 0) // sun[day] for w, day in zip(powers, days, strict=True))


@cache
def _need_wh() -> Mapping[date, int]:
    """What the sessions need that begin on a local day."""
    found: dict[date, int] = defaultdict(int)
    for visit in visits_of(jpl()):
        found[local_time(visit.vehicle.arrival_s).date()] += visit.vehicle.need_wh
    return found


@cache
def _sun_wh() -> Mapping[date, int]:
    """What the plant of 220 kW gives on a local day."""
    first_s, last_s = (local_midnight_s(day, LOS_ANGELES) for day in COVERED)
    powers = _year().slots(first_s, (last_s - first_s) // SLOT_S, SLOT_S)
    found: dict[date, int] = defaultdict(int)
    for time_s, watts in zip(range(first_s, last_s, SLOT_S), powers, strict=True):
        found[local_time(time_s).date()] += watts * SLOT_S // SECONDS_PER_HOUR
    return found


@cache
def _year() -> TypicalYear:
    return read_solar(data_file(SOLAR_YEAR))
