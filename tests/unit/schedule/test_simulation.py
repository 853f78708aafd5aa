"""The simulation shows a policy what has happened, and lets nothing happen that is not physical."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bidding.stay import Battery
from domain.errors import Malformed
from domain.schedule.baselines import Uncontrolled
from domain.schedule.check import check
from domain.schedule.metrics import measure
from domain.schedule.simulation import Course, Fault, simulate
from domain.units import EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds
from tests.unit.schedule.courses import POWER_W, Fixed, at, course, days, visit

PACK = Battery(
    capacity_wh=EnergyWh(10_000),
    stored_wh=EnergyWh(6_000),
    floor_wh=EnergyWh(2_000),
    efficiency_bp=9_000,
    wear_micro_per_kwh=PriceMicroPerKwh(50_000),
)


def test_uncontrolled_vehicle_charges_at_full_power_until_its_need_is_met() -> None:
    run = simulate(course([visit("a", 2, 8, 5_000)]), Uncontrolled())
    assert run.schedule.import_wh.tolist() == [2_000, 2_000, 1_000, 0, 0, 0]
    assert run.reports == ()


@settings(max_examples=60, deadline=None)
@given(days(), st.dictionaries(st.sampled_from(["v0", "v1", "v2", "v9"]), st.integers(-20_000, 20_000)))
def test_whatever_a_policy_says_no_vehicle_does_what_it_cannot(day: Course, powers: dict[str, int]) -> None:
    assert check(simulate(day, Fixed(**powers)).schedule) == []


def test_a_policy_sees_who_is_there_and_what_each_still_misses() -> None:
    policy = Fixed(a=4_000)
    simulate(course([visit("a", 1, 3, 5_000), visit("b", 2, 4)], slots=5), policy)
    seen = [{vehicle.session: vehicle.need_wh for vehicle in moment.vehicles} for moment in policy.moments]
    assert seen == [{}, {"a": 5_000}, {"a": 4_000, "b": 2_000}, {"b": 2_000}, {}]
    assert [moment.read_wh for moment in policy.moments] == [{}, {}, {"a": 1_000}, {"a": 1_000, "b": 0}, {"b": 0}]


def test_a_vehicle_that_comes_within_a_slot_is_seen_from_the_next_one() -> None:
    late = visit("a", 1, 4)
    arrived = replace(late.vehicle, arrival_s=UnixSeconds(at(1) + 1))
    policy = Fixed()
    simulate(course([replace(late, vehicle=arrived)]), policy)
    assert [len(moment.vehicles) for moment in policy.moments[:5]] == [0, 0, 1, 1, 0]


def test_prices_are_shown_as_far_as_they_are_published() -> None:
    policy = Fixed()
    simulate(course([visit("a", 0, 4)], slots=4, prices=(1, 2, 3, 4), published=(2, 2, 4, 4)), policy)
    assert [tuple(moment.import_micro_per_kwh) for moment in policy.moments] == [(1, 2), (2,), (3, 4), (4,)]


def test_prices_must_be_published_before_their_slot() -> None:
    with pytest.raises(Malformed, match="before it begins"):
        course([visit("a", 0, 4)], slots=4, published=(1, 1, 4, 4))


def test_the_peak_so_far_is_the_one_that_is_billed() -> None:
    policy = Fixed(a=8_000, b=5_000)
    visits = [visit("a", 0, 4, 9_000), visit("b", 2, 4, 9_000)]
    run = simulate(course(visits, slots=6, demand_micro_per_kw=1_000_000), policy)
    assert [moment.demand.peak_w for moment in policy.moments if moment.demand] == [
        0,
        8_000,
        8_000,
        13_000,
        13_000,
        13_000,
    ]
    assert measure(run.schedule).demand_micro == 13_000_000


def test_a_battery_gives_back_down_to_its_floor_and_needs_that_again() -> None:
    giver = visit("a", 0, 4, 900, battery=PACK, export_power_w=PowerW(POWER_W))
    policy = Fixed(a=-POWER_W)
    run = simulate(course([giver], slots=4), policy)
    assert run.schedule.export_wh.tolist() == [2_000, 2_000, 0, 0]
    assert [moment.vehicles[0].need_wh for moment in policy.moments] == [900, 3_123, 5_345, 5_345]
    assert measure(run.schedule).wear_micro == 200_000


def test_what_a_battery_holds_beyond_its_target_is_to_spare() -> None:
    policy = Fixed(a=POWER_W)
    simulate(course([visit("a", 0, 3, 1_000, battery=PACK)], slots=3), policy)
    assert [(m.vehicles[0].need_wh, m.vehicles[0].spare_wh) for m in policy.moments] == [
        (1_000, 0),
        (0, 900),
        (0, 2_700),
    ]


def test_a_session_that_is_announced_twice_counts_once_and_is_reported() -> None:
    run = simulate(course([visit("a", 0, 4), visit("a", 2, 6, 9_000)]), Uncontrolled())
    assert run.schedule.charged_wh.tolist() == [2_000]
    assert [(report.session, report.text) for report in run.reports] == [
        ("a", "is announced twice: the first one counts")
    ]


def test_a_need_that_the_stay_cannot_meet_is_told_before_it_starts() -> None:
    run = simulate(course([visit("a", 3, 4, 9_000)]), Uncontrolled())
    assert run.schedule.charged_wh.tolist() == [2_000]
    assert run.reports[0].time_s == at(3)
    assert "needs 9000 Wh, and can take 2000 Wh" in run.reports[0].text


def test_who_leaves_early_or_overstays_is_reported() -> None:
    visits = [visit("early", 0, 2, 9_000, told=6), visit("late", 0, 6, told=4)]
    texts = {report.session: report.text for report in simulate(course(visits), Uncontrolled()).reports}
    assert texts == {
        "early": "left 3600 s before its declared departure, 5000 Wh are missing",
        "late": "stayed 1800 s past its declared departure",
    }


def test_a_limit_that_is_passed_is_reported_and_not_enforced() -> None:
    run = simulate(course([visit("a", 0, 4)], limit_w=3_000), Uncontrolled())
    assert run.schedule.charged_wh.tolist() == [2_000]
    assert run.reports[0].text == "the site draws 8000 W, its limit is 3000 W"


def test_a_silent_meter_shows_what_it_showed_last() -> None:
    policy = Fixed(a=4_000)
    fault = Fault(session="a", from_s=at(1), to_s=at(3), silent=True)
    simulate(course([visit("a", 0, 6, 9_000)], slots=6, faults=(fault,)), policy)
    assert [moment.vehicles[0].need_wh for moment in policy.moments] == [9_000, 8_000, 8_000, 8_000, 5_000, 4_000]
    assert ["a" in moment.read_wh for moment in policy.moments] == [False, True, False, False, True, True]
