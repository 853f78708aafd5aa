"""Auctions in which it pays to bid what the energy is worth, beside the default clearing.

| mode   | orders       | prices                 | budget                                  | gives up                 |
|--------|--------------|------------------------|-----------------------------------------|--------------------------|
| McAfee | any quantity | one for each side      | what buyers pay more is left over       | the orders at the margin |
| SBBA   | one quantity | one                    | sellers receive all that buyers pay     | one order of buyers      |
| MUDA   | any quantity | one for each half      | sellers receive all that buyers pay     | what crosses the halves  |

What is truthful: a trader that has one order, for which each Wh is worth the same, and that does not mind to be
filled in part, gains nothing on average by another **limit** than its value, whatever the others bid. A buyer's value
is that of the energy less the zone's fee, which it pays in any case.

What is not: *quantities*, because the longer side shares pro rata, so that asking for more gets more; *several orders*
of one account, because one can move the price for another; and *the last Wh*, because rounding gives it to an
earlier line, and a line's place follows from the order's hash, which the limit is part of.

Prices are on the tick, in micro-euro per kWh and without the fee; fills are Wh by line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.auction.book import Book
from domain.auction.clearing import columns_of
from domain.auction.columns import Columns, Crossing, Integers, crossing, ration
from domain.auction.zone import ZoneTerms
from domain.errors import QuantitiesDiffer
from domain.keccak import keccak
from domain.units import PriceMicroPerKwh


@dataclass(frozen=True, slots=True)
class TruthfulClearing:
    """What a truthful mode gives: the Wh of each line, and the price of each, None where it trades nothing."""

    fills: tuple[int, ...]
    prices: tuple[int | None, ...]


def clear_mcafee(book: Book, terms: ZoneTerms) -> TruthfulClearing:
    """McAfee's double auction (R. P. McAfee, "A dominant strategy double auction", J. Econ. Theory 56, 1992).

    Orders of one quantity, with k pairs that would trade: p0 = (b(k+1) + s(k+1)) / 2. Where s(k) ≤ p0 ≤ b(k), all k
    trade at p0, otherwise the first k−1, buyers at b(k), sellers at s(k). An order that is not there has the worst
    price that there can be.

    Orders of several quantities: p0 would no longer be truthful, because an order that is filled in part could choose
    which of both cases it is. So the orders that hold the last Wh of the volume never trade and set the prices, and
    the longer side shares what the shorter one has (Huang, Scheller-Wolf and Sycara, "Design of a multi-unit double
    auction e-market", Computational Intelligence 18, 2002), here pro rata.
    """
    columns = columns_of(book, terms)
    found = crossing(columns)
    if found is None:
        return _nothing(columns)
    buyers, sellers = _merit_order(columns, sell=False), _merit_order(columns, sell=True)
    last_buyer, last_seller = _holds(columns, buyers, found), _holds(columns, sellers, found)
    bid, ask = int(columns.net[buyers[last_buyer]]), int(columns.net[sellers[last_seller]])
    if _one_quantity(columns):
        next_bid = _net_at(columns, buyers, last_buyer + 1, terms.lowest_net)
        next_ask = _net_at(columns, sellers, last_seller + 1, terms.cap_micro_per_kwh)
        middle = terms.midpoint(next_bid, next_ask)
        if ask <= middle <= bid:
            return _traded(columns, buyers[: last_buyer + 1], sellers[: last_seller + 1], middle, middle)
    return _traded(columns, buyers[:last_buyer], sellers[:last_seller], bid, ask)


def clear_sbba(book: Book, terms: ZoneTerms) -> TruthfulClearing:
    """SBBA (Segal-Halevi, Hassidim and Aumann, "SBBA: a strongly-budget-balanced double-auction mechanism", SAGT 2016,
    arXiv:1607.05139).

    p = min(b(k), s(k+1)). At s(k+1) all k pairs trade; at b(k), which is taken if it is the lower one, k−1
    buyers trade with k−1 of k sellers that the paper draws by lot. Energy can be divided, so each of the k
    sells (k−1)/k of its quantity instead: what the lot gives on average.

    QuantitiesDiffer for orders of several quantities, for which the rule is not truthful: a seller beyond the last
    one could underbid into the volume and so make a worse offer set the price. `clear_muda` takes these.
    """
    columns = columns_of(book, terms)
    if not _one_quantity(columns):
        raise QuantitiesDiffer(int(columns.quantity_wh.min()), int(columns.quantity_wh.max()))
    found = crossing(columns)
    if found is None:
        return _nothing(columns)
    buyers, sellers = _merit_order(columns, sell=False), _merit_order(columns, sell=True)
    last = _holds(columns, buyers, found)
    bid = int(columns.net[buyers[last]])
    next_ask = _net_at(columns, sellers, last + 1, PriceMicroPerKwh(bid + terms.tick_micro_per_kwh))
    if next_ask <= bid:
        return _traded(columns, buyers[: last + 1], sellers[: last + 1], next_ask, next_ask)
    return _traded(columns, buyers[:last], sellers[: last + 1], bid, bid)


def clear_muda(book: Book, terms: ZoneTerms, seed: bytes) -> TruthfulClearing:
    """MUDA (Segal-Halevi, Hassidim and Aumann, "MUDA: a truthful multi-unit double-auction mechanism", AAAI 2018).

    Each account is in one of two halves, by lot from `seed`; each half trades at the middle price at which the other
    half alone would clear, and not at all if that would not. So nobody's order moves the price it trades at. The
    longer side of a half shares pro rata here, where the paper draws a sequence by lot.

    `seed` must be unknown until the book has closed, such as the hash of a later block: who knows it can choose an
    account of the half that it likes.
    """
    columns = columns_of(book, terms)
    halves = np.array([keccak(seed + line.account.to_bytes(3, "big"))[0] & 1 for line in book.lines])
    fills = np.zeros_like(columns.quantity_wh)
    prices: list[int | None] = [None] * len(book.lines)
    for half in (0, 1):
        found = crossing(_part(columns, np.flatnonzero(halves != half)))
        if found is None:
            continue
        price = terms.midpoint(PriceMicroPerKwh(found.lo), PriceMicroPerKwh(found.hi))
        own = halves == half
        buyers = np.flatnonzero(own & ~columns.sell & (columns.net >= price))
        sellers = np.flatnonzero(own & columns.sell & (columns.net <= price))
        traded = _traded(columns, buyers, sellers, price, price)
        fills += np.array(traded.fills, dtype=np.int64)
        prices = [new if new is not None else old for old, new in zip(prices, traded.prices, strict=True)]
    return TruthfulClearing(tuple(fills.tolist()), tuple(prices))


def _merit_order(columns: Columns, *, sell: bool) -> Integers:
    """The lines of a side, the most eager first, at one price the earlier line."""
    lines = np.flatnonzero(columns.sell == sell)
    eagerness = columns.net[lines] if sell else -columns.net[lines]
    return lines[np.argsort(eagerness, kind="stable")]


def _holds(columns: Columns, side: Integers, found: Crossing) -> int:
    """The place, in merit order, of the order that holds the last Wh of the volume."""
    return int(np.searchsorted(np.cumsum(columns.quantity_wh[side]), found.volume_wh, "left"))


def _one_quantity(columns: Columns) -> bool:
    return bool((columns.quantity_wh == columns.quantity_wh[0]).all())


def _net_at(columns: Columns, side: Integers, place: int, nobody: PriceMicroPerKwh) -> PriceMicroPerKwh:
    return PriceMicroPerKwh(int(columns.net[side[place]])) if place < len(side) else nobody


def _part(columns: Columns, lines: Integers) -> Columns:
    return Columns(columns.sell[lines], columns.quantity_wh[lines], columns.net[lines])


def _traded(columns: Columns, buyers: Integers, sellers: Integers, buy_price: int, sell_price: int) -> TruthfulClearing:
    """The shorter side trades whole, the longer one shares that pro rata."""
    fills = np.zeros_like(columns.quantity_wh)
    wh = [int(columns.quantity_wh[side].sum()) for side in (buyers, sellers)]
    for side, side_wh in zip((buyers, sellers), wh, strict=True):
        if min(wh) == side_wh:
            fills[side] = columns.quantity_wh[side]
        elif min(wh):
            fills[side], _, _ = ration(columns.quantity_wh[side], min(wh), side_wh)
    return TruthfulClearing(tuple(fills.tolist()), _prices(columns, fills, buy_price, sell_price))


def _prices(
    columns: Columns, fills: Sequence[int] | Integers, buy_price: int, sell_price: int
) -> tuple[int | None, ...]:
    pairs = zip(fills, columns.sell, strict=True)
    return tuple((sell_price if sell else buy_price) if wh else None for wh, sell in pairs)


def _nothing(columns: Columns) -> TruthfulClearing:
    return TruthfulClearing((0,) * len(columns.sell), (None,) * len(columns.sell))
