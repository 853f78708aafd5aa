"""Case B: Caltech, March 2019, in 5-minute periods: our online planner against every algorithm of acnportal 0.3.3.

Recorded sessions (ACN-Data, as ACN-Sim's published comparison uses them), a real tariff, 50 kW at most: in acnportal's
own model of the garage, whose three phases are unbalanced, or for the sum of all currents alone. All arms know the true
departures, as acnportal's do; none knows who comes next. Our planner decides every 5 minutes; what its vehicles took is
then played as pilot signals through acnportal's own simulator, and only what that says counts: energy, load, limits of
the network. All loads are billed by one function, as one billing period, with the highest 5 minutes as its peak. The
offline optimum knows the limit on the sum alone. Money is micro-USD where names say micro.
"""

import argparse
import cmath
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.charging_data import CALTECH_MARCH, TOU_EV_4, content, data_file, digest
from bench.charging_sessions import CALTECH_PERIOD_S, CALTECH_START, ChargingSession, local_midnight_s, read_events
from bench.charging_tariff import read_tariff
from bench.peers.acnportal_arms import ALGORITHMS, VOLTAGE_V, Arm, Garage, Network, network, play, run_arm
from domain.schedule.baselines import laxity_s, wanted_w
from domain.schedule.moment import Moment, Policy
from domain.schedule.optimum import optimum
from domain.schedule.plan import Schedule
from domain.schedule.planner import Planner
from domain.schedule.problem import DemandCharge, Prices, Site, Slots, Vehicle, constant
from domain.schedule.simulation import Course, Visit, simulate
from domain.units import MICRO_PER_EURO, SECONDS_PER_HOUR, WH_PER_KWH, PowerW

TRANSFORMER_W = PowerW(50_000)
ROUNDING_WH_PER_SESSION = 1
"""Ours are whole Wh."""


def garage_of_march(network_kind: Literal["caltech", "sum"]) -> Garage:
    """What every arm is given. ChargingDataMissing, ChargingDataInvalid."""
    recording, tariff_file = read_events(data_file(CALTECH_MARCH)), data_file(TOU_EV_4)
    return Garage(
        recording=recording,
        start_s=local_midnight_s(CALTECH_START, recording.zone),
        period_s=CALTECH_PERIOD_S,
        transformer_w=TRANSFORMER_W,
        tariff=read_tariff(tariff_file),
        tariff_document=json.loads(content(tariff_file)),
        network=network_kind,
    )


def course_of(garage: Garage) -> Course:
    """The same as a course of our simulation, the transformer's rating as its limit; `WithinNetwork` knows the rest."""
    sessions = garage.recording.sessions
    periods = max(garage.period(session.departure_s) for session in sessions)
    slots = Slots.even(garage.start_s, garage.period_s, periods)
    demand = DemandCharge(
        price_micro_per_kw=garage.tariff.demand_micro_per_kw(garage.start_s),
        from_slot=0,
        to_slot=periods,
        interval_s=garage.period_s,
    )
    return Course(
        slots=slots,
        visits=tuple(Visit(vehicle=_vehicle(s), declared_s=s.declared_departure_s) for s in sessions),
        prices=Prices(
            import_micro_per_kwh=tuple(garage.tariff.prices(garage.start_s, periods, garage.period_s)),
            demands=(demand,),
        ),
        site=Site(import_limit_w=constant(garage.transformer_w, slots)),
    )


def _vehicle(session: ChargingSession) -> Vehicle:
    return Vehicle(
        session=session.session_id,
        arrival_s=session.arrival_s,
        departure_s=session.departure_s,
        need_wh=session.energy_wh,
        power_w=session.power_w,
    )


@dataclass
class WithinNetwork:
    """A policy whose set-points are cut where currents would exceed a limit of the network; `cuts` counts the slots.

    Where they do not fit, those with the least laxity keep theirs, and each other one takes what is left.
    """

    policy: Policy
    phasors: Mapping[str, tuple[complex, ...]]
    """Of each session: what 1 W of it puts on each limit, A."""
    limits_a: tuple[float, ...]
    cuts: int = field(default=0)

    @classmethod
    def of(cls, policy: Policy, garage: Garage, site: Network) -> "WithinNetwork":
        at_station = {
            station: tuple(
                limit.coefficients[n] * cmath.rect(1 / VOLTAGE_V, math.radians(angle)) for limit in site.limits
            )
            for n, (station, angle) in enumerate(zip(site.stations, site.phase_degrees, strict=True))
        }
        return cls(
            policy,
            {session.session_id: at_station[session.station] for session in garage.recording.sessions},
            tuple(limit.limit_a for limit in site.limits),
        )

    @property
    def name(self) -> str:
        return self.policy.name

    def powers(self, moment: Moment) -> Mapping[str, int]:
        powers = self.policy.powers(moment)
        drawn = [0j] * len(self.limits_a)
        for session, power_w in powers.items():
            drawn = [sum_a + power_w * part for sum_a, part in zip(drawn, self.phasors[session], strict=True)]
        if all(abs(sum_a) <= limit_a for sum_a, limit_a in zip(drawn, self.limits_a, strict=True)):
            return powers
        self.cuts += 1
        return self._cut(powers, sorted(moment.vehicles, key=lambda vehicle: laxity_s(vehicle, moment.now_s)), moment)

    def _cut(self, powers: Mapping[str, int], vehicles: Sequence[Vehicle], moment: Moment) -> Mapping[str, int]:
        """First what was planned, then what that leaves of the planned sum for whoever can still use it."""
        drawn = [0j] * len(self.limits_a)
        found = dict.fromkeys((vehicle.session for vehicle in vehicles), 0)
        left_w = sum(powers.values())
        for wanted in (powers, {vehicle.session: wanted_w(vehicle, moment) for vehicle in vehicles}):
            for session in found:
                parts = self.phasors[session]
                room = zip(drawn, parts, self.limits_a, strict=True)
                fits_w = min(most_w(sum_a, part, limit_a) for sum_a, part, limit_a in room if part)
                more_w = max(0, min(wanted.get(session, 0) - found[session], left_w, fits_w))
                found[session], left_w = found[session] + more_w, left_w - more_w
                drawn = [sum_a + more_w * part for sum_a, part in zip(drawn, parts, strict=True)]
        return found


def most_w(drawn_a: complex, part: complex, limit_a: float) -> int:
    """The greatest whole p >= 0 for which |drawn + p · part| stays within the limit."""
    square, along = abs(part) ** 2, (drawn_a.conjugate() * part).real
    inside = along**2 - square * (abs(drawn_a) ** 2 - limit_a**2)
    return max(0, math.floor((math.sqrt(max(0.0, inside)) - along) / square))


def signals(schedule: Schedule, garage: Garage) -> dict[str, list[float]]:
    """The pilot signals that give what a schedule gives, A by station and period."""
    columns = schedule.columns
    station_of = {session.session_id: session.station for session in garage.recording.sessions}
    stations = [station_of[vehicle.session] for vehicle in columns.problem.vehicles]
    rows = {station: [0.0] * len(columns.problem.slots) for station in stations}
    for vehicle, slot, wh in zip(
        columns.vehicle.tolist(), columns.slot.tolist(), schedule.import_wh.tolist(), strict=True
    ):
        rows[stations[vehicle]][slot] += wh * SECONDS_PER_HOUR / (garage.period_s * VOLTAGE_V)
    return rows


def measure(
    say: Callable[[str], None], network_kind: Literal["caltech", "sum"], algorithms: Sequence[str] = ALGORITHMS
) -> dict[str, Any]:
    """The table of case B, and what the issue asks of it."""
    garage = garage_of_march(network_kind)
    site = network(garage, say)
    course = course_of(garage)
    peers = []
    for name in algorithms:
        say(f"acnportal: {name}")
        peers.append(run_arm(garage, name, say))
    say("ours")
    planner = Planner()
    policy = WithinNetwork.of(planner, garage, site)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    run = simulate(course, policy)
    took_s, took_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    ours = play(garage, signals(run.schedule, garage), say)
    say("offline optimum")
    began_s = time.perf_counter()
    best = optimum(course.problem())
    best_s = time.perf_counter() - began_s
    best_arm = play(garage, signals(best, garage), say)
    edf = next((arm for arm in peers if arm.name == "edf"), None)
    return {
        "network": garage.network,
        "inputs_sha256": garage.inputs_sha256(),
        "sessions_sha256": garage.recording.sha256,
        "tariff_sha256": digest(data_file(TOU_EV_4)),
        "sessions": len(garage.recording.sessions),
        "transformer_kw": garage.transformer_w / 1_000,
        "beats_every_acnportal_arm": all(beats(ours, arm, garage) for arm in peers),
        "speedup_vs_edf": round(edf.seconds / took_s, 1) if edf else None,
        "speedup_vs_edf_cpu": round(edf.cpu_seconds / took_cpu_s, 1) if edf else None,
        "bill_ratio_to_optimum_of_the_sum": round(ours.bill.total_micro / best_arm.bill.total_micro, 4),
        "replans": planner.replans,
        "fallbacks": planner.fallbacks,
        "cuts_at_network_limits": policy.cuts,
        "arms": [
            *(row(arm, arm.name, arm.seconds, arm.cpu_seconds) for arm in peers),
            row(ours, "ours, online", took_s, took_cpu_s),
            row(best_arm, "offline optimum of the sum", best_s, best_s),
        ],
    }


def beats(ours: Arm, arm: Arm, garage: Garage) -> bool:
    """Less peak, a lower bill, no less energy but for rounding, and within the network's limits."""
    rounding_wh = ROUNDING_WH_PER_SESSION * len(garage.recording.sessions)
    return (
        ours.peak_w < arm.peak_w
        and ours.bill.total_micro < arm.bill.total_micro
        and ours.delivered_wh + rounding_wh >= arm.delivered_wh
        and ours.violated_periods == 0
        and ours.inputs_sha256 == arm.inputs_sha256
    )


def row(arm: Arm, name: str, seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """One line of the table. Money in USD."""
    return {
        "arm": name,
        "delivered_percent": round(100 * arm.delivered_share, 2),
        "delivered_kwh": round(arm.delivered_wh / WH_PER_KWH, 1),
        "unfinished": arm.unfinished_sessions,
        "peak_kw": round(arm.peak_w / 1_000, 2),
        "peak_15min_kw": round(arm.peak_15min_w / 1_000, 2),
        "energy_usd": round(arm.bill.energy_micro / MICRO_PER_EURO, 2),
        "demand_usd": round(arm.bill.demand_micro / MICRO_PER_EURO, 2),
        "bill_usd": round(arm.bill.total_micro / MICRO_PER_EURO, 2),
        "acnportal_energy_usd": round(arm.own_energy_micro / MICRO_PER_EURO, 2),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "violated_periods": arm.violated_periods,
    }


def main() -> None:
    """Runs the case; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    parser.add_argument("--algorithms", nargs="*", choices=ALGORITHMS, default=list(ALGORITHMS))
    parser.add_argument("--network", choices=("sum", "caltech"), default="caltech", help="what limits the stations")
    arguments = parser.parse_args()
    say = _silent if arguments.json else _to_stderr
    figures = measure(say, arguments.network, arguments.algorithms)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if not arguments.json:
        for line in figures["arms"]:
            sys.stdout.write("  ".join(f"{name} {value}" for name, value in line.items()) + "\n")
    sys.stdout.write(json.dumps({"benchmark": "schedule_caltech", "machine": machine, "b": figures}) + "\n")


def _silent(_: str) -> None:
    pass


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
