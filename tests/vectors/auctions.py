"""A made-up zone, and short ways to write the orders, lines and books of its auctions."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from domain.auction.book import Book, Line
from domain.auction.order import AcceptedOrder, Order, SignedOrder, accept_forced, accept_order
from domain.auction.zone import ZoneTerms
from domain.signing import SigningDomain
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from tests.vectors.world import CHAIN_ID, START_S, Key

AUCTION_DOMAIN = SigningDomain(CHAIN_ID, bytes.fromhex("a0" * 20))
INTERVAL_S = START_S
GRID = AccountId(9)
TERMS = ZoneTerms(zone=3, grid=GRID, import_limit_wh=EnergyWh(1_000_000), export_limit_wh=EnergyWh(500_000))


def line(side: str, wh: int, limit: int, *, account: int = 20, forced: bool = False) -> Line:
    """`side` is buy or sell."""
    return Line(AccountId(account), side == "sell", forced, EnergyWh(wh), PriceMicroPerKwh(limit))


def buy(wh: int, limit: int, **fields: Any) -> Line:
    return line("buy", wh, limit, **fields)


def sell(wh: int, limit: int, **fields: Any) -> Line:
    return line("sell", wh, limit, **fields)


def book(*lines: Line, terms: ZoneTerms = TERMS) -> Book:
    return Book(terms.zone, INTERVAL_S, lines)


def order(side: str, wh: int, limit: int, *, account: int = 20, nonce: int = 0, **fields: Any) -> Order:
    """An order of the zone above, good until the interval begins."""
    plain = Order(
        account=AccountId(account),
        zone=TERMS.zone,
        interval_s=INTERVAL_S,
        sell=side == "sell",
        quantity_wh=EnergyWh(wh),
        limit_micro_per_kwh=PriceMicroPerKwh(limit),
        expiry_s=UnixSeconds(INTERVAL_S),
        nonce=nonce,
    )
    return replace(plain, **fields)


def key_of(account: int) -> Key:
    return Key(f"driver of account {account}")


def signed(plain: Order) -> SignedOrder:
    return SignedOrder(plain, key_of(plain.account).sign(plain.order_hash(AUCTION_DOMAIN)))


def accepted(plain: Order, terms: ZoneTerms = TERMS) -> AcceptedOrder:
    driver_key = key_of(plain.account).address
    return accept_order(signed(plain), driver_key=driver_key, terms=terms, domain=AUCTION_DOMAIN)


def forced(plain: Order, terms: ZoneTerms = TERMS) -> AcceptedOrder:
    return accept_forced(plain, terms=terms, domain=AUCTION_DOMAIN)


def all_accepted(orders: Iterable[Order], terms: ZoneTerms = TERMS) -> list[AcceptedOrder]:
    return [accepted(one, terms) for one in orders]
