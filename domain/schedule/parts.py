"""Long problems, planned in parts: each part looks some slots ahead, and only what is its own is kept.

Carried from part to part: what each vehicle charged and sold, what its battery stores, and the peak so far of each
demand charge. A part knows nothing of what lies behind its look-ahead, so a plan in parts costs a little more than one
at once, mostly where a month's highest peak comes late.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from domain.bidding.stay import Moved
from domain.schedule.columns import Columns, Ints
from domain.schedule.metrics import peak_of
from domain.schedule.plan import Schedule
from domain.schedule.problem import DemandCharge, Prices, Problem, Site, Slots, Vehicle
from domain.units import EnergyWh, PowerW

Solve = Callable[[Problem], Schedule]


@dataclass(frozen=True, slots=True)
class Part:
    """Slots [first, kept) of a problem are planned, knowing those up to `last`."""

    first: int
    kept: int
    last: int


def parts_of(problem: Problem, *, slots: int, ahead: int) -> list[Part]:
    """Parts of so many slots, each looking so many ahead."""
    count = len(problem.slots)
    return [Part(at, min(at + slots, count), min(at + slots + ahead, count)) for at in range(0, count, slots)]


def planned_in_parts(problem: Problem, solve: Solve, parts: list[Part], show: Callable[[int], None]) -> Schedule:
    """The parts' schedules as one. `show` is told how many slots are planned."""
    columns = Columns.of(problem)
    taken, given = np.zeros(len(columns), dtype=np.int64), np.zeros(len(columns), dtype=np.int64)
    how = "nothing"
    for part in parts:
        numbers, cut = _cut(columns, part, taken, given)
        found = solve(cut)
        how = found.how
        mine = np.flatnonzero(found.columns.slot < part.kept - part.first)
        place = _places(columns, numbers[found.columns.vehicle[mine]], found.columns.slot[mine] + part.first)
        taken[place], given[place] = found.import_wh[mine], found.export_wh[mine]
        show(part.kept)
    return Schedule(columns, taken, given, how)


def _places(columns: Columns, vehicle: Ints, slot: Ints) -> Ints:
    """Which pairs these vehicles and slots are."""
    first = columns.first[vehicle]
    places: Ints = first + slot - columns.slot[first]
    return places


def _cut(columns: Columns, part: Part, taken: Ints, given: Ints) -> tuple[Ints, Problem]:
    """What of the problem a part knows, and which of its vehicles are in it."""
    problem, edges_s = columns.problem, columns.problem.slots.edges_s
    start_s, end_s = edges_s[part.first], edges_s[part.last]
    charged, sold = columns.of_vehicle(taken), columns.of_vehicle(given)
    inside = [n for n, v in enumerate(problem.vehicles) if v.arrival_s < end_s and v.departure_s > start_s]
    span = slice(part.first, part.last)
    return np.array(inside, dtype=np.int64), Problem(
        slots=Slots(edges_s[part.first : part.last + 1]),
        vehicles=tuple(_rest(problem.vehicles[n], int(charged[n]), int(sold[n]), span) for n in inside),
        site=_site(problem.site, span),
        prices=Prices(
            import_micro_per_kwh=problem.prices.import_micro_per_kwh[span],
            export_micro_per_kwh=problem.prices.export_micro_per_kwh[span],
            carbon_micro_per_kwh=problem.prices.carbon_micro_per_kwh[span],
            demands=tuple(_demands(columns, part, taken - given)),
        ),
        aims=problem.aims,
    )


def _rest(vehicle: Vehicle, charged_wh: int, sold_wh: int, span: slice) -> Vehicle:
    """A vehicle as it stands after it charged and sold so much."""
    vehicle = replace(vehicle, presence_bp=vehicle.presence_bp[span], bought_wh=vehicle.bought_wh[span])
    return vehicle.after(Moved(charged_wh, sold_wh))


def _site(site: Site, span: slice) -> Site:
    return replace(
        site,
        import_limit_w=None if site.import_limit_w is None else site.import_limit_w[span],
        export_limit_w=None if site.export_limit_w is None else site.export_limit_w[span],
        load_w=site.load_w[span],
        sun_w=site.sun_w[span],
    )


def _demands(columns: Columns, part: Part, net_wh: Ints) -> Iterator[DemandCharge]:
    """The demand charges that the part touches, with their peaks so far."""
    site = columns.problem.site
    grid_wh = columns.by_slot(net_wh) + columns.wh_of(site.load_w) - columns.wh_of(site.sun_w)
    for demand in columns.problem.prices.demands:
        from_slot, to_slot = max(demand.from_slot, part.first), min(demand.to_slot, part.last)
        if from_slot < to_slot:
            past = replace(demand, to_slot=max(demand.from_slot, min(demand.to_slot, part.first)))
            yield replace(
                demand,
                from_slot=from_slot - part.first,
                to_slot=to_slot - part.first,
                peak_w=PowerW(peak_of(columns, past, grid_wh)),
                used_wh=EnergyWh(demand.used_wh if part.first == 0 else 0),
            )
