"""How much there is of everything, from indexes alone: quick however much that is."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Select, func, select

from backend.adapters.sql import tables as t
from backend.adapters.sql.chain import Blocks
from backend.adapters.sql.escrow import Guards
from backend.application.records import Counts as Values
from backend.application.records import OutboxState, SettlementState, StatementState
from domain.units import UnixSeconds

LONGEST_SESSION_S = 7 * 86_400
"""Sessions that began longer ago are not counted as open: they would have to be looked for one by one."""

State = TypeVar("State", bound=StrEnum)


class Counts:
    """Counts of all tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, now_s: int) -> Values:
        meters, newest_s = self._meters()
        last = Blocks(self._connection).last()
        return Values(
            accounts=self._number(select(func.count()).select_from(t.accounts)),
            stations=self._number(select(func.count()).select_from(t.stations)),
            stations_suspended=self._number(
                select(func.count())
                .select_from(t.stations)
                .where(t.stations.c.suspended_by_operator | t.stations.c.suspended_by_governance)
            ),
            sessions=self._number(select(func.max(t.sessions.c.serial))),
            sessions_open=self._open_sessions(now_s),
            meter_readings=meters,
            bms_readings=self._number(select(func.sum(t.vehicles.c.last_sequence))),
            newest_reading_s=newest_s,
            statements=self._states(t.statements.c.state, StatementState),
            oldest_waiting_s=self._oldest_waiting(),
            settlements=self._states(t.settlements.c.state, SettlementState),
            transactions=self._states(t.outbox.c.state, OutboxState),
            indexed_block=last.number if last else 0,
            paused=Guards(self._connection).paused(),
        )

    def _meters(self) -> tuple[int, UnixSeconds | None]:
        """How many meter readings there are, and the latest time of one: a station's numbers have no gaps."""
        own = t.meter_readings.c.station == t.stations.c.station
        last = select(func.max(t.meter_readings.c.sequence)).where(own).scalar_subquery()
        time = (
            select(t.meter_readings.c.time_s)
            .where(own)
            .order_by(t.meter_readings.c.sequence.desc())
            .limit(1)
            .scalar_subquery()
        )
        count, newest_s = self._connection.execute(select(func.sum(last), func.max(time)).select_from(t.stations)).one()
        return count or 0, newest_s

    def _open_sessions(self, now_s: int) -> int:
        begun = t.sessions.c.not_before_s.between(now_s - LONGEST_SESSION_S, now_s)
        return self._number(select(func.count()).select_from(t.sessions).where(begun, t.sessions.c.expiry_s > now_s))

    def _oldest_waiting(self) -> UnixSeconds | None:
        waiting = t.statements.c.state == StatementState.ACCEPTED.value
        found: UnixSeconds | None = self._connection.execute(
            select(func.min(t.statements.c.accepted_at_s)).where(waiting)
        ).scalar_one()
        return found

    def _states(self, column: Column[str], kind: type[State]) -> Mapping[State, int]:
        rows = {row[0]: row[1] for row in self._connection.execute(select(column, func.count()).group_by(column))}
        return {state: rows.get(state.value, 0) for state in kind}

    def _number(self, query: Select[Any]) -> int:
        number: int | None = self._connection.execute(query).scalar_one()
        return number or 0
