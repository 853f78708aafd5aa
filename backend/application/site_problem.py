"""A site's situation as a charging problem, and as a moment for who decides one slot at a time."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from backend.application.site_records import SLOT_S
from backend.application.site_room import circuits_bp, left_of_circuits, left_of_lines
from backend.application.site_situation import Present, Situation
from domain.bidding.stay import WHOLE_BP, Battery
from domain.schedule.moment import DemandSoFar, Moment
from domain.schedule.problem import Aims, DemandCharge, Prices, Problem, Site, Vehicle, constant
from domain.units import EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds


def problem_of(known: Situation, served: Sequence[Present], silent_w: Mapping[int, int]) -> Problem:
    """The problem of those who are served, beside what silent stations are counted with."""
    terms, slots = known.site.terms, known.slots
    load_w, circuits = sum(silent_w.values()), circuits_bp(terms)
    vehicles = tuple(
        _vehicle(one, known, circuits.get(one.station.station, ())) for one in served if one.missing_wh or one.bought_wh
    )
    feeds_in = bool(known.sun_w) or any(vehicle.bought_wh for vehicle in vehicles)
    paid = zip(known.export_micro_per_kwh, known.import_micro_per_kwh, strict=True)
    return Problem(
        slots=slots,
        vehicles=vehicles,
        site=Site(
            import_limit_w=known.import_limit_w,
            export_limit_w=None if terms.export_limit_w is None else constant(terms.export_limit_w, slots),
            line_limit_w=left_of_lines(terms, silent_w),
            circuits_w=left_of_circuits(terms, silent_w),
            load_w=constant(load_w, slots) if load_w else (),
            sun_w=known.sun_w,
        ),
        prices=Prices(
            import_micro_per_kwh=known.import_micro_per_kwh,
            # Energy that earns more than it costs would be moved in circles.
            export_micro_per_kwh=tuple(min(pair) for pair in paid) if feeds_in else (),
            demands=_demands(known),
        ),
        aims=Aims(peak_target_w=None if terms.peak_target_w is None else PowerW(terms.peak_target_w)),
    )


def _vehicle(one: Present, known: Situation, circuits: tuple[int, ...]) -> Vehicle:
    bought = tuple(
        one.bought_wh.get(start_s - start_s % SLOT_S, 0) * (end_s - start_s) // SLOT_S
        for start_s, end_s in pairwise(known.slots.edges_s)
    )
    sold_wh = -sum(wh for wh in bought if wh < 0) if one.may_give else 0
    # What was sold is there to be given, and taken again: its agent knows the battery, and bought what is lost.
    battery = Battery(
        capacity_wh=EnergyWh(sold_wh + one.missing_wh),
        stored_wh=EnergyWh(sold_wh),
        floor_wh=EnergyWh(0),
        efficiency_bp=WHOLE_BP,
        wear_micro_per_kwh=PriceMicroPerKwh(0),
    )
    return Vehicle(
        session=one.session.hex(),
        arrival_s=UnixSeconds(min(one.arrived_s, known.now_s)),
        departure_s=UnixSeconds(one.departure_s),
        need_wh=EnergyWh(one.missing_wh),
        power_w=PowerW(one.power_w),
        least_power_w=PowerW(min(one.station.least_power_w, one.power_w)),
        lines=one.station.lines,
        export_power_w=PowerW(one.power_w if sold_wh else 0),
        battery=battery if sold_wh else None,
        bought_wh=bought if any(bought) else (),
        circuits_bp=circuits,
    )


def _demands(known: Situation) -> tuple[DemandCharge, ...]:
    """The month's charge with the peak so far, and the next month's where the plan reaches into it."""
    price, count = known.site.terms.demand_micro_per_kw, len(known.slots)
    if not price:
        return ()
    here = sum(start_s < known.period_ends_s for start_s in known.slots.edges_s[:-1])
    now = DemandCharge(
        price_micro_per_kw=price,
        from_slot=0,
        to_slot=here,
        peak_w=PowerW(known.peak_w),
        used_wh=EnergyWh(known.used_wh),
    )
    later = DemandCharge(price_micro_per_kw=price, from_slot=here, to_slot=count)
    return (now, later) if here < count else (now,)


def moment_of(known: Situation, problem: Problem, load_w: int) -> Moment:
    """The same situation, with what is known of the slot that runs."""
    terms, prices = known.site.terms, problem.prices
    demand = DemandSoFar(
        price_micro_per_kw=terms.demand_micro_per_kw,
        until_s=UnixSeconds(known.period_ends_s),
        interval_s=SLOT_S,
        peak_w=PowerW(known.peak_w),
        used_wh=EnergyWh(known.used_wh),
    )
    return Moment(
        now_s=UnixSeconds(known.now_s),
        ends_s=UnixSeconds(problem.slots.edges_s[1]),
        slot_s=SLOT_S,
        vehicles=problem.vehicles,
        import_micro_per_kwh=prices.import_micro_per_kwh,
        export_micro_per_kwh=prices.export_micro_per_kwh,
        demand=demand if terms.demand_micro_per_kw else None,
        import_limit_w=None if known.import_limit_w is None else PowerW(known.import_limit_w[0]),
        export_limit_w=None if terms.export_limit_w is None else PowerW(terms.export_limit_w),
        line_limit_w=problem.site.line_limit_w,
        circuits_w=problem.site.circuits_w,
        load_w=(load_w,),
        sun_w=known.sun_w[:1],
    )
