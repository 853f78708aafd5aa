"""Orders that their owners send to the chain past the operator: their word, and the money that is held for them."""

from dataclasses import dataclass, replace

from domain.auction.book import LINE_BYTES, Line, decode_line
from domain.auction.order import Order, most_owed_micro
from domain.signing import checked_range
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, PriceMicroPerKwh

AHEAD_S = 64 * MARKET_INTERVAL_S
"""An order is forced for an interval that begins at most so much later."""
BOND_MICRO = 1_000_000
"""What is held for a sealed order until it is revealed."""
LEAST_HELD_MICRO = 10_000

_WORD_BYTES, _ACCOUNT_BYTES = 32, 3
_ZONE_BITS, _INTERVAL_BITS, _LINE_BITS, _NONCE_BITS = 240, 200, 136, 128
"""Where each part of the word begins."""
_check = checked_range(zone=(16, 0), interval_s=(40, 0), quantity_wh=(30, 0), limit_micro_per_kwh=(32, 1), nonce=(8, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedOrder:
    """An order that the owner of `account` sends to the chain itself.

    A chain may hold any numbers, so nothing is checked: the contract takes what an `Order` can be.
    """

    account: int
    zone: int
    interval_s: int
    sell: bool
    quantity_wh: int
    limit_micro_per_kwh: int
    nonce: int

    @property
    def line(self) -> Line:
        """What the book says of it."""
        limit = PriceMicroPerKwh(self.limit_micro_per_kwh)
        return Line(AccountId(self.account), self.sell, True, EnergyWh(self.quantity_wh), limit)

    def encode(self) -> bytes:
        """The word of 32 bytes that `force` and `reveal` take; whose order it is their sender says.

        Zone u16, interval u40, side and quantity u32, limit + 2^31 u32, nonce u8, zeros. OutOfRange for numbers that
        have no place in it.
        """
        _check(self)
        line = replace(self.line, account=AccountId(0), forced=False).encode()
        place = self.zone.to_bytes(2, "big") + self.interval_s.to_bytes(5, "big")
        return (place + line[_ACCOUNT_BYTES:] + bytes([self.nonce])).ljust(_WORD_BYTES, b"\0")


def decode_forced(data: bytes, account: int) -> ForcedOrder:
    """The order in a word, whatever it has: a bit that the contract refuses is passed over."""
    number = int.from_bytes(data, "big")
    line = decode_line((number >> _LINE_BITS & (1 << 64) - 1).to_bytes(LINE_BYTES, "big"))
    return ForcedOrder(
        account=account,
        zone=number >> _ZONE_BITS,
        interval_s=number >> _INTERVAL_BITS & (1 << 40) - 1,
        sell=line.sell,
        quantity_wh=line.quantity_wh,
        limit_micro_per_kwh=line.limit_micro_per_kwh,
        nonce=number >> _NONCE_BITS & 0xFF,
    )


def forced_of(order: Order) -> ForcedOrder:
    """The order as its owner sends it; an order that is forced does not expire."""
    return ForcedOrder(
        account=order.account,
        zone=order.zone,
        interval_s=order.interval_s,
        sell=order.sell,
        quantity_wh=order.quantity_wh,
        limit_micro_per_kwh=order.limit_micro_per_kwh,
        nonce=order.nonce,
    )


def held_micro(line: Line) -> int:
    """What is held for a forced order: the most that it can owe, and LEAST_HELD_MICRO at least."""
    return max(LEAST_HELD_MICRO, most_owed_micro(line.quantity_wh, line.limit_micro_per_kwh, sell=line.sell))
