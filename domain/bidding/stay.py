"""A vehicle's stay at a station: its battery, its need, and the market intervals that are left to meet it.

Energy is what the meter shows. Of what is charged, the battery gives back `efficiency_bp` of 10,000 at the meter; all
losses of a round trip are counted when charging. So selling one Wh needs 10,000 / `efficiency_bp` Wh to be bought again
(Kempton and Tomić, Vehicle-to-grid power fundamentals, J. Power Sources 144, 2005: what sold energy costs is the price
of bought energy / efficiency + degradation).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from domain.errors import Malformed
from domain.units import (
    MARKET_INTERVAL_S,
    SECONDS_PER_HOUR,
    EnergyWh,
    PowerW,
    PriceMicroPerKwh,
    UnixSeconds,
)

WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """What a battery gives back and what that costs.

    `stored_wh` at arrival, `floor_wh` and `capacity_wh` count what it could give at the meter. Wear is the price of
    battery life for a kWh sold: 13,000 in the middle of chemistries, 2,000 to 55,000 (BLAST-Lite at 100 euro per kWh).
    Raises Malformed for a battery that cannot be.
    """

    capacity_wh: EnergyWh
    stored_wh: EnergyWh
    floor_wh: EnergyWh
    efficiency_bp: int
    wear_micro_per_kwh: PriceMicroPerKwh

    def __post_init__(self) -> None:
        if not 0 < self.efficiency_bp <= WHOLE_BP:
            raise Malformed(f"a round trip returns 1 to {WHOLE_BP} of {WHOLE_BP} parts, not {self.efficiency_bp}")
        if not 0 <= self.stored_wh <= self.capacity_wh or not 0 <= self.floor_wh <= self.capacity_wh:
            raise Malformed("what is stored and the floor lie between nothing and the capacity")
        if self.wear_micro_per_kwh < 0:
            raise Malformed("wear costs nothing at least")

    def need_wh(self, target_wh: int) -> EnergyWh:
        """What must be charged from arrival until `target_wh` is stored, rounded up.

        >>> Battery(capacity_wh=EnergyWh(9_000), stored_wh=EnergyWh(1_000), floor_wh=EnergyWh(0), efficiency_bp=8_000,
        ...     wear_micro_per_kwh=PriceMicroPerKwh(0)).need_wh(1_801)
        1002
        """
        missing_wh = max(0, min(target_wh, self.capacity_wh) - self.stored_wh)
        return EnergyWh(-(-missing_wh * WHOLE_BP // self.efficiency_bp))

    @property
    def room_wh(self) -> EnergyWh:
        """What can be charged until it is full, rounded down."""
        return EnergyWh((self.capacity_wh - self.stored_wh) * WHOLE_BP // self.efficiency_bp)

    def target_wh(self, need_wh: int) -> EnergyWh:
        """What is stored once so much was charged."""
        return EnergyWh(min(self.capacity_wh, self.stored_wh + need_wh * self.efficiency_bp // WHOLE_BP))

    def missing_wh(self, need_wh: int, moved: "Moved") -> EnergyWh:
        """What of a need is still to be charged, rounded up, after so much was charged and sold."""
        parts = (need_wh - moved.imported_wh) * self.efficiency_bp + moved.exported_wh * WHOLE_BP
        return EnergyWh(max(0, -(-parts // self.efficiency_bp)))

    def stored_after_wh(self, moved: "Moved") -> int:
        """What it could give after so much was charged and sold; rounding may put it past empty or full."""
        return self.stored_wh + moved.imported_wh * self.efficiency_bp // WHOLE_BP - moved.exported_wh

    def after(self, moved: "Moved") -> "Battery":
        """The battery after so much was charged and sold."""
        return replace(self, stored_wh=EnergyWh(max(0, min(self.stored_after_wh(moved), self.capacity_wh))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """From arrival to departure at up to `power_w`, selling at up to `export_power_w`, 0 if it sells nothing.

    `need_wh` is what the driver wants charged beside what is sold and bought again. The plan is to be done
    `reserve_s` before departure: one driver in seven leaves over an hour earlier than declared (ACN-Data, JPL 2019).
    """

    arrival_s: UnixSeconds
    departure_s: UnixSeconds
    need_wh: EnergyWh
    power_w: PowerW
    export_power_w: PowerW
    battery: Battery
    reserve_s: int = 0

    def __post_init__(self) -> None:
        if self.departure_s <= self.arrival_s:
            raise Malformed(f"a stay from {self.arrival_s} to {self.departure_s} has no length")
        if min(self.need_wh, self.power_w, self.export_power_w, self.reserve_s) < 0:
            raise Malformed("need, powers and reserve are never negative")

    def missing_wh(self, moved: "Moved") -> EnergyWh:
        """What is still to be charged, rounded up, after so much was charged and sold."""
        return self.battery.missing_wh(self.need_wh, moved)

    def spare_wh(self, moved: "Moved") -> EnergyWh:
        """What can be sold down to the battery's floor."""
        return EnergyWh(max(0, self.battery.stored_after_wh(moved) - self.battery.floor_wh))


@dataclass(frozen=True, slots=True)
class Moved:
    """Charged and sold since arrival, Wh: what was metered, and what is due in intervals that run or are closed."""

    imported_wh: int = 0
    exported_wh: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What one market interval offers to a stay.

    `charge` is the zone's price for energy that was not traded, `expected` what buying in the auction will cost with
    the fee; both micro-euro per kWh. `late` intervals end within the reserve before departure.
    """

    interval_s: UnixSeconds
    import_wh: EnergyWh
    export_wh: EnergyWh
    charge: PriceMicroPerKwh
    expected: PriceMicroPerKwh
    late: bool = False


PriceAt = Callable[[UnixSeconds], PriceMicroPerKwh]
"""A price of the market interval that begins then, micro-euro per kWh."""


def slots_of(stay: Stay, from_s: UnixSeconds, *, charge_at: PriceAt, expected_at: PriceAt) -> tuple[Slot, ...]:
    """The stay's market intervals that begin at `from_s` or later, earliest first."""
    first_s = max(from_s, stay.arrival_s - stay.arrival_s % MARKET_INTERVAL_S)
    edges = range(first_s, stay.departure_s + MARKET_INTERVAL_S, MARKET_INTERVAL_S)
    slots = []
    for begins_s, ends_s in pairwise(map(UnixSeconds, edges)):
        seconds = min(ends_s, stay.departure_s) - max(begins_s, stay.arrival_s)
        slots.append(
            Slot(
                interval_s=begins_s,
                import_wh=EnergyWh(stay.power_w * seconds // SECONDS_PER_HOUR),
                export_wh=EnergyWh(stay.export_power_w * seconds // SECONDS_PER_HOUR),
                charge=charge_at(begins_s),
                expected=expected_at(begins_s),
                late=min(ends_s, stay.departure_s) > stay.departure_s - stay.reserve_s,
            )
        )
    return tuple(slots)
