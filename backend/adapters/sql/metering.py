"""Sessions and readings, as rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, bindparam, case, func, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import tables as t
from backend.adapters.sql.paging import paged, same, within
from backend.adapters.sql.selection import rows_among
from backend.application.filters import Page, ReadingFilter, SessionFilter
from backend.application.records import SessionRecord, SessionState, StatementState
from domain.reading import (
    BmsReading,
    MeterReading,
    SignedBmsReading,
    SignedMeterReading,
    VerifiedBmsReading,
    VerifiedMeterReading,
)
from domain.session import Session, SessionAuthorisation, Usage

_METER_FIELDS = ("station", "sequence", "time_s", "import_wh", "export_wh", "power_w", "session")
_BMS_FIELDS = (
    "account",
    "sequence",
    "time_s",
    "state_of_charge_bp",
    "state_of_health_bp",
    "temperature_deci_c",
    "pack_millivolt",
    "pack_milliampere",
    "session",
)
_AUTHORISATION_FIELDS = (
    "account",
    "station",
    "max_energy_wh",
    "max_price_micro_per_kwh",
    "max_cost_micro",
    "discharge_allowed",
    "not_before_s",
    "expiry_s",
    "nonce",
)


class Sessions:
    """What drivers authorised, and what was billed to it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, session_id: bytes) -> SessionRecord | None:
        row = self._connection.execute(_SESSIONS.where(t.sessions.c.session == session_id)).mappings().first()
        return None if row is None else _session_record(row)

    def named(self, session_ids: Iterable[bytes]) -> dict[bytes, Session]:
        return {row["session"]: _session(row) for row in self._among(session_ids)}

    def usage(self, session_ids: Iterable[bytes]) -> dict[bytes, Usage]:
        return {row["session"]: Usage(row["energy_wh"], row["cost_micro"]) for row in self._among(session_ids)}

    def page(self, page: Page, wanted: SessionFilter) -> list[SessionRecord]:
        """Sessions in the order in which they came."""
        table, query, key = t.sessions, _SESSIONS, t.sessions.c.serial + 0
        equal = same([(table.c.station, wanted.station), (table.c.account, wanted.account)])
        if wanted.state == SessionState.CHARGING and not equal:
            query = _CHARGING
        else:
            key = table.c.serial
            equal += _in_state(wanted.state)
        query = paged(query, key, page, equal, within(table.c.not_before_s, wanted.from_s, wanted.to_s))
        return [_session_record(row) for row in self._connection.execute(query).mappings()]

    def add(self, session: Session) -> None:
        fields = {name: getattr(session.authorisation, name) for name in _AUTHORISATION_FIELDS}
        kept = {"session": session.session_id, "signature": session.signature, "energy_wh": 0, "cost_micro": 0}
        self._connection.execute(insert(t.sessions), fields | kept)

    def read_at(self, last_readings: Mapping[bytes, int]) -> None:
        """Notes the last meter reading that names each session."""
        if not last_readings:
            return
        query = update(t.sessions).where(t.sessions.c.session == bindparam("named"))
        rows = [{"named": session, "reading": sequence} for session, sequence in last_readings.items()]
        self._connection.execute(query.values(last_reading=bindparam("reading")), rows)

    def _among(self, session_ids: Iterable[bytes]) -> Iterator[RowMapping]:
        return rows_among(self._connection, select(t.sessions), t.sessions.c.session, session_ids)


class Readings:
    """Readings of meters and vehicles."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def last_meters(self, stations: Iterable[int]) -> dict[int, MeterReading]:
        """The last reading of each station that sent one."""
        rows = rows_among(self._connection, _LAST_METERS, t.stations.c.station, stations)
        return {row["station"]: _meter(row).reading for row in rows}

    def last_vehicles(self, accounts: Iterable[int]) -> dict[int, BmsReading]:
        """The last reading of each account's vehicle that sent one."""
        rows = rows_among(self._connection, _LAST_VEHICLES, t.accounts.c.account, accounts)
        return {row["account"]: _bms(row).reading for row in rows}

    def meter(self, station: int, sequences: Iterable[int]) -> dict[int, SignedMeterReading]:
        table = t.meter_readings
        rows = rows_among(
            self._connection, select(table).where(table.c.station == station), table.c.sequence, sorted(sequences)
        )
        return {row["sequence"]: _meter(row) for row in rows}

    def bms(self, account: int, sequences: Iterable[int]) -> dict[int, SignedBmsReading]:
        table = t.bms_readings
        rows = rows_among(
            self._connection, select(table).where(table.c.account == account), table.c.sequence, sorted(sequences)
        )
        return {row["sequence"]: _bms(row) for row in rows}

    def meter_list(self, station: int, page: Page, wanted: ReadingFilter) -> list[SignedMeterReading]:
        """The station's readings that meet the filter, by sequence."""
        table = t.meter_readings
        return [_meter(row) for row in self._filtered(table, table.c.station == station, page, wanted)]

    def bms_list(self, account: int, page: Page, wanted: ReadingFilter) -> list[SignedBmsReading]:
        """The vehicle's readings that meet the filter, by sequence."""
        table = t.bms_readings
        return [_bms(row) for row in self._filtered(table, table.c.account == account, page, wanted)]

    def first_of_session(self, session: Session, last: int) -> int | None:
        """The station's first reading, up to number `last`, that names the session within its time."""
        table, limits = t.meter_readings, session.authorisation
        whose = table.c.station == limits.station
        query = select(table.c.sequence).where(
            whose,
            table.c.sequence >= self._first_from(table, whose, limits.not_before_s),
            table.c.sequence <= last,
            table.c.session == session.session_id,
        )
        return self._connection.execute(query.order_by(table.c.sequence).limit(1)).scalar()

    def bms_page(self, account: int, after: int, limit: int) -> list[SignedBmsReading]:
        table = t.bms_readings
        query = select(table).where(table.c.account == account, table.c.sequence > after)
        rows = self._connection.execute(query.order_by(table.c.sequence).limit(limit)).mappings()
        return [_bms(row) for row in rows]

    def meter_until(self, station: int, after: int, end_s: int) -> list[SignedMeterReading]:
        """The station's readings after one, up to a time, in order."""
        table = t.meter_readings
        query = select(table).where(table.c.station == station, table.c.sequence > after, table.c.time_s <= end_s)
        return [_meter(row) for row in self._connection.execute(query.order_by(table.c.sequence)).mappings()]

    def add_meter(self, readings: Sequence[VerifiedMeterReading]) -> None:
        if readings:
            rows = [(*_METER_VALUES(verified.reading), verified.signature) for verified in readings]
            self._connection.exec_driver_sql(_ADD_METER, rows)

    def add_bms(self, readings: Sequence[VerifiedBmsReading]) -> None:
        if not readings:
            return
        rows = [(*_BMS_VALUES(verified.reading), verified.signature) for verified in readings]
        self._connection.exec_driver_sql(_ADD_BMS, rows)
        last = {verified.reading.account: verified.reading.sequence for verified in readings}
        heads = [
            {"account": account, "last_sequence": sequence, "anchored_sequence": 0}
            for account, sequence in last.items()
        ]
        new = upsert(t.vehicles)
        self._connection.execute(
            new.on_conflict_do_update(index_elements=["account"], set_={"last_sequence": new.excluded.last_sequence}),
            heads,
        )

    def unanchored(self, limit: int) -> list[tuple[int, int]]:
        """Accounts with BMS readings that no batch anchors, each with the last anchored sequence."""
        table = t.vehicles
        query = select(table.c.account, table.c.anchored_sequence)
        query = query.where(table.c.last_sequence > table.c.anchored_sequence).order_by(table.c.account).limit(limit)
        return [(row.account, row.anchored_sequence) for row in self._connection.execute(query)]

    def _filtered(
        self, table: Table, whose: ColumnElement[bool], page: Page, wanted: ReadingFilter
    ) -> Iterator[RowMapping]:
        """Times become numbers of readings, by which the table is ordered: they grow together."""
        query = select(table).where(whose, table.c.sequence > page.after)
        if wanted.from_s is not None:
            query = query.where(table.c.sequence >= self._first_from(table, whose, wanted.from_s))
        if wanted.to_s is not None:
            query = query.where(table.c.sequence < self._first_from(table, whose, wanted.to_s))
        if wanted.last is not None:
            query = query.where(table.c.sequence <= wanted.last)
        if wanted.session is not None:
            query = query.where(table.c.session == wanted.session)
        yield from self._connection.execute(query.order_by(table.c.sequence).limit(page.limit)).mappings()

    def _first_from(self, table: Table, whose: ColumnElement[bool], time_s: int) -> int:
        """The number of the first reading that is not before a time, or the one after the last: by bisection."""
        number = table.c.sequence
        bounds = [
            self._connection.execute(select(number).where(whose).order_by(order).limit(1)).scalar()
            for order in (number, number.desc())
        ]
        if bounds[0] is None or bounds[1] is None:
            return 0
        low, high = int(bounds[0]), int(bounds[1]) + 1
        while low < high:
            middle = (low + high) // 2
            query = select(table.c.time_s).where(whose, number >= middle).order_by(number).limit(1)
            if self._connection.execute(query).scalar_one() < time_s:
                low = middle + 1
            else:
                high = middle
        return low


# Readings come by the thousand: what SQLAlchemy does to each value would cost as much as the database.
_METER_VALUES, _BMS_VALUES = attrgetter(*_METER_FIELDS), attrgetter(*_BMS_FIELDS)
_ADD_METER, _ADD_BMS = (
    str(insert(table).values(dict.fromkeys((*fields, "signature"))).compile(dialect=sqlite.dialect()))
    for table, fields in ((t.meter_readings, _METER_FIELDS), (t.bms_readings, _BMS_FIELDS))
)
_LAST_METERS, _LAST_VEHICLES = (
    select(readings).join_from(
        owners,
        readings,
        (readings.c[owner] == owners.c[owner])
        & (
            readings.c.sequence
            == select(func.max(others.c.sequence)).where(others.c[owner] == owners.c[owner]).scalar_subquery()
        ),
    )
    for owners, readings, others, owner in (
        (t.stations, t.meter_readings, t.meter_readings.alias(), "station"),
        (t.accounts, t.bms_readings, t.bms_readings.alias(), "account"),
    )
)
_SETTLED_UP_TO = (
    select(func.max(t.statements.c.last_reading))
    .where(t.statements.c.station == t.sessions.c.station, t.statements.c.state == StatementState.SETTLED)
    .scalar_subquery()
)
_state = case(
    (t.sessions.c.last_reading.is_(None), SessionState.AUTHORISED),
    (t.sessions.c.last_reading <= _SETTLED_UP_TO, SessionState.SETTLED),
    else_=SessionState.CHARGING,
)
_SESSIONS = select(t.sessions, _state.label("state"))
_first = select(func.min(t.sessions.c.station).label("station")).cte("stations_with_sessions", recursive=True)
_later = t.sessions.alias()
_STATIONS = _first.union_all(
    select(select(func.min(_later.c.station)).where(_later.c.station > _first.c.station).scalar_subquery()).where(
        _first.c.station.is_not(None)
    )
)
_CHARGING = _SESSIONS.join(
    _STATIONS,
    (t.sessions.c.station == _STATIONS.c.station)
    & (
        t.sessions.c.last_reading
        > select(func.coalesce(func.max(t.statements.c.last_reading), 0))
        .where(t.statements.c.station == _STATIONS.c.station, t.statements.c.state == StatementState.SETTLED)
        .correlate(_STATIONS)
        .scalar_subquery()
    ),
)
"""Sessions that charge, sought station by station: most sessions are settled, and need not be looked at."""


def _in_state(state: SessionState | None) -> list[ColumnElement[bool]]:
    if state == SessionState.AUTHORISED:
        return [t.sessions.c.last_reading.is_(None)]
    return [] if state is None else [t.sessions.c.last_reading.is_not(None), _state == state]


def _meter(row: RowMapping) -> SignedMeterReading:
    return SignedMeterReading(MeterReading(**{name: row[name] for name in _METER_FIELDS}), row["signature"])


def _bms(row: RowMapping) -> SignedBmsReading:
    return SignedBmsReading(BmsReading(**{name: row[name] for name in _BMS_FIELDS}), row["signature"])


def _session(row: RowMapping) -> Session:
    authorisation = SessionAuthorisation(**{name: row[name] for name in _AUTHORISATION_FIELDS})
    return Session(row["session"], authorisation, row["signature"])


def _session_record(row: RowMapping) -> SessionRecord:
    return SessionRecord(
        session=_session(row),
        usage=Usage(row["energy_wh"], row["cost_micro"]),
        state=SessionState(row["state"]),
        serial=row["serial"],
        last_reading=row["last_reading"],
    )
