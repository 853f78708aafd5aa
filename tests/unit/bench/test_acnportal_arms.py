"""What acnportal's arms are given and what is made of their answers; the simulator itself runs in tests/services."""

import json
import stat
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bench.charging_sessions import ChargingSession, Corrections, Recording, local_midnight_s
from bench.charging_tariff import Bill, read_tariff
from bench.peers import acnportal_arms, environment
from bench.peers.acnportal_arms import ArmFailed, Garage, Limit, Network, arm_of, parsed_answer, play, run_arm
from bench.peers.environment import PeerEnvironmentFailed, python_of
from domain.units import EnergyWh, MoneyMicro, PowerW, UnixSeconds

ZONE = ZoneInfo("America/Los_Angeles")
START_S = local_midnight_s(date(2019, 3, 8), ZONE)
DOCUMENT = {
    "name": "made up",
    "schedule": [
        {
            "id": "all",
            "effective_start": "01-01",
            "effective_end": "12-31",
            "dow_mask": "ALL",
            "times": [0],
            "tariffs": [0.1],
            "demand_charge": 10,
        }
    ],
}
ANSWER = {
    "seconds": 1.5,
    "cpu_seconds": 1.25,
    "algorithm_seconds": 0.5,
    "algorithm_calls": 3,
    "requested_wh": 1000.4,
    "delivered_wh": 999.5,
    "unfinished_sessions": 1,
    "peak_w": 6600.4,
    "peak_15min_w": 2200.0,
    "energy_cost_usd": 0.1,
    "demand_cost_usd": 66.004,
    "violated_periods": 0,
    "violated_limits": [],
    "worst_excess_a": 0.0,
    "power_w": [6600, 0, 0],
    "inputs_sha256": "ab",
}


def say(_: str) -> None:
    pass


def session(arrival_s: int, departure_s: int) -> ChargingSession:
    return ChargingSession(
        session_id="s1",
        station="CA-1",
        arrival_s=UnixSeconds(START_S + arrival_s),
        departure_s=UnixSeconds(START_S + departure_s),
        declared_departure_s=UnixSeconds(START_S + departure_s),
        energy_wh=EnergyWh(1_000),
        requested_wh=EnergyWh(1_000),
        power_w=PowerW(6_600),
    )


def garage(folder: Path, *sessions: ChargingSession) -> Garage:
    path = folder / "tariff.json"
    path.write_text(json.dumps(DOCUMENT))
    return Garage(
        recording=Recording(sessions=sessions, zone=ZONE, sha256="", corrections=Corrections()),
        start_s=START_S,
        period_s=300,
        transformer_w=PowerW(50_000),
        tariff=read_tariff(path),
        tariff_document=DOCUMENT,
    )


def bill(power_w: Any) -> Bill:
    return Bill(energy_micro=MoneyMicro(sum(power_w)), demand_micro=MoneyMicro(1), peak_w=PowerW(max(power_w)))


# --- what the arms are given -------------------------------------------------------------------


def test_sessions_are_given_in_whole_periods(tmp_path: Path) -> None:
    given = json.loads(garage(tmp_path, session(600, 1_500)).inputs())
    (stay,) = given["sessions"]
    assert (stay["arrival_period"], stay["departure_period"], stay["energy_wh"]) == (2, 5, 1_000)
    assert (given["start_s"], given["zone"], given["transformer_w"]) == (START_S, "America/Los_Angeles", 50_000)
    assert given["tariff"] == DOCUMENT


@pytest.mark.parametrize("stay", [(601, 1_500), (600, 1_499), (-300, 600)])
def test_session_that_does_not_fit_into_periods_is_refused(stay: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no beginning of a period"):
        garage(tmp_path, session(*stay)).inputs()


def test_digest_names_the_inputs(tmp_path: Path) -> None:
    one, same, other = (garage(tmp_path, session(600, end)) for end in (1_500, 1_500, 1_800))
    assert one.inputs_sha256() == same.inputs_sha256() != other.inputs_sha256()


def test_pilot_signals_of_different_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        play(garage(tmp_path, session(0, 300)), {"CA-1": [1.0], "CA-2": [1.0, 2.0]}, say)


# --- what they answer --------------------------------------------------------------------------


def test_answer_becomes_an_arm_in_whole_units() -> None:
    arm = arm_of("edf", ANSWER, bill)
    assert (arm.requested_wh, arm.delivered_wh, arm.peak_w) == (1_000, 1_000, 6_600)
    assert (arm.own_energy_micro, arm.own_demand_micro) == (100_000, 66_004_000)
    assert arm.bill == bill([6_600, 0, 0])
    assert arm.delivered_share == 1


@pytest.mark.parametrize("name", ANSWER)
def test_answer_without_one_of_its_fields_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        arm_of("edf", {key: value for key, value in ANSWER.items() if key != name}, bill)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cannot be read"),
        ("Traceback", "cannot be read"),
        ("[]", "not about the inputs"),
        ('{"inputs_sha256": "other"}', "not about the inputs"),
        ('{"inputs_sha256": "ab", "peak_w": NaN}', "cannot be read"),
    ],
)
def test_answer_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ArmFailed, match=reason):
        parsed_answer("edf", text, "ab")


def test_answer_about_the_same_inputs_is_taken() -> None:
    assert parsed_answer("edf", json.dumps(ANSWER), "ab") == ANSWER


def program(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("text", "reason"),
    [("echo out of memory >&2; exit 3", "out of memory"), ("exit 3", "status 3"), ("echo {}", "inputs")],
)
def test_arm_that_does_not_run_through_is_reported(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = program(tmp_path, text)
    monkeypatch.setattr(acnportal_arms, "python_of", lambda *_: runs)
    with pytest.raises(ArmFailed, match=reason):
        run_arm(garage(tmp_path, session(0, 300)), "edf", say)


def test_arm_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = program(tmp_path, "exec sleep 60")
    monkeypatch.setattr(acnportal_arms, "python_of", lambda *_: runs)
    with pytest.raises(ArmFailed, match=r"more than 0\.2 s"):
        run_arm(garage(tmp_path, session(0, 300)), "edf", say, limit_s=0.2)


# --- the environment ---------------------------------------------------------------------------


@pytest.fixture
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    return tmp_path


def test_environment_that_cannot_be_made_says_what_to_do(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "UV", program(own_root, "echo no registry >&2; exit 2"))
    with pytest.raises(PeerEnvironmentFailed, match=r"no registry; run `make setup`"):
        python_of("acnportal", say)
    assert not (own_root / ".build" / "acnportal" / "installed.txt").exists()


def test_environment_without_uv_says_what_to_do(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "UV", own_root / "nowhere")
    with pytest.raises(PeerEnvironmentFailed, match="cannot be run"):
        python_of("acnportal", say)


def test_environment_that_takes_too_long_is_given_up(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "UV", program(own_root, "exec sleep 60"))
    monkeypatch.setattr(environment, "BUILD_LIMIT_S", 0.2)
    with pytest.raises(PeerEnvironmentFailed, match=r"more than 0\.2 s"):
        python_of("acnportal", say)


def test_environment_is_made_once_and_anew_when_its_packages_change(
    own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = own_root / ".build" / "acnportal" / "bin" / "python"
    monkeypatch.setattr(environment, "UV", program(own_root, f'mkdir -p "{python.parent}" && touch "{python}"'))
    said: list[str] = []
    assert python_of("acnportal", said.append) == python
    assert python_of("acnportal", said.append) == python
    assert len(said) == 1
    (own_root / ".build" / "acnportal" / "installed.txt").write_text("other versions")
    python_of("acnportal", said.append)
    assert len(said) == 2


# --- the network -------------------------------------------------------------------------------


def test_currents_at_angles_partly_cancel() -> None:
    limit = Limit(name="line", limit_a=17.0, coefficients=(1.0, -1.0))
    network = Network(stations=("A", "B"), phase_degrees=(30.0, 150.0), limits=(limit,))
    excess_a = network.excess_a(np.array([[10.0, 0.0, 10.0], [0.0, 18.0, 10.0]]))
    assert excess_a.shape == (1, 3)
    assert excess_a[0].tolist() == pytest.approx([-7.0, 1.0, 10 * 3**0.5 - 17])
