"""What events of the AuctionHouse and the PositionBook say, as the rows that use cases read."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backend.application.feed import tell_auction, tell_order
from backend.application.market import Amounts, BookRecord, Cleared, OrderState, ZoneSetting
from backend.application.own_book import own_book
from backend.application.ports import UnitOfWork
from domain.auction.book import decode_lines
from domain.auction.forced import decode_forced
from domain.chain import ChainEvent
from domain.units import MARKET_INTERVAL_S, AccountId

Args = dict[str, Any]


def _zone_set(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    setting = ZoneSetting(
        zone=args["zone"],
        grid=AccountId(args["grid"]),
        fee_micro_per_kwh=args["feeMicroPerKwh"],
        import_limit_wh=args["importLimitWh"],
        export_limit_wh=args["exportLimitWh"],
        from_s=args["from"],
    )
    unit.zones.terms_set(setting, unit.blocks.time_of(event.block))


def _joined(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    unit.zones.joined(args["zone"], args["account"], event.place)


def _bid_forced(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    unit.zones.force(decode_forced(args["order"], args["account"]), event.place)


def _bid_sealed(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    unit.zones.seal(args["zone"], args["interval"], args["account"], args["commitment"], event.place)


def _order_cancelled(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    place = args["zone"], args["interval"], args["account"], args["nonce"]
    unit.zones.cancel(*place)
    cancelled = unit.orders.cancelled_on_chain(*place)
    if cancelled is not None:
        tell_order(unit, replace(cancelled, state=OrderState.CANCELLED, reason="its owner cancelled it on chain"))


def _bids_committed(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    zone, interval_s = args["zone"], args["interval"]
    unit.auctions.committed(
        zone, interval_s, count=args["count"], digest=args["digest"], place=event.place, transaction=event.tx
    )
    tell_auction(unit, zone, interval_s, "committed")


def _auction_cleared(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    zone, interval_s, claim = args["zone"], args["interval"], args["claim"]
    cleared = Cleared(
        price_micro_per_kwh=args["priceMicroPerKwh"] if claim["crosses"] else None,
        volume_wh=claim["volumeWh"],
        lo_micro_per_kwh=claim["lo"],
        hi_micro_per_kwh=claim["hi"],
    )
    unit.auctions.cleared(zone, interval_s, cleared)
    tell_auction(unit, zone, interval_s, "cleared")


def _book_settled(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    """What is traded counts once all chunks are settled. What was held for forced orders is given back at once."""
    unit.auctions.chunk_settled(args["zone"], args["interval"], args["chunk"])
    unit.zones.given_back(args["zone"], args["interval"])


def _concluded(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    zone, interval_s = args["zone"], args["interval"]
    unit.auctions.concluded(zone, interval_s, args["feeMicroPerKwh"])
    book = own_book(unit, zone, interval_s)
    if book is not None:
        _enter_fills(unit, book)
    tell_auction(unit, zone, interval_s, "concluded")


def _enter_fills(unit: UnitOfWork, book: BookRecord) -> None:
    """What each line got, in the positions and beside the orders. Forced lines come first, and have no order of ours.

    The grid account has no position to close: the others are closed against it.
    """
    setting = unit.zones.setting(book.zone, book.interval_s)
    grid = setting.grid if setting else None
    for line, wh in zip(decode_lines(book.lines), book.fills, strict=True):
        if wh and line.account != grid:
            amounts = Amounts(sold_wh=wh) if line.sell else Amounts(bought_wh=wh)
            unit.positions.add(book.zone, book.interval_s, line.account, amounts)
    unit.orders.settled(dict(zip(book.hashes, book.fills[len(book.forced_nonces) :], strict=True)))


def _voided(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.auctions.voided(args["zone"], args["interval"])
    unit.zones.given_back(args["zone"], args["interval"])
    tell_auction(unit, args["zone"], args["interval"], "void")


def _metered(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    """One word for each row: payee, account, begin, exported, Wh. The payee is a zone's grid account."""
    for word in args["rows"]:
        payee, account = word >> 104 & 0xFFFFFF, word >> 80 & 0xFFFFFF
        zone = unit.zones.of_grid(payee)
        start_s, exported, wh = word >> 40 & (1 << 40) - 1, word >> 32 & 0xFF, word & 0xFFFFFFFF
        if zone is not None and account != payee:
            amounts = Amounts(exported_wh=wh) if exported else Amounts(imported_wh=wh)
            interval_s = start_s - start_s % MARKET_INTERVAL_S
            unit.positions.add(zone, interval_s, account, amounts)


def _position_closed(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    amounts = Amounts(
        bought_wh=args["boughtWh"],
        sold_wh=args["soldWh"],
        imported_wh=args["importedWh"],
        exported_wh=args["exportedWh"],
    )
    net_micro = args["owedMicro"] if args["accountPays"] else -args["receivedMicro"]
    place = args["zone"], args["interval"], args["account"]
    unit.positions.closed(*place, amounts, net_micro=net_micro, set_aside=args["setAside"])


MARKET_PROJECTIONS: dict[tuple[str, str], Callable[[UnitOfWork, ChainEvent, Args], None]] = {
    ("AuctionHouse", "ZoneSet"): _zone_set,
    ("AuctionHouse", "Joined"): _joined,
    ("AuctionHouse", "BidForced"): _bid_forced,
    ("AuctionHouse", "BidSealed"): _bid_sealed,
    ("AuctionHouse", "OrderCancelled"): _order_cancelled,
    ("AuctionHouse", "BidsCommitted"): _bids_committed,
    ("AuctionHouse", "AuctionCleared"): _auction_cleared,
    ("AuctionHouse", "BookSettled"): _book_settled,
    ("AuctionHouse", "AuctionVoided"): _voided,
    ("PositionBook", "Concluded"): _concluded,
    ("PositionBook", "Metered"): _metered,
    ("PositionBook", "PositionClosed"): _position_closed,
}
