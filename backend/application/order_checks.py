"""Whether a book can take an order: its auction, its account, its nonce, and what the account could come to owe."""

from collections.abc import Iterable

from backend.application.errors import (
    BalanceTooLow,
    BookFull,
    GateClosed,
    MemberClosed,
    NoDriverKey,
    NonceUsed,
    NotJoined,
    TooFarAhead,
    UnknownZone,
    WouldSelfTrade,
)
from backend.application.market import AuctionRecord, OrderState, PositionRecord
from backend.application.ports import Clock, UnitOfWork
from backend.application.records import AccountRecord
from domain.auction.order import Order
from domain.auction.zone import ZoneTerms
from domain.errors import UnknownAccount
from domain.units import WH_PER_KWH, EnergyWh, PriceMicroPerKwh, UnixSeconds

MAX_AHEAD_S = 86_400
"""How long before an interval begins orders for it are taken. Terms of a zone are fixed a day ahead."""
MAX_BOOK_ORDERS = 8_000
"""So many signed orders, with those that can be forced beside them, fit one transaction that clears them."""

_ENDED = (OrderState.CANCELLED, OrderState.LEFT_OUT, OrderState.VOID)


def market_time_s(unit: UnitOfWork, clock: Clock) -> UnixSeconds:
    """The time in the market: ours, or that of the last block if it is later, for the contracts go by it."""
    last = unit.blocks.last()
    return max(clock.now_s(), last.time_s) if last else clock.now_s()


def terms_of(unit: UnitOfWork, zone: int, interval_s: UnixSeconds) -> ZoneTerms:
    """A zone's terms in an interval; UnknownZone if it has none."""
    setting = unit.zones.setting(zone, interval_s)
    if setting is None:
        raise UnknownZone(zone)
    return ZoneTerms(
        zone=zone,
        grid=setting.grid,
        import_limit_wh=EnergyWh(setting.import_limit_wh),
        export_limit_wh=EnergyWh(setting.export_limit_wh),
        fee_micro_per_kwh=PriceMicroPerKwh(setting.fee_micro_per_kwh),
    )


def check_time(terms: ZoneTerms, interval_s: UnixSeconds, now_s: UnixSeconds) -> None:
    """GateClosed or TooFarAhead unless the interval's book is open."""
    closes_s = terms.closes_s(interval_s)
    if now_s >= closes_s:
        raise GateClosed(interval_s, closes_s, now_s)
    if interval_s > now_s + MAX_AHEAD_S:
        raise TooFarAhead(interval_s, now_s + MAX_AHEAD_S)


def ordering_account(unit: UnitOfWork, order: Order, terms: ZoneTerms) -> tuple[AccountRecord, bytes]:
    """The account with its driver key; UnknownAccount, MemberClosed, NoDriverKey or NotJoined if it cannot order."""
    account = unit.accounts.find(order.account)
    if account is None:
        raise UnknownAccount(order.account)
    if account.closed:
        raise MemberClosed(order.account)
    if account.driver_key is None:
        raise NoDriverKey(order.account)
    if order.account != terms.grid and not unit.zones.has_joined(order.zone, order.account):
        raise NotJoined(order.account, order.zone)
    return account, account.driver_key


def check_place(unit: UnitOfWork, order: Order, terms: ZoneTerms) -> None:
    """NonceUsed, WouldSelfTrade or BookFull unless the order can stand beside the others of its interval.

    An account has 64 nonces in an interval, used up by cancelled orders as well, and so 64 orders at most.
    """
    own = unit.orders.of_account(order.zone, order.interval_s, order.account)
    forced = unit.zones.forced(order.zone, order.interval_s, order.account)
    if any(one.order.nonce == order.nonce for one in own):
        raise NonceUsed(order.account, order.nonce, "another order has it, if also a cancelled one")
    if any(one.nonce == order.nonce for one in forced):
        raise NonceUsed(order.account, order.nonce, "a forced order has it")
    if (order.account, order.nonce) in unit.zones.cancelled(order.zone, order.interval_s):
        raise NonceUsed(order.account, order.nonce, "it was cancelled on chain")
    limits = [(one.order.sell, one.order.limit_micro_per_kwh) for one in own if one.state not in _ENDED]
    limits += [(one.sell, PriceMicroPerKwh(one.limit_micro_per_kwh)) for one in forced]
    check_sides(order.account, [*limits, (order.sell, order.limit_micro_per_kwh)], terms)
    if unit.orders.count(order.zone, order.interval_s) >= MAX_BOOK_ORDERS:
        raise BookFull(order.zone, order.interval_s, MAX_BOOK_ORDERS)


def check_sides(account: int, limits: Iterable[tuple[bool, PriceMicroPerKwh]], terms: ZoneTerms) -> None:
    """WouldSelfTrade if at some price an account would both buy and sell. `limits`: whether it sells, and its limit."""
    nets = [(sell, terms.net(sell=sell, limit=limit)) for sell, limit in limits]
    buys, sells = [net for sell, net in nets if not sell], [net for sell, net in nets if sell]
    if buys and sells and max(buys) >= min(sells):
        raise WouldSelfTrade(account, max(buys), min(sells))


def check_balance(unit: UnitOfWork, order: Order, terms: ZoneTerms, free_micro: int) -> None:
    """BalanceTooLow if the account could come to owe more than it has free. The grid account stands for the zone."""
    needed = order.most_owed_micro
    if order.account == terms.grid or needed == 0:
        return
    bound = bound_micro(unit, order.account)
    if bound + needed > free_micro:
        raise BalanceTooLow(order.account, free_micro, bound, needed)


def bound_micro(unit: UnitOfWork, account: int) -> int:
    """What an account may come to owe for its orders, owes for positions that are not closed, and owes in debts."""
    return unit.orders.bound_micro(account, OrderState.OPEN, OrderState.BOOKED) + owing_micro(unit, account)


def owing_micro(unit: UnitOfWork, account: int) -> int:
    """What an account owes for positions that are not closed, and in debts."""
    positions = unit.positions.open_of(account)
    owed = (owed_micro(one, unit.auctions.find(one.zone, one.interval_s)) for one in positions)
    return sum(owed) + unit.debts.owed_micro(account)


def owed_micro(position: PositionRecord, auction: AuctionRecord | None) -> int:
    """What an open position owes for its trades, rounded up; 0 if it is owed something, or has no price."""
    if auction is None or auction.cleared is None or auction.cleared.price_micro_per_kwh is None:
        return 0
    price, fee = auction.cleared.price_micro_per_kwh, auction.fee_micro_per_kwh or 0
    owed = position.open.bought_wh * (price + fee) - position.open.sold_wh * price
    return max(0, -(-owed // WH_PER_KWH))
