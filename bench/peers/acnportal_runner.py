"""Runs acnportal's simulator once. A plain script for the environment that has acnportal: it imports nothing of ours.

acnportal_runner.py INPUTS --algorithm NAME [--rates FILE]    simulates, and prints one JSON line
acnportal_runner.py INPUTS --network                          prints the network's stations and limits as one JSON line

INPUTS is JSON: start_s, zone, period_s, voltage_v, transformer_w, network, tariff (a document) and sessions, each
with session_id, station, arrival_period, departure_period, energy_wh and power_w. The network `caltech` is acnportal's
own model of Caltech's garage, `caltech_acn(basic_evse=True)`: 54 stations between two of three lines each, two pods of
80 A, and a transformer with limits on its primary and secondary side. `sum` is its `simple_acn`: the same stations
behind one limit on the sum of their currents. `playback` plays the amperes of an .npz file (stations:
names; amperes: one row for each station, one column for each period) through the same simulator.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

warnings.simplefilter("ignore")  # of setuptools on import, and of each schedule that is not feasible, counted below

from acnportal import acnsim, algorithms  # noqa: E402
from acnportal.acnsim import analysis  # noqa: E402
from acnportal.signals.tariffs import TimeOfUseTariff  # noqa: E402

LONG_MEAN_S = 900
ROUND_ROBIN_STEP_A = 1.0
"""Its default of 0.1 A takes more than a quarter of an hour for Caltech's March."""
FINISHED_WITHIN_KWH = 0.1
"""The threshold of acnportal's own `proportion_of_demands_met`."""


class Playback(algorithms.BaseAlgorithm):  # type: ignore[misc]  # acnportal has no types
    """Sends the pilot signals that it was given; zero after the last."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.max_recompute = 1
        with np.load(file, allow_pickle=False) as held:
            self.rows = dict(zip(held["stations"].tolist(), held["amperes"].tolist(), strict=True))

    def schedule(self, active_sessions: list[Any]) -> dict[str, list[float]]:
        now = self.interface.current_time
        present = {session.station_id for session in active_sessions}
        return {
            station: [row[now] if station in present and now < len(row) else 0.0] for station, row in self.rows.items()
        }


ALGORITHMS = {
    "uncontrolled": algorithms.UncontrolledCharging,
    "fcfs": lambda: algorithms.SortedSchedulingAlgo(algorithms.first_come_first_served),
    "edf": lambda: algorithms.SortedSchedulingAlgo(algorithms.earliest_deadline_first),
    "llf": lambda: algorithms.SortedSchedulingAlgo(algorithms.least_laxity_first),
    "round_robin": lambda: algorithms.RoundRobin(algorithms.first_come_first_served, continuous_inc=ROUND_ROBIN_STEP_A),
}


def simulate(inputs: dict[str, Any], algorithm: Any) -> dict[str, Any]:
    """All figures of one run; only the simulation itself is timed."""
    network, events = network_of(inputs), events_of(inputs)
    start = datetime.fromtimestamp(inputs["start_s"], ZoneInfo(inputs["zone"]))
    minutes = inputs["period_s"] / 60
    signals = {"tariff": tariff_of(inputs["tariff"])}
    simulator = acnsim.Simulator(network, algorithm, events, start, period=minutes, signals=signals, verbose=False)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    simulator.run()
    took_s, took_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    power_kw = analysis.aggregate_power(simulator)
    vehicles = simulator.ev_history.values()
    return {
        "seconds": took_s,
        "cpu_seconds": took_cpu_s,
        "algorithm_seconds": sum(stat["solve_time"] for stat in algorithm.solve_stats),
        "algorithm_calls": len(algorithm.solve_stats),
        "requested_wh": 1_000 * analysis.total_energy_requested(simulator),
        "delivered_wh": 1_000 * analysis.total_energy_delivered(simulator),
        "unfinished_sessions": int(sum(vehicle.remaining_demand >= FINISHED_WITHIN_KWH for vehicle in vehicles)),
        "peak_w": 1_000 * float(power_kw.max()),
        "peak_15min_w": 1_000 * long_peak(power_kw, LONG_MEAN_S // inputs["period_s"]),
        "energy_cost_usd": float(analysis.energy_cost(simulator)),
        "demand_cost_usd": float(analysis.demand_charge(simulator)),
        **violations(network, simulator.pilot_signals),
        "power_w": [round(1_000 * kw) for kw in power_kw.tolist()],
    }


def network_of(inputs: dict[str, Any]) -> Any:
    kw, volts = inputs["transformer_w"] / 1_000, inputs["voltage_v"]
    garage = acnsim.sites.caltech_acn(basic_evse=True, voltage=volts, transformer_cap=kw)
    if inputs["network"] == "sum":
        return acnsim.sites.simple_acn(garage.station_ids, voltage=volts, aggregate_cap=kw)
    return garage


def events_of(inputs: dict[str, Any]) -> Any:
    """A plug-in event for each session; the battery takes what the session needs, at constant power."""
    return acnsim.EventQueue([acnsim.PluginEvent(s["arrival_period"], vehicle(s)) for s in inputs["sessions"]])


def vehicle(session: dict[str, Any]) -> Any:
    kwh = session["energy_wh"] / 1_000
    battery = acnsim.Battery(kwh, 0, session["power_w"] / 1_000)
    stay = session["arrival_period"], session["departure_period"]
    return acnsim.EV(*stay, kwh, session["station"], session["session_id"], battery)


def tariff_of(document: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tariff.json").write_text(json.dumps(document))
        return TimeOfUseTariff("tariff", tariff_dir=folder)


def long_peak(power_kw: Any, periods: int) -> float:
    """The highest mean over so many periods, counted from the start."""
    padded = np.append(power_kw, np.zeros(-len(power_kw) % periods))
    return float(padded.reshape(-1, periods).mean(axis=1).max())


def violations(network: Any, pilots_a: Any) -> dict[str, Any]:
    """In how many periods the pilot signals exceed a limit of the network, and by how much at most."""
    slack_a = np.maximum(network.violation_tolerance, network.relative_tolerance * network.magnitudes)
    excess_a = np.abs(network.constraint_current(pilots_a)) - network.magnitudes[:, None]
    broken = excess_a > slack_a[:, None]
    return {
        "violated_periods": int(broken.any(axis=0).sum()),
        "violated_limits": [network.constraint_index[row] for row in np.flatnonzero(broken.any(axis=1))],
        "worst_excess_a": max(0.0, float(excess_a.max())),
    }


def described(network: Any) -> dict[str, Any]:
    """Stations with their phase angle, and each limit on |sum of coefficient x current phasor|."""
    rows = zip(network.constraint_index, network.magnitudes.tolist(), network.constraint_matrix.tolist(), strict=True)
    return {
        "stations": network.station_ids,
        "phase_degrees": list(network.phase_angles.values()),
        "limits": [{"name": name, "limit_a": limit, "coefficients": row} for name, limit, row in rows],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", type=Path)
    parser.add_argument("--algorithm", choices=(*ALGORITHMS, "playback"))
    parser.add_argument("--rates", type=Path, help="the .npz file for playback")
    parser.add_argument("--network", action="store_true")
    arguments = parser.parse_args()
    raw = arguments.inputs.read_bytes()
    inputs = json.loads(raw)
    if arguments.network:
        answer = described(network_of(inputs))
    elif arguments.algorithm == "playback":
        answer = simulate(inputs, Playback(arguments.rates))
    elif arguments.algorithm:
        answer = simulate(inputs, ALGORITHMS[arguments.algorithm]())
    else:
        parser.error("--algorithm or --network is needed")
    sys.stdout.write(json.dumps(answer | {"inputs_sha256": hashlib.sha256(raw).hexdigest()}) + "\n")


if __name__ == "__main__":
    main()
