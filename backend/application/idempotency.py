"""Idempotency keys: what was asked for under a key is sent to the chain once, however often it is asked for.

A key is kept in the very unit of work that keeps the signed transactions. Whoever asks again gets the
answer that follows from these transactions, so that no answer needs to be kept. What was refused before
anything was sent leaves no trace: it can be asked for again under the same key.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.application.errors import IdempotencyKeyReused
from backend.application.ports import Clock, Store, UnitOfWork
from backend.application.records import TransactionRecord
from backend.application.settlements import PURPOSE, Settlements

KEPT_S = 30 * 86_400
"""How long keys are kept."""
_SETTLEMENT = "settlement"


@dataclass(frozen=True, slots=True)
class Once:
    """A key and the SHA-256 digest of the request that came with it."""

    key: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys and the transactions under each. Hold `asking` from the look to the note."""

    store: Store
    clock: Clock
    asking: threading.RLock = field(default_factory=threading.RLock)

    def sent(self, once: Once, step: str) -> dict[int, TransactionRecord]:
        """What was kept under the key for one step, by place; IdempotencyKeyReused if it was for something else."""
        with self.store.read() as unit:
            request = unit.keys.request_of(once.key)
            if request is None:
                return {}
            if request != once.request:
                raise IdempotencyKeyReused(once.key)
            found = {place: unit.outbox.record(tx) for place, tx in unit.keys.transactions(once.key, step).items()}
        return {place: record for place, record in found.items() if record is not None}

    def note(self, unit: UnitOfWork, once: Once, step: str, transactions: Mapping[int, bytes]) -> None:
        """Keeps, in the caller's unit of work, what is sent for one step. Keys that are too old are dropped."""
        now_s = self.clock.now_s()
        unit.keys.drop_before(now_s - KEPT_S)
        unit.keys.keep(once.key, once.request, now_s)
        unit.keys.note(once.key, step, transactions)

    def settle(self, settlements: Settlements, once: Once, *, retry_refused: bool) -> str:
        """`Settlements.submit`, once: the id of the settlement that was built under this key."""
        with self.asking:
            for record in self.sent(once, _SETTLEMENT).values():
                return record.purpose.removeprefix(PURPOSE)
            return settlements.submit(
                retry_refused=retry_refused, keep=lambda unit, tx: self.note(unit, once, _SETTLEMENT, {0: tx})
            )
