"""Orders: taken before the gate, shown to everybody, cancelled by their drivers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from backend.application.errors import OrderNotOpen, UnknownOrder
from backend.application.feed import tell_order
from backend.application.filters import OrderFilter, Page
from backend.application.imbalance_prices import imbalance_tariffs
from backend.application.market import OrderRecord, OrderState
from backend.application.order_checks import (
    check_balance,
    check_place,
    check_time,
    market_time_s,
    ordering_account,
    terms_of,
)
from backend.application.order_rate import OrderRate
from backend.application.ports import ChainView, Clock, Store, UnitOfWork
from domain.auction.order import SignedOrder, accept_order
from domain.errors import Malformed, OutOfRange, WattledgerError
from domain.order_cancel import cancel_digest
from domain.signing import SigningDomain, check_form, check_signer

MAX_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one order: the record that is kept, and whether it is new; or why it is refused."""

    record: OrderRecord | None
    is_new: bool = False
    refusal: WattledgerError | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """The use cases around orders."""

    store: Store
    chain: ChainView
    clock: Clock
    domain: SigningDomain
    rate: OrderRate = field(repr=False)

    def place(self, signed: SignedOrder) -> tuple[OrderRecord, bool]:
        """Keeps an order; whether it is new. An OrderRefused, OrderNotTaken, BadSignature or NotFound if not."""
        [verdict] = self.place_many([signed])
        if verdict.record is None:
            raise verdict.refusal or Malformed("the order is refused")
        return verdict.record, verdict.is_new

    def place_many(self, signed: Sequence[SignedOrder]) -> list[Verdict]:
        """Keeps those that can be taken, all at once. Each is judged by itself, in their order."""
        if not 1 <= len(signed) <= MAX_AT_ONCE:
            raise OutOfRange("number of orders", len(signed), 1, MAX_AT_ONCE)
        with self.store.read() as unit:
            verdicts = [self._judged(unit, one) for one in signed]
        accounts: list[int] = sorted({one.record.order.account for one in verdicts if one.record and one.is_new})
        if not accounts:
            return verdicts
        balances = zip(accounts, self.chain.balances_of(accounts), strict=True)
        free = {account: balance.free_micro for account, balance in balances}
        with self.store.write() as unit:
            return [self._kept(unit, one, free) for one in verdicts]

    def get(self, order_hash: bytes) -> OrderRecord:
        """UnknownOrder if there is none."""
        with self.store.read() as unit:
            return _found(unit, order_hash)

    def page(self, page: Page, wanted: OrderFilter) -> list[OrderRecord]:
        with self.store.read() as unit:
            return unit.orders.page(page, wanted)

    def cancel(self, order_hash: bytes, signature: bytes) -> OrderRecord:
        """Leaves an order out, as the driver key that signed it asks; what was cancelled before stays so.

        UnknownOrder, a BadSignature, OrderNotOpen, GateClosed. The signature still counts on chain: whoever trusts
        the operator no further than that cancels the nonce there.
        """
        with self.store.write() as unit:
            record = _found(unit, order_hash)
            what = f"cancellation of order {record.order.nonce} of account {record.order.account}"
            account = unit.accounts.find(record.order.account)
            driver_key = account.driver_key if account and account.driver_key else record.signer
            check_signer(what, driver_key, cancel_digest(order_hash, self.domain), signature)
            if record.state == OrderState.CANCELLED:
                return record
            if record.state != OrderState.OPEN:
                raise OrderNotOpen(order_hash, record.state.value)
            terms = terms_of(unit, record.order.zone, record.order.interval_s)
            check_time(terms, record.order.interval_s, market_time_s(unit, self.clock))
            cancelled = replace(record, state=OrderState.CANCELLED, reason="its driver cancelled it")
            unit.orders.mark([order_hash], cancelled.state, cancelled.reason)
            tell_order(unit, cancelled)
        return cancelled

    def _judged(self, unit: UnitOfWork, signed: SignedOrder) -> Verdict:
        try:
            return self._taken(unit, signed)
        except WattledgerError as error:
            return Verdict(None, refusal=error)

    def _taken(self, unit: UnitOfWork, signed: SignedOrder) -> Verdict:
        """The order if it is well signed; cheap questions come first. Its place in the book is looked for later."""
        order = signed.order
        check_form(signed.signature)
        known = unit.orders.find(order.order_hash(self.domain))
        if known is not None:
            if signed.signature != known.signature:
                check_signer(f"order {order.nonce}", known.signer, known.order_hash, signed.signature)
            return Verdict(known)
        self.rate.check(order.account)
        terms, now_s = terms_of(unit, order.zone, order.interval_s), market_time_s(unit, self.clock)
        check_time(terms, order.interval_s, now_s)
        order.check_terms(terms)
        _, driver_key = ordering_account(unit, order, terms)
        accepted = accept_order(signed, driver_key=driver_key, terms=terms, domain=self.domain)
        self.rate.take(order.account)
        imbalance_tariffs(unit, terms, order.interval_s)
        check_place(unit, order, terms)
        record = OrderRecord(
            order_hash=accepted.order_hash,
            order=order,
            signature=signed.signature,
            signer=driver_key,
            state=OrderState.OPEN,
            taken_at_s=now_s,
        )
        return Verdict(record, is_new=True)

    def _kept(self, unit: UnitOfWork, verdict: Verdict, free_micro: Mapping[int, int]) -> Verdict:
        """Keeps what is new, if it can still stand beside what came in between."""
        record = verdict.record
        if record is None or not verdict.is_new:
            return verdict
        known = unit.orders.find(record.order_hash)
        if known is not None:
            return Verdict(known)
        order = record.order
        try:
            terms = terms_of(unit, order.zone, order.interval_s)
            check_time(terms, order.interval_s, market_time_s(unit, self.clock))
            check_place(unit, order, terms)
            check_balance(unit, order, terms, free_micro[order.account])
        except WattledgerError as error:
            return Verdict(None, refusal=error)
        unit.orders.add(record)
        tell_order(unit, record)
        return verdict


def _found(unit: UnitOfWork, order_hash: bytes) -> OrderRecord:
    record = unit.orders.find(order_hash)
    if record is None:
        raise UnknownOrder(order_hash)
    return record
