"""Charge-only plans by flow: the best that whole Wh allow, whatever the site."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.schedule import transport as transport_module
from domain.schedule.check import check
from domain.schedule.columns import Columns
from domain.schedule.optimum import by_program, optimum, program_value
from domain.schedule.problem import DemandCharge, Problem
from domain.schedule.transport import transport
from tests.unit.schedule.problems import all_charging, battery, problem, problems, vehicle, worth

TINY: dict[str, Any] = {"slots": 3, "vehicles": 2, "power_w": 12}


@pytest.fixture(autouse=True)
def _flows_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "PAIRS_IN_A_SLOT", 0)


@settings(max_examples=60, deadline=None)
@given(
    problems(**TINY, demand=False) | problems(**TINY, demand=True) | problems(**TINY, demand=True, sun=True, dear=True)
)
def test_no_plan_of_whole_wh_is_better(drawn: Problem) -> None:
    columns = Columns.of(drawn)
    found = transport(columns)
    assume(found is not None)
    assert found is not None
    assert not check(found)
    assert worth(found) == pytest.approx(min(worth(other) for other in all_charging(columns)), abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(
    problems(slots=12, vehicles=9)
    | problems(slots=12, vehicles=9, demand=True)
    | problems(slots=12, vehicles=9, sun=True, dear=True)
    | problems(slots=12, vehicles=9, sun=True, demand=True, dear=True)
)
def test_flow_is_as_good_as_the_linear_program(drawn: Problem) -> None:
    columns = Columns.of(drawn)
    found = transport(columns)
    assume(found is not None)
    assert found is not None
    assert not check(found)
    a_wh_of_peak = 4 * sum(demand.price_micro_per_kw for demand in drawn.prices.demands) / 1_000
    value, least = worth(found), program_value(columns)
    assert least - 1e-6 * (1 + abs(least)) <= value <= least + a_wh_of_peak + 1e-6 * (1 + abs(least))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_flow_of_a_full_car_park_is_as_good_as_the_linear_program(seed: int, demand: bool) -> None:
    rng = np.random.default_rng(seed)
    count = 24
    stays = []
    for number in range(60):
        first = int(rng.integers(0, count - 1))
        stays.append(
            vehicle(
                f"s{number}",
                slots=(first, int(rng.integers(first + 1, count + 1))),
                need_wh=int(rng.integers(0, 12_000)),
                power_w=int(rng.choice([3_700, 7_400, 11_000])),
            )
        )
    prices = tuple(rng.integers(20_000, 300_000, count).tolist())
    charges = (DemandCharge(price_micro_per_kw=int(rng.integers(0, 2 * 10**7)), from_slot=0, to_slot=count),)
    drawn = problem(*stays, prices=prices, import_limit_w=(90_000,) * count, demands=charges if demand else ())
    columns = Columns.of(drawn)
    found = transport(columns)
    assert found is not None
    assert not check(found)
    slack = 4 * charges[0].price_micro_per_kw / 1_000 if demand else 0
    least = program_value(columns)
    assert least - 1e-9 * abs(least) <= worth(found) <= least + slack + 1e-9 * abs(least)


def test_first_guess_from_a_sample_leads_to_the_same_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    stays = [
        vehicle(f"s{n}", slots=(int(first), int(first) + 8), need_wh=int(rng.integers(0, 9_000)))
        for n, first in enumerate(rng.integers(0, 16, 120))
    ]
    charges = (DemandCharge(price_micro_per_kw=5_000_000, from_slot=0, to_slot=24),)
    drawn = problem(*stays, prices=tuple(rng.integers(10_000, 90_000, 24).tolist()), demands=charges)
    plain = optimum(drawn)
    monkeypatch.setattr("domain.schedule.peak.SAMPLE", 10)
    monkeypatch.setattr("domain.schedule.peak.SAMPLE_FROM", 20)
    assert worth(optimum(drawn)) == pytest.approx(worth(plain), rel=1e-12)


def test_energy_moves_over_to_make_room_for_who_has_no_other_slot() -> None:
    flexible = vehicle("flexible", slots=(0, 2), need_wh=2_000)
    bound = vehicle("bound", slots=(0, 1), need_wh=2_000)
    found = optimum(problem(flexible, bound, prices=(1_000, 2_000), import_limit_w=(8_000,) * 2))
    assert found.how == "optimum by flow"
    assert found.import_wh.tolist() == [0, 2_000, 2_000]


def test_what_a_flow_cannot_say_goes_to_the_program() -> None:
    for other in (
        problem(vehicle(battery=battery(), export_power_w=3_000)),
        problem(vehicle(battery=battery(), taper_bp=8_000)),
        problem(vehicle(presence_bp=(10_000, 10_000, 9_000, 5_000))),
        problem(vehicle(bought_wh=(0, 500, 0, 0))),
        problem(vehicle(), line_limit_w=(3_000, 3_000, 3_000)),
        problem(vehicle(battery=battery()), prices=(-1, 5, 5, 5)),
        problem(
            vehicle(), demands=tuple(DemandCharge(price_micro_per_kw=5, from_slot=n, to_slot=n + 2) for n in (0, 2))
        ),
        problem(vehicle(), demands=(DemandCharge(price_micro_per_kw=5, from_slot=0, to_slot=4, interval_s=1_800),)),
    ):
        assert transport(Columns.of(other)) is None
        assert optimum(other).how == "optimum by HiGHS"
        assert not check(optimum(other))


def test_last_wh_that_would_overfill_a_battery_is_not_charged() -> None:
    """678 Wh are left, which 968.6 Wh at 70 % would fill."""
    pack = battery(capacity_wh=1_115, stored_wh=437, floor_wh=101, efficiency_bp=7_000)
    found = optimum(problem(vehicle(need_wh=1_429, battery=pack)))
    assert (found.charged_wh.tolist(), check(found)) == ([968], [])


def test_battery_that_only_charges_is_filled_to_its_capacity_at_most() -> None:
    full = vehicle(need_wh=3_000, battery=battery(capacity_wh=10_000, stored_wh=9_100, efficiency_bp=9_000))
    found = optimum(problem(full))
    assert (found.how, int(found.import_wh.sum())) == ("optimum by flow", 1_000)
    assert int(by_program(Columns.of(problem(full))).import_wh.sum()) == 1_000
