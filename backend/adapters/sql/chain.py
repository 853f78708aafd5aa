"""Blocks, events and the outbox, as rows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update

from backend.adapters.sql import tables as t
from backend.application.records import OutboxEntry, OutboxState, Receipt
from domain.chain import BlockRef, ChainEvent
from domain.text import hex_text
from domain.units import UnixSeconds

_OPEN = (OutboxState.QUEUED, OutboxState.SENT)


class Blocks:
    """Blocks that were taken in and their events."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def last(self) -> BlockRef | None:
        return self._block(select(t.blocks).order_by(t.blocks.c.number.desc()).limit(1))

    def below(self, number: int) -> BlockRef | None:
        """The highest block that is kept below `number`."""
        query = select(t.blocks).where(t.blocks.c.number < number)
        return self._block(query.order_by(t.blocks.c.number.desc()).limit(1))

    def add(self, blocks: Iterable[BlockRef], events: Iterable[ChainEvent]) -> None:
        block_rows = [
            {"number": b.number, "block_hash": b.block_hash, "parent_hash": b.parent_hash, "time_s": b.time_s}
            for b in blocks
        ]
        if block_rows:
            self._connection.execute(insert(t.blocks), block_rows)
        rows = [_event_row(event) for event in events]
        if rows:
            self._connection.execute(insert(t.events), rows)

    def drop_above(self, number: int) -> None:
        self._connection.execute(delete(t.events).where(t.events.c.block > number))
        self._connection.execute(delete(t.blocks).where(t.blocks.c.number > number))

    def events(self) -> Iterator[ChainEvent]:
        """All events in the order of the chain."""
        query = select(t.events).order_by(t.events.c.block, t.events.c.log_index)
        yield from (_event(row) for row in self._connection.execute(query).mappings().all())

    def events_page(self, after: tuple[int, int], limit: int) -> list[ChainEvent]:
        block, log_index = after
        later = or_(t.events.c.block > block, and_(t.events.c.block == block, t.events.c.log_index > log_index))
        query = select(t.events).where(later).order_by(t.events.c.block, t.events.c.log_index).limit(limit)
        return [_event(row) for row in self._connection.execute(query).mappings()]

    def batches(self) -> int:
        query = select(func.count()).select_from(t.events).where(t.events.c.name == "BatchSettled")
        return int(self._connection.execute(query).scalar_one())

    def _block(self, query: Any) -> BlockRef | None:
        row = self._connection.execute(query).mappings().first()
        if row is None:
            return None
        return BlockRef(
            number=row["number"],
            block_hash=row["block_hash"],
            parent_hash=row["parent_hash"],
            time_s=UnixSeconds(row["time_s"]),
        )


class Outbox:
    """Signed transactions, kept from before they are first sent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def next_nonce(self, sender: bytes) -> int:
        """The nonce after the highest that was used here."""
        query = select(func.max(t.outbox.c.nonce)).where(t.outbox.c.sender == sender)
        highest = self._connection.execute(query).scalar()
        return 0 if highest is None else int(highest) + 1

    def add(self, entry: OutboxEntry) -> None:
        self._connection.execute(
            insert(t.outbox),
            {
                "transaction": entry.transaction,
                "sender": entry.sender,
                "nonce": entry.nonce,
                "raw": entry.raw,
                "purpose": entry.purpose,
                "state": entry.state,
            },
        )

    def open(self, sender: bytes) -> list[OutboxEntry]:
        """Entries without a receipt, by nonce."""
        query = select(t.outbox).where(t.outbox.c.sender == sender, t.outbox.c.state.in_(_OPEN))
        return [_entry(row) for row in self._connection.execute(query.order_by(t.outbox.c.nonce)).mappings()]

    def count_open(self, sender: bytes) -> int:
        """How many entries have no receipt."""
        query = select(func.count()).where(t.outbox.c.sender == sender, t.outbox.c.state.in_(_OPEN))
        return int(self._connection.execute(query).scalar_one())

    def find(self, transaction: bytes) -> OutboxEntry | None:
        query = select(t.outbox).where(t.outbox.c.transaction == transaction)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _entry(row)

    def mark(self, transactions: Iterable[bytes], state: OutboxState) -> None:
        query = update(t.outbox).where(t.outbox.c.transaction.in_(list(transactions)))
        self._connection.execute(query.values(state=state))

    def mined(self, receipts: Iterable[Receipt]) -> None:
        for receipt in receipts:
            query = update(t.outbox).where(t.outbox.c.transaction == receipt.transaction)
            self._connection.execute(
                query.values(
                    state=OutboxState.MINED,
                    block=receipt.block,
                    succeeded=receipt.succeeded,
                    gas_used=receipt.gas_used,
                )
            )

    def reopen_above(self, block: int) -> None:
        """Entries whose receipt was in a block above are open again."""
        query = update(t.outbox).where(t.outbox.c.state == OutboxState.MINED, t.outbox.c.block > block)
        self._connection.execute(query.values(state=OutboxState.SENT, block=None, succeeded=None, gas_used=None))


def _entry(row: RowMapping) -> OutboxEntry:
    return OutboxEntry(
        sender=row["sender"],
        nonce=row["nonce"],
        raw=row["raw"],
        transaction=row["transaction"],
        purpose=row["purpose"],
        state=OutboxState(row["state"]),
    )


def _event_row(event: ChainEvent) -> dict[str, object]:
    return {
        "block": event.block,
        "log_index": event.log_index,
        "block_hash": event.block_hash,
        "tx": event.tx,
        "contract": event.contract,
        "name": event.name,
        "args": json.dumps({name: _kept(value) for name, value in event.args.items()}),
    }


def _event(row: RowMapping) -> ChainEvent:
    args: Mapping[str, Any] = json.loads(row["args"])
    return ChainEvent(
        block=row["block"],
        block_hash=row["block_hash"],
        log_index=row["log_index"],
        tx=row["tx"],
        contract=row["contract"],
        name=row["name"],
        args={name: _given(value) for name, value in args.items()},
    )


def _kept(value: object) -> object:
    """Our events have addresses, hashes, integers and booleans; bytes become hexadecimal text."""
    return hex_text(value) if isinstance(value, bytes) else value


def _given(value: object) -> object:
    return bytes.fromhex(value[2:]) if isinstance(value, str) else value
