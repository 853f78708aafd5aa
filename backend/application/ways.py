"""The way of a kWh: what a session, a statement or a settlement led to, up to the block that holds it."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.application.errors import UnknownSettlement, UnknownStatement
from backend.application.filters import EventFilter, Page
from backend.application.ports import Store, UnitOfWork
from backend.application.records import (
    DisputeRecord,
    SessionRecord,
    SettlementRecord,
    StatementRecord,
    StatementRow,
)
from domain.cid import raw_cid
from domain.errors import UnknownSession
from domain.metering import Basis, meter_rows
from domain.reading import NO_SESSION, VerifiedMeterReading
from domain.tariff import Direction, TariffTable

MAX_STATEMENTS = 200
"""How many statements of one session are shown."""
_BATCH_SETTLED = "BatchSettled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where on the chain something is. `confirmations` counts the block that holds it; 0 as long as none does."""

    transaction: bytes | None = None
    manifest: str | None = None
    block: int | None = None
    confirmations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementWay:
    """A statement with its rows, which of them are disputed, and where it is settled."""

    record: StatementRecord
    rows: Sequence[StatementRow]
    disputes: dict[int, DisputeRecord]
    anchor: Anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWay:
    """A session with the statements over its readings, each with the rows that billed it.

    `first_reading` is None as long as no reading names it. `more`: there are more statements than are shown.
    """

    record: SessionRecord
    first_reading: int | None
    statements: Sequence[StatementWay]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementWay:
    """A settlement with its statements and what their rows move."""

    record: SettlementRecord
    statements: Sequence[tuple[StatementRecord, Sequence[StatementRow]]]
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Ways:
    """Follows what is kept from the meter to the chain."""

    store: Store

    def session(self, session: bytes) -> SessionWay:
        """UnknownSession if nobody authorised it."""
        with self.store.read() as unit:
            record = unit.sessions.find(session)
            if record is None:
                raise UnknownSession(session)
            last = record.last_reading
            first = None if last is None else unit.readings.first_of_session(record.session, last)
            if first is None or last is None:
                return SessionWay(record=record, first_reading=None, statements=(), more=False)
            station = record.session.authorisation.station
            found = unit.statements.over(station, first, last, MAX_STATEMENTS + 1)
            ways = [_billing(unit, one, session) for one in found[:MAX_STATEMENTS]]
            return SessionWay(record=record, first_reading=first, statements=ways, more=len(found) > MAX_STATEMENTS)

    def statement(self, station: int, sequence: int) -> StatementWay:
        """UnknownStatement if there is none."""
        with self.store.read() as unit:
            record = unit.statements.find(station, sequence)
            if record is None:
                raise UnknownStatement(station, sequence)
            return _statement(unit, record, unit.statements.rows(station, sequence))

    def settlement(self, settlement: str) -> SettlementWay:
        """UnknownSettlement if there is none."""
        with self.store.read() as unit:
            record = unit.settlements.find(settlement)
            if record is None:
                raise UnknownSettlement(settlement)
            found = ((unit.statements.find(*place), place) for place in record.statements)
            statements = [(one, unit.statements.rows(*place)) for one, place in found if one is not None]
            return SettlementWay(record=record, statements=statements, anchor=_anchor(unit, record, record.batch))


def _billing(unit: UnitOfWork, record: StatementRecord, session: bytes) -> StatementWay:
    """A statement with those of its rows alone that billed a session, as its readings say."""
    metered = meter_rows(_basis(unit, record))
    own = {(row.account, row.direction, row.start_s, row.end_s) for row in metered if row.session_id == session}
    billed = [row for row in unit.statements.rows(*record.place) if _span(record, row) in own]
    return _statement(unit, record, billed)


def _span(record: StatementRecord, row: StatementRow) -> tuple[int, Direction, int, int]:
    start_s = record.statement.start_s + row.row.start_offset_s
    return row.row.account, row.direction, start_s, start_s + row.row.duration_s


def _statement(unit: UnitOfWork, record: StatementRecord, rows: Sequence[StatementRow]) -> StatementWay:
    settlement = unit.settlements.find(record.settlement) if record.settlement else None
    return StatementWay(
        record=record,
        rows=rows,
        disputes=unit.disputes.of(*record.place),
        anchor=_anchor(unit, settlement, record.batch),
    )


def _anchor(unit: UnitOfWork, settlement: SettlementRecord | None, batch: int | None) -> Anchor:
    """What the batch's event says if there is one: whoever sent it. Before that, what we keep of our transaction."""
    if batch is not None:
        wanted = EventFilter(name=_BATCH_SETTLED, batch=batch)
        for event in unit.blocks.events_page(Page(-1, 1), wanted):
            manifest = raw_cid(event.args["evidence"])
            return Anchor(
                transaction=event.tx,
                manifest=manifest,
                block=event.block,
                confirmations=_confirmations(unit, event.block),
            )
    if settlement is None:
        return Anchor()
    sent = unit.outbox.record(settlement.transaction)
    block = sent.block if sent else None
    return Anchor(
        transaction=settlement.transaction,
        manifest=settlement.evidence,
        block=block,
        confirmations=0 if block is None else _confirmations(unit, block),
    )


def _confirmations(unit: UnitOfWork, block: int) -> int:
    last = unit.blocks.last()
    return 0 if last is None else max(last.number - block + 1, 0)


def _basis(unit: UnitOfWork, record: StatementRecord) -> Basis:
    """What rows of a kept statement follow from; its tariffs are not needed for that."""
    station, first = record.statement.station, record.first_reading
    known = unit.stations.find(station)
    if known is None:
        raise UnknownStatement(*record.place)
    kept = unit.readings.meter(station, range(first - 1, record.last_reading + 1))
    opening = kept.pop(first - 1, None)
    readings = [kept[sequence] for sequence in sorted(kept)]
    named = {one.reading.session for one in readings} - {NO_SESSION}
    return Basis(
        station=known.station,
        opening=opening.reading if opening else None,
        readings=[VerifiedMeterReading(one.reading, one.signature) for one in readings],
        sessions=unit.sessions.named(named),
        tariffs=TariffTable(()),
    )
