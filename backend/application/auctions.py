"""Auctions, run from what the chain says: built at the gate, committed, cleared, settled chunk by chunk, closed.

Nothing but the store says how far an auction is, so whoever stops in between goes on where it was: a book is kept with
its signed transaction in one unit of work, and each later step is sent once the chain shows the one before.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import structlog

from backend.application.auction_pauses import Item, Pauses
from backend.application.errors import ChainUnavailable, TransactionRefused
from backend.application.feed import tell_order
from backend.application.filters import Page, TariffFilter
from backend.application.gate import Gate, Selection, build, select
from backend.application.market import (
    AuctionRecord,
    AuctionState,
    BookRecord,
    OrderRecord,
    OrderState,
    Step,
)
from backend.application.market_ports import AuctionChain
from backend.application.order_checks import market_time_s, owing_micro, terms_of
from backend.application.own_book import own_book
from backend.application.ports import ChainView, Clock, Store, Transactions, UnitOfWork
from backend.application.records import OutboxState
from domain.auction.book import CHUNK_LINES, forced_chain
from domain.auction.forced import ForcedOrder
from domain.auction.zone import REVEAL_S
from domain.chain import BlockRef, Call
from domain.tariff import Direction
from domain.units import MARKET_INTERVAL_S, UnixSeconds

MAX_AT_ONCE = 256
CLOSE_ACCOUNTS = 64
ACCOUNTS_ASKED = 100
MISSED, UNSETTLED = "no book was committed in time", "the book was not settled in time"
_ON_ITS_WAY = (OutboxState.QUEUED, OutboxState.SENT)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Auctions:
    """Takes all auctions one step further, again and again. One at a time."""

    store: Store
    chain: ChainView
    house: AuctionChain
    transactions: Transactions
    clock: Clock
    pauses: Pauses
    _advancing: threading.Lock = field(default_factory=threading.Lock)

    def advance(self) -> int:
        """Keeps the transactions of all steps that are due now; how many. Nothing is sent yet.

        A step that the contracts refuse now is logged and tried again after a pause; it holds no other one back.
        """
        with self._advancing:
            with self.store.read() as unit:
                if not unit.zones.all():
                    return 0
                now_s = market_time_s(unit, self.clock)
            self._give_up(now_s)
            sent, failures = 0, list[Exception]()
            for item, act in self._due(now_s):
                try:
                    sent += self._try(item, act)
                except ChainUnavailable:
                    raise
                except Exception as error:  # Whatever is wrong with one auction, the others go on.
                    self.pauses.refused(item)
                    failures.append(error)
            if failures:
                raise failures[0]
            return sent

    def _due(self, now_s: UnixSeconds) -> Iterator[tuple[Item, Callable[[Item], bool]]]:
        next_s = now_s + MARKET_INTERVAL_S - now_s % MARKET_INTERVAL_S
        over_s = now_s - MARKET_INTERVAL_S - self.house.settle_within_s()
        closable_s = now_s - MARKET_INTERVAL_S - self.house.close_after_s()
        with self.store.read() as unit:
            zones = unit.zones.all()
            committed = unit.auctions.due(AuctionState.COMMITTED, over_s, MAX_AT_ONCE)
            cleared = unit.auctions.due(AuctionState.CLEARED, over_s, MAX_AT_ONCE)
            held = unit.zones.held(over_s - 1, MAX_AT_ONCE)
            positions = unit.positions.to_close(closable_s, MAX_AT_ONCE)
        for zone in zones:
            yield (zone, next_s, Step.COMMIT), self._commit
        for one in committed:
            yield (one.zone, one.interval_s, Step.CLEAR), self._clear
        for one in cleared:
            yield (one.zone, one.interval_s, Step.SETTLE), self._settle
        for place in held:
            yield (*place, Step.VOID), self._void
        for place in positions:
            yield (*place, Step.CLOSE), self._close

    def _try(self, item: Item, act: Callable[[Item], bool]) -> bool:
        if self.pauses.holds(item):
            return False
        zone, interval_s, step = item
        try:
            sent = act(item)
        except TransactionRefused as refusal:
            self.pauses.refused(item)
            log.warning("auction waits", zone=zone, interval=interval_s, step=step.value, refusal=str(refusal))
            return False
        if sent:
            self.pauses.done(item)
            log.info("auction", zone=zone, interval=interval_s, step=step.value)
        return sent

    # --- the book ---------------------------------------------------------------------------------

    def _commit(self, item: Item) -> bool:
        """Builds the book of the next interval, once nobody can change it any more."""
        zone, interval_s, _ = item
        with self.store.read() as unit:
            last = unit.blocks.last()
            setting = unit.zones.setting(zone, interval_s)
            if setting is None or last is None or unit.auctions.find(zone, interval_s) is not None:
                return False
            terms = terms_of(unit, zone, UnixSeconds(interval_s))
            too_early = market_time_s(unit, self.clock) < terms.closes_s(UnixSeconds(interval_s)) + REVEAL_S
            if too_early or _pending(unit, item, 0):
                return False
            orders = sorted(
                (one for state in _CANDIDATES for one in unit.orders.book(zone, interval_s, state)),
                key=lambda one: one.serial,
            )
            forced = unit.zones.forced(zone, interval_s)
            cancelled = unit.zones.cancelled(zone, interval_s)
            accounts = {int(one.order.account) for one in orders}
            owing = {account: owing_micro(unit, account) for account in accounts}
        if not self._is_read(zone, interval_s, last, forced):
            self.pauses.refused(item)
            log.warning("the chain is not read up to the gate", zone=zone, interval=interval_s, block=last.number)
            return False
        gate = Gate(
            terms=terms,
            interval_s=UnixSeconds(interval_s),
            forced=forced,
            cancelled=cancelled,
            keys_until_s=self.house.keys_valid_until(sorted({_key(one) for one in orders}), last.number),
            spare_micro={account: free - owing[account] for account, free in self._free(sorted(owing)).items()},
        )
        return self._keep_book(item, select(orders, gate), gate)

    def _is_read(self, zone: int, interval_s: int, last: BlockRef, forced: Sequence[ForcedOrder]) -> bool:
        """Whether all that owners sent before the gate was taken in: nonces they cancelled, and orders they forced."""
        with self.store.read() as unit:
            closes_s = terms_of(unit, zone, UnixSeconds(interval_s)).closes_s(UnixSeconds(interval_s))
        if last.time_s < closes_s and self.chain.head() > last.number:
            return False
        chain = forced_chain((one.line.encode(), one.nonce) for one in forced)
        return self.house.forced(zone, interval_s) == (len(forced), chain)

    def _free(self, accounts: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for at in range(0, len(accounts), ACCOUNTS_ASKED):
            some = accounts[at : at + ACCOUNTS_ASKED]
            found |= {account: one.free_micro for account, one in zip(some, self.chain.balances_of(some), strict=True)}
        return found

    def _keep_book(self, item: Item, chosen: Selection, gate: Gate) -> bool:
        if not chosen.kept and not gate.forced:
            with self.store.write() as unit:
                _leave_out(unit, chosen)
            return False
        book = build(chosen.kept, gate)
        [planned] = self.transactions.plan([self.house.commit(book)])
        with self.store.write() as unit:
            unit.books.keep(book)
            unit.orders.mark([one.order_hash for one in chosen.kept], OrderState.BOOKED)
            _leave_out(unit, chosen)
            [sent] = self.transactions.queue(unit.outbox, [planned], _purpose(item, 0))
            unit.books.note(*item, 0, sent)
        return True

    # --- what follows from it ---------------------------------------------------------------------

    def _clear(self, item: Item) -> bool:
        zone, interval_s, _ = item
        with self.store.read() as unit:
            book = own_book(unit, zone, interval_s)
            if book is None or _pending(unit, item, 0):
                return False
        return self._send(item, 0, self.house.clear(book))

    def _settle(self, item: Item) -> bool:
        zone, interval_s, _ = item
        with self.store.read() as unit:
            book, auction = own_book(unit, zone, interval_s), unit.auctions.find(zone, interval_s)
            if book is None or auction is None or _pending(unit, item, auction.chunks_settled):
                return False
            proofs = _proofs(unit, book, auction)
        return self._send(item, auction.chunks_settled, self.house.settle(book, auction.chunks_settled, proofs))

    def _void(self, item: Item) -> bool:
        zone, interval_s, _ = item
        with self.store.read() as unit:
            forced = unit.zones.forced(zone, interval_s)
            if _pending(unit, item, 0):
                return False
        lines, nonces = b"".join(one.line.encode() for one in forced), bytes(one.nonce for one in forced)
        return self._send(item, 0, self.house.void(zone, interval_s, lines, nonces))

    def _close(self, item: Item) -> bool:
        """Closes what is open of an interval, some accounts at a time. What is metered later is closed later."""
        zone, interval_s, _ = item
        with self.store.read() as unit:
            last = unit.books.last_place(*item)
            if last is not None and _pending(unit, item, last):
                return False
            auction = unit.auctions.find(zone, interval_s)
            concluded = auction is not None and auction.state == AuctionState.CONCLUDED
            now_s, ended_s = market_time_s(unit, self.clock), interval_s + MARKET_INTERVAL_S
            if not concluded and now_s <= ended_s + self.house.settle_within_s():
                return False
            accounts = unit.positions.open_accounts(zone, interval_s, CLOSE_ACCOUNTS)
            tariffs = _imbalance_tariffs(unit, zone, interval_s)
        if tariffs is None:
            self.pauses.refused(item)
            log.warning("no imbalance prices", zone=zone, interval=interval_s)
            return False
        call = self.house.close(zone, interval_s, accounts, tariffs)
        return self._send(item, 0 if last is None else last + 1, call)

    def _send(self, item: Item, place: int, call: Call) -> bool:
        [planned] = self.transactions.plan([call])
        with self.store.write() as unit:
            [sent] = self.transactions.queue(unit.outbox, [planned], _purpose(item, place))
            unit.books.note(*item, place, sent)
        return True

    def _give_up(self, now_s: UnixSeconds) -> None:
        """Orders of intervals that began without a book, or whose book can no longer be settled."""
        begun_s = now_s - MARKET_INTERVAL_S
        over_s = begun_s - self.house.settle_within_s() - 1
        with self.store.read() as unit:
            late = unit.orders.unfinished(begun_s, OrderState.OPEN, MAX_AT_ONCE)
            booked = unit.orders.unfinished(begun_s, OrderState.BOOKED, MAX_AT_ONCE)
            lost = [place for place in booked if unit.auctions.find(*place) is None]
            over = [place for place in booked if place[1] <= over_s and place not in lost]
        ends = [(place, OrderState.OPEN, OrderState.LEFT_OUT, MISSED) for place in late]
        ends += [(place, OrderState.BOOKED, OrderState.LEFT_OUT, MISSED) for place in lost]
        ends += [(place, OrderState.BOOKED, OrderState.VOID, UNSETTLED) for place in over]
        if ends:
            with self.store.write() as unit:
                for place, before, after, reason in ends:
                    _end(unit, place, before, after, reason)


_CANDIDATES = (OrderState.OPEN, OrderState.BOOKED)


def _pending(unit: UnitOfWork, item: Item, place: int) -> bool:
    """Whether a step's transaction is on its way, or in a block that was not taken in yet."""
    sent = unit.books.sent(*item, place)
    record = unit.outbox.record(sent) if sent else None
    if record is None:
        return False
    last = unit.blocks.last()
    unread = record.block is not None and (last is None or record.block > last.number)
    return record.state in _ON_ITS_WAY or (record.state == OutboxState.MINED and unread)


def _proofs(unit: UnitOfWork, book: BookRecord, auction: AuctionRecord) -> list[bytes]:
    """What shows that the signed lines of the next chunk were signed."""
    forced, first = len(book.forced_nonces), auction.chunks_settled * CHUNK_LINES
    hashes = book.hashes[max(0, first - forced) : max(0, first + CHUNK_LINES - forced)]
    known = {one.order_hash: one for one in unit.orders.named(hashes)}
    return [known[order_hash].accepted.proof for order_hash in hashes]


def _leave_out(unit: UnitOfWork, chosen: Selection) -> None:
    for record in unit.orders.named(chosen.left_out):
        reason = chosen.left_out[record.order_hash]
        unit.orders.mark([record.order_hash], OrderState.LEFT_OUT, reason)
        tell_order(unit, replace(record, state=OrderState.LEFT_OUT, reason=reason))


def _end(unit: UnitOfWork, place: tuple[int, int], before: OrderState, after: OrderState, reason: str) -> None:
    for record in unit.orders.book(*place, before):
        unit.orders.mark([record.order_hash], after, reason)
        tell_order(unit, replace(record, state=after, reason=reason))


def _imbalance_tariffs(unit: UnitOfWork, zone: int, interval_s: int) -> tuple[int, int] | None:
    """The grid account's market tariffs for charging and discharging that hold in all of the interval."""
    setting = unit.zones.setting(zone, interval_s)
    if setting is None:
        return None
    found = []
    for direction in (Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE):
        wanted = TariffFilter(payee=setting.grid, direction=direction, valid_at_s=interval_s)
        valid = unit.tariffs.page(Page(-1, MAX_AT_ONCE), wanted)
        found += [one.tariff for one in valid if one.covers(interval_s, interval_s + MARKET_INTERVAL_S)][:1]
    return (found[0], found[1]) if len(found) == len(Direction) // 2 else None


def _key(record: OrderRecord) -> tuple[int, bytes]:
    return record.order.account, record.signer


def _purpose(item: Item, place: int) -> str:
    zone, interval_s, step = item
    return f"auction:{zone}-{interval_s}-{step.value}-{place}"
