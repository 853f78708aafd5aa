"""Case F: JPL in July and August 2019 on TOU-EV-4, with departures only as drivers declared them.

The planner's distribution of departures is learned from May and June, and so is the cap of least laxity first: the one
with the least cost a kWh among those that deliver 99 %. Both know the same of the vehicles that are there. What a kWh
that is missing is worth to the planner was chosen on June, with departures learned from May.
"""

from concurrent.futures import Executor
from datetime import date

from bench.schedule_jpl import CAPS_W, DEADLINE_S, QUEUES, YEAR, queue
from bench.schedule_site import (
    UTC_OFFSET_S,
    Arm,
    Case,
    by_months,
    declared_between,
    digest_of,
    figures_of,
    month_course,
    offline,
    past_of,
    play,
    table_of,
    together,
)
from domain.schedule.baselines import Uncontrolled
from domain.schedule.departures import Departures
from domain.schedule.forecast import Record
from domain.schedule.horizon import Tuning
from domain.schedule.level import PeakLevel
from domain.schedule.planner import Planner
from domain.schedule.problem import UNMET_MICRO_PER_KWH
from domain.schedule.simulation import Course
from domain.units import PowerW, PriceMicroPerKwh

TRAINED, TESTED = (5, 6), (7, 8)
LEAST_DELIVERED = 0.99
WORTH_MICRO_PER_KWH = PriceMicroPerKwh(1_000_000)
TRUSTING, LEARNED, BEST = "planner, trusts what is declared", "planner", "optimum, true departures"


def run(pool: Executor) -> Case:
    """All arms of both months, and the months together."""
    cap_w = best_cap(pool)
    names = ("uncontrolled", *QUEUES, TRUSTING, LEARNED, BEST)
    jobs = {(name, month): pool.submit(arm_of, name, month, cap_w) for name in names for month in TESTED}
    arms = {name: [jobs[name, month].result() for month in TESTED] for name in names}
    found = by_months(arms, "uncontrolled")
    by_name = {arm.name: arm.metrics for arm in found}
    ours, llf = by_name[LEARNED], by_name["llf"]
    figures = {
        "delivered": round(ours.delivered, 5),
        "delivered_llf": round(llf.delivered, 5),
        "cost_per_kwh_ratio_to_llf": round(ours.micro_per_kwh / llf.micro_per_kwh, 4),
        "micro_per_kwh": round(ours.micro_per_kwh),
        "micro_per_kwh_llf": round(llf.micro_per_kwh),
        "cap_of_queues_w": cap_w,
        "by_month": {
            month: {
                "delivered": round(arms[LEARNED][place].metrics.delivered, 5),
                "delivered_llf": round(arms["llf"][place].metrics.delivered, 5),
                "cost_per_kwh_ratio_to_llf": round(
                    arms[LEARNED][place].metrics.micro_per_kwh / arms["llf"][place].metrics.micro_per_kwh, 4
                ),
            }
            for place, month in enumerate(TESTED)
        },
        "inputs_sha256": [digest_of(month_course(YEAR, month, declared=True)) for month in TESTED],
        "arms": figures_of(found),
    }
    notes = [
        f"USD. Queues under {cap_w / 1e3:.0f} kW, the cheapest cap of May and June that delivers 99 %.",
        "All arms but the optimum know only declared departures. Learned from May and June; nothing is modelled.",
    ]
    title = "F: JPL July and August 2019, TOU-EV-4 with 15.51 USD/kW, declared departures"
    return Case(figures=figures, table=table_of(title, found, found[-1], notes))


def best_cap(pool: Executor) -> PowerW:
    """The cap with the least cost a kWh on May and June that delivers enough under least laxity first."""
    jobs = {cap_w: [pool.submit(arm_of, "llf", month, cap_w) for month in TRAINED] for cap_w in CAPS_W}
    tried = {cap_w: together("llf", [job.result() for job in parts]).metrics for cap_w, parts in jobs.items()}
    return min((m.micro_per_kwh, cap_w) for cap_w, m in tried.items() if m.delivered >= LEAST_DELIVERED)[1]


def arm_of(name: str, month: int, cap_w: PowerW) -> Arm:
    course = month_course(YEAR, month, declared=True)
    if name == "uncontrolled":
        return play(course, Uncontrolled())
    if name in QUEUES:
        return play(course, queue(name, cap_w))
    if name == BEST:
        return offline(course, name)
    learned = departures(date(YEAR, TRAINED[0], 1), date(YEAR, TRAINED[1], 30)) if name == LEARNED else None
    return play(course, planner_of(course, learned), name)


def departures(first: date, last: date) -> Departures:
    return Departures(declared_between(first, last), utc_offset_s=UTC_OFFSET_S)


def planner_of(course: Course, learned: Departures | None) -> Planner:
    record = Record(past_of(course.slots.start_s))
    worth = UNMET_MICRO_PER_KWH if learned is None else WORTH_MICRO_PER_KWH
    tuning = Tuning(weeks=(), deadline_s=DEADLINE_S, unmet_micro_per_kwh=worth)
    return Planner(tuning, record=record, level_w=PeakLevel(record), departures=learned)
