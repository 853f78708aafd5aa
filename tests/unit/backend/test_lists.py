"""Lists: each filter finds what it asks for, by an index."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event as sql_event

from backend.adapters.sql.database import SqlStore
from backend.application import filters as f
from backend.application.filters import Page
from backend.application.lists import Lists
from backend.application.ports import UnitOfWork
from backend.application.records import SessionState
from tests.unit.backend.listed import ALL, CASES, filled_store, listed, session


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    with filled_store(tmp_path_factory.mktemp("lists")) as opened:
        yield opened


@pytest.mark.parametrize(("what", "wanted", "found"), CASES, ids=lambda one: one if isinstance(one, str) else None)
def test_filter_finds_what_it_asks_for(store: SqlStore, what: str, wanted: Any, found: list[Any]) -> None:
    with store.read() as unit:
        assert [name for _, name in listed(unit, what, ALL, wanted)] == found


@pytest.mark.parametrize(("what", "wanted", "found"), CASES, ids=lambda one: one if isinstance(one, str) else None)
def test_pages_of_two_are_the_whole(store: SqlStore, what: str, wanted: Any, found: list[Any]) -> None:
    names, after = [], -1
    with store.read() as unit:
        while page := listed(unit, what, Page(after, 2), wanted):
            names += [name for _, name in page]
            after = page[-1][0]

    assert names == found


# --- how SQLite finds them ---------------------------------------------------------------------


def plans_of(store: SqlStore, act: Callable[[UnitOfWork], object]) -> list[str]:
    """How SQLite runs each query of `act`."""
    queries: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        queries.append((statement, parameters))

    sql_event.listen(store.engine, "before_cursor_execute", note)
    try:
        with store.read() as unit:
            act(unit)
    finally:
        sql_event.remove(store.engine, "before_cursor_execute", note)
    with store.engine.connect() as connection:
        return [
            str(row.detail)
            for statement, parameters in queries
            if statement.lstrip().upper().startswith(("SELECT", "WITH"))
            for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
        ]


NO_TABLES = ("CONSTANT ROW", "stations_with_sessions")
"""The latter are the numbers of stations, each sought after the one before."""
FILTERED = [(what, wanted) for what, wanted, _ in CASES if wanted != type(wanted)()]


@pytest.mark.parametrize(("what", "wanted"), FILTERED, ids=lambda one: one if isinstance(one, str) else None)
def test_filter_uses_an_index_and_walks_no_table(store: SqlStore, what: str, wanted: Any) -> None:
    plans = plans_of(store, lambda unit: listed(unit, what, ALL, wanted))

    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN") and not plan.endswith(NO_TABLES)], plans
    first = next(plan for plan in plans if plan.startswith(("SEARCH", "MULTI-INDEX")))
    # What is settled shows only beside the statements, and most sessions are.
    if not (isinstance(wanted, f.SessionFilter) and wanted.state == SessionState.SETTLED):
        assert "INTEGER PRIMARY KEY" not in first, plans


def test_sessions_that_charge_are_sought_within_each_station(store: SqlStore) -> None:
    plans = plans_of(store, lambda unit: unit.sessions.page(ALL, f.SessionFilter(state=SessionState.CHARGING)))

    assert [plan for plan in plans if "sessions_read_at_station (station=? AND last_reading>?)" in plan], plans


@pytest.mark.parametrize(
    "wanted",
    [
        f.ReadingFilter(from_s=1021, to_s=1101),
        f.ReadingFilter(session=bytes([3] * 32)),
        f.ReadingFilter(session=bytes([3] * 32), from_s=1050),
        f.ReadingFilter(to_s=1001),
    ],
)
def test_readings_are_found_by_their_numbers(store: SqlStore, wanted: Any) -> None:
    expected = [
        sequence
        for sequence in range(1, 81)
        if (wanted.from_s or 0) <= 1000 + 2 * sequence < (wanted.to_s or 9999)
        and wanted.session in (None, bytes([1 + sequence // 10] * 32))
    ]
    with store.read() as unit:
        meter = unit.readings.meter_list(2, Page(0, 500), wanted)
        bms = unit.readings.bms_list(2, Page(0, 500), wanted)
    plans = plans_of(store, lambda unit: unit.readings.meter_list(2, Page(0, 500), wanted))

    assert [one.reading.sequence for one in meter] == expected
    assert [one.reading.sequence for one in bms] == expected
    assert all("PRIMARY KEY (station=?" in plan for plan in plans), plans


def test_readings_of_a_session_are_searched_for_within_its_time(store: SqlStore) -> None:
    lists = Lists(store)
    wanted = f.ReadingFilter(session=session(3).session_id)  # Not before 1030, which is reading 15; last read at 30.

    found = lists.meter_readings(None, Page(0, 500), wanted)

    assert [one.reading.sequence for one in found] == [30]
    assert lists.meter_readings(2, Page(0, 500), wanted) == found
    assert lists.meter_readings(1, Page(0, 500), wanted) == []


def test_no_list_without_a_filter_sorts(store: SqlStore) -> None:
    for what, wanted, _ in CASES:
        if wanted == type(wanted)():
            plans = plans_of(store, partial(listed, what=what, page=Page(5, 2), wanted=wanted))
            assert not [plan for plan in plans if "TEMP B-TREE" in plan], plans
