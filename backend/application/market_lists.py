"""Auctions, their books, and positions, as everybody may see and check them."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.application.errors import UnknownAuction
from backend.application.filters import AuctionFilter, Page, PositionFilter
from backend.application.market import AuctionRecord, BookRecord, OrderRecord, PositionRecord, Step
from backend.application.own_book import own_book
from backend.application.ports import Store
from backend.application.records import TransactionRecord
from domain.auction.forced import ForcedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionWay:
    """An auction with what was sent for it from here, and how many orders were forced and sealed."""

    record: AuctionRecord
    sent: Sequence[tuple[Step, int, TransactionRecord]]
    forced: int
    sealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookProof:
    """A book line by line: the forced orders, then the signed ones with their signatures."""

    book: BookRecord
    forced: Sequence[ForcedOrder]
    orders: Sequence[OrderRecord]


@dataclass(frozen=True, slots=True)
class MarketLists:
    """What is kept of the market."""

    store: Store

    def auctions(self, page: Page, wanted: AuctionFilter) -> list[AuctionRecord]:
        with self.store.read() as unit:
            return unit.auctions.page(page, wanted)

    def auction(self, zone: int, interval_s: int) -> AuctionWay:
        """UnknownAuction if no book was committed."""
        with self.store.read() as unit:
            record = unit.auctions.find(zone, interval_s)
            if record is None:
                raise UnknownAuction(zone, interval_s)
            steps = unit.books.transactions(zone, interval_s)
            found = [(step, place, unit.outbox.record(sent)) for step, place, sent in steps]
            return AuctionWay(
                record=record,
                sent=[(step, place, one) for step, place, one in found if one is not None],
                forced=len(unit.zones.forced(zone, interval_s)),
                sealed=unit.zones.sealed(zone, interval_s),
            )

    def book(self, zone: int, interval_s: int) -> BookProof:
        """The committed book; UnknownAuction if there is none, or it was built elsewhere."""
        with self.store.read() as unit:
            book = own_book(unit, zone, interval_s)
            if book is None:
                raise UnknownAuction(zone, interval_s)
            known = {one.order_hash: one for one in unit.orders.named(book.hashes)}
            orders = [known[order_hash] for order_hash in book.hashes]
            return BookProof(book=book, forced=unit.zones.forced(zone, interval_s), orders=orders)

    def positions(self, page: Page, wanted: PositionFilter) -> list[PositionRecord]:
        with self.store.read() as unit:
            return unit.positions.page(page, wanted)
