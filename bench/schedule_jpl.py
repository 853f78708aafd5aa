"""Case A: JPL in July 2019 on TOU-EV-4 with its demand charge, true departures, nothing of the future known.

Everything that was chosen was chosen on May and June: the queues' cap by June's bill, the planner's ways as told in
docs/decisions/0027. Public holidays are priced like other days, as acnportal does.
"""

from collections.abc import Callable
from concurrent.futures import Executor

from bench.schedule_site import (
    Arm,
    Case,
    digest_of,
    figures_of,
    month_course,
    offline,
    past_of,
    play,
    rewarded,
    table_of,
)
from domain.schedule.baselines import InOrder, RoundRobin, Uncontrolled, earliest_deadline, first_come, least_laxity
from domain.schedule.forecast import Record
from domain.schedule.horizon import Tuning
from domain.schedule.level import PeakLevel
from domain.schedule.moment import Policy
from domain.schedule.planner import Planner
from domain.schedule.simulation import Course
from domain.units import PowerW

YEAR, TUNED, TESTED = 2019, 6, 7
CAPS_W = tuple(PowerW(watts) for watts in range(90_000, 160_000, 10_000))
DEADLINE_S = 30.0
"""Far more than a plan needs, so that figures do not depend on the machine. Fallbacks are counted; case G has times."""
PLANNER = Tuning(weeks=(), deadline_s=DEADLINE_S)
WITH_PHANTOMS = Tuning(weeks=(1,), deadline_s=DEADLINE_S)
QUEUES: dict[str, Callable[[PowerW], Policy]] = {
    "fcfs": first_come,
    "edf": earliest_deadline,
    "llf": least_laxity,
    "round robin": RoundRobin,
}


def run(pool: Executor) -> Case:
    """All arms of July beside the optimum."""
    course = month_course(YEAR, TESTED)
    cap_w = best_cap(pool)
    jobs = [pool.submit(_uncontrolled, TESTED), *(pool.submit(_queue, name, TESTED, cap_w) for name in QUEUES)]
    jobs += [pool.submit(_planned, TESTED, kind) for kind in ("planner, no forecast", "planner, last week", "planner")]
    jobs.append(pool.submit(_offline, TESTED))
    exact_jobs = [pool.submit(_exact, TESTED, kind) for kind in EXACT]
    rounded_to_slots = [job.result() for job in jobs]
    exact = [job.result() for job in exact_jobs]
    found = [*rewarded(rounded_to_slots, rounded_to_slots[0]), *rewarded(exact, exact[0])]
    by_name = {arm.name: arm for arm in found}
    uncontrolled, ours, best = (by_name[name].metrics for name in ("uncontrolled", "planner", "optimum, offline"))
    figures = {
        "bill_reduction": round(1 - ours.bill_micro / uncontrolled.bill_micro, 4),
        "bill_ratio_to_optimum": round(ours.bill_micro / best.bill_micro, 4),
        "peak_reduction": round(1 - ours.peak_w / uncontrolled.peak_w, 4),
        "delivered": round(ours.delivered, 5),
        "sessions": ours.sessions,
        "inputs_sha256": digest_of(course),
        "cap_of_queues_w": cap_w,
        "arms": figures_of(found),
    }
    notes = [
        f"USD. Queues under {cap_w / 1e3:.0f} kW, the best cap of June. What is recorded is real; nothing is modelled.",
        "Exact times are not rounded to slots: who comes within one is known, and can charge, from the next one on.",
    ]
    title = f"A: JPL July 2019, {ours.sessions} sessions, TOU-EV-4 with 15.51 USD/kW, true departures"
    return Case(figures=figures, table=table_of(title, found, by_name["optimum, offline"], notes))


def best_cap(pool: Executor) -> PowerW:
    """The cap with June's least bill under least laxity first that delivers 99.9 %."""
    tried = zip(CAPS_W, pool.map(_queue, ["llf"] * len(CAPS_W), [TUNED] * len(CAPS_W), CAPS_W), strict=True)
    full = [(arm.metrics.bill_micro, cap_w) for cap_w, arm in tried if arm.metrics.delivered >= 0.999]
    return min(full)[1]


def planner_for(course: Course, tuning: Tuning = PLANNER) -> Planner:
    """The planner as it is used online: it knows the stays that were over when the course begins."""
    record = Record(past_of(course.slots.start_s))
    return Planner(tuning, record=record, level_w=PeakLevel(record))


def queue(name: str, cap_w: PowerW) -> InOrder | Policy:
    return QUEUES[name](cap_w)


EXACT = ("uncontrolled, exact times", "planner, exact times", "optimum, exact times")


def _uncontrolled(month: int) -> Arm:
    return play(month_course(YEAR, month), Uncontrolled())


def _queue(name: str, month: int, cap_w: PowerW) -> Arm:
    return play(month_course(YEAR, month), queue(name, cap_w))


def _planned(month: int, kind: str) -> Arm:
    course = month_course(YEAR, month)
    if kind == "planner, no forecast":
        return play(course, Planner(PLANNER), kind)
    if kind == "planner, last week":
        return play(course, Planner(WITH_PHANTOMS, record=Record(past_of(course.slots.start_s))), kind)
    return play(course, planner_for(course), kind)


def _offline(month: int) -> Arm:
    return offline(month_course(YEAR, month))


def _exact(month: int, kind: str) -> Arm:
    course = month_course(YEAR, month, exact=True)
    if kind == EXACT[0]:
        return play(course, Uncontrolled(), kind)
    return play(course, planner_for(course), kind) if kind == EXACT[1] else offline(course, kind)
