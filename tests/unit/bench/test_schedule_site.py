"""The arms of the schedule benchmark on two recorded days: the excerpt of ACN-Data that is part of the project."""

from dataclasses import replace
from datetime import date
from functools import cache

import pytest

from bench.charging_sessions import LOS_ANGELES, Recording, local_midnight_s, read_sessions
from bench.schedule_site import (
    SLOT_S,
    digest_of,
    offline,
    past_of,
    play,
    rewarded,
    slots_of,
    table_of,
    together,
    visits_of,
)
from domain.schedule.baselines import Uncontrolled, least_laxity
from domain.schedule.check import check
from domain.schedule.forecast import Record
from domain.schedule.horizon import Tuning
from domain.schedule.level import PeakLevel
from domain.schedule.planner import Planner
from domain.schedule.problem import DemandCharge, Prices, Site
from domain.schedule.simulation import Course, simulate
from domain.units import PowerW
from scripts.anvil import ROOT

FIRST, LAST = date(2019, 7, 15), date(2019, 7, 16)
"""A Monday and a Tuesday; the week before is what the planner learns from."""
CHEAP, DEAR = 90_000, 270_000
PLANNER = Tuning(weeks=(), deadline_s=20.0)


@cache
def excerpt() -> Recording:
    return read_sessions(ROOT / "data" / "acn_jpl_2019-07-08_2019-07-21.csv")


@cache
def two_days() -> Course:
    """Dear from noon to six; a peak costs what two days of a month's charge do."""
    visits = visits_of(excerpt().between(FIRST, LAST))
    slots = slots_of(local_midnight_s(FIRST, LOS_ANGELES), visits)
    hours = [(start_s - slots.start_s) // 3_600 % 24 for start_s in slots.edges_s[:-1]]
    demand = DemandCharge(price_micro_per_kw=1_500_000, from_slot=0, to_slot=len(slots))
    prices = Prices(import_micro_per_kwh=tuple(DEAR if 12 <= hour < 18 else CHEAP for hour in hours), demands=(demand,))
    return Course(slots=slots, visits=visits, prices=prices, site=Site())


def planner() -> Planner:
    record = Record(past_of(two_days().slots.start_s, excerpt()))
    return Planner(PLANNER, record=record, level_w=PeakLevel(record, weeks=(1,)))


def test_the_planner_comes_close_to_the_optimum_and_below_every_queue() -> None:
    course = two_days()
    ours, best, at_once = play(course, planner()), offline(course), play(course, Uncontrolled())
    queues = [play(course, least_laxity(cap_w)) for cap_w in (None, PowerW(100_000), PowerW(150_000))]
    full = [arm.metrics.bill_micro for arm in queues if arm.metrics.delivered == 1]
    assert ours.metrics.delivered == best.metrics.delivered == 1.0
    assert ours.notes["fallbacks"] == ours.notes["reports"] == 0
    assert best.metrics.bill_micro <= ours.metrics.bill_micro < min(full) < at_once.metrics.bill_micro
    assert ours.metrics.bill_micro < 1.03 * best.metrics.bill_micro


def test_what_the_planner_did_passes_the_independent_check() -> None:
    assert check(simulate(two_days(), planner()).schedule) == []


def test_the_sessions_are_in_whole_slots_and_need_no_more_than_they_can_take() -> None:
    for visit in two_days().visits:
        vehicle = visit.vehicle
        assert vehicle.arrival_s % SLOT_S == vehicle.departure_s % SLOT_S == 0
        assert vehicle.need_wh <= vehicle.power_w * (vehicle.departure_s - vehicle.arrival_s) // 3_600


def test_declared_departures_are_told_and_true_ones_happen() -> None:
    monday = excerpt().between(FIRST, FIRST)
    true, declared = visits_of(monday), visits_of(monday, declared=True)
    assert [visit.vehicle for visit in true] == [visit.vehicle for visit in declared]
    assert all(visit.declared_s == visit.vehicle.departure_s for visit in true)
    assert any(visit.declared_s != visit.vehicle.departure_s for visit in declared)


def test_the_digest_names_every_input() -> None:
    course = two_days()
    other = replace(course, site=Site(import_limit_w=(10**6,) * len(course.slots)))
    assert digest_of(course) == digest_of(replace(course)) != digest_of(other)


def test_months_together_are_sums_and_weighted_means() -> None:
    arm = play(two_days(), least_laxity())
    both = together("both", [arm, arm])
    assert both.metrics.bill_micro == 2 * arm.metrics.bill_micro
    assert both.metrics.peak_w == arm.metrics.peak_w
    assert both.metrics.delivered == pytest.approx(arm.metrics.delivered)


def test_rewards_are_against_the_arm_that_saves_nothing() -> None:
    course = two_days()
    base, ours = rewarded([play(course, Uncontrolled()), play(course, planner())], play(course, Uncontrolled()))
    assert base.reward < 0 < ours.reward
    assert "uncontrolled" in table_of("a table", [base, ours], ours)
