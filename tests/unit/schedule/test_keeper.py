"""A kept plan takes newcomers in, keeps to the limits of circuits, and is as good as the optimum of what it knows."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.schedule.baselines import least_laxity
from domain.schedule.check import check
from domain.schedule.keeper import Keeper
from domain.schedule.metrics import measure
from domain.schedule.optimum import optimum
from domain.schedule.simulation import Course, Visit, simulate
from tests.unit.schedule.courses import POWER_W, course, visit

WH_OF_A_SLOT = POWER_W // 4
HALF, WHOLE = 5_000, 10_000


@st.composite
def pods(draw: st.DrawFn, *, at_once: bool = False) -> Course:
    """Days of a site with a pod of its own limit, and another limit on which its vehicles count twice as much."""
    visits = []
    for number in range(draw(st.integers(1, 7))):
        first = 0 if at_once else draw(st.integers(0, 11))
        last = draw(st.integers(first + 1, 12))
        parts = draw(st.sampled_from([(WHOLE, WHOLE), (0, HALF)]))
        visits.append(visit(f"v{number}", first, last, draw(st.integers(0, 9_000)), circuits_bp=parts))
    return course(
        visits,
        prices=draw(st.lists(st.integers(0, 300_000), min_size=12, max_size=12)),
        limit_w=draw(st.none() | st.integers(0, 3 * POWER_W)),
        demand_micro_per_kw=draw(st.sampled_from([0, 500_000])),
        circuits_w=(draw(st.integers(0, 2 * POWER_W)), draw(st.integers(0, 2 * POWER_W))),
    )


def on_a_pod(visits: Sequence[Visit], pod_w: int, **more: object) -> Course:
    in_pod = [replace(each, vehicle=replace(each.vehicle, circuits_bp=(WHOLE,))) for each in visits]
    return course(in_pod, circuits_w=(pod_w,), **more)  # type: ignore[arg-type]  # passed on as they are


@settings(max_examples=60, deadline=None)
@given(day=pods())
def test_no_limit_of_site_or_circuit_is_passed(day: Course) -> None:
    for policy in (Keeper(deadline_s=20.0), least_laxity()):
        assert check(simulate(day, policy).schedule) == []


@settings(max_examples=60, deadline=None)
@given(day=pods())
def test_optimum_keeps_to_circuits(day: Course) -> None:
    assert check(optimum(day.problem())) == []


@settings(max_examples=60, deadline=None)
@given(day=pods(at_once=True))
def test_plan_for_those_who_are_all_there_is_the_best(day: Course) -> None:
    keeper = Keeper(haste_micro_per_kwh_h=0, loss_micro=0, deadline_s=20.0)
    ours, best = measure(simulate(day, keeper).schedule), measure(optimum(day.problem()))
    rounding_wh = len(day.visits) * len(day.slots)
    assert keeper.fallbacks == 0
    assert ours.charged_wh >= best.charged_wh - rounding_wh
    if abs(ours.charged_wh - best.charged_wh) <= rounding_wh:
        dearest = 300_000 / 1_000 + 500_000 / 1_000 * 4
        assert ours.bill_micro <= best.bill_micro + dearest * rounding_wh


def test_newcomer_who_fits_in_needs_no_new_plan() -> None:
    prices = (100_000,) * 4 + (50_000,) * 8
    keeper = Keeper()
    run = simulate(course([visit("a", 0, 12), visit("b", 1, 12)], prices=prices, limit_w=3 * POWER_W), keeper)
    assert (keeper.arrivals, keeper.replans) == (2, 0)
    assert run.schedule.net_wh.tolist() == [0] * 4 + [2 * WH_OF_A_SLOT] + [0] * 7


def test_newcomer_who_is_pressed_makes_others_wait() -> None:
    keeper = Keeper()
    day = on_a_pod([visit("a", 0, 12, 3 * WH_OF_A_SLOT), visit("b", 1, 3, 2 * WH_OF_A_SLOT)], POWER_W)
    assert measure(simulate(day, keeper).schedule).delivered == pytest.approx(1)
    assert keeper.replans == 1


def test_peak_that_is_paid_for_is_used_again_without_a_new_plan() -> None:
    visits = [visit("a", 0, 1), visit("b", 3, 9), visit("c", 5, 11)]
    keeper = Keeper()
    run = simulate(course(visits, demand_micro_per_kw=15_000_000), keeper)
    assert run.schedule.net_wh.tolist() == [WH_OF_A_SLOT, 0, 0, WH_OF_A_SLOT, 0, WH_OF_A_SLOT, 0, 0, 0, 0, 0, 0]
    assert keeper.replans == 1


def test_limit_that_falls_is_kept_from_then_on() -> None:
    limits = (3 * POWER_W,) * 2 + (POWER_W,) * 10
    day = course([visit(name, 0, 12, 3 * WH_OF_A_SLOT) for name in "abc"], limit_w=limits)
    run = simulate(day, Keeper())
    assert check(run.schedule) == []
    assert measure(run.schedule).delivered == pytest.approx(1)


def test_who_stays_on_is_charged_on() -> None:
    day = course([visit("a", 0, 6, 4 * WH_OF_A_SLOT, told=2)])
    assert measure(simulate(day, Keeper()).schedule).delivered == pytest.approx(1)


def test_day_in_demand_is_begun_early() -> None:
    """Night is cheaper, but whoever comes at noon will need the pod."""
    prices = (100_000,) * 8 + (99_000,) * 4
    early = [visit(name, 0, 12, 4 * WH_OF_A_SLOT) for name in "ab"]
    late = visit("c", 8, 12, 4 * WH_OF_A_SLOT)
    for haste, least in ((0, 0.6), (5_000, 1.0)):
        keeper = Keeper(haste_micro_per_kwh_h=haste)
        delivered = measure(simulate(on_a_pod([*early, late], POWER_W, prices=prices), keeper).schedule).delivered
        assert delivered >= least - 1e-9
        assert haste or delivered < 1
