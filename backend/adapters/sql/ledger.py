"""Statements and settlements, as rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, case, delete, func, insert, select, update

from backend.adapters.sql import tables as t
from backend.adapters.sql.paging import paged, same, within
from backend.adapters.sql.selection import chunks
from backend.application.filters import Page, SettlementFilter, StatementFilter
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
        query = _ROWS.where(table.c.station == station, table.c.sequence == sequence).order_by(table.c.row)
        return [_statement_row(row) for row in self._connection.execute(query)]

    def page(self, page: Page, wanted: StatementFilter) -> list[StatementRecord]:
        """Statements in the order in which they were accepted."""
        table, met, query, key = t.statements, t.statement_accounts, select(t.statements), t.statements.c.serial
        equal = same(
            [
                (table.c.station, wanted.station),
                (table.c.state, wanted.state),
                (table.c.settlement, wanted.settlement),
                (table.c.batch, wanted.batch),
            ]
        )
        if wanted.account is not None:
            query, key = query.join(met, met.c.serial == table.c.serial), met.c.serial
            equal.append(met.c.account == wanted.account)
        query = paged(query, key, page, equal, within(table.c.start_s, wanted.from_s, wanted.to_s))
        return self._records(self._connection.execute(query).mappings().all())

    def over(self, station: int, first: int, last: int, limit: int) -> list[StatementRecord]:
        """The station's statements, void ones left out, over its readings `first` to `last`, in order."""
        table = t.statements
        standing = [table.c.station == station, table.c.state != StatementState.VOID]
        end = select(func.min(table.c.last_reading)).where(*standing, table.c.last_reading >= last).scalar_subquery()
        query = select(table).where(
            *standing,
            table.c.last_reading >= first,
            table.c.last_reading <= func.coalesce(end, last),
            table.c.first_reading <= last,
        )
        rows = self._connection.execute(query.order_by(table.c.last_reading).limit(limit)).mappings().all()
        return self._records(rows)

    def waiting(self, limit: int) -> list[tuple[StatementRecord, Sequence[StatementRow]]]:
        """Accepted statements with their rows, in order of station and sequence.

        None of a station that is suspended, or that has one batched or refused.
        """
        query = select(t.statements).where(_WAITS).order_by(t.statements.c.station, t.statements.c.sequence)
        found = self._connection.execute(query.limit(limit)).mappings().all()
        rows = self._rows_of(found)
        return [(_statement(one, rows[one["serial"]]), rows[one["serial"]]) for one in found]

    def waiting_since(self) -> tuple[int, int | None]:
        """How many accepted statements could be batched, and when the oldest of them was accepted."""
        query = select(func.count(), func.min(t.statements.c.accepted_at_s)).where(_WAITS)
        count, oldest = self._connection.execute(query).one()
        return int(count), oldest

    def unsettled(self) -> int:
        """How many statements wait or are on their way."""
        states = (StatementState.ACCEPTED, StatementState.BATCHED)
        query = select(func.count()).where(t.statements.c.state.in_(states))
        return int(self._connection.execute(query).scalar_one())

    def add(self, accepted: AcceptedStatement) -> None:
        """Keeps a statement, its rows, and what its sessions have used after it. A void one makes room for it."""
        record = accepted.record
        self._drop_void(*record.place)
        values: dict[str, object] = {name: getattr(record.statement, name) for name in _STATEMENT_FIELDS}
        values |= {name: getattr(record, name) for name in _KEPT_FIELDS if name != "serial"}
        values |= {"signature": record.signed.signature, "state": record.state}
        serial = self._connection.execute(insert(t.statements).returning(t.statements.c.serial), values).scalar_one()
        met = [{"account": account, "serial": serial} for account in {row.row.account for row in accepted.rows}]
        if met:
            self._connection.execute(insert(t.statement_accounts), met)
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

    def settled(self, settled: Sequence[StatementNumbers], *, batch: int) -> None:
        """Notes a batch's statements; one of ours whose numbers are others is refused."""
        same = [one for one in settled if self._is_ours(one)]
        if same:
            query = update(t.statements).where(_at(bindparam("at"), bindparam("number")))
            self._connection.execute(
                query.values(state=StatementState.SETTLED, batch=batch, refusal=None),
                [{"at": one.station, "number": one.sequence} for one in same],
            )
        for one in settled:
            if one not in same:
                self.refuse(one.station, one.sequence, "another statement of this number was settled")

    def _is_ours(self, settled: StatementNumbers) -> bool:
        """Whether what the chain says of a statement is what is kept of it."""
        query = select(t.statements).where(_at(settled.station, settled.sequence))
        kept = self._connection.execute(query).mappings().first()
        return (
            kept is not None
            and all(kept[name] == getattr(settled, name) for name in _SETTLED_FIELDS)
            and kept["telemetry_root"].startswith(settled.root_start)
        )

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
        serial = self._connection.execute(query).scalar()
        if serial is None:
            return
        self._connection.execute(delete(t.statement_accounts).where(t.statement_accounts.c.serial == serial))
        for table in (t.statement_rows, t.settlement_statements, t.statements):
            self._connection.execute(delete(table).where(table.c.station == station, table.c.sequence == sequence))

    def _records(self, found: Sequence[RowMapping]) -> list[StatementRecord]:
        rows = self._rows_of(found)
        return [_statement(one, rows[one["serial"]]) for one in found]

    def _rows_of(self, found: Sequence[RowMapping]) -> dict[int, list[StatementRow]]:
        """The rows of these statements, by the statements' serials."""
        rows: dict[int, list[StatementRow]] = {one["serial"]: [] for one in found}
        query = _ROWS.add_columns(t.statements.c.serial).join_from(t.statements, t.statement_rows)
        serial = t.statements.c.serial
        for some in chunks(rows):
            for row in self._connection.execute(query.where(serial.in_(some)).order_by(serial, t.statement_rows.c.row)):
                rows[row.serial].append(_statement_row(row))
        return rows


class Settlements:
    """Batches on their way to the chain or on it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, settlement: str) -> SettlementRecord | None:
        row = self._connection.execute(_SETTLEMENTS.where(t.settlements.c.settlement == settlement)).mappings().first()
        return None if row is None else self._record(row)

    def of(self, transaction: bytes) -> SettlementRecord | None:
        """The settlement that a transaction carries."""
        row = (
            self._connection.execute(_SETTLEMENTS.where(t.settlements.c.transaction == transaction)).mappings().first()
        )
        return None if row is None else self._record(row)

    def page(self, page: Page, wanted: SettlementFilter) -> list[SettlementRecord]:
        """Settlements in the order in which they were built."""
        table, on_the_way = t.settlements, (SettlementState.BUILT, SettlementState.SENT)
        kept = SettlementState.SENT if wanted.state in on_the_way else wanted.state
        equal = same([(table.c.state, kept), (table.c.batch, wanted.batch)])
        if wanted.state == SettlementState.BUILT:
            equal.append(t.outbox.c.state == OutboxState.QUEUED)
        elif wanted.state == SettlementState.SENT:
            equal.append(t.outbox.c.state.is_distinct_from(OutboxState.QUEUED))
        query = paged(_SETTLEMENTS, table.c.serial, page, equal)
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
        if record.statements:
            self._hold(record)
        if vehicles:
            self._anchor(record.settlement, vehicles)

    def _hold(self, record: SettlementRecord) -> None:
        places = [{"at": station, "number": sequence} for station, sequence in record.statements]
        held = [{"settlement": record.settlement, "station": s, "sequence": n} for s, n in record.statements]
        self._connection.execute(insert(t.settlement_statements), held)
        query = update(t.statements).where(_at(bindparam("at"), bindparam("number")))
        self._connection.execute(query.values(state=StatementState.BATCHED, settlement=record.settlement), places)

    def _anchor(self, settlement: str, vehicles: Sequence[VehicleBlob]) -> None:
        names = ("account", "first", "last", "cid")
        blobs = [{"settlement": settlement} | {name: getattr(blob, name) for name in names} for blob in vehicles]
        self._connection.execute(insert(t.vehicle_blobs), blobs)
        query = update(t.vehicles).where(t.vehicles.c.account == bindparam("whose"))
        self._connection.execute(
            query.values(anchored_sequence=bindparam("up_to")),
            [{"whose": blob.account, "up_to": blob.last} for blob in vehicles],
        )

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


_ROWS = select(t.statement_rows)
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


def _at(station: int | ColumnElement[int], sequence: int | ColumnElement[int]) -> ColumnElement[bool]:
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


def _statement_row(found: Any) -> StatementRow:
    """A row of `_ROWS`, by the places of its columns: there are many."""
    station, sequence, index, account, energy_wh, start_s, duration_s, tariff, direction, price, *moved = found[:14]
    payer, payee, owed_micro, received_micro = moved
    payment = None
    if payer is not None:
        payment = Payment(
            station=station,
            sequence=sequence,
            row=index,
            payer=payer,
            payee=payee,
            owed_micro=owed_micro,
            received_micro=received_micro,
        )
    return StatementRow(
        index=index,
        row=Row(
            account=account, energy_wh=energy_wh, start_offset_s=start_s, duration_s=duration_s, tariff_offset=tariff
        ),
        direction=Direction(direction),
        price_micro_per_kwh=price,
        payment=payment,
        set_aside=found.set_aside,
    )
