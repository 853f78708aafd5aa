"""The linear program: against an independent formulation, and what each part of a problem does to a plan."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from domain.bidding.stay import WHOLE_BP
from domain.errors import Malformed, PlanNotFound
from domain.schedule.check import check
from domain.schedule.columns import Columns
from domain.schedule.optimum import by_program, optimum, program_value
from domain.schedule.problem import Problem
from domain.units import PowerW, PriceMicroPerKwh
from tests.unit.schedule.problems import (
    EARLY,
    battery,
    demand_charge,
    problem,
    problems,
    unmet_micro_per_wh,
    vehicle,
    worth,
)

FULL: dict[str, Any] = {"slots": 6, "vehicles": 4}


def least(drawn: Problem) -> float:  # noqa: C901, PLR0915 (one formulation, written out in one place)
    """The program's value by scipy, with dense matrices and every limit of what is stored written as sums."""
    columns = Columns.of(drawn)
    n, count, vehicles = len(columns), len(drawn.slots), drawn.vehicles
    demands = drawn.prices.demands
    width = 2 * n + len(vehicles) + 3 * count + len(demands)
    # x of pair p is p
    first_given, first_missing, first_drawn = n, 2 * n, 2 * n + len(vehicles)
    first_bought, first_sold = first_drawn + count, first_drawn + 2 * count
    cost = np.zeros(width)
    bounds: list[tuple[float | None, float | None]] = [(0.0, None)] * width
    upper: list[tuple[dict[int, float], float]] = []
    equal: list[tuple[dict[int, float], float]] = []
    unmet = unmet_micro_per_wh(drawn)

    def wh(values: tuple[int, ...] | None, slot: int) -> float:
        return values[slot] // 4 if values else 0

    for number, one in enumerate(vehicles):
        pairs = range(columns.first[number], columns.first[number + 1])
        pack = one.battery
        efficiency = pack.efficiency_bp / WHOLE_BP if pack else 1.0
        for pair in pairs:
            early = EARLY * columns.slot[pair] / count
            cost[pair] = early - (0 if pack else unmet)
            cost[first_given + pair] = -early + (pack.wear_micro_per_kwh / 1_000 if pack else 0)
            bounds[pair] = (0, columns.most_wh[pair])
            bounds[first_given + pair] = (0, columns.most_export_wh[pair])
            so_far = {p: efficiency for p in pairs if p <= pair} | {first_given + p: -1.0 for p in pairs if p <= pair}
            if pack:
                upper.append((so_far, pack.capacity_wh - pack.stored_wh))
                upper.append(
                    ({k: -value for k, value in so_far.items()}, pack.stored_wh - min(pack.floor_wh, pack.stored_wh))
                )
        if not pack:
            upper.append((dict.fromkeys(pairs, 1.0), one.need_wh))
        elif pairs:
            cost[first_missing + number] = unmet / efficiency
            gain = min(pack.capacity_wh - pack.stored_wh, one.need_wh * efficiency)
            whole = dict.fromkeys(pairs, -efficiency) | {first_given + p: 1.0 for p in pairs}
            whole[first_missing + number] = -1.0
            upper.append((whole, -gain))
    site, prices = drawn.site, drawn.prices
    feeds_in = bool(site.sun_w) or bool(columns.most_export_wh.any())
    for slot in range(count):
        load, sun = wh(site.load_w, slot), wh(site.sun_w, slot)
        here = [p for p in range(n) if columns.slot[p] == slot]
        net = dict.fromkeys(here, 1.0) | {first_given + p: -1.0 for p in here}
        most = None if site.import_limit_w is None else max(0, wh(site.import_limit_w, slot) - load + sun)
        floor = None if site.export_limit_w is None else -wh(site.export_limit_w, slot) - load + sun
        bounds[first_drawn + slot] = (floor, most)
        upper.append((net | {first_drawn + slot: -1.0}, 0))
        upper.append(({k: -value for k, value in net.items()} | {first_drawn + slot: 1.0}, sun))
        equal.append(
            (
                {first_bought + slot: 1.0, first_sold + slot: -1.0, first_drawn + slot: -1.0},
                load - sun if feeds_in else 0,
            )
        )
        cost[first_bought + slot] = prices.import_micro_per_kwh[slot] / 1_000
        cost[first_sold + slot] = EARLY - (
            prices.export_micro_per_kwh[slot] / 1_000 if prices.export_micro_per_kwh else 0
        )
        if not feeds_in:
            bounds[first_sold + slot] = (0, 0)
    for number, demand in enumerate(demands):
        above = width - len(demands) + number
        cost[above] = demand.price_micro_per_kw / 1_000
        for slot in range(demand.from_slot, demand.to_slot):
            used = demand.used_wh if slot == 0 else 0
            other = wh(site.load_w, slot) - wh(site.sun_w, slot) + used
            upper.append(({first_drawn + slot: 1.0, above: -0.25}, demand.peak_w / 4 - other))
    matrices = []
    for rows in (upper, equal):
        matrix = np.zeros((len(rows), width))
        for number, (row, _) in enumerate(rows):
            for column, value in row.items():
                matrix[number, column] = value
        matrices += [matrix, np.array([bound for _, bound in rows], dtype=float)]
    found = linprog(cost, *matrices, bounds=bounds)
    assert found.status == 0, found.message
    return float(found.fun)


@settings(max_examples=120, deadline=None)
@given(
    problems(**FULL)
    | problems(**FULL, gives=True)
    | problems(**FULL, gives=True, demand=True)
    | problems(**FULL, gives=True, sun=True)
    | problems(**FULL, sun=True, demand=True)
)
def test_program_has_the_value_of_an_independent_formulation(drawn: Problem) -> None:
    value = least(drawn)
    for at_once in (False, True):
        assert program_value(Columns.of(drawn), at_once=at_once) == pytest.approx(value, rel=1e-7, abs=1e-2)


@settings(max_examples=120, deadline=None)
@given(
    problems(**FULL, gives=True, dear=True)
    | problems(**FULL, gives=True, demand=True)
    | problems(**FULL, gives=True, sun=True)
    | problems(**FULL, sun=True, demand=True)
)
def test_plan_in_whole_wh_breaks_nothing_and_loses_little(drawn: Problem) -> None:
    columns = Columns.of(drawn)
    found = by_program(columns)
    assert not check(found)
    lost_wh = 2 * len(columns) + 2 * len(drawn.vehicles)
    if min(drawn.prices.import_micro_per_kwh) >= 0 and not (drawn.site.sun_w and drawn.prices.demands):
        most = drawn.aims.unmet_micro_per_kwh / 1_000 / 0.7
        most += sum(4 * demand.price_micro_per_kw / 1_000 for demand in drawn.prices.demands)
        assert worth(found) <= program_value(columns) + lost_wh * most


@settings(max_examples=60, deadline=None)
@given(problems(slots=8, vehicles=6, dear=True), st.booleans())
def test_whole_wh_meet_the_needs_that_fractions_met(drawn: Problem, late: bool) -> None:
    columns = Columns.of(drawn)
    if not drawn.site.import_limit_w:
        found = by_program(columns)
        assert found.charged_wh.tolist() == columns.possible_wh.tolist()
    else:
        assert not check(by_program(columns))


@settings(max_examples=60, deadline=None)
@given(problems(slots=8, vehicles=4, gives=True, dear=True))
def test_giving_back_never_costs_more_than_only_charging(drawn: Problem) -> None:
    alone = replace(drawn, site=replace(drawn.site, load_w=()))
    free = tuple(
        replace(v, battery=replace(v.battery, wear_micro_per_kwh=PriceMicroPerKwh(0))) if v.battery else v
        for v in drawn.vehicles
    )
    both = replace(alone, vehicles=free)
    one_way = replace(alone, vehicles=tuple(replace(v, export_power_w=PowerW(0)) for v in free))
    value = program_value(Columns.of(one_way))
    assert program_value(Columns.of(both)) <= value + 1e-6 * (1 + abs(value))


def test_battery_sells_dear_and_buys_again_cheap_if_wear_allows() -> None:
    def sold(wear: int) -> int:
        pack = battery(wear_micro_per_kwh=wear, efficiency_bp=8_000)
        one = vehicle(need_wh=0, export_power_w=8_000, battery=pack)
        prices = (300_000, 100_000, 100_000, 100_000)
        plan = optimum(problem(one, prices=prices, export_micro_per_kwh=prices))
        assert not check(plan)
        return int(plan.sold_wh.sum())

    # A kWh sold for 0.30 asks for 1.25 kWh at 0.10: it earns 0.175 before wear.
    assert sold(0) == 2_000
    assert sold(174_000) == 2_000
    assert sold(176_000) == 0


def test_battery_is_emptied_to_its_floor_and_reaches_its_target() -> None:
    pack = battery(stored_wh=6_000, floor_wh=5_000, efficiency_bp=8_000)
    one = vehicle(need_wh=1_000, export_power_w=8_000, battery=pack)
    prices = (300_000, 100_000, 100_000, 100_000)
    plan = optimum(problem(one, prices=prices, export_micro_per_kwh=prices))
    assert int(plan.sold_wh.sum()) == 1_000
    assert int(plan.charged_wh.sum()) == pytest.approx(1_000 + 1_000 / 0.8, abs=1)


def test_power_falls_in_the_taper() -> None:
    pack = battery(capacity_wh=10_000, stored_wh=8_000, efficiency_bp=10_000)
    plan = optimum(problem(vehicle(need_wh=2_000, battery=pack, taper_bp=8_000)))
    assert not check(plan)
    first, second, third, last = plan.import_wh.tolist()
    assert (first, second) == (2_000, 0) or first > second > third > last >= 0


def test_taper_leaves_a_need_open_that_full_power_would_meet() -> None:
    pack = battery(capacity_wh=10_000, stored_wh=9_000, efficiency_bp=10_000)
    plan = optimum(problem(vehicle(slots=(0, 1), need_wh=1_000, power_w=2_000, battery=pack, taper_bp=8_000)))
    assert plan.import_wh.tolist() == [250]


def test_commitment_is_kept_where_deviation_costs_and_given_up_where_it_pays() -> None:
    prices, feed_in = (200_000, 100_000), (50_000, 50_000)
    bought = vehicle(slots=(0, 2), need_wh=1_000, bought_wh=(1_000, 0))
    kept = optimum(problem(bought, prices=prices, export_micro_per_kwh=feed_in))
    assert kept.import_wh.tolist() == [1_000, 0]
    resold = optimum(problem(bought, prices=prices, export_micro_per_kwh=(150_000, 50_000)))
    assert resold.import_wh.tolist() == [0, 1_000]


def test_sun_is_used_before_the_grid_and_earns_what_it_is_worth() -> None:
    one = vehicle(slots=(0, 3), need_wh=1_500)
    sunny = {"sun_w": (0, 8_000, 0), "prices": (100_000, 100_000, 90_000)}
    assert optimum(problem(one, **sunny)).import_wh.tolist() == [0, 1_500, 0]
    fed_in = optimum(problem(one, **sunny, export_micro_per_kwh=(0, 95_000, 0)))
    assert fed_in.import_wh.tolist() == [0, 0, 1_500]


def test_sun_beyond_the_export_limit_costs_nothing() -> None:
    one = vehicle(slots=(0, 2), need_wh=2_000)
    plan = optimum(
        problem(
            one,
            prices=(100_000,) * 2,
            export_micro_per_kwh=(90_000,) * 2,
            sun_w=(4_000, 8_000),
            export_limit_w=(4_000,) * 2,
        )
    )
    assert plan.import_wh.tolist() == [1_000, 1_000]


def test_peak_so_far_is_free_and_what_was_drawn_in_the_interval_counts() -> None:
    one = vehicle(slots=(0, 2), need_wh=2_000)
    demand = demand_charge(price_micro_per_kw=10_000_000, from_slot=0, to_slot=2)
    assert by_program(Columns.of(problem(one, prices=(1, 2_000), demands=(demand,)))).import_wh.tolist() == [1_000] * 2
    paid = demand_charge(price_micro_per_kw=10_000_000, from_slot=0, to_slot=2, peak_w=6_000)
    assert optimum(problem(one, prices=(1, 2_000), demands=(paid,))).import_wh.tolist() == [1_500, 500]
    running = demand_charge(price_micro_per_kw=10_000_000, from_slot=0, to_slot=2, peak_w=6_000, used_wh=600)
    assert optimum(problem(one, prices=(1, 2_000), demands=(running,))).import_wh.tolist() == [900, 1_100]


def test_peak_of_an_interval_is_the_mean_of_its_slots() -> None:
    one = vehicle(slots=(0, 4), need_wh=2_000)
    demand = demand_charge(price_micro_per_kw=10_000_000, from_slot=0, to_slot=4, interval_s=1_800)
    plan = optimum(problem(one, prices=(1_000, 2_000, 3_000, 4_000), demands=(demand,)))
    assert plan.import_wh.tolist() == [1_000, 0, 1_000, 0]


def test_slot_longer_than_the_interval_is_billed_by_its_mean_power() -> None:
    one = vehicle(slots=(0, 2), need_wh=2_000)
    demand = demand_charge(price_micro_per_kw=10_000_000, from_slot=0, to_slot=2, interval_s=300, peak_w=6_000)
    assert optimum(problem(one, prices=(1, 2_000), demands=(demand,))).import_wh.tolist() == [1_500, 500]


def test_conductors_are_not_passed_by_vehicles_on_one_of_them() -> None:
    stays = [vehicle(f"s{n}", lines=(n % 2,), need_wh=4_000, power_w=7_000) for n in range(4)]
    plan = optimum(problem(*stays, vehicle("three", power_w=11_000, need_wh=5_000), line_limit_w=(8_000, 6_000, 5_000)))
    assert not check(plan)
    shares = plan.columns.line_share
    flows = [
        np.bincount(plan.columns.slot, plan.import_wh * shares[line][plan.columns.vehicle]) * 4 for line in range(3)
    ]
    assert max(flows[0]) == pytest.approx(8_000, abs=8)
    assert max(flows[1]) == pytest.approx(6_000, abs=8)


def test_energy_is_planned_for_when_the_vehicle_is_likely_there() -> None:
    one = vehicle(slots=(0, 2), need_wh=1_000, presence_bp=(10_000, 6_000))
    assert optimum(problem(one, prices=(200_000, 100_000))).import_wh.tolist() == [1_000, 0]


def test_no_peak_price_and_no_target_sheds_energy() -> None:
    stays = [vehicle(f"s{n}", need_wh=3_000) for n in range(4)]
    demand = demand_charge(price_micro_per_kw=60_000_000, from_slot=0, to_slot=4)
    for plan in (
        optimum(problem(*stays, demands=(demand,))),
        optimum(problem(*stays, peak_target_w=1_000)),
        optimum(problem(*stays, peak_target_w=1_000, demands=(demand,))),
    ):
        assert plan.charged_wh.tolist() == [3_000] * 4
        assert int(plan.net_wh.max()) == 3_000


def test_peak_target_is_worth_more_than_money_and_earliness_less() -> None:
    one = vehicle(slots=(0, 3), need_wh=3_000)
    prices = (50_000, 900_000, 900_000)
    assert optimum(problem(one, prices=prices)).import_wh.tolist() == [2_000, 1_000, 0]
    assert optimum(problem(one, prices=prices, peak_target_w=4_000)).import_wh.tolist() == [1_000] * 3
    assert optimum(problem(one, prices=(5, 5, 5))).import_wh.tolist() == [2_000, 1_000, 0]


def test_need_above_what_the_stay_allows_is_served_as_far_as_it_can_be() -> None:
    plan = optimum(problem(vehicle(slots=(1, 2), need_wh=9_000)))
    assert plan.import_wh.tolist() == [2_000]
    assert not check(plan)


def test_limit_of_zero_stops_all_charging() -> None:
    plan = optimum(problem(vehicle(), import_limit_w=(0,) * 4))
    assert plan.import_wh.tolist() == [0] * 4


def test_vehicle_that_is_not_there_in_any_slot_gets_nothing() -> None:
    assert optimum(problem(vehicle(slots=(9, 12)))).import_wh.tolist() == []
    plan = optimum(problem(vehicle(slots=(9, 12)), vehicle("b", slots=(-5, -2)), vehicle("c", need_wh=100)))
    assert plan.charged_wh.tolist() == [0, 0, 100]


def test_solver_that_runs_out_of_time_says_so() -> None:
    stays = [vehicle(f"s{n}", battery=battery(), export_power_w=5_000) for n in range(60)]
    with pytest.raises(PlanNotFound, match="more time"):
        optimum(problem(*stays, import_limit_w=(9_000,) * 4), limit_s=0.0)


def test_solver_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    optimum(problem(vehicle(battery=battery(), export_power_w=5_000)))
    assert capfd.readouterr() == ("", "")


def test_problem_that_cannot_be_is_refused() -> None:
    sites: list[dict[str, Any]] = [
        {"import_limit_w": (-1,) * 4},
        {"import_limit_w": (1,) * 3},
        {"load_w": (float("nan"),) * 4},
        {"export_micro_per_kwh": (200_000,) * 4},
        {"prices": (1, 2, float("nan"), 4)},
        {"prices": (1, 2, None, 4)},
    ]
    for site in sites:
        with pytest.raises(Malformed):
            problem(vehicle(), **site)
    with pytest.raises(Malformed, match="twice"):
        problem(vehicle(), vehicle())
    stays: list[dict[str, Any]] = [{"slots": (2, 2)}, {"export_power_w": 5}, {"lines": (3,)}]
    for stay in stays:
        with pytest.raises(Malformed):
            vehicle(**stay)
