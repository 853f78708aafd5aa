"""Statements and settlements, as rows."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, case, delete, func, insert, select, update

from backend.adapters.sql import tables as t
from backend.application.records import (
    AcceptedStatement,
    OutboxState,
    SettlementRecord,
    SettlementState,
    StatementRecord,
    StatementRow,
    StatementState,
    VehicleBlob,
)
from domain.batch import StatementNumbers
from domain.settlement import Payment
from domain.statement import IntervalStatement, Row, SignedStatement
from domain.tariff import Direction
from domain.units import AccountId, StationId

_ROW_FIELDS = ("account", "energy_wh", "start_offset_s", "duration_s", "tariff_offset")
_STATEMENT_FIELDS = (
    "station",
    "sequence",
    "start_s",
    "duration_s",
    "import_wh",
    "export_wh",
    "tariff_base",
    "telemetry_root",
)
_SETTLED_FIELDS = ("start_s", "duration_s", "import_wh", "export_wh", "tariff_base")
_KEPT_FIELDS = (
    "evidence",
    "first_reading",
    "last_reading",
    "accepted_at_s",
    "settlement",
    "batch",
    "refusal",
    "serial",
)


class Statements:
    """Accepted statements with what their rows move."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, station: int, sequence: int) -> StatementRecord | None:
        query = select(t.statements).where(_at(station, sequence))
        row = self._connection.execute(query).mappings().first()
        return None if row is None else self._records([row])[0]

    def last(self, station: int) -> StatementRecord | None:
        """The last one that is or can be settled: a void one leaves its readings to the next."""
        query = select(t.statements).where(
            t.statements.c.station == station, t.statements.c.state != StatementState.VOID
        )
        row = self._connection.execute(query.order_by(t.statements.c.sequence.desc()).limit(1)).mappings().first()
        return None if row is None else self._records([row])[0]

    def rows(self, station: int, sequence: int) -> list[StatementRow]:
        table = t.statement_rows
        query = select(table).where(table.c.station == station, table.c.sequence == sequence).order_by(table.c.row)
        return [_statement_row(row) for row in self._connection.execute(query).mappings()]

    def page(
        self, after: int, limit: int, *, station: int | None = None, state: str | None = None
    ) -> list[StatementRecord]:
        """Statements in the order in which they were accepted."""
        query = select(t.statements).where(t.statements.c.serial > after)
        if station is not None:
            query = query.where(t.statements.c.station == station)
        if state is not None:
            query = query.where(t.statements.c.state == state)
        rows = self._connection.execute(query.order_by(t.statements.c.serial).limit(limit)).mappings().all()
        return self._records(rows)

    def waiting(self, limit: int) -> list[StatementRecord]:
        """Accepted statements in order of station and sequence.

        None of a station that is suspended, or that has one batched or refused.
        """
        query = select(t.statements).where(_WAITS).order_by(t.statements.c.station, t.statements.c.sequence)
        return self._records(self._connection.execute(query.limit(limit)).mappings().all())

    def waiting_since(self) -> tuple[int, int | None]:
        """How many accepted statements could be batched, and when the oldest of them was accepted."""
        query = select(func.count(), func.min(t.statements.c.accepted_at_s)).where(_WAITS)
        count, oldest = self._connection.execute(query).one()
        return int(count), oldest

    def add(self, accepted: AcceptedStatement) -> None:
        """Keeps a statement, its rows, and what its sessions have used after it. A void one makes room for it."""
        record = accepted.record
        self._drop_void(*record.place)
        values: dict[str, object] = {name: getattr(record.statement, name) for name in _STATEMENT_FIELDS}
        values |= {name: getattr(record, name) for name in _KEPT_FIELDS if name != "serial"}
        values |= {"signature": record.signed.signature, "state": record.state}
        self._connection.execute(insert(t.statements), values)
        rows = [_row_values(record.place, row) for row in accepted.rows]
        if rows:
            self._connection.execute(insert(t.statement_rows), rows)
        usage = [
            {"named": session, "energy": usage.energy_wh, "cost": usage.cost_micro}
            for session, usage in accepted.usage.items()
        ]
        if usage:
            query = update(t.sessions).where(t.sessions.c.session == bindparam("named"))
            self._connection.execute(query.values(energy_wh=bindparam("energy"), cost_micro=bindparam("cost")), usage)

    def refuse(self, station: int, sequence: int, reason: str) -> None:
        query = update(t.statements).where(_at(station, sequence))
        self._connection.execute(query.values(state=StatementState.REFUSED, refusal=reason))

    def accept_refused(self) -> int:
        """Makes all refused statements wait again; how many."""
        query = update(t.statements).where(t.statements.c.state == StatementState.REFUSED)
        return self._connection.execute(query.values(state=StatementState.ACCEPTED, refusal=None)).rowcount

    def settled(self, settled: StatementNumbers, *, batch: int) -> None:
        """Notes a settled statement; ours of that number is refused if its numbers are others."""
        same = [t.statements.c[name] == getattr(settled, name) for name in _SETTLED_FIELDS]
        root = func.substr(t.statements.c.telemetry_root, 1, len(settled.root_start)) == settled.root_start
        query = update(t.statements).where(_at(settled.station, settled.sequence))
        done = self._connection.execute(
            query.where(*same, root).values(state=StatementState.SETTLED, batch=batch, refusal=None)
        )
        if done.rowcount == 0:
            self.refuse(settled.station, settled.sequence, "another statement of this number was settled")

    def void_from(self, station: int, sequence: int) -> None:
        """Statements from this number on can never be settled: a new meter took it."""
        table = t.statements
        query = update(table).where(table.c.station == station, table.c.sequence >= sequence)
        query = query.where(table.c.state != StatementState.SETTLED)
        self._connection.execute(query.values(state=StatementState.VOID, refusal="the meter was replaced before it"))

    def set_aside(self, station: int, sequence: int, row: int) -> None:
        table = t.statement_rows
        query = update(table).where(table.c.station == station, table.c.sequence == sequence, table.c.row == row)
        self._connection.execute(query.values(set_aside=True))

    def unsettle(self) -> None:
        """Takes back all that events said of statements."""
        on_the_way = case((t.statements.c.settlement.is_(None), StatementState.ACCEPTED), else_=StatementState.BATCHED)
        query = update(t.statements).where(t.statements.c.state.in_((StatementState.SETTLED, StatementState.VOID)))
        self._connection.execute(query.values(state=on_the_way, batch=None, refusal=None))
        self._connection.execute(update(t.statement_rows).where(t.statement_rows.c.set_aside).values(set_aside=False))

    def _drop_void(self, station: int, sequence: int) -> None:
        query = select(t.statements.c.serial).where(_at(station, sequence), t.statements.c.state == StatementState.VOID)
        if self._connection.execute(query).first() is None:
            return
        for table in (t.statement_rows, t.settlement_statements, t.statements):
            self._connection.execute(delete(table).where(table.c.station == station, table.c.sequence == sequence))

    def _records(self, rows: Sequence[RowMapping]) -> list[StatementRecord]:
        return [_statement(row, self.rows(row["station"], row["sequence"])) for row in rows]


class Settlements:
    """Batches on their way to the chain or on it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, settlement: str) -> SettlementRecord | None:
        row = self._connection.execute(_SETTLEMENTS.where(t.settlements.c.settlement == settlement)).mappings().first()
        return None if row is None else self._record(row)

    def page(self, after: int, limit: int) -> list[SettlementRecord]:
        query = _SETTLEMENTS.where(t.settlements.c.serial > after).order_by(t.settlements.c.serial).limit(limit)
        return [self._record(row) for row in self._connection.execute(query).mappings().all()]

    def settled_until(self, time_s: int, after: int, limit: int) -> list[SettlementRecord]:
        """Those that are settled, in a block of this time or before, by their serials."""
        in_time = (
            select(t.events.c.tx)
            .join(t.blocks, t.blocks.c.number == t.events.c.block)
            .where(t.events.c.name == "BatchSettled", t.blocks.c.time_s <= time_s)
        )
        query = _SETTLEMENTS.where(
            t.settlements.c.serial > after,
            t.settlements.c.state == SettlementState.SETTLED,
            t.settlements.c.transaction.in_(in_time),
        )
        rows = self._connection.execute(query.order_by(t.settlements.c.serial).limit(limit)).mappings().all()
        return [self._record(row) for row in rows]

    def add(self, record: SettlementRecord, vehicles: Sequence[VehicleBlob]) -> None:
        """Keeps it and marks its statements as batched and its BMS readings as anchored.

        One of the same content that failed before is replaced.
        """
        for table in (t.vehicle_blobs, t.settlement_statements, t.settlements):
            self._connection.execute(delete(table).where(table.c.settlement == record.settlement))
        self._connection.execute(
            insert(t.settlements),
            {
                "settlement": record.settlement,
                "state": SettlementState.SENT,
                "evidence": record.evidence,
                "rows": record.rows,
            },
        )
        for station, sequence in record.statements:
            self._connection.execute(
                insert(t.settlement_statements),
                {"settlement": record.settlement, "station": station, "sequence": sequence},
            )
            query = update(t.statements).where(_at(station, sequence))
            self._connection.execute(query.values(state=StatementState.BATCHED, settlement=record.settlement))
        for blob in vehicles:
            self._connection.execute(
                insert(t.vehicle_blobs),
                {
                    "settlement": record.settlement,
                    "account": blob.account,
                    "first": blob.first,
                    "last": blob.last,
                    "cid": blob.cid,
                },
            )
            anchored = update(t.vehicles).where(t.vehicles.c.account == blob.account)
            self._connection.execute(anchored.values(anchored_sequence=blob.last))

    def sent_as(self, settlement: str, transaction: bytes) -> None:
        query = update(t.settlements).where(t.settlements.c.settlement == settlement)
        self._connection.execute(query.values(transaction=transaction))

    def settled(self, transaction: bytes, *, batch: int, paid_micro: int, dust_micro: int) -> None:
        query = update(t.settlements).where(t.settlements.c.transaction == transaction)
        self._connection.execute(
            query.values(state=SettlementState.SETTLED, batch=batch, paid_micro=paid_micro, dust_micro=dust_micro)
        )

    def fail(self, settlement: str) -> None:
        """Marks it as failed; what it held waits again."""
        query = update(t.settlements).where(t.settlements.c.settlement == settlement)
        self._connection.execute(query.values(state=SettlementState.FAILED))
        held = update(t.statements).where(
            t.statements.c.settlement == settlement, t.statements.c.state == StatementState.BATCHED
        )
        self._connection.execute(held.values(state=StatementState.ACCEPTED, settlement=None))
        blobs = select(t.vehicle_blobs.c.account).where(t.vehicle_blobs.c.settlement == settlement)
        self._connection.execute(
            update(t.vehicles)
            .where(t.vehicles.c.account.in_(blobs))
            .values(anchored_sequence=func.coalesce(_ANCHORED, 0))
        )

    def unsettle(self) -> None:
        """Takes back all that events said of settlements."""
        query = update(t.settlements).where(t.settlements.c.state == SettlementState.SETTLED)
        self._connection.execute(query.values(state=SettlementState.SENT, batch=None, paid_micro=None, dust_micro=None))

    def _record(self, row: RowMapping) -> SettlementRecord:
        table = t.settlement_statements
        query = select(table.c.station, table.c.sequence).where(table.c.settlement == row["settlement"])
        places = self._connection.execute(query.order_by(table.c.station, table.c.sequence))
        on_the_way = row["state"] == SettlementState.SENT
        built = on_the_way and row["outbox_state"] == OutboxState.QUEUED
        return SettlementRecord(
            settlement=row["settlement"],
            state=SettlementState.BUILT if built else SettlementState(row["state"]),
            transaction=row["transaction"],
            evidence=row["evidence"],
            rows=row["rows"],
            statements=tuple((place.station, place.sequence) for place in places),
            batch=row["batch"],
            paid_micro=row["paid_micro"],
            dust_micro=row["dust_micro"],
            gas_used=row["gas_used"],
            serial=row["serial"],
        )


_stuck = t.statements.alias("stuck")
_WAITS = (
    (t.statements.c.state == StatementState.ACCEPTED)
    & t.statements.c.station.not_in(
        select(_stuck.c.station).where(_stuck.c.state.in_((StatementState.BATCHED, StatementState.REFUSED)))
    )
    & t.statements.c.station.not_in(
        select(t.stations.c.station).where(t.stations.c.suspended_by_operator | t.stations.c.suspended_by_governance)
    )
)
_SETTLEMENTS = select(t.settlements, t.outbox.c.gas_used, t.outbox.c.state.label("outbox_state")).outerjoin(
    t.outbox, t.outbox.c.transaction == t.settlements.c.transaction
)
_ANCHORED = (
    select(func.max(t.vehicle_blobs.c.last))
    .join(t.settlements, t.settlements.c.settlement == t.vehicle_blobs.c.settlement)
    .where(t.vehicle_blobs.c.account == t.vehicles.c.account, t.settlements.c.state != SettlementState.FAILED)
    .scalar_subquery()
)


def _at(station: int, sequence: int) -> ColumnElement[bool]:
    return (t.statements.c.station == station) & (t.statements.c.sequence == sequence)


def _statement(row: RowMapping, rows: Sequence[StatementRow]) -> StatementRecord:
    statement = IntervalStatement(
        **{name: row[name] for name in _STATEMENT_FIELDS}, rows=tuple(one.row for one in rows)
    )
    return StatementRecord(
        signed=SignedStatement(statement, row["signature"]),
        state=StatementState(row["state"]),
        **{name: row[name] for name in _KEPT_FIELDS},
    )


def _row_values(place: tuple[int, int], row: StatementRow) -> dict[str, object]:
    payment = row.payment
    return {
        "station": place[0],
        "sequence": place[1],
        "row": row.index,
        **{name: getattr(row.row, name) for name in _ROW_FIELDS},
        "direction": int(row.direction),
        "price_micro_per_kwh": row.price_micro_per_kwh,
        "payer": payment.payer if payment else None,
        "payee": payment.payee if payment else None,
        "owed_micro": payment.owed_micro if payment else None,
        "received_micro": payment.received_micro if payment else None,
        "set_aside": row.set_aside,
    }


def _statement_row(row: RowMapping) -> StatementRow:
    payment = Payment(
        station=StationId(row["station"]),
        sequence=row["sequence"],
        row=row["row"],
        payer=AccountId(row["payer"]),
        payee=AccountId(row["payee"]),
        owed_micro=row["owed_micro"],
        received_micro=row["received_micro"],
    )
    return StatementRow(
        index=row["row"],
        row=Row(**{name: row[name] for name in _ROW_FIELDS}),
        direction=Direction(row["direction"]),
        price_micro_per_kwh=row["price_micro_per_kwh"],
        payment=payment if row["payer"] is not None else None,
        set_aside=row["set_aside"],
    )
