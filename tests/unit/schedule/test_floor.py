"""Least power: nothing is asked for between nothing and the least, and no other limit pays for that."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.schedule.check import check
from domain.schedule.columns import Columns
from domain.schedule.floor import floored
from domain.schedule.optimum import by_program, optimum
from domain.schedule.problem import Problem
from domain.units import PowerW
from tests.unit.schedule.problems import battery, demand_charge, problem, problems, vehicle

LEAST_W = 1_380


@settings(max_examples=100, deadline=None)
@given(
    problems(slots=6, vehicles=5) | problems(slots=6, vehicles=5, gives=True, demand=True),
    st.lists(st.integers(0, 10), min_size=5, max_size=5),
    st.sampled_from([None, (9_000, 5_000, 4_000)]),
    st.sampled_from([(), (5_000, 7_000)]),
    st.integers(0, 3),
)
def test_plan_above_least_power_breaks_nothing(
    drawn: Problem, tenths: list[int], lines: tuple[int, int, int] | None, circuits: tuple[int, ...], first: int
) -> None:
    stays = [
        replace(
            v,
            least_power_w=PowerW(v.power_w * share // 10),
            lines=((0,), (1, 2), (0, 1, 2))[number % 3],
            circuits_bp=((10_000, 0), (10_000, 3_333), (0, 10_000))[number % 3] if circuits else (),
        )
        for number, (v, share) in enumerate(zip(drawn.vehicles, tenths, strict=False))
    ]
    site = replace(drawn.site, line_limit_w=lines, circuits_w=circuits)
    drawn = replace(drawn, vehicles=tuple(stays), site=site)
    plan = floored(by_program(Columns.of(drawn)), first_slots=first)
    assert not check(plan)


def test_plan_without_least_powers_stays_as_it_is() -> None:
    plan = optimum(problem(vehicle()))
    assert floored(plan) is plan


def test_energy_below_the_least_is_gathered_and_nothing_lost() -> None:
    demand = demand_charge(to_slot=4)
    one = vehicle(need_wh=1_000, least_power_w=LEAST_W)
    relaxed = by_program(Columns.of(problem(one, demands=(demand,))))
    assert relaxed.import_wh.tolist() == [250] * 4
    plan = floored(relaxed, first_slots=0)
    assert int(plan.import_wh.sum()) == 1_000
    assert not check(plan)


def test_energy_of_several_slots_below_the_least_makes_one_above_it() -> None:
    one = vehicle(need_wh=1_900, power_w=4_000, least_power_w=3_600)
    relaxed = optimum(problem(one, prices=(1_000, 1_001, 1_002, 1_003), import_limit_w=(2_000, 4_000, 4_000, 0)))
    assert relaxed.import_wh.tolist() == [500, 1_000, 400, 0]
    plan = floored(relaxed, first_slots=0)
    assert not check(plan)
    assert plan.import_wh.tolist() == [0, 1_000, 900, 0]


def test_energy_is_gathered_where_a_circuit_has_room() -> None:
    stays = [vehicle(f"s{n}", need_wh=1_000, least_power_w=LEAST_W, circuits_bp=(10_000,)) for n in range(3)]
    demand = demand_charge(to_slot=4)
    relaxed = by_program(Columns.of(problem(*stays, demands=(demand,), circuits_w=(4_000,))))
    assert {one.rule for one in check(relaxed)} == {"least power"}
    plan = floored(relaxed, first_slots=0)
    assert not check(plan)
    assert plan.charged_wh.tolist() == [1_000] * 3


def test_program_of_the_first_slots_takes_turns_under_a_limit() -> None:
    stays = [vehicle(f"s{n}", need_wh=1_000, least_power_w=4_000) for n in range(2)]
    limited = problem(*stays, prices=(1_000, 1_001, 1_002, 1_003), import_limit_w=(4_000, 4_000, 4_000, 0))
    plan = floored(optimum(limited), first_slots=4, limit_s=5.0)
    assert not check(plan)
    assert sorted(plan.charged_wh.tolist()) == [1_000, 1_000]


def test_need_below_the_least_of_a_slot_stays_open() -> None:
    plan = floored(optimum(problem(vehicle(need_wh=100, least_power_w=LEAST_W))))
    assert plan.import_wh.tolist() == [0] * 4


def test_no_time_for_the_program_leaves_the_repair() -> None:
    stays = [vehicle(f"s{n}", need_wh=900, least_power_w=3_000, battery=battery()) for n in range(8)]
    plan = floored(optimum(problem(*stays, import_limit_w=(9_000,) * 4)), limit_s=0.0)
    assert not check(plan)
    assert plan.charged_wh.sum() > 0


def test_checker_names_what_lies_below_the_least() -> None:
    relaxed = by_program(
        Columns.of(problem(vehicle(need_wh=400, least_power_w=LEAST_W), demands=(demand_charge(to_slot=4),)))
    )
    assert {v.rule for v in check(relaxed)} == {"least power"}
    assert len(check(relaxed, least_power_in=range(1))) == 1
