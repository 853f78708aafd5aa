"""Case C: JPL, May to August 2019, on Dutch day-ahead prices of November 2024: composed. The site is held to 80 % of
the peak that uncontrolled charging has in the same month.

Instants of 2019 are moved by whole weeks to the 28 days from 1 November 2024 on, over and over, so that weekdays and
hours stay the same in UTC; Dutch prices of a day are published at 13:00 on the day before, in the Netherlands. Some are
negative. How the days are laid matters: by the local clock of both places (eight in the morning here is eight in the
morning there) even the optimum saves half as much; that stands beside. Nothing was chosen on July and August.
"""

from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from bench.charging_data import DUTCH_DAY_AHEAD, data_file
from bench.charging_series import Series, read_day_ahead
from bench.schedule_jpl import DEADLINE_S, QUEUES, YEAR, queue
from bench.schedule_site import (
    SLOT_S,
    Arm,
    Case,
    by_months,
    digest_of,
    figures_of,
    month_course,
    offline,
    past_of,
    play,
    table_of,
)
from domain.schedule.baselines import Uncontrolled
from domain.schedule.forecast import Record
from domain.schedule.horizon import Tuning
from domain.schedule.metrics import measure
from domain.schedule.planner import Planner
from domain.schedule.problem import Prices, Slots, constant
from domain.schedule.simulation import Course, simulate
from domain.units import SECONDS_PER_HOUR, PowerW

MONTHS = (5, 6, 7, 8)
DAY_S = 86_400
CAP_PERCENT = 80
CET_S = SECONDS_PER_HOUR
DUTCH_START_S = int(datetime(2024, 11, 1, tzinfo=UTC).timestamp()) - CET_S
DUTCH_DAYS_S = 28 * DAY_S
PUBLISHED_AT_S = 13 * SECONDS_PER_HOUR
CLOCKS_APART_S = 8 * SECONDS_PER_HOUR
"""Pacific daylight time to Central European time."""
ARMS = ("uncontrolled", *QUEUES, "planner", "optimum, offline")
BY_CLOCK = {name: f"{name}, by local clock" for name in ("uncontrolled", "planner", "optimum, offline")}


def run(pool: Executor) -> Case:
    """All arms of all months, and the months together."""
    jobs = {(name, month): pool.submit(arm_of, name, month) for name in ARMS for month in MONTHS}
    digests = [pool.submit(digest_of_month, month) for month in MONTHS]
    arms = {name: [jobs[name, month].result() for month in MONTHS] for name in ARMS}
    clocks = {n: [pool.submit(arm_of, n, month, by_clock=True) for month in MONTHS] for n in BY_CLOCK}
    found = by_months(arms, "uncontrolled")
    beside = by_months({BY_CLOCK[n]: [job.result() for job in parts] for n, parts in clocks.items()}, BY_CLOCK[ARMS[0]])
    clock_cost = [arm.metrics.energy_micro for arm in beside]
    by_name = {arm.name: arm.metrics for arm in found}
    ours, best, uncontrolled = by_name["planner"], by_name["optimum, offline"], by_name["uncontrolled"]
    figures = {
        "cost_reduction": round(1 - ours.energy_micro / uncontrolled.energy_micro, 4),
        "ratio_to_optimum": round(ours.energy_micro / best.energy_micro, 4),
        "delivered": round(ours.delivered, 5),
        "limits_passed": sum(arm.notes["reports"] for arm in arms["planner"]),
        "cost_reduction_by_local_clock": round(1 - clock_cost[1] / clock_cost[0], 4),
        "ratio_to_optimum_by_local_clock": round(clock_cost[1] / clock_cost[2], 4),
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
        "arms": figures_of([*found, *beside]),
    }
    notes = ["EUR. COMPOSED: Dutch day-ahead prices of November 2024 over Californian sessions, in UTC."]
    title = "C: JPL May to August 2019 on day-ahead prices, 80 % of the uncontrolled peak at most"
    return Case(figures=figures, table=table_of(title, [*found, *beside], found[-1], notes))


def course_of(month: int, *, by_clock: bool = False) -> Course:
    """A month on composed prices, without a demand charge, under its cap."""
    course = on_dutch_prices(month_course(YEAR, month), by_clock=by_clock)
    peak_w = measure(simulate(course, Uncontrolled()).schedule).peak_w
    return capped(course, PowerW(peak_w * CAP_PERCENT // 100))


def on_dutch_prices(course: Course, *, by_clock: bool = False) -> Course:
    """The course on composed prices; energy fed in earns them too."""
    prices = dutch_prices(course.slots, by_clock=by_clock)
    return replace(
        course,
        prices=Prices(import_micro_per_kwh=prices, export_micro_per_kwh=prices),
        published=published(course.slots, by_clock=by_clock),
    )


def capped(course: Course, cap_w: PowerW) -> Course:
    return replace(course, site=replace(course.site, import_limit_w=constant(cap_w, course.slots)))


def dutch_time_s(time_s: int, *, by_clock: bool = False) -> int:
    """The instant in November 2024 that has this one's weekday and hour, in UTC or by the clock of both places."""
    moved_s = time_s - (CLOCKS_APART_S if by_clock else 0)
    return DUTCH_START_S + (moved_s - DUTCH_START_S) % DUTCH_DAYS_S


def dutch_prices(slots: Slots, *, by_clock: bool = False) -> tuple[int, ...]:
    """Micro-euro per kWh of each slot."""
    times = (dutch_time_s(start_s, by_clock=by_clock) for start_s in slots.edges_s[:-1])
    return tuple(_series().values[time_s - time_s % SECONDS_PER_HOUR] for time_s in times)


def published(slots: Slots, *, by_clock: bool = False) -> tuple[int, ...]:
    """Up to which slot prices are known in each slot: to the end of the Dutch day, from its 13:00 on a day more."""
    found = []
    for start_s in slots.edges_s[:-1]:
        of_day_s = (dutch_time_s(start_s, by_clock=by_clock) + CET_S) % DAY_S
        known_s = start_s - of_day_s + (2 if of_day_s >= PUBLISHED_AT_S else 1) * DAY_S
        found.append(min(len(slots), (known_s - slots.start_s) // SLOT_S))
    return tuple(found)


def arm_of(name: str, month: int, *, by_clock: bool = False) -> Arm:
    course = course_of(month, by_clock=by_clock)
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


@cache
def _series() -> Series:
    return read_day_ahead(data_file(DUTCH_DAY_AHEAD))
