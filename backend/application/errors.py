"""Errors of the use cases: what the chain answers, and what the service lacks.

They belong to the tree of `domain.errors`; HTTP status codes are in `backend.api.problems`.
"""

from collections.abc import Mapping

from domain.errors import AuthorisationRefused, NotFound, WattledgerError


class ChainUnavailable(WattledgerError):
    """The chain cannot be asked now."""


class ChainUnreachable(ChainUnavailable):
    """No chain answers, or another one than the deployments file names."""


class EvidenceUnavailable(WattledgerError):
    """The evidence store does not answer, or answers nothing that it should."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"the evidence store at {address} does not do its part: {reason}; check that it runs")
        self.address, self.reason = address, reason


class TransactionPending(WattledgerError):
    """A transaction is on its way, but no block holds it yet."""

    def __init__(self, transaction: bytes, waited_s: int) -> None:
        super().__init__(
            f"transaction 0x{transaction.hex()} is in no block after {waited_s} s; it is sent again until it is, "
            "ask for its effect later"
        )
        self.transaction, self.waited_s = transaction, waited_s


class TransactionRefused(WattledgerError):
    """The contracts refuse a call; nothing was sent. `name` and `values` are those of the contract's error."""

    def __init__(self, name: str, values: Mapping[str, object] | None = None) -> None:
        self.name, self.values = name, dict(values or {})
        shown = ", ".join(f"{key}={_shown(value)}" for key, value in self.values.items())
        super().__init__(f"{name}({shown})")


class SettlementRefused(TransactionRefused):
    """The contracts refuse a settlement batch; nothing was sent."""


class SettlementPaused(WattledgerError):
    """Nothing is settled for now."""

    def __init__(self) -> None:
        super().__init__("governance paused the escrow; what waits for settlement is kept, and settled once it goes on")


class Overloaded(WattledgerError):
    """More waits than the service takes on; nothing of the request was kept."""

    def __init__(self, what: str, retry_after_s: int) -> None:
        super().__init__(f"too many {what} wait to be taken in; send them again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class NoDriverKey(AuthorisationRefused):
    """Nobody can sign for a vehicle of this account."""

    def __init__(self, account: int) -> None:
        super().__init__(f"account {account} has no driver key; its owner must set one on chain first")
        self.account = account


class UnknownStatement(NotFound):
    """The station sent no statement of this number."""

    def __init__(self, station: int, sequence: int) -> None:
        super().__init__(f"station {station} sent no statement {sequence}")
        self.station, self.sequence = station, sequence


class UnknownSettlement(NotFound):
    """No settlement has this id."""

    def __init__(self, settlement: str) -> None:
        super().__init__("no settlement has this id")
        self.settlement = settlement[:64]


class NoOperatorAccount(NotFound):
    """The operator is no member yet."""

    def __init__(self, operator: bytes) -> None:
        super().__init__(f"the operator's address 0x{operator.hex()} owns no account; a governor must open one first")
        self.operator = operator


class IdempotencyKeyReused(WattledgerError):
    """The same idempotency key came with another request before."""

    def __init__(self, key: str) -> None:
        super().__init__("this idempotency key was used for another request before; take a new key for a new request")
        self.key = key


class OtherDeployment(WattledgerError):
    """The data belong to other contracts or another chain than the deployments file names."""


# --- the market --------------------------------------------------------------------------------


class UnknownZone(NotFound):
    """No zone has this number, or its terms do not hold yet."""

    def __init__(self, zone: int) -> None:
        super().__init__(f"there is no zone {zone} in this interval; governance sets zones on chain")
        self.zone = zone


class UnknownOrder(NotFound):
    """No order has this hash."""

    def __init__(self, order: bytes) -> None:
        super().__init__(f"no order 0x{order.hex()} was ever taken here")
        self.order = order


class UnknownAuction(NotFound):
    """The zone has no auction, or no book, for this interval."""

    def __init__(self, zone: int, interval_s: int) -> None:
        super().__init__(f"zone {zone} has none for the interval from {interval_s}; /v1/auctions lists those there are")
        self.zone, self.interval_s = zone, interval_s


class OrderNotTaken(WattledgerError):
    """An order that is well-formed, but that the book has no place for now."""


class MemberClosed(OrderNotTaken):
    """The account that orders is closed."""

    def __init__(self, account: int) -> None:
        super().__init__(f"account {account} is closed; an operator or governor can reopen it")
        self.account = account


class NotJoined(OrderNotTaken):
    """The account does not take part in the zone's market."""

    def __init__(self, account: int, zone: int) -> None:
        super().__init__(f"account {account} did not join zone {zone}; its owner calls join of the AuctionHouse first")
        self.account, self.zone = account, zone


class NoImbalancePrice(OrderNotTaken):
    """The zone's grid account published no price for what is not traded in the interval, so nothing is."""

    def __init__(self, zone: int, interval_s: int, grid: int, missing: str) -> None:
        super().__init__(
            f"account {grid}, the grid account of zone {zone}, published no {missing} tariff over all of the interval "
            f"{interval_s}, so its positions could never be closed; it must publish one (POST /v1/tariffs) "
            "before the interval begins"
        )
        self.zone, self.interval_s, self.grid, self.missing = zone, interval_s, grid, missing


class GateClosed(OrderNotTaken):
    """The book of the interval is closed."""

    def __init__(self, interval_s: int, closed_s: int, now_s: int) -> None:
        super().__init__(f"the book of {interval_s} closed at {closed_s}, it is {now_s}; take a later interval")
        self.interval_s, self.closed_s, self.now_s = interval_s, closed_s, now_s


class TooFarAhead(OrderNotTaken):
    """The interval is further ahead than orders are taken."""

    def __init__(self, interval_s: int, latest_s: int) -> None:
        super().__init__(f"orders are taken for intervals up to {latest_s}, this one begins at {interval_s}")
        self.interval_s, self.latest_s = interval_s, latest_s


class NonceUsed(OrderNotTaken):
    """The account used the nonce in this interval of the zone, here or on the chain."""

    def __init__(self, account: int, nonce: int, where: str) -> None:
        super().__init__(f"account {account} used nonce {nonce} in this interval: {where}; take one of the other 63")
        self.account, self.nonce, self.where = account, nonce, where


class BalanceTooLow(OrderNotTaken):
    """The account could come to owe more than it has."""

    def __init__(self, account: int, free_micro: int, bound_micro: int, order_micro: int) -> None:
        super().__init__(
            f"account {account} has {free_micro} micro-euro free, {bound_micro} of it may be owed for orders, "
            f"positions and debts, and this order may take {order_micro}; pay in, cancel an order, or ask for less"
        )
        self.account, self.free_micro, self.bound_micro, self.order_micro = (
            account,
            free_micro,
            bound_micro,
            order_micro,
        )


class WouldSelfTrade(OrderNotTaken):
    """The order could trade with another one of the same account."""

    def __init__(self, account: int, buy_micro_per_kwh: int, sell_micro_per_kwh: int) -> None:
        super().__init__(
            f"account {account} would buy at up to {buy_micro_per_kwh} micro-euro per kWh without the fee and sell "
            f"from {sell_micro_per_kwh} on; the contract refuses a book in which an account trades with itself"
        )
        self.account = account
        self.buy_micro_per_kwh, self.sell_micro_per_kwh = buy_micro_per_kwh, sell_micro_per_kwh


class BookFull(OrderNotTaken):
    """The interval's book has as many orders as it takes."""

    def __init__(self, zone: int, interval_s: int, most: int) -> None:
        super().__init__(
            f"the book of zone {zone} for {interval_s} has its {most} orders; the owner can still force one"
        )
        self.zone, self.interval_s, self.most = zone, interval_s, most


class OrderNotOpen(OrderNotTaken):
    """The order cannot be cancelled any more."""

    def __init__(self, order: bytes, state: str) -> None:
        super().__init__(f"order 0x{order.hex()} is {state}; only an open one can be cancelled")
        self.order, self.state = order, state


class TooManyOrders(WattledgerError):
    """An account sends orders faster than they are taken."""

    def __init__(self, account: int, retry_after_s: int) -> None:
        super().__init__(f"account {account} sent too many orders; send the next one in {retry_after_s} s")
        self.account, self.retry_after_s = account, retry_after_s


# --- sites -------------------------------------------------------------------------------------


class UnknownSite(NotFound):
    """No site has this name."""

    def __init__(self, name: str) -> None:
        super().__init__("no site has this name; /v1/sites lists those there are")
        self.name = name[:64]


class NoSchedule(NotFound):
    """The site was not planned yet."""

    def __init__(self, name: str) -> None:
        super().__init__(f"site {name[:64]} has no plan yet; ask again in a second")
        self.name = name[:64]


class UnknownLimit(NotFound):
    """The site has no limit of this number."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"site {name[:64]} has no limit {number}; /v1/sites/{name[:64]}/limits lists those there are")
        self.name, self.number = name[:64], number


class LimitOfAnother(WattledgerError):
    """The limit was commanded by somebody else, who alone can end it."""

    def __init__(self, number: int, by: str) -> None:
        super().__init__(f"limit {number} was commanded by the {by.replace('-', ' ')}, who alone can end it")
        self.number, self.by = number, by


class StationElsewhere(WattledgerError):
    """The station belongs to another site."""

    def __init__(self, station: int) -> None:
        super().__init__(f"station {station} belongs to another site; take it out there first")
        self.station = station


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


class AuditStopped(WattledgerError):
    """An audit that cannot go on. The service never answers with it."""


class WorkerDied(AuditStopped):
    """A process that proves blobs ended before its time."""

    def __init__(self, cid: str) -> None:
        super().__init__(
            f"a process that proves blobs ended before its time, at blob {cid} or near it; was it killed, or short of "
            "memory? Run the audit again, with --jobs 1 to use no such process"
        )
        self.cid = cid


class ChainMoved(AuditStopped):
    """The chain is not what it was when the audit began, or when its checkpoint was written."""


class ClaimsNotComparable(AuditStopped):
    """What a server says holds at another block than any that the audit can reach."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the claims cannot be compared: {reason}; run the audit again")


class CheckpointUnusable(AuditStopped):
    """A checkpoint that nobody can go on from; the text says what to do."""
