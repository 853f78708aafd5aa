"""A zone's terms: what governance sets for the auctions of a zone."""

from dataclasses import dataclass

from domain.errors import Malformed, OffTick, OutOfRange
from domain.signing import checked_range
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds

TICK_MICRO_PER_KWH = PriceMicroPerKwh(100)
FLOOR_MICRO_PER_KWH = PriceMicroPerKwh(-500_000)
CAP_MICRO_PER_KWH = PriceMicroPerKwh(4_000_000)
NO_FEE = PriceMicroPerKwh(0)
GATE_S = 300
"""A book closes so long before its interval."""
REVEAL_S = 60
"""Sealed orders are revealed for so long after the gate; then the book is what it is."""

_LOWEST_INT32 = -(1 << 31)
_check = checked_range(
    zone=(16, 0),
    grid=(24, 0),
    import_limit_wh=(40, 0),
    export_limit_wh=(40, 0),
    tick_micro_per_kwh=(24, 0),
    floor_micro_per_kwh=(32, 1),
    cap_micro_per_kwh=(32, 1),
    gate_s=(24, 0),
    fee_micro_per_kwh=(31, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTerms:
    """What holds for an auction of `zone`.

    `grid` is the backstop's account; it may sell `import_limit_wh` and buy `export_limit_wh` in one interval. The
    book closes `gate_s` before the interval begins. A buyer pays the fee on top of the price.
    Raises OutOfRange, OffTick and Malformed for terms that no auction can have.
    """

    zone: int
    grid: AccountId
    import_limit_wh: EnergyWh
    export_limit_wh: EnergyWh
    tick_micro_per_kwh: PriceMicroPerKwh = TICK_MICRO_PER_KWH
    floor_micro_per_kwh: PriceMicroPerKwh = FLOOR_MICRO_PER_KWH
    cap_micro_per_kwh: PriceMicroPerKwh = CAP_MICRO_PER_KWH
    gate_s: int = GATE_S
    fee_micro_per_kwh: PriceMicroPerKwh = NO_FEE

    def __post_init__(self) -> None:
        _check(self)
        if self.tick_micro_per_kwh < 1:
            raise OutOfRange("tick_micro_per_kwh", self.tick_micro_per_kwh, 1, (1 << 24) - 1)
        for price in (self.floor_micro_per_kwh, self.cap_micro_per_kwh, self.fee_micro_per_kwh):
            self.check_tick(price)
        if self.floor_micro_per_kwh > self.cap_micro_per_kwh:
            raise Malformed(f"the floor {self.floor_micro_per_kwh} lies above the cap {self.cap_micro_per_kwh}")
        if self.below_all < _LOWEST_INT32:
            raise OutOfRange("floor less fee and tick", self.below_all, _LOWEST_INT32, 0)

    @property
    def lowest_net(self) -> PriceMicroPerKwh:
        """The least price there can be: what a buyer at the floor leaves for the seller."""
        return PriceMicroPerKwh(self.floor_micro_per_kwh - self.fee_micro_per_kwh)

    @property
    def below_all(self) -> PriceMicroPerKwh:
        """A tick below every price: nobody sells at it."""
        return PriceMicroPerKwh(self.lowest_net - self.tick_micro_per_kwh)

    def closes_s(self, interval_s: UnixSeconds) -> UnixSeconds:
        """When the book of the interval closes: its gate."""
        return UnixSeconds(interval_s - self.gate_s)

    def net(self, *, sell: bool, limit: PriceMicroPerKwh) -> PriceMicroPerKwh:
        """The worst price of an order in the auction: a buyer's limit without the fee, a seller's limit."""
        return limit if sell else PriceMicroPerKwh(limit - self.fee_micro_per_kwh)

    def midpoint(self, lo: PriceMicroPerKwh, hi: PriceMicroPerKwh) -> PriceMicroPerKwh:
        """(lo + hi) / 2, rounded towards minus infinity to a multiple of the tick.

        >>> terms = ZoneTerms(zone=1, grid=AccountId(4), import_limit_wh=EnergyWh(0), export_limit_wh=EnergyWh(0))
        >>> terms.midpoint(PriceMicroPerKwh(-200), PriceMicroPerKwh(100))
        -100
        """
        return PriceMicroPerKwh((lo + hi) // 2 // self.tick_micro_per_kwh * self.tick_micro_per_kwh)

    def check_limit(self, limit: PriceMicroPerKwh) -> None:
        """OutOfRange or OffTick unless an order may have this limit."""
        if not self.floor_micro_per_kwh <= limit <= self.cap_micro_per_kwh:
            raise OutOfRange("limit_micro_per_kwh", limit, self.floor_micro_per_kwh, self.cap_micro_per_kwh)
        self.check_tick(limit)

    def check_tick(self, price: PriceMicroPerKwh) -> None:
        """OffTick unless `price` is a multiple of the tick."""
        if price % self.tick_micro_per_kwh:
            raise OffTick(price, self.tick_micro_per_kwh)
