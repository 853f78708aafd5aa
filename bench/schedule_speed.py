"""Case G of the charging schedules: how long a plan takes, from a problem in memory to whole Wh by vehicle and slot.

The sessions are composed: arrivals around 8:30, stays around 7 hours, needs of 13 kWh on average, four powers, over 96
quarter hours with a price of their own each, under a site limit that binds in the cheapest of them. One variant has a
demand charge beside; in another, every vehicle has a battery that gives back. Replanning is measured as a planner does
it: about 100 vehicles that are there, each at a random moment, a demand charge with the peak so far, the slot that runs
cut short; every second time it is uncertain when each leaves.

Beside each, in the same run, is the plain linear program of the same problem by HiGHS, which is also what the result
must agree with: `*_above_bound` is how much more it costs, as a part. Times are medians of the runs by the clock, and
beside them those of the processor (`cpu`): they differ where other work runs too (`load_average`, at the start).
"""

import math
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.audit import machine
from bench.figures import command_line, show
from domain.bidding.stay import Battery
from domain.schedule.check import check
from domain.schedule.columns import Columns
from domain.schedule.grid import Grid
from domain.schedule.optimum import optimum, program_value
from domain.schedule.plan import Schedule
from domain.schedule.problem import DemandCharge, Prices, Problem, Site, Slots, Vehicle
from domain.units import EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds

SEED = 20_190_710
START_S, SLOT_S, COUNT = 1_562_025_600, 900, 96
SMALL, LARGE, RUNS = 1_000, 10_000, 5
VEHICLES, REPLANS = 100, 300
POWERS_W = (3_700, 6_600, 7_400, 11_000)
DEMAND_MICRO_PER_KW = 15_510_000


def measure(
    *, small: int = SMALL, large: int = LARGE, runs: int = RUNS, replans: int = REPLANS, plain_large: bool = True
) -> dict[str, Any]:
    """The figures of case G. `plain_large` also solves the largest problem by HiGHS, which takes most of a minute."""
    figures: dict[str, Any] = {"runs": runs, "slots": COUNT, "load_average": round(os.getloadavg()[0], 1)}
    figures |= _replanning(replans)
    for name, count in (("sessions_1k", small), ("sessions_10k", large)):
        for kind, price in (("", 0), ("_demand", DEMAND_MICRO_PER_KW)):
            plain = plain_large or count == small
            figures |= _solved(f"{name}{kind}", park(count, demand_micro_per_kw=price), runs, plain=plain)
    return figures | _solved("v2g_1k", park(small, gives=True), runs, plain=True)


def park(sessions: int, *, demand_micro_per_kw: int = 0, gives: bool = False) -> Problem:
    """A day of a car park; its limit lets three quarters through of what the sessions would draw in ten hours."""
    rng = random.Random(SEED)
    slots = Slots.even(START_S, SLOT_S, COUNT)
    vehicles = tuple(_stay(rng, str(number), slots, gives=gives) for number in range(sessions))
    limit_w = sum(vehicle.need_wh for vehicle in vehicles) // 10
    prices = tuple(90_000 + int(60_000 * math.sin(slot / 8)) + rng.randrange(30_000) for slot in range(COUNT))
    demand = DemandCharge(price_micro_per_kw=demand_micro_per_kw, from_slot=0, to_slot=COUNT)
    return Problem(
        slots=slots,
        vehicles=vehicles,
        site=Site(import_limit_w=(limit_w,) * COUNT),
        prices=Prices(
            import_micro_per_kwh=prices,
            export_micro_per_kwh=tuple(price * 9 // 10 for price in prices) if gives else (),
            demands=(demand,) if demand_micro_per_kw else (),
        ),
    )


def _stay(rng: random.Random, session: str, slots: Slots, *, gives: bool) -> Vehicle:
    first = min(max(int(rng.gauss(34, 9)), 0), COUNT - 4)
    arrival_s = slots.start_s + first * SLOT_S + rng.randrange(SLOT_S)
    departure_s = min(int(slots.end_s), arrival_s + max(3, int(rng.gauss(28, 12))) * SLOT_S)
    power_w = rng.choice(POWERS_W)
    need_wh = min(int(rng.gammavariate(2, 6_500)), power_w * (departure_s - arrival_s) // 3_600)
    return Vehicle(
        session=session,
        arrival_s=UnixSeconds(arrival_s),
        departure_s=UnixSeconds(departure_s),
        need_wh=EnergyWh(need_wh),
        power_w=PowerW(power_w),
        export_power_w=PowerW(power_w if gives else 0),
        battery=_pack(rng) if gives else None,
    )


def _pack(rng: random.Random) -> Battery:
    capacity_wh = rng.choice((40_000, 60_000, 75_000))
    return Battery(
        capacity_wh=EnergyWh(capacity_wh),
        stored_wh=EnergyWh(int(rng.uniform(0.2, 0.6) * capacity_wh)),
        floor_wh=EnergyWh(capacity_wh // 5),
        efficiency_bp=8_800,
        wear_micro_per_kwh=PriceMicroPerKwh(13_000),
    )


def _solved(name: str, problem: Problem, runs: int, *, plain: bool) -> dict[str, Any]:
    times, cpu_times, plan = _timed(partial(optimum, problem), runs)
    assert not check(plan), name
    net_wh, limit_wh = plan.net_wh, Grid.of(plan.columns).most_wh
    figures: dict[str, Any] = {
        f"{name}_s": round(statistics.median(times), 4),
        f"{name}_slowest_s": round(max(times), 4),
        f"{name}_cpu_s": round(statistics.median(cpu_times), 4),
        f"{name}_vehicles": len(problem.vehicles),
        f"{name}_pairs": len(plan.columns),
        f"{name}_how": plan.how,
        f"{name}_full_slots": int((net_wh >= limit_wh - len(problem.vehicles) // 100).sum()),
        f"{name}_delivered": round(float(plan.charged_wh.sum() / plan.columns.possible_wh.sum()), 6),
    }
    if plain:
        begun, cpu_begun = time.perf_counter(), time.process_time()
        bound = program_value(Columns.of(problem), at_once=True)
        figures[f"{name}_highs_s"] = round(time.perf_counter() - begun, 3)
        figures[f"{name}_highs_cpu_s"] = round(time.process_time() - cpu_begun, 3)
        if problem.vehicles[0].battery is None:
            figures[f"{name}_above_bound"] = (_value(plan) - bound) / abs(bound)
    return figures


def _value(plan: Schedule) -> float:
    """What the linear program minimises, of a plan that only charges."""
    grid, net_wh = Grid.of(plan.columns), plan.net_wh
    peaks = sum(d.price_micro_per_kw / 1_000 * 3_600 / SLOT_S * int(net_wh.max()) for d in plan.problem.prices.demands)
    return float(((grid.price + grid.early - grid.unmet) * net_wh).sum()) + peaks


def _timed(work: Callable[[], Schedule], runs: int) -> tuple[list[float], list[float], Schedule]:
    """Seconds by the clock and of the processor."""
    times, cpu_times = [], []
    plan = work()  # once for what is loaded and compiled at first use
    for _ in range(runs):
        begun, cpu_begun = time.perf_counter(), time.process_time()
        plan = work()
        times.append(time.perf_counter() - begun)
        cpu_times.append(time.process_time() - cpu_begun)
    return times, cpu_times, plan


def _replanning(replans: int) -> dict[str, Any]:
    rng = random.Random(SEED)
    times, cpu_times = [], []
    for number in range(replans):
        problem = _moment(rng, uncertain=number % 2 == 1)
        runs, cpu_runs, plan = _timed(partial(optimum, problem), 1)
        times += runs
        cpu_times += cpu_runs
        assert not check(plan)
    return {
        "replans": replans,
        "replan_vehicles": VEHICLES,
        "replan_p50_ms": round(1e3 * statistics.median(times), 1),
        "replan_p99_ms": round(1e3 * float(np.quantile(times, 0.99)), 1),
        "replan_cpu_p99_ms": round(1e3 * float(np.quantile(cpu_times, 0.99)), 1),
    }


def _moment(rng: random.Random, *, uncertain: bool) -> Problem:
    """What a planner sees: who is there now, until the last has left a day later at most."""
    now_s = START_S + rng.randrange(12 * 3_600)
    slots = Slots.from_now(now_s, SLOT_S, now_s + 24 * 3_600)
    vehicles = []
    for number in range(VEHICLES):
        power_w = rng.choice(POWERS_W)
        stay_s = rng.randrange(SLOT_S, 16 * 3_600)
        fades = tuple(max(0, 10_000 - max(0, edge_s - now_s - stay_s // 2) // 4) for edge_s in slots.edges_s[:-1])
        vehicles.append(
            Vehicle(
                session=str(number),
                arrival_s=UnixSeconds(now_s),
                departure_s=UnixSeconds(now_s + stay_s),
                need_wh=EnergyWh(min(int(rng.gammavariate(2, 6_500)), power_w * stay_s // 3_600)),
                power_w=PowerW(power_w),
                presence_bp=fades if uncertain else (),
            )
        )
    demand = DemandCharge(
        price_micro_per_kw=DEMAND_MICRO_PER_KW,
        from_slot=0,
        to_slot=len(slots),
        peak_w=PowerW(rng.randrange(120_000)),
        used_wh=EnergyWh(rng.randrange(3_000)),
    )
    prices = tuple(rng.choice((56_230, 92_500, 266_680)) for _ in range(len(slots)))
    return Problem(
        slots=slots,
        vehicles=tuple(vehicles),
        site=Site(import_limit_w=(200_000,) * len(slots)),
        prices=Prices(import_micro_per_kwh=prices, demands=(demand,)),
    )


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="timed runs of each problem")
    parser.add_argument("--replans", type=int, default=REPLANS, help="moments at which to plan anew")
    parser.add_argument("--small", action="store_true", help="a tenth of the sessions")
    parser.add_argument("--no-plain-large", action="store_true", help="do not solve the largest problem by HiGHS too")
    options = parser.parse_args()
    part = 10 if options.small else 1
    figures = {"benchmark": "schedule_speed", "machine": machine()} | measure(
        small=SMALL // part,
        large=LARGE // part,
        runs=options.runs,
        replans=options.replans,
        plain_large=not options.no_plain_large,
    )
    show(figures, as_json=options.json)


if __name__ == "__main__":
    main()
