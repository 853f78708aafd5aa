"""Auctions that come to nothing: no book was committed in time, or it was not settled in time."""

from dataclasses import replace

from backend.application.errors import NoImbalancePrice
from backend.application.feed import tell_auction, tell_order
from backend.application.imbalance_prices import imbalance_tariffs
from backend.application.market import OrderState
from backend.application.order_checks import terms_of
from backend.application.ports import UnitOfWork
from domain.units import MARKET_INTERVAL_S, UnixSeconds

MISSED, UNSETTLED = "no book was committed in time", "the book was not settled in time"
MAX_AT_ONCE = 256

Place = tuple[int, int]
"""A zone, and the interval's first second."""


def without_book(unit: UnitOfWork, now_s: UnixSeconds) -> dict[Place, str]:
    """Auctions that had orders and have no book, and why. What has no prices is over once its interval begins."""
    begun_s = now_s - MARKET_INTERVAL_S
    waiting = unit.orders.unfinished(now_s, OrderState.OPEN, MAX_AT_ONCE)
    booked = unit.orders.unfinished(begun_s, OrderState.BOOKED, MAX_AT_ONCE)
    bookless = [
        place
        for place in (*booked, *unit.zones.held(now_s, MAX_AT_ONCE))
        if place not in waiting and unit.auctions.find(*place) is None
    ]
    reasons = {place: _unpriced(unit, place) for place in (*waiting, *bookless)}
    return {place: reason or MISSED for place, reason in reasons.items() if reason or place[1] <= begun_s}


def unsettled(unit: UnitOfWork, over_s: int) -> list[Place]:
    """Auctions up to an interval whose book was committed, but never settled."""
    booked = unit.orders.unfinished(over_s, OrderState.BOOKED, MAX_AT_ONCE)
    return [place for place in booked if unit.auctions.find(*place) is not None]


def skip(unit: UnitOfWork, place: Place, reason: str) -> None:
    """Ends an auction that has no book."""
    count = len(unit.zones.forced(*place))
    for state in (OrderState.OPEN, OrderState.BOOKED):
        count += end_orders(unit, place, state, OrderState.LEFT_OUT, reason)
    last = unit.blocks.last()
    if unit.auctions.find(*place) is None and last is not None:
        unit.auctions.skipped(*place, count=count, block=last.number, reason=reason)
        tell_auction(unit, *place, "skipped")


def end_orders(unit: UnitOfWork, place: Place, before: OrderState, after: OrderState, reason: str) -> int:
    """Ends an auction's orders that are in one state; how many."""
    found = unit.orders.book(*place, before)
    for record in found:
        unit.orders.mark([record.order_hash], after, reason)
        tell_order(unit, replace(record, state=after, reason=reason))
    return len(found)


def _unpriced(unit: UnitOfWork, place: Place) -> str | None:
    """What is missing, if the interval has no prices for what is not traded."""
    zone, interval_s = place
    try:
        imbalance_tariffs(unit, terms_of(unit, zone, UnixSeconds(interval_s)), interval_s)
    except NoImbalancePrice as error:
        return str(error)
    return None
