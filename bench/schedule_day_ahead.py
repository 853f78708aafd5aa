"""Case C: JPL, May to August 2019, on Dutch day-ahead prices of November 2024: composed. The site is held to 80 % of
the peak that uncontrolled charging has in the same month.

Each local day in Los Angeles has the prices of a Dutch day of the same weekday, hour by hour of local time: the 28 days
from 1 November 2024 on, over and over. Prices of a day are published at 13:00 on the day before. Some are negative.
Nothing is chosen on these months but whether others are expected, which was chosen on May and June.
"""

from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

from bench.charging_data import DUTCH_DAY_AHEAD, data_file
from bench.charging_series import Series, read_day_ahead
from bench.schedule_jpl import DEADLINE_S, QUEUES, YEAR, queue
from bench.schedule_site import (
    SLOT_S,
    Arm,
    Case,
    digest_of,
    figures_of,
    local_time,
    month_course,
    offline,
    past_of,
    play,
    table_of,
    together,
)
from domain.schedule.baselines import Uncontrolled
from domain.schedule.forecast import Record
from domain.schedule.metrics import measure
from domain.schedule.planner import Planner, Tuning
from domain.schedule.problem import Prices, Slots, constant
from domain.schedule.simulation import Course, simulate
from domain.units import SECONDS_PER_HOUR, PowerW

MONTHS = (5, 6, 7, 8)
CAP_PERCENT = 80
FIRST_DUTCH_DAY, DUTCH_DAYS = date(2024, 11, 1), 28
CET_S = SECONDS_PER_HOUR
PUBLISHED_AT_HOUR = 13
ARMS = ("uncontrolled", *QUEUES, "planner", "optimum, offline")


def run(pool: Executor) -> Case:
    """All arms of all months, and the months together."""
    jobs = {(name, month): pool.submit(arm_of, name, month) for name in ARMS for month in MONTHS}
    digests = [pool.submit(digest_of_month, month) for month in MONTHS]
    arms = {name: [jobs[name, month].result() for month in MONTHS] for name in ARMS}
    found = [together(name, parts) for name, parts in arms.items()]
    by_name = {arm.name: arm.metrics for arm in found}
    ours, best, uncontrolled = by_name["planner"], by_name["optimum, offline"], by_name["uncontrolled"]
    figures = {
        "cost_reduction": round(1 - ours.energy_micro / uncontrolled.energy_micro, 4),
        "ratio_to_optimum": round(ours.energy_micro / best.energy_micro, 4),
        "delivered": round(ours.delivered, 5),
        "limits_passed": sum(arm.notes["reports"] for arm in arms["planner"]),
        "by_month": {
            month: {
                "cost_reduction": round(1 - p.metrics.energy_micro / u.metrics.energy_micro, 4),
                "ratio_to_optimum": round(p.metrics.energy_micro / o.metrics.energy_micro, 4),
            }
            for month, p, u, o in zip(
                MONTHS, arms["planner"], arms["uncontrolled"], arms["optimum, offline"], strict=True
            )
        },
        "inputs_sha256": [digest.result() for digest in digests],
        "arms": figures_of(found),
    }
    notes = ["EUR. COMPOSED: Dutch day-ahead prices of November 2024 over Californian sessions, day by weekday."]
    title = "C: JPL May to August 2019 on day-ahead prices, 80 % of the uncontrolled peak at most"
    return Case(figures=figures, table=table_of(title, found, found[-1], notes))


def course_of(month: int) -> Course:
    """A month on composed prices, without a demand charge, under its cap."""
    course = on_dutch_prices(month_course(YEAR, month))
    peak_w = measure(simulate(course, Uncontrolled()).schedule).peak_w
    return capped(course, PowerW(peak_w * CAP_PERCENT // 100))


def on_dutch_prices(course: Course) -> Course:
    """The course on composed prices; energy fed in earns them too."""
    prices = dutch_prices(course.slots)
    return replace(
        course,
        prices=Prices(import_micro_per_kwh=prices, export_micro_per_kwh=prices),
        published=published(course.slots),
    )


def capped(course: Course, cap_w: PowerW) -> Course:
    return replace(course, site=replace(course.site, import_limit_w=constant(cap_w, course.slots)))


def dutch_prices(slots: Slots) -> tuple[int, ...]:
    """Micro-euro per kWh of each slot, by local day and hour."""
    return tuple(_day_prices(_dutch_day(local_time(s).date()))[local_time(s).hour] for s in slots.edges_s[:-1])


def published(slots: Slots) -> tuple[int, ...]:
    """Up to which slot prices are known in each slot: to the end of the day, from 13:00 on to the end of the next."""
    days = [local_time(start_s).date() for start_s in slots.edges_s[:-1]]
    ends = {day: place + 1 for place, day in enumerate(days)}
    found = []
    for start_s, day in zip(slots.edges_s, days, strict=False):
        known = day + timedelta(days=1) if local_time(start_s).hour >= PUBLISHED_AT_HOUR else day
        found.append(ends.get(known, len(days)))
    return tuple(found)


def arm_of(name: str, month: int) -> Arm:
    course = course_of(month)
    if name == "uncontrolled":
        return play(course, Uncontrolled())
    if name == "optimum, offline":
        return offline(course, name)
    if name == "planner":
        return play(course, planner_of(course))
    limits = course.site.import_limit_w or (0,)
    return play(course, queue(name, PowerW(limits[0])), name)


def planner_of(course: Course, weeks: tuple[int, ...] = ()) -> Planner:
    record = Record(past_of(course.slots.start_s))
    return Planner(Tuning(weeks=weeks, deadline_s=DEADLINE_S, stale_s=SLOT_S * 96), record=record)


def digest_of_month(month: int) -> str:
    return digest_of(course_of(month))


def _dutch_day(day: date) -> date:
    """The weekdays of the 28 days run on when they begin again."""
    apart = (day - FIRST_DUTCH_DAY).days
    return FIRST_DUTCH_DAY + timedelta(days=apart % DUTCH_DAYS)


@cache
def _series() -> Series:
    return read_day_ahead(data_file(DUTCH_DAY_AHEAD))


@cache
def _day_prices(day: date) -> tuple[int, ...]:
    midnight_s = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - CET_S
    return tuple(_series().values[midnight_s + hour * SECONDS_PER_HOUR] for hour in range(24))
