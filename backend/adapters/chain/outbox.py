"""The transactional outbox: a signed transaction is kept before it is sent, and sent until a block holds it.

Whoever crashes in between sends the very same transaction again: it has the same nonce, so at most
one of them counts.
"""

import threading
from collections.abc import Sequence

import structlog
from web3.exceptions import Web3RPCError

from backend.adapters.chain.writer import ChainWriter
from backend.application.errors import TransactionPending
from backend.application.ports import Clock, OutboxTable, Store
from backend.application.records import OutboxEntry, OutboxState, PlannedCall, Receipt
from backend.application.settlements import record_loss, record_receipt
from domain.chain import Call

RESEND_AFTER_S = 3.0
WAIT_S = 30
POLL_S = 0.02
LOST_AFTER_S = 5.0
"""How long a nonce must have been used without a receipt for our transaction before it counts as lost."""

log = structlog.get_logger()


class Outbox:
    """The operator's key with its outbox. One per key, in one process."""

    def __init__(self, store: Store, writer: ChainWriter, contracts: dict[str, bytes], clock: Clock) -> None:
        self._store, self._writer, self._contracts, self._clock = store, writer, contracts, clock
        self._delivering = threading.Lock()
        self._sent_at: dict[bytes, float] = {}
        self._overtaken: dict[bytes, float] = {}

    @property
    def operator(self) -> bytes:
        """The operator's address."""
        return self._writer.address

    def contract(self, name: str) -> bytes:
        """Address of one of our contracts."""
        return self._contracts[name]

    def call(self, contract: str, function: str, *args: object) -> Call:
        """A call of one of our contracts."""
        return self._writer.call(contract, function, *args)

    def plan(self, calls: Sequence[Call]) -> list[PlannedCall]:
        """What each call needs if it is sent now; TransactionRefused if the contracts refuse one."""
        return self._writer.plan(calls)

    def queue(self, outbox: OutboxTable, planned: Sequence[PlannedCall], purpose: str) -> list[bytes]:
        """Signs and keeps transactions in the caller's unit of work; their hashes. Nothing is sent."""
        nonce = max(outbox.next_nonce(self.operator), *(one.chain_nonce for one in planned))
        entries = [self._writer.sign(one, nonce + at, purpose) for at, one in enumerate(planned)]
        for entry in entries:
            outbox.add(entry)
        return [entry.transaction for entry in entries]

    def deliver(self) -> None:
        """Sends all without a receipt, in order of nonces, and takes in the receipts there are."""
        with self._delivering:
            with self._store.read() as unit:
                entries = unit.outbox.open(self.operator)
            receipts = {entry.transaction: self._writer.receipt(entry.transaction) for entry in entries}
            self._take_in([(entry, receipt) for entry in entries if (receipt := receipts[entry.transaction])])
            self._send([entry for entry in entries if receipts[entry.transaction] is None])

    def wait(self, transactions: Sequence[bytes]) -> list[Receipt]:
        """The receipts, when all are there; TransactionPending if that takes longer than WAIT_S."""
        deadline = self._clock.monotonic_s() + WAIT_S
        receipts: dict[bytes, Receipt] = {}
        while True:
            self.deliver()
            for transaction in transactions:
                if transaction not in receipts and (receipt := self._writer.receipt(transaction)) is not None:
                    receipts[transaction] = receipt
            missing = [transaction for transaction in transactions if transaction not in receipts]
            if not missing:
                return [receipts[transaction] for transaction in transactions]
            if self._clock.monotonic_s() > deadline:
                raise TransactionPending(missing[0], WAIT_S)
            self._clock.sleep(POLL_S)

    def _take_in(self, found: Sequence[tuple[OutboxEntry, Receipt]]) -> None:
        if not found:
            return
        with self._store.write() as unit:
            unit.outbox.mined(receipt for _, receipt in found)
            for entry, receipt in found:
                record_receipt(unit, entry.purpose, receipt)
        for entry, receipt in found:
            self._forget(entry)
            log.info("mined", purpose=entry.purpose, nonce=entry.nonce, block=receipt.block, ok=receipt.succeeded)

    def _send(self, entries: Sequence[OutboxEntry]) -> None:
        now = self._clock.monotonic_s()
        fresh: list[bytes] = []
        for entry in entries:
            if now - self._sent_at.get(entry.transaction, -RESEND_AFTER_S) < RESEND_AFTER_S:
                continue
            try:
                accepted = self._writer.send(entry.raw)
            except Web3RPCError as error:
                log.warning("not sent", purpose=entry.purpose, nonce=entry.nonce, error=error.message)
                break
            self._sent_at[entry.transaction] = now
            if not accepted:
                self._overtake(entry)
            elif entry.state == OutboxState.QUEUED:
                fresh.append(entry.transaction)
        if fresh:
            with self._store.write() as unit:
                unit.outbox.mark(fresh, OutboxState.SENT)

    def _overtake(self, entry: OutboxEntry) -> None:
        """The nonce is used. Ours may be in a block already; if no receipt comes, another transaction took it."""
        self._sent_at.pop(entry.transaction)
        if self._writer.receipt(entry.transaction) is not None or self._writer.nonce() <= entry.nonce:
            return
        now = self._clock.monotonic_s()
        if now - self._overtaken.setdefault(entry.transaction, now) < LOST_AFTER_S:
            return
        with self._store.write() as unit:
            unit.outbox.mark([entry.transaction], OutboxState.LOST)
            record_loss(unit, entry.purpose)
        self._forget(entry)
        log.error("lost: another transaction took the nonce", purpose=entry.purpose, nonce=entry.nonce)

    def _forget(self, entry: OutboxEntry) -> None:
        self._sent_at.pop(entry.transaction, None)
        self._overtaken.pop(entry.transaction, None)
