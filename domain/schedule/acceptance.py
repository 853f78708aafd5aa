"""How much power a battery accepts: less when it is cold or hot, and less and less when it is nearly full.

Both are given by the maker; tables here hold no values of their own. The taper is the constant-voltage phase of CC-CV
charging: power falls in a straight line, from a state of charge on, to nothing at a full battery.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from domain.bidding.stay import WHOLE_BP
from domain.errors import Malformed
from domain.schedule.problem import Vehicle
from domain.units import PowerW


@dataclass(frozen=True, slots=True)
class Derating:
    """What part of its rated power a battery accepts at a temperature: points (0.1 °C, of 10,000), coldest first.

    Straight lines lie between points; beyond them, the nearest counts.

    >>> cold = Derating(((-100, 0), (0, 2_000), (150, 10_000), (450, 10_000), (550, 0)))
    >>> cold.share_bp(-200), cold.share_bp(75), cold.share_bp(250), cold.share_bp(500)
    (0, 6000, 10000, 5000)
    """

    points: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.points or any(after[0] <= before[0] for before, after in pairwise(self.points)):
            raise Malformed("a derating has points of rising temperature")
        if any(not 0 <= share <= WHOLE_BP for _, share in self.points):
            raise Malformed(f"a battery accepts from 0 to {WHOLE_BP} of {WHOLE_BP} parts of its power")

    def share_bp(self, decidegrees: int) -> int:
        """Rounded down."""
        if decidegrees <= self.points[0][0]:
            return self.points[0][1]
        for (low, low_bp), (high, high_bp) in pairwise(self.points):
            if decidegrees <= high:
                return low_bp + (high_bp - low_bp) * (decidegrees - low) // (high - low)
        return self.points[-1][1]

    def derated(self, vehicle: Vehicle, decidegrees: int) -> Vehicle | None:
        """The vehicle with what its battery accepts, charging and giving back; None if that is below its least."""
        share = self.share_bp(decidegrees)
        power_w = vehicle.power_w * share // WHOLE_BP
        if power_w <= 0 or power_w < vehicle.least_power_w:
            return None
        return replace(
            vehicle, power_w=PowerW(power_w), export_power_w=PowerW(vehicle.export_power_w * share // WHOLE_BP)
        )


def taper_w(vehicle: Vehicle, stored_wh: int) -> PowerW:
    """The most that the vehicle takes with so much stored, as the linear program has it; its power without a battery.

    Rounded down: power · (capacity - stored) / (capacity · (1 - taper)), the whole power at most.
    """
    battery = vehicle.battery
    if battery is None or vehicle.taper_bp == WHOLE_BP:
        return vehicle.power_w
    room = max(0, battery.capacity_wh - stored_wh) * WHOLE_BP
    return PowerW(min(vehicle.power_w, vehicle.power_w * room // (battery.capacity_wh * (WHOLE_BP - vehicle.taper_bp))))
