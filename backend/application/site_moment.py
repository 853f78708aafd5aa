"""A site's situation as a moment, which is all that a planner is shown."""

from collections.abc import Mapping, Sequence

from backend.application.site_records import SLOT_S
from backend.application.site_room import circuits_bp, left_of_circuits, left_of_lines
from backend.application.site_situation import Present, Situation
from domain.bidding.stay import WHOLE_BP, Battery
from domain.schedule.moment import DemandSoFar, Limit, Moment
from domain.schedule.problem import Vehicle
from domain.units import EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds


def moment_of(known: Situation, served: Sequence[Present], silent_w: Mapping[int, int]) -> Moment:
    """The moment of those who are served, beside what silent stations are counted with."""
    terms = known.site.terms
    load_w, circuits = sum(silent_w.values()), circuits_bp(terms)
    vehicles = tuple(
        _vehicle(one, known, circuits.get(one.station.station, ())) for one in served if one.missing_wh or one.bought_wh
    )
    feeds_in = bool(known.sun_w) or any(vehicle.bought_wh for vehicle in vehicles)
    paid = zip(known.export_micro_per_kwh, known.import_micro_per_kwh, strict=False)
    demand = DemandSoFar(
        price_micro_per_kw=terms.demand_micro_per_kw,
        until_s=UnixSeconds(known.period_ends_s),
        interval_s=SLOT_S,
        peak_w=PowerW(known.peak_w),
        used_wh=EnergyWh(known.used_wh),
    )
    return Moment(
        now_s=UnixSeconds(known.now_s),
        ends_s=UnixSeconds(known.ends_s),
        slot_s=SLOT_S,
        vehicles=vehicles,
        import_micro_per_kwh=known.import_micro_per_kwh,
        # Energy that earns more than it costs would be moved in circles.
        export_micro_per_kwh=tuple(min(pair) for pair in paid) if feeds_in else (),
        demand=demand if terms.demand_micro_per_kw else None,
        import_limit_w=None if terms.import_limit_w is None else PowerW(terms.import_limit_w),
        export_limit_w=None if terms.export_limit_w is None else PowerW(terms.export_limit_w),
        line_limit_w=left_of_lines(terms, silent_w),
        circuits_w=left_of_circuits(terms, silent_w),
        load_w=(load_w,) if load_w else (),
        sun_w=known.sun_w,
        limits=tuple(Limit(one.from_s, one.to_s, one.import_limit_w) for one in known.commands),
        peak_target_w=None if terms.peak_target_w is None else PowerW(terms.peak_target_w),
    )


def _vehicle(one: Present, known: Situation, circuits: tuple[int, ...]) -> Vehicle:
    bought = _bought(one, known)
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
        arrival_s=UnixSeconds(one.arrived_s),
        departure_s=UnixSeconds(max(one.departure_s, one.arrived_s + 1)),
        need_wh=EnergyWh(one.missing_wh),
        power_w=PowerW(one.power_w),
        least_power_w=PowerW(min(one.station.least_power_w, one.power_w)),
        lines=one.station.lines,
        export_power_w=PowerW(one.power_w if sold_wh else 0),
        battery=battery if sold_wh else None,
        bought_wh=bought,
        circuits_bp=circuits,
    )


def _bought(one: Present, known: Situation) -> tuple[int, ...]:
    """What it traded by market interval, from the one that runs on: of that, what is left of the time."""
    if not any(one.bought_wh.values()):
        return ()
    first_s, last_s = known.ends_s - SLOT_S, max(one.bought_wh)
    bought = [one.bought_wh.get(start_s, 0) for start_s in range(first_s, max(first_s, last_s) + 1, SLOT_S)]
    left_s = min(SLOT_S, known.ends_s - known.now_s)
    return (bought[0] * left_s // SLOT_S, *bought[1:])
