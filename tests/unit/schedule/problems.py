"""Charging problems that hypothesis draws, what a schedule of theirs is worth, and the best of all small ones."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st

from domain.bidding.stay import WHOLE_BP, Battery
from domain.schedule.columns import Columns
from domain.schedule.plan import Schedule
from domain.schedule.problem import Aims, DemandCharge, Prices, Problem, Site, Slots, Vehicle
from domain.units import EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds

START_S = 1_562_000_400
SLOT_S = 900
EARLY = 1e-3


def battery(**changes: int) -> Battery:
    values: dict[str, Any] = {
        "capacity_wh": 40_000,
        "stored_wh": 10_000,
        "floor_wh": 5_000,
        "efficiency_bp": 9_000,
        "wear_micro_per_kwh": 0,
        **changes,
    }
    return Battery(**values)


def vehicle(session: str = "a", *, slots: tuple[int, int] = (0, 4), **changes: Any) -> Vehicle:
    """There in whole slots [first, last)."""
    values: dict[str, Any] = {
        "arrival_s": START_S + slots[0] * SLOT_S,
        "departure_s": START_S + slots[1] * SLOT_S,
        "need_wh": 3_000,
        "power_w": 8_000,
        **changes,
    }
    return Vehicle(session=session, **values)


def problem(*vehicles: Vehicle, prices: tuple[int, ...] = (100_000,) * 4, **changes: Any) -> Problem:
    """Over quarter hours, as many as there are prices. `changes` are those of Site, Prices and Aims."""
    names = {
        Site: {"import_limit_w", "export_limit_w", "line_limit_w", "circuits_w", "load_w", "sun_w"},
        Prices: {"export_micro_per_kwh", "carbon_micro_per_kwh", "demands"},
        Aims: {"unmet_micro_per_kwh", "peak_target_w", "over_micro_per_kw"},
    }
    assert set(changes) <= set().union(*names.values())
    parts = {kind: {key: value for key, value in changes.items() if key in keys} for kind, keys in names.items()}
    return Problem(
        slots=Slots.even(START_S, SLOT_S, len(prices)),
        vehicles=vehicles,
        site=Site(**parts[Site]),
        prices=Prices(import_micro_per_kwh=prices, **parts[Prices]),
        aims=Aims(**parts[Aims]),
    )


@st.composite
def batteries(draw: st.DrawFn) -> Battery:
    capacity = draw(st.integers(1_000, 60_000))
    return Battery(
        capacity_wh=EnergyWh(capacity),
        stored_wh=EnergyWh(draw(st.integers(0, capacity))),
        floor_wh=EnergyWh(draw(st.integers(0, capacity))),
        efficiency_bp=draw(st.integers(7_000, WHOLE_BP)),
        wear_micro_per_kwh=PriceMicroPerKwh(draw(st.sampled_from([0, 13_000, 50_000]))),
    )


@st.composite
def stays(draw: st.DrawFn, session: str, count: int, *, power_w: int, gives: bool, odd: bool) -> Vehicle:
    end_s = count * SLOT_S
    unit = 1 if odd else SLOT_S
    begin = draw(st.integers(-2 * SLOT_S, end_s - 1) if odd else st.integers(0, count - 1)) * unit
    length = draw(st.integers(1, 2 * end_s) if odd else st.integers(1, count)) * unit
    pack = draw(batteries()) if gives and draw(st.booleans()) else None
    power = draw(st.integers(1, power_w))
    return Vehicle(
        session=session,
        arrival_s=UnixSeconds(START_S + begin),
        departure_s=UnixSeconds(START_S + begin + length),
        need_wh=EnergyWh(draw(st.integers(0, power * 2))),
        power_w=PowerW(power),
        battery=pack,
        export_power_w=PowerW(power if pack and draw(st.booleans()) else 0),
    )


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    slots: int = 6,
    vehicles: int = 5,
    power_w: int = 11_000,
    gives: bool = False,
    demand: bool = False,
    sun: bool = False,
    odd: bool = True,
    dear: bool = False,
) -> Problem:
    """Small ones. `gives`: some have batteries that give back; `odd`: stays begin and end anywhere; `dear`: no price is
    negative."""
    count = draw(st.integers(1, slots))
    by_slot = st.lists
    prices = draw(by_slot(st.integers(0 if dear else -30_000, 400_000), min_size=count, max_size=count))
    feed_in = [draw(st.integers(-1_000, 1_000)) - 1_000 + min(price, 90_000) for price in prices]
    powers = by_slot(st.integers(0, 2 * power_w), min_size=count, max_size=count).map(tuple)
    charges = [
        DemandCharge(
            price_micro_per_kw=draw(st.integers(0, 20_000_000)),
            from_slot=0,
            to_slot=draw(st.integers(0, count)),
            peak_w=PowerW(draw(st.integers(0, power_w))),
            used_wh=EnergyWh(draw(st.integers(0, 500))),
        )
        for _ in range(int(demand))
    ]
    return Problem(
        slots=Slots.even(START_S, SLOT_S, count),
        vehicles=tuple(
            draw(stays(f"s{number}", count, power_w=power_w, gives=gives, odd=odd))
            for number in range(draw(st.integers(1, vehicles)))
        ),
        site=Site(
            import_limit_w=draw(st.none() | powers),
            export_limit_w=draw(st.none() | powers),
            load_w=draw(st.just(()) | powers),
            sun_w=draw(powers) if sun else (),
        ),
        prices=Prices(
            import_micro_per_kwh=tuple(prices),
            export_micro_per_kwh=tuple(feed_in) if sun or gives else (),
            demands=tuple(charges),
        ),
    )


def worth(schedule: Schedule) -> float:
    """What the program minimises, micro-euro, of a schedule without trades: written out, one pair after the other.

    Sun is curtailed where that costs less, whatever the peak.
    """
    problem, columns = schedule.problem, schedule.columns
    count, unmet = len(problem.slots), unmet_micro_per_wh(problem)
    net = [0] * count
    value = 0.0
    charged, given = [0] * len(problem.vehicles), [0] * len(problem.vehicles)
    for number, slot, x, g in zip(
        columns.vehicle.tolist(),
        columns.slot.tolist(),
        schedule.import_wh.tolist(),
        schedule.export_wh.tolist(),
        strict=True,
    ):
        one = problem.vehicles[number]
        present = one.presence_bp[slot] / WHOLE_BP if one.presence_bp else 1.0
        value += (x - g) * EARLY * slot / count - (0 if one.battery else unmet * present * x)
        value += g * one.battery.wear_micro_per_kwh / 1_000 if one.battery else 0
        net[slot] += x - g
        charged[number] += x
        given[number] += g
    for one, x, g in zip(problem.vehicles, charged, given, strict=True):
        if one.battery and one.arrival_s < problem.slots.end_s and one.departure_s > problem.slots.start_s:
            efficiency = one.battery.efficiency_bp / WHOLE_BP
            target = min(one.battery.capacity_wh, one.battery.stored_wh + one.need_wh * efficiency)
            value += unmet / efficiency * max(0.0, target - one.battery.stored_wh - x * efficiency + g)
    return value + sum(_money(columns, slot, net[slot]) for slot in range(count)) + _peaks(problem, net)


def unmet_micro_per_wh(problem: Problem) -> float:
    """Without a target for the peak."""
    raised = sum(4 * demand.price_micro_per_kw for demand in problem.prices.demands)
    return (problem.aims.unmet_micro_per_kwh + raised) / 1_000


def demand_charge(**changes: int) -> DemandCharge:
    values: dict[str, Any] = {"price_micro_per_kw": 10_000_000, "from_slot": 0, "to_slot": 2, **changes}
    return DemandCharge(**values)


def _wh(power_w: tuple[int, ...], slot: int) -> int:
    return power_w[slot] * SLOT_S // 3_600 if power_w else 0


def _money(columns: Columns, slot: int, net_wh: int) -> float:
    site, prices = columns.problem.site, columns.problem.prices
    price = prices.import_micro_per_kwh[slot] / 1_000
    if not (site.sun_w or columns.most_export_wh.any()):
        return price * net_wh
    feed_in = prices.export_micro_per_kwh[slot] / 1_000 if prices.export_micro_per_kwh else 0.0
    sun, other = _wh(site.sun_w, slot), net_wh + _wh(site.load_w, slot) - _wh(site.sun_w, slot)
    most = _wh(site.import_limit_w, slot) if site.import_limit_w is not None else 10**12
    least = -_wh(site.export_limit_w, slot) if site.export_limit_w is not None else -(10**12)
    ends = {other, other + sun, min(max(0, other), other + sun), min(max(least, other), other + sun)}
    ends |= {min(max(other, most), other + sun)}
    return min(
        max(0, end) * price + max(0, -end) * (EARLY - feed_in)
        for end in ends
        if end >= least and end <= max(most, _wh(site.load_w, slot) - sun)
    )


def _peaks(problem: Problem, net: list[int]) -> float:
    total = 0.0
    for demand in problem.prices.demands:
        peak = float(demand.peak_w)
        for slot in range(demand.from_slot, demand.to_slot):
            drawn = net[slot] + _wh(problem.site.load_w, slot) - _wh(problem.site.sun_w, slot)
            peak = max(peak, (drawn + (demand.used_wh if slot == 0 else 0)) * 4)
        total += (peak - demand.peak_w) * demand.price_micro_per_kw / 1_000
    return total


def all_charging(columns: Columns) -> Iterator[Schedule]:
    """Every schedule of whole Wh that charges no more than powers, needs and import limits allow."""
    site = columns.problem.site
    most = [
        _wh(site.import_limit_w, t) - _wh(site.load_w, t) + _wh(site.sun_w, t) if site.import_limit_w else 10**9
        for t in range(len(columns.problem.slots))
    ]
    for taken in product(*(range(most_wh + 1) for most_wh in columns.most_wh.tolist())):
        values = np.array(taken, dtype=np.int64)
        if (columns.of_vehicle(values) > columns.need_wh).any() or (
            columns.by_slot(values) > np.maximum(0, most)
        ).any():
            continue
        yield Schedule(columns, values, np.zeros(len(columns), dtype=np.int64), "all")
