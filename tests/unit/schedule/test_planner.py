"""The planner knows nothing of what is to come, serves nobody worse than least laxity first, and spends less."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.schedule.baselines import RoundRobin, Uncontrolled, least_laxity
from domain.schedule.check import check
from domain.schedule.departures import Declared, Departures
from domain.schedule.forecast import Record, Stayed
from domain.schedule.horizon import Tuning
from domain.schedule.level import PeakLevel
from domain.schedule.metrics import measure
from domain.schedule.moment import Limit, Moment, Policy
from domain.schedule.optimum import optimum
from domain.schedule.planner import Planner
from domain.schedule.problem import Site
from domain.schedule.simulation import Course, simulate
from domain.units import EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds
from tests.unit.schedule.courses import POWER_W, SLOT_S, START_S, Fixed, Noted, at, course, days, visit

TUNING = Tuning(weeks=(), deadline_s=20.0, fine_s=4 * SLOT_S, coarse_s=2 * SLOT_S)
WEEK = 7 * 96
PAST = [Stayed(at(slot - 96 * day), at(slot - 96 * day + 6), 3_000, POWER_W) for day in range(1, 15) for slot in (1, 3)]
DECLARED = [Declared(at(slot), at(slot + 6), at(slot + stay)) for slot in range(4) for stay in range(2, 9)]


def policies() -> list[Policy]:
    record = Record(PAST)
    everything = replace(TUNING, weeks=(1,), unmet_micro_per_kwh=PriceMicroPerKwh(1_000_000))
    return [
        Planner(TUNING),
        Planner(everything, record=record, level_w=PeakLevel(record, weeks=(1,)), departures=Departures(DECLARED)),
    ]


@pytest.mark.parametrize("kind", range(2))
@settings(max_examples=15, deadline=None)
@given(day=days(limited=True), later=days(limited=True), slot=st.integers(1, 11))
def test_no_decision_depends_on_what_comes_after_it(kind: int, day: Course, later: Course, slot: int) -> None:
    """Two days are alike up to a slot: arrivals, limits, sun; the same is decided in both until then."""
    past = [v for v in day.visits if v.vehicle.arrival_s < at(slot)]
    others = [
        replace(v, vehicle=replace(v.vehicle, session=f"other {v.vehicle.session}"))
        for v in later.visits
        if v.vehicle.arrival_s >= at(slot)
    ]
    sun = tuple(range(0, 12_000, 1_000))
    one = replace(day, visits=tuple(past), site=_site(day, day, slot, sun, sun))
    other = replace(day, visits=(*past, *others), site=_site(day, later, slot, sun, sun[::-1]))
    before, after = (Noted(policies()[kind]) for _ in range(2))
    simulate(one, before)
    simulate(other, after)
    assert before.decided[:slot] == after.decided[:slot]


def _site(day: Course, later: Course, slot: int, sun: tuple[int, ...], later_sun: tuple[int, ...]) -> Site:
    limits = [site.import_limit_w for site in (day.site, later.site)]
    joined = None if None in limits else (*limits[0][:slot], *limits[1][slot:])  # type: ignore[index]  # none is None
    return Site(import_limit_w=joined, sun_w=(*sun[:slot], *later_sun[slot:]))


@settings(max_examples=40, deadline=None)
@given(days())
def test_without_a_limit_nobody_gets_less_than_under_least_laxity_first(day: Course) -> None:
    ours = simulate(day, Planner(TUNING)).schedule
    theirs = simulate(day, least_laxity()).schedule
    assert check(ours) == []
    assert ours.charged_wh.tolist() >= theirs.charged_wh.tolist()
    assert (ours.charged_wh >= theirs.charged_wh).all()


@settings(max_examples=40, deadline=None)
@given(days(limited=True))
def test_under_a_limit_those_who_came_together_get_no_less_than_under_least_laxity_first(day: Course) -> None:
    """With arrivals to come and a limit that binds, no policy that waits for a price can be sure of that."""
    first_s = min(v.vehicle.arrival_s for v in day.visits)
    together = tuple(replace(v, vehicle=replace(v.vehicle, arrival_s=first_s)) for v in day.visits)
    gathered = replace(day, visits=together)
    ours = simulate(gathered, Planner(TUNING)).schedule
    theirs = simulate(gathered, least_laxity()).schedule
    assert check(ours) == []
    assert ours.charged_wh.sum() >= theirs.charged_wh.sum() - len(together) * 12


@settings(max_examples=25, deadline=None)
@given(days())
def test_who_all_come_at_once_are_planned_as_well_as_is_possible(day: Course) -> None:
    at_once = tuple(replace(v, vehicle=replace(v.vehicle, arrival_s=at(0))) for v in day.visits)
    known = replace(day, visits=at_once)
    ours = measure(simulate(known, Planner(replace(TUNING, fine_s=12 * SLOT_S, coarse_s=SLOT_S))).schedule)
    best = measure(optimum(known.problem()))
    assert ours.delivered == pytest.approx(best.delivered)
    assert ours.bill_micro <= best.bill_micro + 2_100


def test_power_up_to_the_expected_peak_is_used_and_above_it_is_spared() -> None:
    """Charging is cheap in the first hour. A peak costs more than that saves, unless it is paid for anyway."""
    visits = [visit("a", 0, 12, 6_000), visit("b", 0, 12, 6_000)]
    prices = (50_000,) * 4 + (100_000,) * 8
    day = course(visits, prices=prices, demand_micro_per_kw=1_000_000)
    spared = measure(simulate(day, Planner(TUNING)).schedule)
    levelled = measure(simulate(day, Planner(TUNING, level_w=lambda _: 10_000)).schedule)
    assert (spared.peak_w, levelled.peak_w) == (4_000, 10_000)
    assert levelled.energy_micro < spared.energy_micro


def test_the_level_is_what_the_last_weeks_would_have_needed() -> None:
    record = Record(PAST)
    moment = _moment(course([visit("a", 0, 4)], slots=WEEK, demand_micro_per_kw=15_000_000))
    alone = optimum(
        course([visit("a", 1, 7, 3_000), visit("b", 3, 9, 3_000)], demand_micro_per_kw=15_000_000).problem()
    )
    assert PeakLevel(record, weeks=(1,))(moment) == pytest.approx(measure(alone).peak_w, abs=8)
    assert PeakLevel(Record(), weeks=(1, 2))(moment) == 0


def test_a_plan_that_misses_its_deadline_leaves_the_decision_to_least_laxity_first() -> None:
    visits = [visit(f"v{n}", 0, 12, 9_000, battery=None) for n in range(4)]
    day = course(visits, limit_w=20_000)
    late = Planner(replace(TUNING, deadline_s=0.0))
    ours = simulate(replace(day, prices=replace(day.prices, carbon_micro_per_kwh=(1,) * 12)), _Late(late))
    assert ours.schedule.import_wh.tolist() == simulate(day, least_laxity()).schedule.import_wh.tolist()
    assert late.fallbacks > 0


def test_a_plan_is_followed_until_something_happens() -> None:
    planner = Planner(replace(TUNING, stale_s=100 * SLOT_S, fine_s=12 * SLOT_S))
    simulate(course([visit("a", 0, 12), visit("b", 5, 12)], demand_micro_per_kw=1_000_000), planner)
    assert planner.replans == 2


def test_a_plan_can_begin_within_a_slot() -> None:
    """As at a live site: two thirds of the quarter hour are left, and 500 Wh were drawn in it already."""
    moment = _moment(course([visit("a", 0, 2, 2_500)], slots=4, demand_micro_per_kw=1_000_000))
    demand = replace(moment.demand, used_wh=EnergyWh(500)) if moment.demand else None
    within = replace(moment, now_s=UnixSeconds(moment.now_s + 300), demand=demand)
    schedule = Planner(TUNING).plan(within)
    assert schedule.problem.slots.edges_s[:3] == (START_S + 300, START_S + 900, START_S + 1_800)
    assert schedule.net_wh.tolist()[:2] == [1_000, 1_500]


def test_no_set_point_lies_between_nothing_and_the_least_power() -> None:
    """6 A on three phases; the limit lets two of three vehicles charge at a time."""
    visits = [visit(f"v{n}", 0, 12, 6_000, least_power_w=PowerW(4_140)) for n in range(3)]
    policy = Noted(Planner(TUNING))
    taken = simulate(course(visits, limit_w=10_000), policy).schedule
    asked = [power for decided in policy.decided for power in decided.values()]
    assert {power for power in asked if power < 4_140} == {0}
    assert taken.net_wh.max() <= 2_500
    assert taken.charged_wh.sum() >= 17_000


def test_what_was_bought_ahead_is_charged_when_it_was_bought() -> None:
    """Deviations cost: what was not bought is dear, what is not taken earns little."""
    bought = (0, 0, 1_500, 500, *(0,) * 8)
    day = course([visit("a", 0, 12, 2_000)], prices=(100_000,) * 12)
    day = replace(day, prices=replace(day.prices, export_micro_per_kwh=(10_000,) * 12))
    moment = _moment(day)
    vehicle = replace(moment.vehicles[0], bought_wh=bought)
    schedule = Planner(TUNING).plan(replace(moment, vehicles=(vehicle,)))
    assert schedule.import_wh.tolist()[:4] == [0, 0, 1_500, 500]


def test_who_overstays_is_served_at_once() -> None:
    day = course([visit("a", 0, 8, 6_000, told=2)], prices=(500_000,) * 6 + (0,) * 6)
    assert simulate(day, Planner(TUNING)).schedule.import_wh.tolist() == [2_000, 2_000, 2_000, 0, 0, 0, 0, 0]


def test_learned_departures_wait_for_low_prices_only_with_those_who_stay() -> None:
    """Who declares six quarter hours stays eight of them at least in one past, and two in the other."""
    day = course([visit("a", 0, 8, 2_000, told=6)], prices=(200_000,) * 4 + (20_000,) * 8)
    tuning = replace(TUNING, unmet_micro_per_kwh=PriceMicroPerKwh(1_000_000))
    for stay, charged_late in ((9, 2_000), (2, 0)):
        known = Departures([Declared(at(0), at(6), at(stay)), Declared(at(1), at(7), at(stay + 1))] * 5)
        taken = simulate(day, Planner(tuning, departures=known)).schedule.import_wh
        assert int(taken[4:].sum()) == charged_late


def test_the_planner_is_cheaper_than_charging_at_once_and_serves_everybody() -> None:
    visits = [visit(f"v{n}", n, 12, 5_000) for n in range(5)]
    day = course(visits, prices=(200_000,) * 6 + (50_000,) * 6, demand_micro_per_kw=500_000)
    ours, theirs = (measure(simulate(day, policy).schedule) for policy in (Planner(TUNING), Uncontrolled()))
    assert ours.delivered == theirs.delivered == 1.0
    assert ours.bill_micro < theirs.bill_micro


def test_a_commanded_limit_is_planned_for_and_cuts_slots() -> None:
    """It comes in the third quarter hour and stays for the fourth: all is charged before it."""
    moment = _moment(course([visit("a", 0, 4, 4_000)], slots=4, prices=(90_000, 90_000, 80_000, 80_000)))
    limit = Limit(START_S + 2_000, START_S + 3_600, 0)
    schedule = Planner(TUNING).plan(replace(moment, limits=(limit,)))
    slots = schedule.problem.slots
    assert START_S + 2_000 in slots.edges_s
    limited = [edge_s >= START_S + 2_000 for edge_s in slots.edges_s[:-1]]
    assert sum(schedule.net_wh) == 4_000
    assert not any(wh for wh, no in zip(schedule.net_wh.tolist(), limited, strict=True) if no)


@pytest.mark.parametrize("policy", [Planner(TUNING), least_laxity(), RoundRobin()], ids=lambda policy: policy.name)
def test_no_line_carries_more_than_it_may(policy: Policy) -> None:
    """All need more than there is. Two draw from the first line, a third one from all of them."""
    visits = [visit("a", 0, 4, 8_000, lines=(0,)), visit("b", 0, 4, 8_000, lines=(0,)), visit("c", 0, 4, 8_000)]
    day = course(visits, slots=4)
    day = replace(day, site=Site(line_limit_w=(9_000, 9_000, 9_000)))
    ours = simulate(day, policy).schedule
    assert check(ours) == []
    assert ours.charged_wh.sum() >= (14_300 if isinstance(policy, Planner) else 11_600)


def test_the_lowest_of_all_limits_holds() -> None:
    moment = _moment(course([visit("a", 0, 4, 8_000)], slots=4, limit_w=6_000))
    limits = (Limit(START_S, START_S + 900, 4_000), Limit(START_S, START_S + 1_800, 5_000))
    decision = Planner(TUNING).decide(replace(moment, limits=limits))
    assert decision.powers == {"a": 4_000}
    assert decision.schedule.net_wh.tolist() == [1_000, 1_250, 1_500, 1_500]


def test_a_decision_without_a_plan_is_what_least_laxity_first_does_now() -> None:
    visits = [visit(f"v{n}", 0, 12, 9_000) for n in range(4)]
    moment = replace(_moment(course(visits, limit_w=20_000)), carbon_micro_per_kwh=(1,) * 12)
    moment = replace(moment, line_limit_w=(100_000, 100_000, 100_000))
    decision = Planner(replace(TUNING, deadline_s=0.0)).decide(moment)
    assert decision.powers == {"v0": 8_000, "v1": 8_000, "v2": 4_000, "v3": 0}
    assert decision.schedule.how == "llf"
    assert decision.schedule.net_wh.tolist()[:2] == [5_000, 0]


def test_the_rest_of_a_slot_can_be_joined_to_the_next_one() -> None:
    """Ten seconds before a quarter of an hour begins, one is planned that is ten seconds longer."""
    moment = _moment(course([visit("a", 0, 4, 6_000)], slots=4, prices=(10_000, 20_000, 30_000, 40_000)))
    joined = replace(moment, now_s=UnixSeconds(START_S - 10))
    problem = Planner(TUNING).plan(joined).problem
    assert problem.slots.edges_s[:3] == (START_S - 10, START_S + 900, START_S + 1_800)
    assert problem.prices.import_micro_per_kwh[:3] == (10_000, 20_000, 30_000)


def test_a_site_without_vehicles_has_a_plan_as_well() -> None:
    decision = Planner(TUNING).decide(replace(_moment(course([visit("a", 0, 4)], limit_w=6_000)), vehicles=()))
    assert decision.powers == {}
    assert len(decision.schedule.problem.slots) > 0


class _Late:
    """Solves by the linear program, which can be late: a deadline of nothing is always missed."""

    def __init__(self, planner: Planner) -> None:
        self.name, self._planner = planner.name, planner

    def powers(self, moment: Moment) -> dict[str, int]:
        lines = replace(moment, line_limit_w=(100_000, 100_000, 100_000))
        return dict(self._planner.powers(lines))


def _moment(day: Course) -> Moment:
    shown = Fixed()
    simulate(day, shown)
    return shown.moments[0]
