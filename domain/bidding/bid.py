"""Bids: orders before they have an account, an expiry and a nonce."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domain.auction.order import MAX_QUANTITY_WH, Order
from domain.auction.zone import ZoneTerms
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """Energy of one market interval and the worst price for it, for a buyer with the zone's fee in it."""

    sell: bool
    quantity_wh: EnergyWh
    limit_micro_per_kwh: PriceMicroPerKwh


def rounded(steps: Iterable[tuple[int, int]], terms: ZoneTerms, *, sell: bool) -> Iterator[Bid]:
    """Bids for steps of price and Wh, each limit brought to the tick in the bidder's favour.

    Within the zone's floor and cap: who would pay more than the cap bids the cap, who would pay less than the floor
    bids nothing; for sellers the other way round.
    """
    tick = terms.tick_micro_per_kwh
    for price, wh in steps:
        limit = -(-price // tick) * tick if sell else price // tick * tick
        out_of_reach = limit > terms.cap_micro_per_kwh if sell else limit < terms.floor_micro_per_kwh
        if wh <= 0 or out_of_reach:
            continue
        within = max(terms.floor_micro_per_kwh, min(limit, terms.cap_micro_per_kwh))
        yield Bid(
            sell=sell,
            quantity_wh=EnergyWh(min(wh, MAX_QUANTITY_WH)),
            limit_micro_per_kwh=PriceMicroPerKwh(within),
        )


def orders_of(
    bids: Iterable[Bid], *, account: AccountId, terms: ZoneTerms, interval_s: UnixSeconds, first_nonce: int = 0
) -> tuple[Order, ...]:
    """The bids as orders of an account, which expire when the interval's book closes."""
    return tuple(
        Order(
            account=account,
            zone=terms.zone,
            interval_s=interval_s,
            sell=bid.sell,
            quantity_wh=bid.quantity_wh,
            limit_micro_per_kwh=bid.limit_micro_per_kwh,
            expiry_s=terms.closes_s(interval_s),
            nonce=first_nonce + number,
        )
        for number, bid in enumerate(bids)
    )
