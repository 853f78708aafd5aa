"""What one compares a plan with: charging at once, and the orders of queues, each under a cap of the site.

First come first served, earliest deadline first and least laxity first serve vehicles in full, in their order, up to
the cap; round robin shares it alike (Lee et al., Adaptive Charging Networks, IEEE Trans. Smart Grid 2021). They know
what is there and what was told, and spend no thought on prices. Who overstays has no laxity left and comes first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.bidding.stay import WHOLE_BP
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
        left = Left.of(moment, self.cap_w)
        found = {}
        for vehicle in sorted(moment.vehicles, key=lambda vehicle: self.order(vehicle, moment.now_s)):
            found[vehicle.session] = left.take(vehicle, wanted_w(vehicle, moment), moment)
        return found


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Shares the room alike; what one does not need goes to the others."""

    cap_w: PowerW | None = None
    name: str = "round robin"

    def powers(self, moment: Moment) -> Mapping[str, int]:
        left, waiting, found = Left.of(moment, self.cap_w), len(moment.vehicles), {}
        for vehicle in sorted(moment.vehicles, key=lambda vehicle: wanted_w(vehicle, moment)):
            share_w = wanted_w(vehicle, moment)
            if left.site_w is not None:
                share_w = min(share_w, left.site_w // waiting)
            found[vehicle.session] = left.take(vehicle, share_w, moment)
            waiting -= 1
        return found


@dataclass(slots=True)
class Left:
    """What of the site, and of its circuits and lines, nobody has taken yet: W (or Wh), and parts of WHOLE_BP.

    None is no limit.
    """

    site_w: int | None
    parts: list[int]

    @classmethod
    def of(cls, moment: Moment, cap_w: PowerW | None = None) -> "Left":
        return cls(room_w(moment, cap_w), [watts * WHOLE_BP for watts in moment.parts_w])

    def take(self, vehicle: Vehicle, power_w: int, moment: Moment, *, least: int | None = None) -> int:
        """What the vehicle gets of the power that it wants: nothing, if that is below `least` or its least power."""
        if self.site_w is not None:
            power_w = min(power_w, self.site_w)
        parts = moment.parts_bp(vehicle)
        for left, part in zip(self.parts, parts, strict=True):
            if part:
                power_w = min(power_w, left // part)
        if power_w < max(1, vehicle.least_power_w if least is None else least):
            return 0
        if self.site_w is not None:
            self.site_w -= power_w
        for number, part in enumerate(parts):
            self.parts[number] -= power_w * part
        return power_w


def first_come(cap_w: PowerW | None = None) -> InOrder:
    return InOrder("fcfs", lambda vehicle, _: (vehicle.arrival_s, 0, vehicle.session), cap_w)


def earliest_deadline(cap_w: PowerW | None = None) -> InOrder:
    return InOrder("edf", lambda vehicle, _: (vehicle.departure_s, vehicle.arrival_s, vehicle.session), cap_w)


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
    limit_w = moment.limit_w
    if limit_w is not None:
        bounds.append(limit_w - (int(moment.load_w[-1]) if len(moment.load_w) else 0))
    return max(0, min(bounds)) if bounds else None
