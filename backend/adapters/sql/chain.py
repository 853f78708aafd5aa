"""Blocks, events and the outbox, as rows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    and_,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from backend.adapters.sql import tables as t
from backend.adapters.sql.paging import paged, same, within
from backend.application.filters import EventFilter, Page, TransactionFilter
from backend.application.records import OutboxEntry, OutboxState, Receipt, TransactionRecord
from backend.application.subjects import ACCOUNT, BATCH, STATION, subjects_of
from domain.chain import LOG_INDEX_BITS, BlockRef, ChainEvent
from domain.text import hex_text
from domain.units import UnixSeconds

KINDS_WITH_A_NAME = frozenset({"settlement", "auction"})
"""Purposes that are followed by a colon and the name of what they are for."""
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

    def time_of(self, number: int) -> UnixSeconds:
        """When a block that is kept was made."""
        query = select(t.blocks.c.time_s).where(t.blocks.c.number == number)
        return UnixSeconds(self._connection.execute(query).scalar_one())

    def add(self, blocks: Iterable[BlockRef], events: Iterable[ChainEvent]) -> None:
        block_rows = [
            {"number": b.number, "block_hash": b.block_hash, "parent_hash": b.parent_hash, "time_s": b.time_s}
            for b in blocks
        ]
        if block_rows:
            self._connection.execute(insert(t.blocks), block_rows)
        kept = list(events)
        rows = [_event_row(event) for event in kept]
        if rows:
            self._connection.execute(insert(t.events), rows)
        subjects = [
            {"kind": subject.kind, "number": subject.number, "block": event.block, "log_index": event.log_index}
            for event in kept
            for subject in sorted(subjects_of(event))
        ]
        if subjects:
            self._connection.execute(insert(t.event_subjects), subjects)

    def drop_above(self, number: int) -> None:
        self._connection.execute(delete(t.event_subjects).where(t.event_subjects.c.block > number))
        self._connection.execute(delete(t.events).where(t.events.c.block > number))
        self._connection.execute(delete(t.blocks).where(t.blocks.c.number > number))

    def events(self) -> Iterator[ChainEvent]:
        """All events in the order of the chain."""
        query = select(t.events).order_by(t.events.c.block, t.events.c.log_index)
        yield from (_event(row) for row in self._connection.execute(query).mappings().all())

    def events_page(self, page: Page, wanted: EventFilter) -> list[ChainEvent]:
        """Events in the order of the chain. `page.after` is a `ChainEvent.place`, or -1."""
        table, query = t.events, select(t.events)
        equal = same([(table.c.contract, wanted.contract), (table.c.name, wanted.name)])
        key: FromClause = table
        for kind, number in ((ACCOUNT, wanted.account), (STATION, wanted.station), (BATCH, wanted.batch)):
            if number is not None:
                named = t.event_subjects.alias()
                key = named if key is table else key
                query = query.join(named, and_(named.c.block == table.c.block, named.c.log_index == table.c.log_index))
                equal += [named.c.kind == kind, named.c.number == number]
        place = (key.c.block, key.c.log_index)
        after = (page.after >> LOG_INDEX_BITS, page.after & ((1 << LOG_INDEX_BITS) - 1))
        last = None if wanted.to_block is None else wanted.to_block + 1
        query = query.where(tuple_(*place) > tuple_(*after), *equal, *within(place[0], wanted.from_block, last))
        query = query.order_by(*place).limit(page.limit)
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
        last = select(func.coalesce(func.max(t.outbox.c.serial), 0) + 1).scalar_subquery()
        self._connection.execute(
            insert(t.outbox).values(
                transaction=entry.transaction,
                sender=entry.sender,
                nonce=entry.nonce,
                raw=entry.raw,
                purpose=entry.purpose,
                state=entry.state,
                serial=last,
            )
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

    def record(self, transaction: bytes) -> TransactionRecord | None:
        """What is kept of a transaction, but its bytes."""
        row = self._connection.execute(_TRANSACTIONS.where(t.outbox.c.transaction == transaction)).mappings().first()
        return None if row is None else _transaction(row)

    def page(self, page: Page, wanted: TransactionFilter) -> list[TransactionRecord]:
        """Transactions in the order in which they were kept."""
        table, purpose, ranges = t.outbox, wanted.purpose, list[ColumnElement[bool]]()
        if purpose in KINDS_WITH_A_NAME:
            ranges, purpose = [table.c.purpose >= f"{purpose}:", table.c.purpose < f"{purpose};"], None
        equal = same(
            [
                (table.c.state, wanted.state),
                (table.c.purpose, purpose),
                (table.c.nonce, wanted.nonce),
                (table.c.block, wanted.block),
                (table.c.transaction, wanted.transaction),
            ]
        )
        query = paged(_TRANSACTIONS, table.c.serial, page, equal, ranges)
        return [_transaction(row) for row in self._connection.execute(query).mappings()]

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


_TRANSACTIONS = select(*(column for column in t.outbox.c if column is not t.outbox.c.raw))


def _transaction(row: RowMapping) -> TransactionRecord:
    return TransactionRecord(
        transaction=row["transaction"],
        sender=row["sender"],
        nonce=row["nonce"],
        purpose=row["purpose"],
        state=OutboxState(row["state"]),
        block=row["block"],
        succeeded=row["succeeded"],
        gas_used=row["gas_used"],
        serial=row["serial"],
    )


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
