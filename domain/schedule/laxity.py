"""What least laxity first would do for those who are there, as the least that a plan has to do."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from domain.schedule.baselines import laxity_s, room_w, wanted_w
from domain.schedule.moment import Moment
from domain.schedule.problem import Vehicle
from domain.units import SECONDS_PER_HOUR, PowerW


def raised(powers: Mapping[str, int], moment: Moment, cap_w: PowerW | None = None) -> dict[str, int]:
    """The powers, raised where a vehicle could else not get its need by the departure it told, within the site's limit
    and the cap.

    Room is made by those who can wait the longest. Without a limit that binds, nobody gets less by its told departure
    than under least laxity first: that a vehicle can still be served in full is kept true from slot to slot.
    """
    found = dict(powers)
    urgent = {vehicle.session: urgent_w(vehicle, moment) for vehicle in moment.vehicles}
    short = [v for v in moment.vehicles if max(0, found.get(v.session, 0)) < urgent[v.session]]
    if not short:
        return found
    for vehicle in short:
        found[vehicle.session] = urgent[vehicle.session]
    limit_w = room_w(moment, cap_w)
    over_w = 0 if limit_w is None else sum(found.values()) - max(limit_w, sum(powers.values()))
    by_laxity = sorted(moment.vehicles, key=lambda vehicle: -laxity_s(vehicle, moment.now_s))
    for least in (urgent, dict.fromkeys(urgent, 0)):
        for vehicle in by_laxity:
            cut_w = max(0, min(over_w, found.get(vehicle.session, 0) - least[vehicle.session]))
            if cut_w:
                found[vehicle.session] -= cut_w
                over_w -= cut_w
    return found


def urgent_w(vehicle: Vehicle, moment: Moment) -> int:
    """The least power in this slot after which the rest of the need still fits before the told departure.

    It is full power for who should have left, and nothing below what flows in a slot of the rest.
    """
    later_wh = vehicle.power_w * max(0, vehicle.departure_s - moment.ends_s) // SECONDS_PER_HOUR
    now_wh = vehicle.need_wh - later_wh
    if now_wh <= 0:
        return 0
    power_w = -(-now_wh * SECONDS_PER_HOUR // (moment.ends_s - moment.now_s))
    return min(wanted_w(vehicle, moment), max(power_w, vehicle.least_power_w))


def served_wh(vehicles: Sequence[Vehicle], edges_s: Sequence[int], limit_w: int) -> int:
    """What least laxity first would charge in all by the told departures, under a limit, if nobody else came."""
    missing = {vehicle.session: int(vehicle.need_wh) for vehicle in vehicles}
    for start_s, end_s in pairwise(edges_s):
        room_wh = limit_w * (end_s - start_s) // SECONDS_PER_HOUR
        there = [v for v in vehicles if v.departure_s > start_s and missing[v.session]]
        if not there:
            break
        there.sort(key=lambda v: v.departure_s - missing[v.session] * SECONDS_PER_HOUR // v.power_w)
        for vehicle in there:
            seconds = min(end_s, vehicle.departure_s) - start_s
            taken_wh = min(missing[vehicle.session], vehicle.power_w * seconds // SECONDS_PER_HOUR, room_wh)
            missing[vehicle.session] -= taken_wh
            room_wh -= taken_wh
    return sum(vehicle.need_wh for vehicle in vehicles) - sum(missing.values())
