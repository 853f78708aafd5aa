"""Auctions, their books, what was sent for them, and positions, as rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import market_tables as t
from backend.adapters.sql.paging import paged, same
from backend.application.filters import AuctionFilter, Page
from backend.application.market import AuctionRecord, AuctionState, BookRecord, Cleared, Step
from domain.chain import LOG_INDEX_BITS
from domain.units import UnixSeconds

_HASH_BYTES = 32
_FILL_BYTES = 4


_LOGS = 1 << LOG_INDEX_BITS - 1
"""No block has so many events: places of auctions that were skipped after it are behind theirs."""


class Auctions:
    """Auctions as the chain tells them, and those that were skipped."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, zone: int, interval_s: int) -> AuctionRecord | None:
        query = select(t.auctions).where(*_at(t.auctions, zone, interval_s))
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _auction(row)

    def page(self, page: Page, wanted: AuctionFilter) -> list[AuctionRecord]:
        """Auctions in the order in which their books were committed."""
        table = t.auctions
        equal = same(
            [
                (table.c.zone, wanted.zone),
                (table.c.interval_s, wanted.interval_s),
                (table.c.state, wanted.state),
            ]
        )
        query = paged(select(table), table.c.place, page, equal)
        return [_auction(row) for row in self._connection.execute(query).mappings()]

    def due(self, state: AuctionState, since_s: int, limit: int) -> list[AuctionRecord]:
        """Auctions in a state, of intervals from a time on, the earliest first."""
        table = t.auctions
        query = select(table).where(table.c.state == state, table.c.interval_s >= since_s)
        rows = self._connection.execute(query.order_by(table.c.interval_s, table.c.zone).limit(limit)).mappings()
        return [_auction(row) for row in rows]

    def skipped(self, zone: int, interval_s: int, *, count: int, block: int, reason: str) -> None:
        """So many orders came to nothing, because no book was committed. `block` is the last one by then."""
        table = t.auctions
        first, end = block << LOG_INDEX_BITS | _LOGS, block + 1 << LOG_INDEX_BITS
        last = select(func.max(table.c.place)).where(table.c.place >= first, table.c.place < end)
        found: int | None = self._connection.execute(last).scalar()
        new = {
            "zone": zone,
            "interval_s": interval_s,
            "state": AuctionState.SKIPPED,
            "count": count,
            "place": first if found is None else found + 1,
            "chunks_settled": 0,
            "reason": reason,
        }
        self._connection.execute(upsert(table).values(**new).on_conflict_do_nothing())

    def forget(self) -> None:
        """All that the chain told."""
        self._connection.execute(delete(t.auctions).where(t.auctions.c.state != AuctionState.SKIPPED))

    def committed(
        self, zone: int, interval_s: int, *, count: int, digest: bytes, place: int, transaction: bytes
    ) -> None:
        """The operator committed a book."""
        new = {
            "zone": zone,
            "interval_s": interval_s,
            "state": AuctionState.COMMITTED,
            "count": count,
            "digest": digest,
            "place": place,
            "transaction": transaction,
            "chunks_settled": 0,
            "reason": None,
        }
        key = ["zone", "interval_s"]
        told = upsert(t.auctions).values(**new)
        skipped = t.auctions.c.state == AuctionState.SKIPPED
        self._connection.execute(told.on_conflict_do_update(index_elements=key, set_=new, where=skipped))

    def cleared(self, zone: int, interval_s: int, cleared: Cleared) -> None:
        self._change(
            zone,
            interval_s,
            state=AuctionState.CLEARED,
            crosses=cleared.price_micro_per_kwh is not None,
            price_micro_per_kwh=cleared.price_micro_per_kwh,
            volume_wh=cleared.volume_wh,
            lo_micro_per_kwh=cleared.lo_micro_per_kwh,
            hi_micro_per_kwh=cleared.hi_micro_per_kwh,
        )

    def chunk_settled(self, zone: int, interval_s: int, chunk: int) -> None:
        self._change(zone, interval_s, chunks_settled=chunk + 1)

    def concluded(self, zone: int, interval_s: int, fee_micro_per_kwh: int) -> None:
        self._change(zone, interval_s, state=AuctionState.CONCLUDED, fee_micro_per_kwh=fee_micro_per_kwh, reason=None)

    def voided(self, zone: int, interval_s: int, reason: str) -> None:
        """Its forced orders came to nothing. If that is because nothing crossed, it was concluded all the same."""
        query = update(t.auctions).where(*_at(t.auctions, zone, interval_s))
        query = query.where(t.auctions.c.state.not_in([AuctionState.CONCLUDED, AuctionState.SKIPPED]))
        self._connection.execute(query.values(state=AuctionState.VOID, reason=reason))

    def _change(self, zone: int, interval_s: int, **values: object) -> None:
        query = update(t.auctions).where(*_at(t.auctions, zone, interval_s))
        self._connection.execute(query.values(**values))


class Books:
    """Books that were built here, and the transactions that carry them through."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, zone: int, interval_s: int) -> BookRecord | None:
        query = select(t.books).where(*_at(t.books, zone, interval_s))
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _book(row)

    def keep(self, book: BookRecord) -> None:
        """Keeps a book, in the place of one that was never committed."""
        new = asdict(book) | {
            "hashes": b"".join(book.hashes),
            "fills": b"".join(fill.to_bytes(_FILL_BYTES, "big") for fill in book.fills),
            "claim": json.dumps(dict(book.claim)),
        }
        self._connection.execute(
            upsert(t.books).values(**new).on_conflict_do_update(index_elements=["zone", "interval_s"], set_=new)
        )

    def sent(self, zone: int, interval_s: int, step: Step, place: int) -> bytes | None:
        """The transaction that was last kept for a step."""
        table = t.auction_steps
        query = select(table.c.transaction).where(
            *_at(table, zone, interval_s), table.c.step == step, table.c.place == place
        )
        found: bytes | None = self._connection.execute(query).scalar()
        return found

    def last_place(self, zone: int, interval_s: int, step: Step) -> int | None:
        """The greatest place that a step was sent for."""
        table = t.auction_steps
        query = select(func.max(table.c.place)).where(*_at(table, zone, interval_s), table.c.step == step)
        found: int | None = self._connection.execute(query).scalar()
        return found

    def note(self, zone: int, interval_s: int, step: Step, place: int, transaction: bytes) -> None:
        """Keeps what is sent for a step; in the place of what failed or was lost."""
        key = {"zone": zone, "interval_s": interval_s, "step": step, "place": place}
        new = upsert(t.auction_steps).values(**key, transaction=transaction)
        change = {"transaction": transaction}
        self._connection.execute(new.on_conflict_do_update(index_elements=list(key), set_=change))

    def transactions(self, zone: int, interval_s: int) -> Sequence[tuple[Step, int, bytes]]:
        """All that was sent for an auction."""
        table = t.auction_steps
        query = select(table).where(*_at(table, zone, interval_s)).order_by(table.c.step, table.c.place)
        return [(Step(row.step), row.place, row.transaction) for row in self._connection.execute(query)]


def _at(table: Table, zone: int, interval_s: int) -> list[ColumnElement[bool]]:
    return [table.c.zone == zone, table.c.interval_s == interval_s]


def _auction(row: RowMapping) -> AuctionRecord:
    cleared = None
    if row["crosses"] is not None:
        cleared = Cleared(
            price_micro_per_kwh=row["price_micro_per_kwh"],
            volume_wh=row["volume_wh"],
            lo_micro_per_kwh=row["lo_micro_per_kwh"],
            hi_micro_per_kwh=row["hi_micro_per_kwh"],
        )
    return AuctionRecord(
        zone=row["zone"],
        interval_s=row["interval_s"],
        state=AuctionState(row["state"]),
        count=row["count"],
        digest=row["digest"],
        place=row["place"],
        transaction=row["transaction"],
        cleared=cleared,
        fee_micro_per_kwh=row["fee_micro_per_kwh"],
        chunks_settled=row["chunks_settled"],
        reason=row["reason"],
    )


def _book(row: RowMapping) -> BookRecord:
    hashes, fills = row["hashes"], row["fills"]
    claim: Mapping[str, int] = json.loads(row["claim"])
    return BookRecord(
        zone=row["zone"],
        interval_s=UnixSeconds(row["interval_s"]),
        digest=row["digest"],
        lines=row["lines"],
        forced_nonces=row["forced_nonces"],
        hashes=tuple(hashes[at : at + _HASH_BYTES] for at in range(0, len(hashes), _HASH_BYTES)),
        fills=tuple(int.from_bytes(fills[at : at + _FILL_BYTES], "big") for at in range(0, len(fills), _FILL_BYTES)),
        claim=claim,
    )
