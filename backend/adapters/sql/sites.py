"""Sites, limits, plans, peaks and needs, as rows."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import schedule_tables as s
from backend.adapters.sql import tables as t
from backend.adapters.sql.members import tariff_of
from backend.adapters.sql.paging import paged
from backend.adapters.sql.selection import rows_among
from backend.adapters.sql.stays import past_stays
from backend.application.filters import Page
from backend.application.site_records import (
    Commander,
    LimitCommand,
    NeedRecord,
    OpenSession,
    PastStay,
    PlannedStay,
    Register,
    ScheduleRecord,
    SetPoint,
    SiteCircuit,
    SiteRecord,
    SiteStation,
    SiteTerms,
)
from domain.need import ChargingNeed
from domain.tariff import Direction, Tariff
from domain.units import EnergyWh, UnixSeconds

LIMITS_KEPT = 1_000
_LIMIT = ("site", "import_limit_w", "from_s", "to_s", "taken_at_s")
_SESSIONS_LOOKED_AT = 8
"""A station's latest sessions: one that is valid now is among them."""


class Sites:
    """Sites, and what is known at their stations."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: str) -> SiteRecord | None:
        row = self._connection.execute(select(s.sites).where(s.sites.c.name == name)).mappings().first()
        return None if row is None else _site(row)

    def page(self, page: Page) -> list[SiteRecord]:
        """Sites in the order in which they came."""
        query = paged(select(s.sites), s.sites.c.serial, page, [])
        return [_site(row) for row in self._connection.execute(query).mappings()]

    def owners(self, stations: Iterable[int]) -> dict[int, int]:
        """The sites that stations belong to, by serial."""
        table = s.site_stations
        return {row["station"]: row["site"] for row in self._among(select(table), table.c.station, stations)}

    def define(self, terms: SiteTerms, now_s: int) -> SiteRecord:
        """Keeps a site; in the place of the one of its name, if there is one."""
        values = {"terms": json.dumps(asdict(terms)), "changed_at_s": now_s}
        new = upsert(s.sites).values(name=terms.name, **values)
        self._connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))
        record = self.find(terms.name)
        assert record is not None  # noqa: S101 (it was just kept)
        self._connection.execute(delete(s.site_stations).where(s.site_stations.c.site == record.serial))
        rows = [{"station": number, "site": record.serial} for number in record.numbers]
        self._connection.execute(insert(s.site_stations), rows)
        return record

    def command(self, command: LimitCommand) -> LimitCommand:
        """Keeps a limit; of those of a site that are over, the latest ones alone are kept."""
        table = s.site_limits
        values = {name: getattr(command, name) for name in _LIMIT} | {"commanded_by": command.commanded_by.value}
        row = self._connection.execute(insert(table).returning(*table.c), values).mappings().one()
        newest = select(table.c.serial).where(table.c.site == command.site).order_by(table.c.serial.desc())
        oldest = self._connection.execute(newest.offset(LIMITS_KEPT).limit(1)).scalar()
        if oldest is not None:
            over = or_(table.c.to_s <= command.taken_at_s, table.c.ended_at_s.is_not(None))
            old = delete(table).where(table.c.site == command.site, table.c.serial <= oldest, over)
            self._connection.execute(old)
        return _limit(row)

    def find_limit(self, site: int, serial: int) -> LimitCommand | None:
        """A limit of a site."""
        table = s.site_limits
        query = select(table).where(table.c.site == site, table.c.serial == serial)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _limit(row)

    def end_limit(self, serial: int, now_s: int) -> LimitCommand:
        """Ends a limit that is not over."""
        table = s.site_limits
        change = update(table).where(table.c.serial == serial).values(ended_at_s=now_s)
        return _limit(self._connection.execute(change.returning(*table.c)).mappings().one())

    def limits_ahead(self, site: int, commander: Commander, now_s: int) -> int:
        """How many limits of one commander are not over."""
        table = s.site_limits
        mine = (table.c.site == site, table.c.commanded_by == commander.value)
        query = select(func.count()).where(*mine, table.c.to_s > now_s, table.c.ended_at_s.is_(None))
        return int(self._connection.execute(query).scalar_one())

    def limits(self, site: int, page: Page) -> list[LimitCommand]:
        """Limits of a site in the order in which they came."""
        table = s.site_limits
        query = paged(select(table), table.c.serial, page, [table.c.site == site])
        return [_limit(row) for row in self._connection.execute(query).mappings()]

    def limits_between(self, site: int, from_s: int, to_s: int) -> list[LimitCommand]:
        """Limits that hold somewhen within the time, and that nobody ended."""
        table = s.site_limits
        query = select(table).where(table.c.site == site, table.c.from_s < to_s, table.c.to_s > from_s)
        query = query.where(table.c.ended_at_s.is_(None)).order_by(table.c.serial)
        return [_limit(row) for row in self._connection.execute(query).mappings()]

    def keep_plan(self, schedule: ScheduleRecord) -> None:
        plan = json.dumps(asdict(schedule), default=bytes.hex)
        new = upsert(s.site_plans).values(site=schedule.site, plan=plan)
        self._connection.execute(new.on_conflict_do_update(index_elements=["site"], set_={"plan": plan}))

    def plan(self, site: int) -> ScheduleRecord | None:
        """The latest plan of a site."""
        table = s.site_plans
        text = self._connection.execute(select(table.c.plan).where(table.c.site == site)).scalar()
        return None if text is None else _plan(json.loads(text))

    def peak(self, site: int, period_s: int) -> tuple[int, int] | None:
        """The peak of a billing period so far, and the end of the last interval that was counted."""
        table = s.site_peaks
        query = select(table.c.peak_w, table.c.counted_until_s)
        row = self._connection.execute(query.where(table.c.site == site, table.c.period_s == period_s)).first()
        return None if row is None else (row.peak_w, row.counted_until_s)

    def keep_peak(self, site: int, period_s: int, peak_w: int, counted_until_s: int) -> None:
        values = {"peak_w": peak_w, "counted_until_s": counted_until_s}
        new = upsert(s.site_peaks).values(site=site, period_s=period_s, **values)
        self._connection.execute(new.on_conflict_do_update(index_elements=["site", "period_s"], set_=values))

    def news(self) -> tuple[int, ...]:
        """Numbers that change with every new session, need, limit, tariff or site."""
        newest = (
            func.max(t.sessions.c.serial),
            func.max(s.needs.c.serial),
            func.max(s.site_limits.c.serial),
            func.max(t.tariffs.c.tariff),
            func.max(s.sites.c.changed_at_s),
        )
        # A query each: over several tables at once, SQLite would look at every row.
        return tuple(int(self._connection.execute(select(one)).scalar() or 0) for one in newest)

    def open_sessions(self, stations: Iterable[int], now_s: int) -> dict[int, OpenSession]:
        """The latest session at each station that is valid now."""
        of, table, names = t.stations, t.sessions, OpenSession.__dataclass_fields__
        each = table.alias("each")
        latest = select(each.c.serial, each.c.not_before_s, each.c.expiry_s).where(each.c.station == of.c.station)
        some = latest.order_by(each.c.serial.desc()).limit(_SESSIONS_LOOKED_AT).correlate(of).subquery("latest")
        valid = select(func.max(some.c.serial)).where(some.c.not_before_s <= now_s, some.c.expiry_s > now_s)
        query = select(table).select_from(of.join(table, table.c.serial == valid.correlate(of).scalar_subquery()))
        rows = self._among(query, of.c.station, stations)
        return {row["station"]: OpenSession(**{name: row[name] for name in names}) for row in rows}

    def past_stays(self, stations: Iterable[int], from_s: int, to_s: int, limit: int) -> list[PastStay]:
        """Stays that began from `from_s` up to `to_s` and were over by `to_s`: the latest ones, by arrival."""
        return past_stays(self._connection, stations, from_s, to_s, limit)

    def before_session(self, station: int, session: bytes, last: int) -> Register | None:
        """What the meter showed before the session's first reading, up to number `last`.

        A station serves one session after the other, so its readings follow each other.
        """
        table = t.meter_readings
        whose = [table.c.station == station, table.c.sequence <= last]
        other = select(func.max(table.c.sequence)).where(*whose, table.c.session != session).scalar_subquery()
        query = select(table).where(*whose, table.c.sequence >= func.coalesce(other, 0))
        row = self._connection.execute(query.order_by(table.c.sequence).limit(1)).mappings().first()
        return None if row is None else _register(row)

    def registers(self, stations: Iterable[int], time_s: int) -> dict[int, Register]:
        """What each meter showed last, up to a time."""
        of, table, each = t.stations, t.meter_readings, t.meter_readings.alias("each")
        past = select(each.c.sequence).where(each.c.station == of.c.station, each.c.time_s <= time_s)
        last = past.order_by(each.c.sequence.desc()).limit(1).correlate(of).scalar_subquery()
        mine = and_(table.c.station == of.c.station, table.c.sequence == last)
        rows = self._among(select(table).select_from(of.join(table, mine)), of.c.station, stations)
        return {row["station"]: _register(row) for row in rows}

    def shown(self, station: int, from_s: int, to_s: int) -> list[Register]:
        """All that a meter showed from one time up to another, in order of time."""
        table = t.meter_readings
        query = select(table).where(table.c.station == station, table.c.time_s >= from_s, table.c.time_s <= to_s)
        return [_register(row) for row in self._connection.execute(query.order_by(table.c.sequence)).mappings()]

    def tariffs(self, payee: int, directions: Sequence[Direction], from_s: int, to_s: int) -> list[Tariff]:
        """An operator's tariffs that are valid somewhen within the time."""
        table = t.tariffs
        query = select(table).where(
            table.c.payee == payee,
            table.c.direction.in_([int(one) for one in directions]),
            table.c.valid_from_s < to_s,
            table.c.valid_to_s > from_s,
        )
        return [tariff_of(row) for row in self._connection.execute(query.order_by(table.c.tariff)).mappings()]

    def _among(self, query: Any, column: Any, values: Iterable[int]) -> Iterable[RowMapping]:
        return rows_among(self._connection, query, column, values)


class Needs:
    """What drivers need, the latest of each session."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, session: bytes) -> NeedRecord | None:
        return self.named([session]).get(session)

    def named(self, sessions: Iterable[bytes]) -> Mapping[bytes, NeedRecord]:
        rows = rows_among(self._connection, select(s.needs), s.needs.c.session, sessions)
        return {row["session"]: _need(row) for row in rows}

    def keep(self, record: NeedRecord) -> NeedRecord:
        """In the place of the session's one before."""
        need, table = record.need, s.needs
        self._connection.execute(delete(table).where(table.c.session == need.session))
        values = {
            "session": need.session,
            "energy_wh": need.energy_wh,
            "departure_s": need.departure_s,
            "time_s": need.time_s,
            "signature": record.signature,
            "taken_at_s": record.taken_at_s,
            "declared_s": record.declared_s,
        }
        row = self._connection.execute(insert(table).returning(*table.c), values).mappings().one()
        return _need(row)


def _site(row: RowMapping) -> SiteRecord:
    terms = json.loads(row["terms"])
    stations = tuple(SiteStation(**one | {"lines": tuple(one["lines"])}) for one in terms.pop("stations"))
    lines = terms.pop("line_limit_w")
    # Sites that were kept before there were circuits have none.
    circuits = tuple(
        SiteCircuit(limit_w=one["limit_w"], stations=tuple(one["stations"])) for one in terms.pop("circuits", ())
    )
    return SiteRecord(
        terms=SiteTerms(
            **terms, stations=stations, line_limit_w=None if lines is None else tuple(lines), circuits=circuits
        ),
        changed_at_s=row["changed_at_s"],
        serial=row["serial"],
    )


def _limit(row: RowMapping) -> LimitCommand:
    return LimitCommand(**dict(row) | {"commanded_by": Commander(row["commanded_by"])})


def _need(row: RowMapping) -> NeedRecord:
    need = ChargingNeed(
        session=row["session"],
        energy_wh=EnergyWh(row["energy_wh"]),
        departure_s=UnixSeconds(row["departure_s"]),
        time_s=UnixSeconds(row["time_s"]),
    )
    return NeedRecord(
        need=need,
        signature=row["signature"],
        taken_at_s=row["taken_at_s"],
        declared_s=row["declared_s"],
        serial=row["serial"],
    )


def _register(row: RowMapping) -> Register:
    return Register(
        time_s=row["time_s"], import_wh=row["import_wh"], export_wh=row["export_wh"], sequence=row["sequence"]
    )


def _plan(value: dict[str, Any]) -> ScheduleRecord:
    stays = [
        one | {"session": bytes.fromhex(one["session"]), "power_w": tuple(one["power_w"])} for one in value["stays"]
    ]
    points = [one | {"session": one["session"] and bytes.fromhex(one["session"])} for one in value["set_points"]]
    return ScheduleRecord(
        **value
        | {
            "edges_s": tuple(value["edges_s"]),
            "limit_w": None if value["limit_w"] is None else tuple(value["limit_w"]),
            "load_w": tuple(value["load_w"]),
            "price_micro_per_kwh": tuple(value["price_micro_per_kwh"]),
            "problems": tuple(value["problems"]),
            "stays": tuple(PlannedStay(**one) for one in stays),
            "set_points": tuple(SetPoint(**one) for one in points),
        }
    )
