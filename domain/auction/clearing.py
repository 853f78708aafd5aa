"""The clearing of a book: one price, what each order gets, and who pays what.

>>> from domain.auction.book import Book, Line
>>> from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
>>> terms = ZoneTerms(zone=1, grid=AccountId(4), import_limit_wh=EnergyWh(0), export_limit_wh=EnergyWh(0))
>>> bid = Line(AccountId(6), False, False, EnergyWh(5_000), PriceMicroPerKwh(300_000))
>>> offer = Line(AccountId(7), True, False, EnergyWh(3_000), PriceMicroPerKwh(100_000))
>>> found = clear(Book(1, UnixSeconds(0), (bid, offer)), terms)
>>> found.price_micro_per_kwh, found.volume_wh, found.fills
(300000, 3000, (3000, 3000))
"""

from dataclasses import dataclass

import numpy as np

from domain.auction.book import Book
from domain.auction.claim import Claim, CrossingClaim, NothingCrosses
from domain.auction.columns import Columns, crossing, fill
from domain.auction.zone import ZoneTerms
from domain.units import AccountId, EnergyWh, MoneyMicro, PriceMicroPerKwh, cost_ceil, cost_floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What the order of one line trades.

    A buyer pays `amount_micro`, the zone's fee in it, and a seller receives it; at a negative price a seller pays.
    Members pay it as a part of their position, which is rounded once for all that it has (IPositionBook).
    """

    line: int
    account: AccountId
    sell: bool
    energy_wh: EnergyWh
    amount_micro: MoneyMicro


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """The result of an auction. `price_micro_per_kwh` is None if nothing is traded, never 0 for that.

    `fills` has the Wh of each line. What buyers pay is what sellers receive and `fees_micro`: the fee, and what
    rounding leaves, below one micro-euro an order.
    """

    volume_wh: EnergyWh
    price_micro_per_kwh: PriceMicroPerKwh | None
    fills: tuple[int, ...]
    claim: Claim
    trades: tuple[Trade, ...]
    fees_micro: MoneyMicro


def clear(book: Book, terms: ZoneTerms) -> Clearing:
    """The one clearing that the rulebook gives this book: greatest surplus, then volume, then the middle price."""
    columns = columns_of(book, terms)
    found = crossing(columns)
    if found is None:
        return Clearing(
            volume_wh=EnergyWh(0),
            price_micro_per_kwh=None,
            fills=(0,) * len(book.lines),
            claim=NothingCrosses(_above_bids(columns, terms)),
            trades=(),
            fees_micro=MoneyMicro(0),
        )
    price = terms.midpoint(PriceMicroPerKwh(found.lo), PriceMicroPerKwh(found.hi))
    column, shares = fill(columns, found.volume_wh, price)
    fills = tuple(column.tolist())
    trades = trades_of(book, fills, price, terms)
    return Clearing(
        volume_wh=EnergyWh(found.volume_wh),
        price_micro_per_kwh=price,
        fills=fills,
        claim=CrossingClaim(found.volume_wh, found.lo, found.hi, shares),
        trades=trades,
        fees_micro=MoneyMicro(sum(-trade.amount_micro if trade.sell else trade.amount_micro for trade in trades)),
    )


def columns_of(book: Book, terms: ZoneTerms) -> Columns:
    """The book's lines as columns; a buyer's limit without the fee."""
    lines = book.lines
    return Columns(
        np.array([line.sell for line in lines], dtype=bool),
        np.array([line.quantity_wh for line in lines], dtype=np.int64),
        np.array([terms.net(sell=line.sell, limit=line.limit_micro_per_kwh) for line in lines], dtype=np.int64),
    )


def trades_of(book: Book, fills: tuple[int, ...], price: PriceMicroPerKwh, terms: ZoneTerms) -> tuple[Trade, ...]:
    """The trades at one price: buyers pay it and the fee, rounded up once; sellers receive rounded down."""
    to_buyers = PriceMicroPerKwh(price + terms.fee_micro_per_kwh)
    filled = ((number, line, EnergyWh(wh)) for number, (line, wh) in enumerate(zip(book.lines, fills, strict=True)))
    return tuple(
        Trade(
            line=number,
            account=line.account,
            sell=line.sell,
            energy_wh=wh,
            amount_micro=cost_floor(wh, price) if line.sell else cost_ceil(wh, to_buyers),
        )
        for number, line, wh in filled
        if wh
    )


def _above_bids(columns: Columns, terms: ZoneTerms) -> int:
    """The highest net limit of a buyer, where nothing crosses; a tick below all prices if nobody buys."""
    bids = columns.net[~columns.sell]
    return int(bids.max()) if len(bids) else terms.below_all
