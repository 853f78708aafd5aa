"""Whatever a device, driver, operator or policy does, set-points stay safe and a report says what happened."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.schedule.baselines import least_laxity
from domain.schedule.horizon import Tuning
from domain.schedule.moment import Moment
from domain.schedule.planner import Planner
from domain.schedule.simulation import Course, Fault, Run, simulate
from domain.schedule.watch import Watched
from domain.units import PowerW
from tests.unit.schedule.courses import POWER_W, Fixed, at, course, visit

TUNING = Tuning(weeks=(), deadline_s=20.0)


def _texts(watched: Watched) -> dict[str, str]:
    return {report.session: report.text for report in watched.reports}


def _watch(day: Course) -> tuple[Watched, Run]:
    watched = Watched(Planner(TUNING))
    return watched, simulate(day, watched)


def test_who_follows_is_not_reported() -> None:
    watched, run = _watch(course([visit("a", 0, 6, 5_000), visit("b", 2, 8, 5_000)], limit_w=9_000))
    assert (watched.reports, run.reports) == ([], ())
    assert run.schedule.charged_wh.tolist() == [5_000, 5_000]


def test_a_silent_meter_is_reported_once_and_its_power_is_taken_off_the_limit() -> None:
    fault = Fault(session="a", from_s=at(0), to_s=at(4), silent=True)
    day = course([visit("a", 0, 8, 9_000), visit("b", 1, 8, 9_000)], limit_w=10_000, faults=(fault,))
    watched, run = _watch(day)
    assert len(watched.reports) == 1
    assert (watched.reports[0].time_s, watched.reports[0].session) == (at(1), "a")
    assert "its meter is silent: it keeps 8000 W" in watched.reports[0].text
    assert run.reports == ()
    assert run.schedule.net_wh.max() <= 2_500


def test_who_draws_though_told_to_wait_makes_the_others_slow_down() -> None:
    """It draws full power from its arrival on; the limit holds as soon as the first reading is in."""
    fault = Fault(session="a", from_s=at(0), to_s=at(12), least_w=PowerW(POWER_W))
    visits = [visit("a", 0, 12, 9_000), visit("b", 0, 12, 2_000), visit("c", 2, 12, 2_000)]
    day = course(visits, prices=(300_000,) * 6 + (10_000,) * 6, limit_w=9_000, faults=(fault,))
    watched, run = _watch(day)
    assert "draws 8000 W, was told" in _texts(watched)["a"]
    assert [report.time_s for report in run.reports if "limit" in report.text] in ([], [at(0)])
    assert run.schedule.net_wh[1:].max() <= 9_000 // 4


def test_who_takes_less_than_told_leaves_its_room_to_others_and_is_asked_again() -> None:
    fault = Fault(session="weak", from_s=at(0), to_s=at(6), most_w=PowerW(2_000))
    visits = [visit("weak", 0, 12, 9_000), visit("b", 0, 12, 16_000)]
    watched, run = _watch(course(visits, limit_w=10_000, faults=(fault,)))
    assert "is planned with what it draws" in _texts(watched)["weak"]
    weak, other = (run.schedule.import_wh[i * 12 : (i + 1) * 12] for i in range(2))
    assert weak.sum() + other.sum() == 25_000
    assert weak[:6].tolist() == [500] * 6


def test_a_refusing_vehicle_gets_nothing_and_costs_the_others_nothing() -> None:
    fault = Fault(session="refuses", from_s=at(0), to_s=at(12), most_w=PowerW(0))
    visits = [visit("refuses", 0, 12, 9_000), visit("b", 0, 12, 20_000)]
    watched, run = _watch(course(visits, limit_w=9_000, faults=(fault,)))
    assert "draws 0 W" in _texts(watched)["refuses"]
    assert run.schedule.charged_wh.tolist() == [0, 20_000]


def test_a_limit_below_what_flows_brings_set_points_down_at_once() -> None:
    visits = [visit("a", 0, 12, 9_000), visit("b", 0, 5, 9_000)]
    watched, run = _watch(course(visits, limit_w=[16_000, 16_000] + [5_000] * 10))
    assert _texts(watched)[""].startswith("16000 W flow, the limit is 5000 W now")
    assert run.reports == ()
    assert run.schedule.net_wh[2:].max() <= 1_250


def test_a_limit_of_zero_stops_everybody() -> None:
    _, run = _watch(course([visit("a", 0, 12, 9_000)], limit_w=[8_000, 0, 0, 8_000] + [8_000] * 8))
    assert run.schedule.import_wh[1:3].tolist() == [0, 0]
    assert run.schedule.charged_wh.tolist() == [9_000]


def test_missing_prices_are_reported_and_least_laxity_first_decides() -> None:
    day = course([visit("a", 0, 6, 5_000)])
    watched = Watched(_Blind())
    run = simulate(day, watched)
    assert "no plan (import prices: 0 values" in _texts(watched)[""]
    assert run.schedule.import_wh.tolist() == simulate(day, least_laxity()).schedule.import_wh.tolist()


@pytest.mark.parametrize("least", [0, 1_400])
@settings(max_examples=40, deadline=None)
@given(
    powers=st.dictionaries(st.sampled_from(["a", "b", "c", "x"]), st.integers(-50_000, 50_000)),
    limit=st.integers(0, 20_000),
)
def test_whatever_a_policy_says_limits_hold(least: int, powers: dict[str, int], limit: int) -> None:
    visits = [visit(name, 0, 6, 90_000, least_power_w=PowerW(least)) for name in "abc"]
    run = simulate(course(visits, limit_w=limit), Watched(Fixed(**powers)))
    assert not any(report.session == "" for report in run.reports)
    steps = run.schedule.import_wh[run.schedule.import_wh > 0]
    assert all(step >= least // 4 for step in steps.tolist())


def test_early_leavers_and_overstayers_stop_nothing() -> None:
    visits = [visit("early", 0, 2, 9_000, told=8), visit("late", 0, 10, 9_000, told=3), visit("b", 0, 6, 4_000)]
    watched, run = _watch(course(visits, limit_w=12_000))
    assert watched.reports == []
    assert {report.session for report in run.reports} >= {"early", "late"}
    assert run.schedule.charged_wh.tolist()[1:] == [9_000, 4_000]


class _Blind:
    """The planner, of which the prices are kept."""

    name = "blind"

    def __init__(self) -> None:
        self._planner = Planner(TUNING)

    def powers(self, moment: Moment) -> Mapping[str, int]:
        return self._planner.powers(replace(moment, import_micro_per_kwh=()))
