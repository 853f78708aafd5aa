"""Case D: JPL in July and August 2019 with photovoltaics that give as much as the sessions need in the month: MODELLED
(a typical year of an array of 220 kW in Los Angeles, scaled).

Energy from the grid costs the same at any time and feeding in earns nothing, so that the least cost is the most sun.
What the sun gives in a slot is known when the slot is over; online, it is expected to be as the last five days were at
that time, scaled by what today was like so far. June's sun is the past before July.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import cache

from bench.charging_data import SOLAR_YEAR, data_file
from bench.charging_series import TypicalYear, read_solar
from bench.schedule_jpl import DEADLINE_S, YEAR
from bench.schedule_site import (
    SLOT_S,
    Arm,
    Case,
    digest_of,
    figures_of,
    month_course,
    offline,
    past_of,
    play,
    table_of,
    together,
)
from domain.schedule.baselines import Uncontrolled, least_laxity
from domain.schedule.forecast import Record
from domain.schedule.outlook import Daily
from domain.schedule.planner import Planner, Tuning
from domain.schedule.problem import Prices, Site, constant
from domain.schedule.simulation import Course
from domain.units import SECONDS_PER_HOUR, UnixSeconds

MONTHS = (7, 8)
PRICE_MICRO_PER_KWH = 100_000
DAYS_BEFORE = 7
ARMS = ("uncontrolled", "llf", "planner", "optimum, offline")


def run(pool: Executor) -> Case:
    """All arms of both months, and the months together."""
    jobs = {(name, month): pool.submit(arm_of, name, month) for name in ARMS for month in MONTHS}
    arms = {name: [jobs[name, month].result() for month in MONTHS] for name in ARMS}
    found = [together(name, parts) for name, parts in arms.items()]
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
        "Photovoltaics MODELLED: a typical year in Los Angeles, scaled to the month's sessions. 0.10 USD/kWh from the grid.",
        "The planner knows the sun of slots that are past, and none to come; the optimum knows all.",
    ]
    title = "D: JPL July and August 2019, photovoltaics of 1.0 times the sessions' energy"
    return Case(figures=figures, table=table_of(title, found, found[-1], notes))


def course_of(month: int) -> Course:
    """A month under the sun."""
    course = month_course(YEAR, month)
    return replace(
        course,
        prices=Prices(import_micro_per_kwh=constant(PRICE_MICRO_PER_KWH, course.slots)),
        site=Site(sun_w=_scaled(_sun(course.slots.start_s, len(course.slots)), course)),
    )


def past_sun_w(course: Course) -> tuple[int, ...]:
    """What the same plant gave in the week before."""
    count = DAYS_BEFORE * 86_400 // SLOT_S
    return _scaled(_sun(course.slots.start_s - count * SLOT_S, count), course)


def arm_of(name: str, month: int) -> Arm:
    course = course_of(month)
    if name == "uncontrolled":
        return play(course, Uncontrolled())
    if name == "llf":
        return play(course, least_laxity())
    return play(course, planner_of(course)) if name == "planner" else offline(course, name)


def planner_of(course: Course, weeks: tuple[int, ...] = ()) -> Planner:
    tuning = Tuning(weeks=weeks, deadline_s=DEADLINE_S, stale_s=SLOT_S)
    return Planner(tuning, record=Record(past_of(course.slots.start_s)), sun=Daily(past_sun_w(course)))


def _scaled(power_w: Sequence[int], course: Course) -> tuple[int, ...]:
    """By what makes the month's sun equal to its sessions' needs."""
    need_wh = sum(visit.vehicle.need_wh for visit in course.visits)
    sun_wh = sum(_sun(course.slots.start_s, len(course.slots))) * SLOT_S // SECONDS_PER_HOUR
    return tuple(watts * need_wh // sun_wh for watts in power_w)


def _sun(start_s: int, slots: int) -> tuple[int, ...]:
    return tuple(_year().slots(UnixSeconds(start_s), slots, SLOT_S))


@cache
def _year() -> TypicalYear:
    return read_solar(data_file(SOLAR_YEAR))
