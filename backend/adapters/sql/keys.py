"""Idempotency keys, as rows."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import tables as t


class Keys:
    """Which transactions were sent under which key."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def request_of(self, key: str) -> bytes | None:
        """The digest of the request that a key came with."""
        query = select(t.idempotency_keys.c.request).where(t.idempotency_keys.c.key == key)
        return self._connection.execute(query).scalar()

    def transactions(self, key: str, step: str) -> dict[int, bytes]:
        """What was sent for one step under a key, by place."""
        table = t.idempotency_steps
        query = select(table.c.place, table.c.transaction).where(table.c.key == key, table.c.step == step)
        return {row.place: row.transaction for row in self._connection.execute(query.order_by(table.c.place))}

    def keep(self, key: str, request: bytes, now_s: int) -> None:
        """Keeps a key; one that is there stays as it is."""
        new = upsert(t.idempotency_keys).values(key=key, request=request, kept_at_s=now_s)
        self._connection.execute(new.on_conflict_do_nothing())

    def note(self, key: str, step: str, transactions: Mapping[int, bytes]) -> None:
        """Keeps what was sent for one step; in the place of what was lost."""
        new = upsert(t.idempotency_steps)
        rows = [
            {"key": key, "step": step, "place": place, "transaction": transaction}
            for place, transaction in transactions.items()
        ]
        change = {"transaction": new.excluded.transaction}
        self._connection.execute(new.on_conflict_do_update(index_elements=["key", "step", "place"], set_=change), rows)

    def drop_before(self, time_s: int) -> None:
        """Forgets the keys that were kept before a time."""
        old = select(t.idempotency_keys.c.key).where(t.idempotency_keys.c.kept_at_s < time_s)
        self._connection.execute(delete(t.idempotency_steps).where(t.idempotency_steps.c.key.in_(old)))
        self._connection.execute(delete(t.idempotency_keys).where(t.idempotency_keys.c.kept_at_s < time_s))
