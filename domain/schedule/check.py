"""Whether a schedule keeps to its problem, in whole numbers and one pair after the other.

It shares nothing with the solvers but the problem: each rule is written out here again.
"""

from collections import defaultdict
from dataclasses import dataclass

from domain.bidding.stay import WHOLE_BP
from domain.schedule.plan import Schedule
from domain.schedule.problem import LINES, Problem, Vehicle
from domain.units import SECONDS_PER_HOUR

ROUNDING_WH = 1
"""What a mean power as whole Wh may differ by."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a schedule breaks: `rule` names it, `where` the session or site and the slot, `by_wh` how much."""

    rule: str
    where: str
    by_wh: int

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}, by {self.by_wh} Wh"


def check(schedule: Schedule, *, least_power_in: range | None = None) -> list[Violation]:
    """All that the schedule breaks, vehicles first; empty for one that can be carried out.

    Rules: window, power, negative, both ways, need, capacity, floor, taper, least power, import limit, export limit,
    line limit, circuit limit. A vehicle's least power is asked for in the slots of `least_power_in`, everywhere without
    it. What a site draws beside its vehicles breaks nothing, and all of its sun may be curtailed.
    """
    problem = schedule.problem
    found: list[Violation] = []
    pairs: list[list[tuple[int, int, int]]] = [[] for _ in problem.vehicles]
    columns = schedule.columns
    for number, slot, taken, given in zip(
        columns.vehicle.tolist(),
        columns.slot.tolist(),
        schedule.import_wh.tolist(),
        schedule.export_wh.tolist(),
        strict=True,
    ):
        pairs[number].append((slot, taken, given))
    for vehicle, mine in zip(problem.vehicles, pairs, strict=True):
        found += _of_powers(problem, vehicle, mine, least_power_in)
        found += _of_energy(problem, vehicle, mine)
    return found + _of_site(problem, pairs) + _of_circuits(problem, pairs)


def _of_powers(
    problem: Problem, vehicle: Vehicle, pairs: list[tuple[int, int, int]], least_power_in: range | None
) -> list[Violation]:
    found = []
    edges_s = problem.slots.edges_s
    for slot, taken, given in pairs:
        where = f"{vehicle.session} in slot {slot}"
        seconds = min(edges_s[slot + 1], vehicle.departure_s) - max(edges_s[slot], vehicle.arrival_s)
        if seconds <= 0 and (taken or given):
            found.append(Violation("window", where, taken + given))
        if taken < 0 or given < 0:
            found.append(Violation("negative", where, -min(taken, given)))
        if taken and given:
            found.append(Violation("both ways", where, min(taken, given)))
        for moved, power_w in ((taken, vehicle.power_w), (given, vehicle.export_power_w)):
            most = power_w * max(0, seconds) // SECONDS_PER_HOUR
            if moved > most:
                found.append(Violation("power", where, moved - most))
        least = vehicle.least_power_w * seconds // SECONDS_PER_HOUR
        if 0 < taken - given < least and (least_power_in is None or slot in least_power_in):
            found.append(Violation("least power", where, least - taken + given))
    return found


def _of_energy(problem: Problem, vehicle: Vehicle, pairs: list[tuple[int, int, int]]) -> list[Violation]:
    """In parts of WHOLE_BP of a Wh, so that nothing is rounded."""
    battery = vehicle.battery
    if battery is None:
        over = sum(taken for _, taken, _ in pairs) - vehicle.need_wh
        return [Violation("need", vehicle.session, over)] if over > 0 else []
    found = []
    stored = battery.stored_wh * WHOLE_BP
    floor = min(battery.floor_wh, battery.stored_wh) * WHOLE_BP
    edges_s = problem.slots.edges_s
    for slot, taken, given in pairs:
        where = f"{vehicle.session} in slot {slot}"
        seconds = min(edges_s[slot + 1], vehicle.departure_s) - max(edges_s[slot], vehicle.arrival_s)
        most = vehicle.power_w * max(0, seconds) // SECONDS_PER_HOUR
        # taken <= most · (capacity - stored) / (capacity · (1 - taper)), both sides multiplied out
        steep = taken * battery.capacity_wh * (WHOLE_BP - vehicle.taper_bp) - most * (
            battery.capacity_wh * WHOLE_BP - stored
        )
        if steep > battery.capacity_wh * (WHOLE_BP - vehicle.taper_bp) * ROUNDING_WH and vehicle.taper_bp < WHOLE_BP:
            over = steep // (battery.capacity_wh * (WHOLE_BP - vehicle.taper_bp))
            found.append(Violation("taper", where, over))
        stored += taken * battery.efficiency_bp - given * WHOLE_BP
        if stored > battery.capacity_wh * WHOLE_BP:
            found.append(Violation("capacity", where, -(-stored // WHOLE_BP) - battery.capacity_wh))
        if stored < floor:
            found.append(Violation("floor", where, -((stored - floor) // WHOLE_BP)))
    return found


def _of_site(problem: Problem, pairs: list[list[tuple[int, int, int]]]) -> list[Violation]:
    net: defaultdict[int, int] = defaultdict(int)
    lines: defaultdict[tuple[int, int], int] = defaultdict(int)
    for vehicle, mine in zip(problem.vehicles, pairs, strict=True):
        for slot, taken, given in mine:
            net[slot] += taken - given
            for line in vehicle.lines:
                lines[slot, line] += (taken - given) * len(LINES) // len(vehicle.lines)
    found = []
    for slot in range(len(problem.slots)):
        seconds = problem.slots.edges_s[slot + 1] - problem.slots.edges_s[slot]
        found += _of_limits(problem, slot, seconds, net[slot])
        if problem.site.line_limit_w is None:
            continue
        for line in LINES:
            over = abs(lines[slot, line]) - len(LINES) * (
                problem.site.line_limit_w[line] * seconds // SECONDS_PER_HOUR + ROUNDING_WH
            )
            if over > 0:
                found.append(Violation("line limit", f"line {line} in slot {slot}", -(-over // len(LINES))))
    return found


def _of_limits(problem: Problem, slot: int, seconds: int, net_wh: int) -> list[Violation]:
    site = problem.site
    load = site.load_w[slot] * seconds // SECONDS_PER_HOUR if site.load_w else 0
    sun = site.sun_w[slot] * seconds // SECONDS_PER_HOUR if site.sun_w else 0
    found = []
    if site.import_limit_w is not None:
        over = net_wh - max(0, site.import_limit_w[slot] * seconds // SECONDS_PER_HOUR - load + sun)
        if over > 0:
            found.append(Violation("import limit", f"site in slot {slot}", over))
    if site.export_limit_w is not None:
        over = -net_wh - load - site.export_limit_w[slot] * seconds // SECONDS_PER_HOUR
        if over > 0:
            found.append(Violation("export limit", f"site in slot {slot}", over))
    return found


def _of_circuits(problem: Problem, pairs: list[list[tuple[int, int, int]]]) -> list[Violation]:
    """In parts of WHOLE_BP of a Wh, so that nothing is rounded."""
    drawn: defaultdict[tuple[int, int], int] = defaultdict(int)
    for vehicle, mine in zip(problem.vehicles, pairs, strict=True):
        for circuit, part in enumerate(vehicle.circuits_bp):
            for slot, taken, given in mine:
                drawn[circuit, slot] += (taken - given) * part
    found, edges_s = [], problem.slots.edges_s
    for (circuit, slot), parts in sorted(drawn.items()):
        limit_w, seconds = problem.site.circuits_w[circuit], edges_s[slot + 1] - edges_s[slot]
        over = abs(parts) * SECONDS_PER_HOUR - limit_w * seconds * WHOLE_BP
        if over > 0:
            by_wh = -(-over // (WHOLE_BP * SECONDS_PER_HOUR))
            found.append(Violation("circuit limit", f"circuit {circuit} in slot {slot}", by_wh))
    return found
