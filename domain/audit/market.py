"""The market's part of the audit: auctions, the money held for their orders, and what positions come to."""

from collections.abc import Sequence

from domain.audit.auctions import Auctions
from domain.audit.findings import Tally
from domain.audit.gates import Gates
from domain.audit.ledger import Args, Books
from domain.audit.market_state import MarketState
from domain.audit.positions import Positions
from domain.audit.report import Deployed, Report, TransactionSource
from domain.audit.seats import Seats, place_of
from domain.chain import ChainEvent
from domain.statement import IntervalStatement

_SEAT_EVENTS = {
    *("ZoneOpened", "ZoneSet", "Joined", "MarginChanged"),
    *("BidForced", "BidSealed", "SealForfeited", "OrderCancelled"),
}
_BOOK_EVENTS = {"BidsCommitted", "AuctionCleared", "BookSettled", "AuctionVoided", "Concluded"}


class MarketAudit:
    """Takes the events of the auction house and of the book of positions, in their order."""

    def __init__(
        self,
        deployed: Deployed,
        transactions: TransactionSource,
        books: Books,
        gates: Gates,
        tally: Tally,
        report: Report,
    ) -> None:
        self._auction_house = deployed.auctions
        self._seats = Seats(deployed, transactions, gates, report)
        self._auctions = Auctions(deployed, transactions, books, self._seats, gates, tally, report)
        self._positions = Positions(deployed, books, self._seats, gates, tally, report)

    @property
    def state(self) -> MarketState:
        return self._seats.state

    @state.setter
    def state(self, state: MarketState) -> None:
        self._seats.state = state

    def note(self, event: ChainEvent, time_s: int) -> None:
        """Takes an event of the market, but for what is metered: `take_batch` has it."""
        if event.name in _SEAT_EVENTS:
            self._seats.note(event, time_s, place_of(event))
        elif event.name in _BOOK_EVENTS:
            self._auctions.note(event, time_s, place_of(event))
        elif event.name == "PositionClosed":
            self._positions.note_closed(event)

    def close_before(self, event: ChainEvent | None, beside: Sequence[ChainEvent], time_s: int) -> Sequence[ChainEvent]:
        """Re-computes the positions that were closed before this event, or before a transaction's end (None).

        `beside` are the debts that the transaction told; those that are not of closing positions come back.
        """
        if self._positions.ends_call(event):
            return self._positions.close(beside, time_s)
        return beside

    def take_batch(
        self, statements: Sequence[IntervalStatement], beside: Sequence[ChainEvent], time_s: int, where: str
    ) -> None:
        """Takes what a batch meters in the market; `beside` are its transaction's events."""
        self._positions.take_batch(statements, [one for one in beside if one.name == "Metered"], time_s, where)

    def check_open(self, now_s: int) -> None:
        """Reports positions that are open long after they could be closed."""
        self._positions.check_open(now_s)

    def check_tariff(self, args: Args, time_s: int, where: str) -> None:
        """Checks a price of the market that is being published."""
        self._positions.check_tariff(args, time_s, where)

    def is_lock_of_ours(self, event: ChainEvent) -> bool:
        """Whether money was locked or released by the auction house."""
        return bool(event.args["module"] == self._auction_house)

    def note_lock(self, event: ChainEvent, time_s: int) -> None:
        """Takes money that was locked or released by the auction house."""
        self._seats.note_lock(event, time_s, f"block {event.block}, {event.name}")

    def end_transaction(self, where: str) -> None:
        """Reports what the transaction that ends here should have done in the market and did not."""
        self._auctions.end_transaction(where)
        self._seats.end_transaction(where)
