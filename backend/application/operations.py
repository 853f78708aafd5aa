"""Writes with the operator's key that a caller waits for."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.application.errors import TransactionRefused
from backend.application.ports import Indexer, Store, Transactions
from backend.application.records import Receipt
from domain.chain import Call, ChainEvent


@dataclass(frozen=True, slots=True)
class Operations:
    """Sends calls and waits until they are on chain and indexed."""

    store: Store
    transactions: Transactions
    indexer: Indexer

    def run(self, calls: Sequence[Call], purpose: str) -> list[ChainEvent]:
        """The events of the calls, in order; TransactionRefused, and nothing sent, if one would fail now."""
        planned = self.transactions.plan(calls)
        with self.store.write() as unit:
            sent = self.transactions.queue(unit.outbox, planned, purpose)
        receipts = self.transactions.wait(sent)
        self.indexer.sync()
        return [event for receipt in receipts for event in _events_of(receipt)]


def _events_of(receipt: Receipt) -> tuple[ChainEvent, ...]:
    if not receipt.succeeded:
        raise TransactionRefused("Reverted", {"transaction": receipt.transaction, "block": receipt.block})
    return receipt.events
