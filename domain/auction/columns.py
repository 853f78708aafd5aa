"""The clearing of an auction on columns: 64-bit integers, no loop over orders, no floats.

No sum or product can overflow: a book of up to 2^22 orders of less than 2^30 Wh has less than 2^52 Wh, prices have 32
bits, and the one product that could be longer, an order's quantity times what is shared, is divided digit by digit
(`_share`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.auction.order import MAX_QUANTITY_WH
from domain.errors import Malformed, OutOfRange

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAX_ORDERS = 1 << 22
_MAX_PRICE = (1 << 32) - 1
_DIGIT_BITS = 10
_DIGIT = (1 << _DIGIT_BITS) - 1


@dataclass(frozen=True, slots=True)
class Columns:
    """Orders in the order of their lines: side, quantity in Wh, net limit in micro-euro per kWh.

    Raises Malformed for columns of several lengths or types, OutOfRange for numbers that no order has.
    """

    sell: Flags
    quantity_wh: Integers
    net: Integers

    def __post_init__(self) -> None:
        columns = (self.sell, self.quantity_wh, self.net)
        if any(column.shape != (len(self.sell),) for column in columns):
            raise Malformed("the columns of a book have one length")
        if [column.dtype for column in columns] != [np.dtype(bool), np.dtype(np.int64), np.dtype(np.int64)]:
            raise Malformed("the columns of a book are of bool, int64 and int64")
        if len(self.sell) > MAX_ORDERS:
            raise OutOfRange("orders in columns", len(self.sell), 0, MAX_ORDERS)
        for name, column, low, high in (
            ("quantity_wh", self.quantity_wh, 1, MAX_QUANTITY_WH),
            ("net", self.net, -_MAX_PRICE, _MAX_PRICE),
        ):
            for extreme in (int(column.min()), int(column.max())) if len(column) else ():
                if not low <= extreme <= high:
                    raise OutOfRange(name, extreme, low, high)


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where the curves meet: the greatest volume, and the least and the greatest price at which it clears."""

    volume_wh: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Shares:
    """How the orders at the price share what is left for their side, where it is less than they want.

    `share_wh` of `at_wh` are theirs. Of the Wh that rounding down leaves, one goes to each order with a greater
    remainder than `remainder`, and with this remainder up to line `line`; `remainder` is `at_wh`, and `line` 0, where
    rounding leaves nothing.
    """

    sell: bool
    at_wh: int
    share_wh: int
    remainder: int
    line: int


def hash_order(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """The places of order hashes, an array of n × 32 bytes, in ascending order."""
    words = np.ascontiguousarray(hashes).view(">u8").astype(np.uint64)
    order = np.argsort(words[:, 0])
    first = words[order, 0]
    if bool((first[1:] == first[:-1]).any()):
        order = np.lexsort((words[:, 3], words[:, 2], words[:, 1], words[:, 0]))
    return order


def crossing(columns: Columns) -> Crossing | None:
    """Where demand and supply meet; None if nothing can be traded.

    The volume is the greatest min(D≥, S≤), which is found at a buyer's net limit, because demand only falls above one.
    The prices that clear with it reach from the marginal offer, or the best bid that is left over, to the marginal
    bid, or the best offer that is left over.
    """
    bids, wanted_wh = _steps(-columns.net[~columns.sell], columns.quantity_wh[~columns.sell])
    offers, offered_wh = _steps(columns.net[columns.sell], columns.quantity_wh[columns.sell])
    bids = -bids
    if not len(bids) or not len(offers):
        return None
    up_to = np.searchsorted(offers, bids, "right")
    volume_wh = int(np.minimum(wanted_wh, np.concatenate(([0], offered_wh))[up_to]).max())
    if volume_wh == 0:
        return None
    lo = int(offers[np.searchsorted(offered_wh, volume_wh, "left")])
    hi = int(bids[np.searchsorted(wanted_wh, volume_wh, "left")])
    bid_left = np.searchsorted(wanted_wh, volume_wh, "right")
    offer_left = np.searchsorted(offered_wh, volume_wh, "right")
    if bid_left < len(bids):
        lo = max(lo, int(bids[bid_left]))
    if offer_left < len(offers):
        hi = min(hi, int(offers[offer_left]))
    return Crossing(volume_wh, lo, hi)


def fill(columns: Columns, volume_wh: int, price: int) -> tuple[Integers, Shares | None]:
    """What each order gets of the volume at the price, in Wh, and how the rationed side shares, if one is."""
    better = np.where(columns.sell, columns.net < price, columns.net > price)
    fills = np.where(better, columns.quantity_wh, 0)
    marginal = columns.net == price
    shares = None
    for sell in (False, True):
        side = columns.sell == sell
        at = np.flatnonzero(marginal & side)
        at_wh = int(columns.quantity_wh[at].sum())
        share_wh = volume_wh - int(fills[better & side].sum())
        if share_wh == at_wh:
            fills[at] = columns.quantity_wh[at]
        else:
            fills[at], remainder, last = ration(columns.quantity_wh[at], share_wh, at_wh)
            shares = Shares(sell, at_wh, share_wh, remainder, int(at[last]) if remainder < at_wh else 0)
    return fills, shares


def ration(quantity_wh: Integers, share_wh: int, at_wh: int) -> tuple[Integers, int, int]:
    """`share_wh` among orders of `at_wh` together, pro rata, the Wh that are left to the largest remainders.

    At equal remainders the earlier order comes first. Also gives the remainder and the place of the last order that
    gets one Wh more; remainder `at_wh` and place 0 if none does.
    """
    shares, remainders = _share(quantity_wh, share_wh, at_wh)
    left = share_wh - int(shares.sum())
    if left == 0:
        return shares, at_wh, 0
    # Fewer are left than orders have a remainder, so the threshold is above 0, and nobody gets more than it wants.
    threshold = int(np.partition(remainders, len(remainders) - left)[len(remainders) - left])
    above = remainders > threshold
    equal = np.flatnonzero(remainders == threshold)[: left - int(above.sum())]
    shares[above] += 1
    shares[equal] += 1
    return shares, threshold, int(equal[-1])


def _steps(keys: Integers, quantity_wh: Integers) -> tuple[Integers, Integers]:
    """The distinct keys, ascending, and the Wh up to and with each."""
    order = np.argsort(keys)
    ascending = keys[order]
    last = np.flatnonzero(np.append(ascending[1:] != ascending[:-1], True)) if len(keys) else order
    return ascending[last], np.cumsum(quantity_wh[order])[last]


def _share(quantity_wh: Integers, share_wh: int, at_wh: int) -> tuple[Integers, Integers]:
    """⌊quantity × share / at⌋ and the remainder, by long division: three digits of 10 bits of the quantity.

    With share < at < 2^52, a step's remainder and its digit's product are below 2^62 each.
    """
    quotient = np.zeros_like(quantity_wh)
    remainder = np.zeros_like(quantity_wh)
    for shift in (2 * _DIGIT_BITS, _DIGIT_BITS, 0):
        dividend = (remainder << _DIGIT_BITS) + (quantity_wh >> shift & _DIGIT) * share_wh
        step = dividend // at_wh
        remainder = dividend - step * at_wh
        quotient = (quotient << _DIGIT_BITS) + step
    return quotient, remainder
