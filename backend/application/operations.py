"""Writes with the operator's key that a caller waits for."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.application.errors import TransactionRefused
from backend.application.idempotency import Keys, Once
from backend.application.ports import Indexer, Store, Transactions
from backend.application.records import OutboxState, Receipt
from domain.chain import Call, ChainEvent


@dataclass(frozen=True, slots=True)
class Operations:
    """Sends calls and waits until they are on chain and indexed."""

    store: Store
    transactions: Transactions
    indexer: Indexer
    keys: Keys

    def run(self, calls: Sequence[Call], purpose: str, once: Once | None = None) -> list[ChainEvent]:
        """The events of the calls, in order; TransactionRefused, and nothing sent, if one would fail now.

        With `once`, calls of this purpose that were sent under its key before are not sent again: their events
        are those of the transactions from then. The calls must be the same. IdempotencyKeyReused.
        """
        sent = self._queue(calls, purpose) if once is None else self._queue_once(calls, purpose, once)
        receipts = self.transactions.wait(sent)
        self.indexer.sync()
        return [event for receipt in receipts for event in _events_of(receipt)]

    def _queue(self, calls: Sequence[Call], purpose: str) -> list[bytes]:
        planned = self.transactions.plan(calls)
        with self.store.write() as unit:
            return self.transactions.queue(unit.outbox, planned, purpose)

    def _queue_once(self, calls: Sequence[Call], purpose: str, once: Once) -> list[bytes]:
        with self.keys.asking:
            before = self.keys.sent(once, purpose)
            sent = {place: one.transaction for place, one in before.items() if one.state != OutboxState.LOST}
            missing = [place for place in range(len(calls)) if place not in sent]
            if missing:
                planned = self.transactions.plan([calls[place] for place in missing])
                with self.store.write() as unit:
                    fresh = self.transactions.queue(unit.outbox, planned, purpose)
                    self.keys.note(unit, once, purpose, dict(zip(missing, fresh, strict=True)))
                sent |= dict(zip(missing, fresh, strict=True))
        return [sent[place] for place in range(len(calls))]


def _events_of(receipt: Receipt) -> tuple[ChainEvent, ...]:
    if not receipt.succeeded:
        raise TransactionRefused("Reverted", {"transaction": receipt.transaction, "block": receipt.block})
    return receipt.events
