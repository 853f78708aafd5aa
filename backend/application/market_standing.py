"""How the market stands: auctions that are not over although their book is closed, and positions to be closed."""

from dataclasses import dataclass

from backend.application.given_up import Place
from backend.application.market import AuctionState, OrderState
from backend.application.order_checks import market_time_s, terms_of
from backend.application.ports import Clock, UnitOfWork
from domain.units import MARKET_INTERVAL_S, UnixSeconds

MAX_COUNTED = 10_000
LATE_S = 120
"""So much later than they could be closed positions usually are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long the contracts let auctions and positions wait after an interval's end."""

    settle_within_s: int
    close_after_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStanding:
    """The market at `time_s`, which is its own time. Intervals are named by their first second, None if there is none.

    `without_book` are auctions past their gate that have orders, but neither a book nor an end; `unsettled` those
    with a book that can still be settled. `closable` positions are open although they can be closed.
    """

    time_s: UnixSeconds
    without_book: int = 0
    unsettled: int = 0
    oldest_auction_s: int | None = None
    closable: int = 0
    oldest_closable_s: int | None = None
    close_after_s: int = 0

    @property
    def attention(self) -> list[str]:
        """What somebody should look at."""
        found = []
        oldest_s = self.oldest_auction_s
        if oldest_s is not None and oldest_s + MARKET_INTERVAL_S <= self.time_s:
            stuck = self.without_book + self.unsettled
            found.append(f"{stuck} auctions are not over, the oldest that of {oldest_s}; see /v1/auctions and the log")
        oldest_s = self.oldest_closable_s
        if oldest_s is not None and oldest_s + MARKET_INTERVAL_S + self.close_after_s + LATE_S < self.time_s:
            found.append(
                f"{self.closable} positions are open although they can be closed, the oldest of {oldest_s}; "
                "see /v1/positions?open=true and the log"
            )
        return found


def market_standing(unit: UnitOfWork, clock: Clock, waits: Waits) -> MarketStanding:
    """Looks at auctions and positions once."""
    now_s = market_time_s(unit, clock)
    begun_s = now_s - MARKET_INTERVAL_S
    over_s = begun_s - waits.settle_within_s
    bookless = _without_book(unit, now_s)
    unsettled = [
        (one.zone, one.interval_s)
        for state in (AuctionState.COMMITTED, AuctionState.CLEARED)
        for one in unit.auctions.due(state, over_s, MAX_COUNTED)
    ]
    closable, oldest_s = unit.positions.closable(begun_s - waits.close_after_s, over_s - 1)
    return MarketStanding(
        time_s=now_s,
        without_book=len(bookless),
        unsettled=len(unsettled),
        oldest_auction_s=min((interval_s for _, interval_s in (*bookless, *unsettled)), default=None),
        closable=closable,
        oldest_closable_s=oldest_s,
        close_after_s=waits.close_after_s,
    )


def _without_book(unit: UnitOfWork, now_s: UnixSeconds) -> set[Place]:
    """Auctions past their gate that have orders, but neither a book nor an end."""
    soon_s = now_s + MARKET_INTERVAL_S
    waiting = [*unit.zones.held(soon_s, MAX_COUNTED)]
    for state in (OrderState.OPEN, OrderState.BOOKED):
        waiting += unit.orders.unfinished(soon_s, state, MAX_COUNTED)
    return {place for place in waiting if _is_closed(unit, place, now_s) and unit.auctions.find(*place) is None}


def _is_closed(unit: UnitOfWork, place: Place, now_s: UnixSeconds) -> bool:
    zone, interval_s = place[0], UnixSeconds(place[1])
    return terms_of(unit, zone, interval_s).closes_s(interval_s) <= now_s
