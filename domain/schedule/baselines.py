"""What one compares a plan with: charging at once, and the orders of queues, each under a cap of the site.

First come first served, earliest deadline first and least laxity first serve vehicles in full, in their order, up to
the cap; round robin shares it alike (Lee et al., Adaptive Charging Networks, IEEE Trans. Smart Grid 2021). They know
what is there and what was told, and spend no thought on prices. Who overstays has no laxity left and comes first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.schedule.moment import Moment
from domain.schedule.problem import Vehicle
from domain.units import SECONDS_PER_HOUR, PowerW

Order = Callable[[Vehicle, int], tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class Uncontrolled:
    """Each vehicle charges at full power from its arrival on; no limit is looked at."""

    name: str = "uncontrolled"

    def powers(self, moment: Moment) -> Mapping[str, int]:
        return {vehicle.session: wanted_w(vehicle, moment) for vehicle in moment.vehicles}


@dataclass(frozen=True, slots=True)
class InOrder:
    """Serves vehicles in an order, the first in full, under the site's limit and a cap of one's own."""

    name: str
    order: Order
    cap_w: PowerW | None = None

    def powers(self, moment: Moment) -> Mapping[str, int]:
        left_w = room_w(moment, self.cap_w)
        found = {}
        for vehicle in sorted(moment.vehicles, key=lambda vehicle: self.order(vehicle, moment.now_s)):
            power_w = wanted_w(vehicle, moment)
            power_w = power_w if left_w is None else min(power_w, left_w)
            if power_w < vehicle.least_power_w:
                power_w = 0
            found[vehicle.session] = power_w
            left_w = None if left_w is None else left_w - power_w
        return found


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Shares the room alike; what one does not need goes to the others."""

    cap_w: PowerW | None = None
    name: str = "round robin"

    def powers(self, moment: Moment) -> Mapping[str, int]:
        left_w = room_w(moment, self.cap_w)
        wanted = {vehicle.session: wanted_w(vehicle, moment) for vehicle in moment.vehicles}
        if left_w is None:
            return wanted
        least = {vehicle.session: vehicle.least_power_w for vehicle in moment.vehicles}
        found, waiting = {}, len(wanted)
        for session, power_w in sorted(wanted.items(), key=lambda item: item[1]):
            share_w = min(power_w, left_w // waiting)
            found[session] = share_w if share_w >= least[session] else 0
            left_w, waiting = left_w - found[session], waiting - 1
        return found


def first_come(cap_w: PowerW | None = None) -> InOrder:
    return InOrder("fcfs", lambda vehicle, now_s: (vehicle.arrival_s, 0, vehicle.session), cap_w)


def earliest_deadline(cap_w: PowerW | None = None) -> InOrder:
    return InOrder("edf", lambda vehicle, now_s: (vehicle.departure_s, vehicle.arrival_s, vehicle.session), cap_w)


def least_laxity(cap_w: PowerW | None = None) -> InOrder:
    return InOrder("llf", lambda vehicle, now_s: (laxity_s(vehicle, now_s), vehicle.arrival_s, vehicle.session), cap_w)


def laxity_s(vehicle: Vehicle, now_s: int) -> int:
    """How long the vehicle can still wait before it must charge at full power without a pause, rounded down."""
    return vehicle.departure_s - now_s - -(-vehicle.need_wh * SECONDS_PER_HOUR // vehicle.power_w)


def wanted_w(vehicle: Vehicle, moment: Moment) -> int:
    """The power that charges what is missing in this slot, at most the vehicle's own; rounded up."""
    seconds = moment.ends_s - moment.now_s
    return min(vehicle.power_w, -(-vehicle.need_wh * SECONDS_PER_HOUR // seconds))


def room_w(moment: Moment, cap_w: PowerW | None = None) -> int | None:
    """What vehicles may draw now: the lower of cap and limit, less the other load as metered last; None is no bound."""
    bounds = [] if cap_w is None else [int(cap_w)]
    if moment.import_limit_w is not None:
        bounds.append(moment.import_limit_w - (int(moment.load_w[-1]) if len(moment.load_w) else 0))
    return max(0, min(bounds)) if bounds else None
