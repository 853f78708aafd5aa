"""acnportal 0.3.3 (the simulator of Caltech's Adaptive Charging Network), run beside our planner on the same sessions.

Each arm is a process of its own, in the environment of requirements-acnportal.txt, with a time limit. Nothing is kept
from run to run. The limit on power is either a transformer in acnportal's own model of Caltech's garage, so that
currents in three unbalanced phases count, or acnportal's simple site, where the sum alone does.
"""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.charging_sessions import Recording
from bench.charging_tariff import Bill, TimeOfUse
from bench.peers.environment import python_of
from domain.errors import WattledgerError
from domain.units import MICRO_PER_EURO, EnergyWh, MoneyMicro, PowerW, UnixSeconds

RUNNER = Path(__file__).with_name("acnportal_runner.py")
ALGORITHMS = ("uncontrolled", "fcfs", "edf", "llf", "round_robin")
PLAYBACK = "playback"
VOLTAGE_V = 208
ARM_LIMIT_S = 900


class ArmFailed(WattledgerError):
    """acnportal did not run through, or its answer makes no sense."""

    def __init__(self, arm: str, reason: str) -> None:
        super().__init__(f"acnportal's {arm} failed: {reason.strip()[-600:]}")
        self.arm, self.reason = arm, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `limit_a` flow: the magnitude of the sum of coefficient × current, as phasors."""

    name: str
    limit_a: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The stations of a site in their order, at which angle each one's current flows, and the limits."""

    stations: tuple[str, ...]
    phase_degrees: tuple[float, ...]
    limits: tuple[Limit, ...]

    def excess_a(self, amperes: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """By how much the currents (stations × periods) exceed each limit (limits × periods); negative is room."""
        phasors = np.exp(1j * np.deg2rad(self.phase_degrees))[:, None] * amperes
        sums = np.array([limit.coefficients for limit in self.limits]) @ phasors
        return np.asarray(np.abs(sums) - np.array([[limit.limit_a] for limit in self.limits]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one algorithm came to. Money in micro-USD.

    `bill` is of `power_w`, priced at local time by our tariff reader, the same for every arm; `own_energy_micro` and
    `own_demand_micro` are what acnportal's own analysis says, which goes on in standard time after clocks change.
    """

    name: str
    requested_wh: EnergyWh
    delivered_wh: EnergyWh
    unfinished_sessions: int
    """They lack 100 Wh or more."""
    peak_w: PowerW
    peak_15min_w: PowerW
    bill: Bill
    own_energy_micro: MoneyMicro
    own_demand_micro: MoneyMicro
    seconds: float
    cpu_seconds: float
    algorithm_seconds: float
    algorithm_calls: int
    violated_periods: int
    violated_limits: tuple[str, ...]
    worst_excess_a: float
    power_w: tuple[PowerW, ...]
    inputs_sha256: str

    @property
    def delivered_share(self) -> float:
        return self.delivered_wh / self.requested_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class Garage:
    """What all arms are given: sessions in whole periods, the tariff, and the transformer's rating."""

    recording: Recording
    start_s: UnixSeconds
    period_s: int
    transformer_w: PowerW
    tariff: TimeOfUse
    tariff_document: Mapping[str, Any]
    network: Literal["caltech", "sum"] = "caltech"
    """The garage's three unbalanced phases, or one limit on the sum of all currents."""

    def inputs(self) -> bytes:
        """The inputs as the runner reads them. ValueError, if a session does not begin and end with a period."""
        return json.dumps(
            {
                "start_s": self.start_s,
                "zone": self.tariff.zone.key,
                "period_s": self.period_s,
                "voltage_v": VOLTAGE_V,
                "transformer_w": self.transformer_w,
                "network": self.network,
                "tariff": self.tariff_document,
                "sessions": [
                    {
                        "session_id": session.session_id,
                        "station": session.station,
                        "arrival_period": self.period(session.arrival_s),
                        "departure_period": self.period(session.departure_s),
                        "energy_wh": session.energy_wh,
                        "power_w": session.power_w,
                    }
                    for session in self.recording.sessions
                ],
            },
            sort_keys=True,
        ).encode()

    def inputs_sha256(self) -> str:
        return hashlib.sha256(self.inputs()).hexdigest()

    def period(self, time_s: UnixSeconds) -> int:
        """Number of the period that begins at this time."""
        period, rest = divmod(time_s - self.start_s, self.period_s)
        if rest or period < 0:
            raise ValueError(f"{time_s} is no beginning of a period of {self.period_s} s counted from {self.start_s}")
        return period


def run_arm(garage: Garage, name: str, say: Callable[[str], None], *, limit_s: float = ARM_LIMIT_S) -> Arm:
    """One of ALGORITHMS over the whole recording. ArmFailed, PeerEnvironmentFailed."""
    return _arm(garage, name, _answer(garage, name, ("--algorithm", name), say, limit_s))


def play(
    garage: Garage,
    amperes: Mapping[str, Sequence[float]],
    say: Callable[[str], None],
    *,
    limit_s: float = ARM_LIMIT_S,
) -> Arm:
    """Pilot signals of each station by period, in A, played through acnportal's simulator. ArmFailed."""
    periods = {len(row) for row in amperes.values()}
    if len(periods) != 1:
        raise ValueError(f"every station has a signal for each period, but they have {sorted(periods)}")
    with tempfile.TemporaryDirectory() as folder:
        rates = Path(folder) / "rates.npz"
        np.savez(rates, stations=np.array(list(amperes)), amperes=np.array(list(amperes.values()), dtype=np.float64))
        words = ("--algorithm", PLAYBACK, "--rates", str(rates))
        return _arm(garage, PLAYBACK, _answer(garage, PLAYBACK, words, say, limit_s))


def network(garage: Garage, say: Callable[[str], None]) -> Network:
    """The network that the arms run in, from acnportal itself."""
    answer = _answer(garage, "network", ("--network",), say, ARM_LIMIT_S)
    return Network(
        stations=tuple(answer["stations"]),
        phase_degrees=tuple(map(float, answer["phase_degrees"])),
        limits=tuple(
            Limit(
                name=limit["name"],
                limit_a=float(limit["limit_a"]),
                coefficients=tuple(map(float, limit["coefficients"])),
            )
            for limit in answer["limits"]
        ),
    )


def _answer(
    garage: Garage, arm: str, words: Sequence[str], say: Callable[[str], None], limit_s: float
) -> dict[str, Any]:
    """The JSON object that the runner prints; it must be about the same inputs."""
    python = python_of("acnportal", say)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.json"
        inputs.write_bytes(garage.inputs())
        try:
            done = subprocess.run(
                (python, "-P", RUNNER, inputs, *words),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ArmFailed(arm, f"it took more than {limit_s:g} s") from None
    if done.returncode:
        raise ArmFailed(arm, done.stderr or f"status {done.returncode}")
    return parsed_answer(arm, done.stdout, garage.inputs_sha256())


def parsed_answer(arm: str, text: str, inputs_sha256: str) -> dict[str, Any]:
    """The runner's one line. ArmFailed, if it is none, or about other inputs."""
    try:
        answer = json.loads(text, parse_constant=_refused)
    except ValueError as error:
        raise ArmFailed(arm, f"its answer cannot be read: {error}") from None
    if not isinstance(answer, dict) or answer.get("inputs_sha256") != inputs_sha256:
        raise ArmFailed(arm, "its answer is not about the inputs that it was given")
    return answer


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no figure")


def _arm(garage: Garage, name: str, answer: Mapping[str, Any]) -> Arm:
    try:
        return arm_of(name, answer, lambda power_w: garage.tariff.bill(power_w, garage.start_s, garage.period_s))
    except (KeyError, TypeError, ValueError) as error:
        raise ArmFailed(name, f"its answer cannot be understood: {error!r}") from None


def arm_of(name: str, answer: Mapping[str, Any], bill: Callable[[Sequence[int]], Bill]) -> Arm:
    """An answer as a value. Energy and power are rounded to whole units; KeyError, TypeError, ValueError."""
    power_w = tuple(PowerW(int(value)) for value in answer["power_w"])
    return Arm(
        name=name,
        requested_wh=EnergyWh(_rounded(answer["requested_wh"])),
        delivered_wh=EnergyWh(_rounded(answer["delivered_wh"])),
        unfinished_sessions=int(answer["unfinished_sessions"]),
        peak_w=PowerW(_rounded(answer["peak_w"])),
        peak_15min_w=PowerW(_rounded(answer["peak_15min_w"])),
        bill=bill(power_w),
        own_energy_micro=MoneyMicro(_rounded(answer["energy_cost_usd"] * MICRO_PER_EURO)),
        own_demand_micro=MoneyMicro(_rounded(answer["demand_cost_usd"] * MICRO_PER_EURO)),
        seconds=float(answer["seconds"]),
        cpu_seconds=float(answer["cpu_seconds"]),
        algorithm_seconds=float(answer["algorithm_seconds"]),
        algorithm_calls=int(answer["algorithm_calls"]),
        violated_periods=int(answer["violated_periods"]),
        violated_limits=tuple(map(str, answer["violated_limits"])),
        worst_excess_a=float(answer["worst_excess_a"]),
        power_w=power_w,
        inputs_sha256=str(answer["inputs_sha256"]),
    )


def _rounded(value: float) -> int:
    return int(Decimal(value).to_integral_value(ROUND_HALF_UP))
