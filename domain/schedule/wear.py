"""What a kWh that a vehicle gives back costs in battery life, by how deep it is discharged.

A cycle of depth d takes w(d) = 0.2 · dᵖ / N₁ of the capacity, N₁ being the full cycles until a fifth is lost: w(0) = 0,
convex for p ≥ 1, so that small cycles cost next to nothing. (The review's L₀ · exp(-a · DoD) charges small cycles in
full; it stays a reference law.) At that loss the battery is replaced. So a kWh given back at depth d costs the
capacity's price · p · dᵖ⁻¹ / N₁.

In the linear program, the energy that a stay gives back fills bands of rising price (`bands`). It counts as one
discharge: a stay with several small ones pays too much rather than too little.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from domain.bidding.stay import WHOLE_BP, Battery
from domain.errors import Malformed
from domain.units import EnergyWh, PriceMicroPerKwh

LIFE = 0.2
"""The part of the capacity that is lost when a battery is replaced."""

CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Band:
    """Up to `until_wh` given back in all, each kWh costs `micro_per_kwh`."""

    until_wh: EnergyWh
    micro_per_kwh: PriceMicroPerKwh


class WearModel(Protocol):
    """Prices what is given back, from nothing to the whole capacity. Prices of the bands never fall."""

    def bands(self, battery: Battery) -> tuple[Band, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatWear:
    """One price, whatever the depth."""

    micro_per_kwh: PriceMicroPerKwh

    def bands(self, battery: Battery) -> tuple[Band, ...]:
        return (Band(battery.capacity_wh, self.micro_per_kwh),)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthWear:
    """The convex law. `capacity_micro_per_kwh` is what a kWh of new battery costs, `full_cycles` is N₁.

    >>> wear = DepthWear(capacity_micro_per_kwh=100_000_000, full_cycles=3_000, exponent=1.5, steps=2)
    >>> pack = Battery(capacity_wh=EnergyWh(40_000), stored_wh=EnergyWh(30_000), floor_wh=EnergyWh(0),
    ...     efficiency_bp=9_000, wear_micro_per_kwh=PriceMicroPerKwh(0))
    >>> [(band.until_wh, band.micro_per_kwh) for band in wear.bands(pack)]
    [(20000, 23571), (40000, 43097)]
    """

    capacity_micro_per_kwh: PriceMicroPerKwh
    full_cycles: int
    exponent: float
    steps: int = 8

    def __post_init__(self) -> None:
        if self.capacity_micro_per_kwh < 0 or self.full_cycles <= 0 or self.exponent < 1 or self.steps <= 0:
            raise Malformed("wear has a price, full cycles and steps above nothing, and an exponent of 1 at least")

    def lost(self, depth: float) -> float:
        """The part of the capacity that a cycle of so much depth (0 to 1) takes: w(d)."""
        return LIFE * float(depth**self.exponent) / self.full_cycles

    def bands(self, battery: Battery) -> tuple[Band, ...]:
        """Chords of w over equal steps of depth: exact at their ends, above the law between them, rounded up."""
        bands: list[Band] = []
        price = 0
        for step in range(1, self.steps + 1):
            rise = self.lost(step / self.steps) - self.lost((step - 1) / self.steps)
            # Floats may differ in their last place where the law is straight: prices never fall for that.
            price = max(price, math.ceil(self.capacity_micro_per_kwh * rise / LIFE * self.steps - CLOSE))
            bands.append(Band(EnergyWh(battery.capacity_wh * step // self.steps), PriceMicroPerKwh(price)))
        return tuple(bands)


def cost_micro(bands: tuple[Band, ...], given_wh: int) -> float:
    """What giving back so much costs; beyond the last band, as in it."""
    cost, begin = 0.0, 0
    for number, band in enumerate(bands):
        end = given_wh if number == len(bands) - 1 else min(given_wh, band.until_wh)
        cost += max(0, end - begin) * band.micro_per_kwh / 1_000
        begin = max(begin, end)
    return cost


def depth_bp(battery: Battery, given_wh: int) -> int:
    """How deep giving back so much discharges, of 10,000."""
    return given_wh * WHOLE_BP // battery.capacity_wh
