"""acnportal itself, in its own environment: its algorithms and our schedules go through the same simulator."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bench.charging_sessions import ChargingSession, Corrections, Recording, local_midnight_s
from bench.charging_tariff import read_tariff
from bench.peers.acnportal_arms import ALGORITHMS, Arm, ArmFailed, Garage, Network, network, play, run_arm
from bench.peers.environment import BUILD_LIMIT_S
from bench.schedule_caltech import circuits_of, course_of, signals
from domain.schedule.keeper import Keeper
from domain.schedule.simulation import simulate
from domain.units import EnergyWh, PowerW, UnixSeconds

pytestmark = [pytest.mark.services, pytest.mark.timeout(BUILD_LIMIT_S + 120)]

PERIOD_S, PERIODS = 300, 144
ZONE = ZoneInfo("America/Los_Angeles")
START_S = local_midnight_s(date(2019, 3, 4), ZONE)
EIGHT = 8 * 12
"""The period at which the dear hours begin."""
STAYS = (
    ("CA-308", EIGHT, EIGHT + 24, 8_000),
    ("CA-304", EIGHT, EIGHT + 36, 12_000),
    ("CA-307", EIGHT + 6, EIGHT + 36, 10_000),
    ("CA-324", EIGHT + 6, EIGHT + 12, 3_000),
    ("CA-324", EIGHT + 12, EIGHT + 48, 9_000),
    ("CA-322", EIGHT + 2, EIGHT + 3, 5_000),
)
"""Station, arrival, departure, need; the last one needs more than its five minutes give."""
UNMET_WH = 5_000 - 6_600 // 12


def say(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def garage(tmp_path_factory: pytest.TempPathFactory) -> Garage:
    days = {"effective_start": "01-01", "effective_end": "12-31", "dow_mask": "ALL", "demand_charge": 15}
    document = {
        "name": "made up",
        "effective": "2019-03-01",
        "schedule": [days | {"id": "all", "times": [0, 8], "tariffs": [0.05, 0.2]}],
    }
    path = tmp_path_factory.mktemp("tariff") / "tariff.json"
    path.write_text(json.dumps(document))
    sessions = tuple(
        ChargingSession(
            session_id=f"s{number}",
            station=station,
            arrival_s=UnixSeconds(START_S + arrival * PERIOD_S),
            departure_s=UnixSeconds(START_S + departure * PERIOD_S),
            declared_departure_s=UnixSeconds(START_S + departure * PERIOD_S),
            energy_wh=EnergyWh(need_wh),
            requested_wh=EnergyWh(need_wh),
            power_w=PowerW(6_600),
        )
        for number, (station, arrival, departure, need_wh) in enumerate(STAYS)
    )
    return Garage(
        recording=Recording(sessions=sessions, zone=ZONE, sha256="", corrections=Corrections()),
        start_s=START_S,
        period_s=PERIOD_S,
        transformer_w=PowerW(10_000),
        tariff=read_tariff(path),
        tariff_document=document,
    )


@pytest.fixture(scope="module")
def arms(garage: Garage) -> dict[str, Arm]:
    return {name: run_arm(garage, name, say) for name in ALGORITHMS}


@pytest.fixture(scope="module")
def caltech(garage: Garage) -> Network:
    return network(garage, say)


def check(arm: Arm, garage: Garage) -> None:
    """What holds for whatever an arm does: its bill and figures are those of its load."""
    assert arm.inputs_sha256 == garage.inputs_sha256()
    assert arm.requested_wh == sum(need_wh for *_, need_wh in STAYS)
    assert arm.delivered_wh <= arm.requested_wh - UNMET_WH
    assert sum(arm.power_w) * PERIOD_S / 3_600 == pytest.approx(arm.delivered_wh, abs=PERIODS)
    assert arm.peak_w == max(arm.power_w) == arm.bill.peak_w
    assert arm.peak_15min_w <= arm.peak_w
    assert arm.bill.energy_micro == pytest.approx(arm.delivered_wh * 200, rel=1e-3)
    assert arm.bill.energy_micro == pytest.approx(arm.own_energy_micro, rel=1e-3)
    assert arm.bill.demand_micro == pytest.approx(arm.own_demand_micro, rel=1e-3) == arm.peak_w * 15_000
    assert arm.algorithm_calls == len(arm.power_w) == PERIODS + 1
    assert 0 < arm.seconds < 60


def test_uncontrolled_charging_delivers_all_that_stays_allow_and_breaks_the_limits(
    arms: dict[str, Arm], garage: Garage
) -> None:
    arm = arms["uncontrolled"]
    check(arm, garage)
    assert arm.delivered_wh == arm.requested_wh - UNMET_WH
    assert arm.peak_w == 4 * 6_600
    assert arm.unfinished_sessions == 1
    assert arm.violated_periods > 0
    assert arm.worst_excess_a > 1


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "uncontrolled"])
def test_other_algorithms_keep_the_limits(name: str, arms: dict[str, Arm], garage: Garage) -> None:
    arm = arms[name]
    check(arm, garage)
    assert arm.violated_periods == 0
    assert not arm.violated_limits
    assert arm.peak_w < arms["uncontrolled"].peak_w


def test_where_only_the_sum_counts_as_much_flows_as_the_limit_lets_through(garage: Garage) -> None:
    arm = run_arm(replace(garage, network="sum"), "edf", say)
    assert 9_900 < arm.peak_w <= garage.transformer_w
    assert arm.violated_periods == 0
    assert arm.inputs_sha256 != garage.inputs_sha256()


def test_schedule_made_by_hand_is_played_as_it_is(garage: Garage) -> None:
    rows = {station: [0.0] * PERIODS for station, *_ in STAYS}
    rows["CA-308"][EIGHT + 3 : EIGHT + 6] = [16.0] * 3
    rows["CA-304"][EIGHT + 30] = 8.0
    arm = play(garage, rows, say)
    watts = [0] * len(arm.power_w)
    watts[EIGHT + 3 : EIGHT + 6] = [16 * 208] * 3
    watts[EIGHT + 30] = 8 * 208
    assert list(arm.power_w) == watts
    assert arm.delivered_wh == round((3 * 16 + 8) * 208 / 12)
    assert arm.violated_periods == 0
    assert arm.unfinished_sessions == len(STAYS)


def test_playing_full_power_is_uncontrolled_charging(garage: Garage, arms: dict[str, Arm]) -> None:
    played = play(garage, {station: [32.0] * PERIODS for station, *_ in STAYS}, say)
    assert played.power_w == arms["uncontrolled"].power_w
    assert played.violated_periods > 0


def test_schedule_for_a_station_that_is_not_there_is_reported(garage: Garage) -> None:
    with pytest.raises(ArmFailed, match="CA-0"):
        play(garage, {"CA-0": [0.0] * PERIODS}, say)


def test_arm_that_takes_longer_than_it_may_is_reported(garage: Garage) -> None:
    with pytest.raises(ArmFailed, match="took more than"):
        run_arm(garage, "edf", say, limit_s=0.01)


def test_limits_of_the_network_are_told_as_they_are_kept(garage: Garage, caltech: Network, tmp_path: Path) -> None:
    assert (len(caltech.stations), len(caltech.limits)) == (54, 8)
    amperes = np.zeros((54, PERIODS))
    for station, *_ in STAYS:
        amperes[caltech.stations.index(station), EIGHT + 8] = 32.0
    excess_a = caltech.excess_a(amperes)
    played = play(garage, dict(zip(caltech.stations, amperes.tolist(), strict=True)), say)
    over = {limit.name for limit, row in zip(caltech.limits, excess_a, strict=True) if row.max() > 1e-5}
    assert played.violated_periods == 1
    assert over >= set(played.violated_limits) > set()


def test_kept_plan_breaks_no_limit_and_serves_no_worse_than_least_laxity(
    garage: Garage, arms: dict[str, Arm], caltech: Network
) -> None:
    course = course_of(garage, circuits_of(caltech, garage.transformer_w))
    played = play(garage, signals(simulate(course, Keeper()).schedule, garage), say)
    assert played.violated_periods == 0
    assert played.delivered_wh >= arms["llf"].delivered_wh - len(STAYS)
    assert played.peak_w <= garage.transformer_w
