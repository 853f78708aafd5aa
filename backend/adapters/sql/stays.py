"""Stays of the past, out of sessions, needs and meter readings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, ScalarSelect, Select, and_, case, func, select

from backend.adapters.sql import schedule_tables as s
from backend.adapters.sql import tables as t
from backend.adapters.sql.selection import rows_among
from backend.application.site_records import PastStay


def past_stays(connection: Connection, stations: Iterable[int], from_s: int, to_s: int, limit: int) -> list[PastStay]:
    """Stays that began from `from_s` up to `to_s` and were over by `to_s`: the latest ones, by arrival.

    A stay begins with the first reading that names its session, or with its authorisation where none does. It is over
    once the vehicle said that it left, once the authorisation expired, or once another session began at the station
    behind the last reading that names this one.
    """
    rows = rows_among(connection, _begun(from_s, to_s), t.sessions.c.station, stations)
    stays = sorted(_over(rows, to_s), key=lambda one: (one.arrival_s, one.station))
    return stays[-limit:] if limit > 0 else []


def _over(rows: Iterable[RowMapping], to_s: int) -> Iterator[PastStay]:
    """Those that are over. Of a station, later ones come before earlier ones."""
    later: defaultdict[int, list[int]] = defaultdict(list)
    for row in rows:
        arrival_s, begun = int(row["arrival_s"]), later[row["station"]]
        seen_s = arrival_s if row["seen_s"] is None else row["seen_s"]
        followed_s = next((begun_s for begun_s in reversed(begun) if begun_s >= seen_s), row["expiry_s"])
        ended_s = min(row["expiry_s"], followed_s)
        left_s = row["departure_s"] if row["leaves"] else ended_s
        if arrival_s < to_s and min(ended_s, left_s) <= to_s:
            yield PastStay(
                station=row["station"],
                session=row["session"],
                arrival_s=arrival_s,
                declared_s=row["declared_s"],
                left_s=left_s,
                charged_wh=_charged_wh(row),
                said=bool(row["leaves"]),
            )
        begun.append(arrival_s)


def _charged_wh(row: RowMapping) -> int:
    """Drawn less given; a replaced meter counts from nothing."""
    if row["import_wh"] is None or row["import_before_wh"] is None:
        return 0
    drawn_wh = max(0, int(row["import_wh"]) - int(row["import_before_wh"]))
    return max(0, drawn_wh - max(0, int(row["export_wh"]) - int(row["export_before_wh"])))


def _begun(from_s: int, to_s: int) -> Select[Any]:
    """Sessions that began within the time, `to_s` included, the latest ones first, with what the meter showed."""
    table, needs = t.sessions, s.needs
    first, last, before = (t.meter_readings.alias(name) for name in ("first", "last", "before"))
    joined = (
        table.outerjoin(needs, needs.c.session == table.c.session)
        .outerjoin(last, and_(last.c.station == table.c.station, last.c.sequence == table.c.last_reading))
        .outerjoin(first, and_(first.c.station == table.c.station, first.c.sequence == _first_number()))
        # Readings are numbered from 1 without a gap. A station's first one has none before it and counts from itself.
        .outerjoin(
            before,
            and_(
                before.c.station == first.c.station,
                before.c.sequence == case((first.c.sequence > 1, first.c.sequence - 1), else_=1),
            ),
        )
    )
    arrival_s = func.coalesce(first.c.time_s, table.c.not_before_s)
    columns = (
        *(table.c.station, table.c.session, table.c.expiry_s, needs.c.declared_s, needs.c.departure_s),
        (needs.c.departure_s <= needs.c.time_s).label("leaves"),
        *(arrival_s.label("arrival_s"), last.c.time_s.label("seen_s"), last.c.import_wh, last.c.export_wh),
        *(before.c.import_wh.label("import_before_wh"), before.c.export_wh.label("export_before_wh")),
    )
    within = (table.c.not_before_s <= to_s, table.c.expiry_s >= from_s, arrival_s.between(from_s, to_s))
    return select(*columns).select_from(joined).where(*within).order_by(arrival_s.desc(), table.c.serial.desc())


def _first_number() -> ScalarSelect[int]:
    """Of the first reading that names a session: sought from the last one of the session before at the station."""
    table, previous, reading = t.sessions, t.sessions.alias("previous"), t.meter_readings.alias("own")
    behind = select(func.max(previous.c.last_reading)).where(
        previous.c.station == table.c.station, previous.c.last_reading < table.c.last_reading
    )
    query = select(func.min(reading.c.sequence)).where(
        reading.c.station == table.c.station,
        reading.c.sequence > func.coalesce(behind.correlate(table).scalar_subquery(), 0),
        reading.c.sequence <= table.c.last_reading,
        reading.c.session == table.c.session,
    )
    return query.correlate(table).scalar_subquery()
