"""What least laxity first would do for those who are there, as the least that a plan has to do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from domain.bidding.stay import WHOLE_BP
from domain.schedule.baselines import Left, laxity_s, room_w, wanted_w
from domain.schedule.moment import Moment
from domain.schedule.problem import Vehicle
from domain.units import SECONDS_PER_HOUR, PowerW


def raised(powers: Mapping[str, int], moment: Moment, cap_w: PowerW | None = None) -> dict[str, int]:
    """The powers, raised where a vehicle could else not get its need by the departure it told, within the site's limit
    and the cap.

    Room is made by those who can wait the longest. Without a limit that binds, nobody gets less by its told departure
    than under least laxity first: that a vehicle can still be served in full is kept true from slot to slot. Where
    limits bind that count some more than others, and raising serves less in all, the powers stay as they are.
    """
    found = dict(powers)
    urgent = {vehicle.session: urgent_w(vehicle, moment) for vehicle in moment.vehicles}
    short = [v for v in moment.vehicles if max(0, found.get(v.session, 0)) < urgent[v.session]]
    if not short:
        return found
    for vehicle in short:
        found[vehicle.session] = urgent[vehicle.session]
    by_laxity = sorted(moment.vehicles, key=lambda vehicle: -laxity_s(vehicle, moment.now_s))
    for limit_w, part in _limits(moment, cap_w):
        before = sum(part(vehicle) * powers.get(vehicle.session, 0) for vehicle in by_laxity)
        over = sum(part(vehicle) * found.get(vehicle.session, 0) for vehicle in by_laxity)
        over -= max(limit_w * WHOLE_BP, before)
        for least in (urgent, dict.fromkeys(urgent, 0)):
            for vehicle in by_laxity:
                if over > 0 and part(vehicle):
                    least_w = least[vehicle.session]
                    cut_w = max(0, min(-(-over // part(vehicle)), found.get(vehicle.session, 0) - least_w))
                    found[vehicle.session] = found.get(vehicle.session, 0) - cut_w
                    over -= cut_w * part(vehicle)
    return found if _served_w(found, urgent) >= _served_w(powers, urgent) else dict(powers)


def _served_w(powers: Mapping[str, int], urgent: Mapping[str, int]) -> int:
    """How much of what is urgent is served."""
    return sum(max(0, min(powers.get(session, 0), power_w)) for session, power_w in urgent.items())


def _limits(moment: Moment, cap_w: PowerW | None) -> Iterator[tuple[int, Callable[[Vehicle], int]]]:
    """Each limit, W, with the part of a vehicle's power that counts there, of WHOLE_BP."""
    limit_w = room_w(moment, cap_w)
    if limit_w is not None:
        yield limit_w, lambda _: WHOLE_BP
    parts = {vehicle.session: moment.parts_bp(vehicle) for vehicle in moment.vehicles} if moment.parts_w else {}
    for number, part_w in enumerate(moment.parts_w):
        yield part_w, lambda vehicle, n=number: parts[vehicle.session][n]  # type: ignore[misc]  # n is bound, not passed


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


def served_wh(
    vehicles: Sequence[Vehicle], edges_s: Sequence[int], rooms_w: Sequence[int] | None, moment: Moment
) -> int:
    """What least laxity first would charge in all by the told departures, under the limits, if nobody else came.

    `rooms_w` is what vehicles may draw by slot, None without a limit.
    """
    missing = {vehicle.session: int(vehicle.need_wh) for vehicle in vehicles}
    for slot, (start_s, end_s) in enumerate(pairwise(edges_s)):
        seconds = end_s - start_s
        site_wh = None if rooms_w is None else rooms_w[slot] * seconds // SECONDS_PER_HOUR
        left = Left(site_wh, [watts * seconds // SECONDS_PER_HOUR * WHOLE_BP for watts in moment.parts_w])
        there = [v for v in vehicles if v.departure_s > start_s and missing[v.session]]
        if not there:
            break
        there.sort(key=lambda v: v.departure_s - missing[v.session] * SECONDS_PER_HOUR // v.power_w)
        for vehicle in there:
            seconds = min(end_s, vehicle.departure_s) - start_s
            wanted_wh = min(missing[vehicle.session], vehicle.power_w * seconds // SECONDS_PER_HOUR)
            missing[vehicle.session] -= left.take(vehicle, wanted_wh, moment, least=0)
    return sum(vehicle.need_wh for vehicle in vehicles) - sum(missing.values())
