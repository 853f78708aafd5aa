"""Stays of the past: when each began, what was declared, when it ended, and what it charged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import insert, inspect, select

from backend.adapters.sql import schedule_tables as s
from backend.adapters.sql.database import SqlStore, migration_config
from backend.application.site_records import PastStay
from tests.unit.backend.site_world import START_S, STATIONS, World, site_world

HOUR_S = 3_600
NOBODY = bytes(32)
MOST = 100


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with site_world(tmp_path) as at:
        yield at


def at(world: World, hours: float) -> int:
    """Sets the time to so many hours behind the start."""
    world.clock.time_s = START_S + int(hours * HOUR_S)
    return world.now_s


def stays(world: World, from_h: float = 0, to_h: float = 24, limit: int = MOST) -> list[PastStay]:
    with world.store.read() as unit:
        return unit.sites.past_stays(STATIONS, START_S + int(from_h * HOUR_S), START_S + int(to_h * HOUR_S), limit)


def charged(
    world: World, station: int, hours: float, *parts_wh: int, expires_h: float = 10, account: int = 21
) -> bytes:
    """A session that is read at its beginning and, after each part, another hour later."""
    at(world, hours)
    session = world.authorise(station, 50_000, expires_h, account=account)
    world.reads(station, 0, session)
    for number, wh in enumerate(parts_wh, 1):
        at(world, hours + number)
        world.reads(station, wh, session)
    return session


def test_stay_that_ended_with_a_leave_keeps_what_was_declared(world: World) -> None:
    session = charged(world, 11, 1, 4_000, 2_000)
    world.need(session, 9_000, START_S + 8 * HOUR_S, time_s=START_S + HOUR_S)
    world.need(session, 9_000, START_S + 7 * HOUR_S, time_s=START_S + 2 * HOUR_S)
    leaves_s = at(world, 3)
    world.need(session, 9_000, leaves_s)

    assert stays(world) == [
        PastStay(
            station=11,
            session=session,
            arrival_s=START_S + HOUR_S,
            declared_s=START_S + 7 * HOUR_S,
            left_s=leaves_s,
            charged_wh=6_000,
            said=True,
        )
    ]
    kept = world.needs.get(session)
    assert kept is not None
    assert (kept.need.leaves, kept.declared_s) == (True, START_S + 7 * HOUR_S)


def test_stay_that_ended_without_a_leave_did_not_say_so(world: World) -> None:
    charged(world, 11, 1, 4_000, expires_h=5)
    assert [one.said for one in stays(world)] == [False]


def test_stay_of_which_only_the_leave_was_said_declared_nothing(world: World) -> None:
    session = charged(world, 11, 1, 4_000)
    world.need(session, 50_000, at(world, 2.5))
    [stay] = stays(world)
    assert (stay.declared_s, stay.left_s) == (None, START_S + int(2.5 * HOUR_S))


def test_leave_of_a_session_that_expired_a_moment_ago_is_taken(world: World) -> None:
    session = charged(world, 11, 1, 4_000, expires_h=2)
    at(world, 3.5)
    world.need(session, 50_000, START_S + 3 * HOUR_S, time_s=START_S + 3 * HOUR_S)
    [stay] = stays(world)
    assert stay.left_s == START_S + 3 * HOUR_S


def test_stay_without_a_leave_ends_with_its_authorisation(world: World) -> None:
    session = charged(world, 11, 1, 4_000, expires_h=3)
    world.need(session, 4_000, START_S + 2 * HOUR_S, time_s=START_S + HOUR_S)
    [stay] = stays(world)
    assert (stay.declared_s, stay.left_s) == (START_S + 2 * HOUR_S, START_S + 4 * HOUR_S)


def test_stay_without_a_leave_ends_when_the_next_one_begins(world: World) -> None:
    first = charged(world, 11, 1, 4_000)
    at(world, 3)
    world.reads(11, 0, NOBODY)
    second = charged(world, 11, 4, 1_000)
    charged(world, 12, 2.5, 500)

    found = {stay.session: stay for stay in stays(world, to_h=5)}
    assert list(found) == [first]
    assert found[first].left_s == START_S + 4 * HOUR_S
    assert {stay.session for stay in stays(world)} > {first, second}


def test_session_that_only_another_one_was_authorised_beside_is_not_over(world: World) -> None:
    """Somebody authorises at a taken station and never charges there."""
    session = charged(world, 11, 1, 4_000)
    at(world, 1.5)
    beside = world.authorise(11, 9_000, 1, account=22)
    assert [stay.session for stay in stays(world, to_h=3)] == [beside]
    assert {stay.session: stay.left_s for stay in stays(world, to_h=12)}[session] == START_S + 11 * HOUR_S


def test_energy_that_was_given_back_is_taken_off_and_others_energy_is_not_counted(world: World) -> None:
    charged(world, 11, 1, 3_000, expires_h=1.5)
    at(world, 3)
    world.reads(11, 700, NOBODY)
    session = charged(world, 11, 4, 5_000, expires_h=3)
    at(world, 5.5)
    world.reads(11, 0, session, given_wh=1_200)
    gives = charged(world, 12, 1, 0, expires_h=1)
    world.reads(12, 100, gives, given_wh=900)

    assert [(stay.station, stay.charged_wh) for stay in stays(world)] == [(11, 3_000), (12, 0), (11, 3_800)]


def test_first_reading_of_a_session_counts_from_the_one_before_it(world: World) -> None:
    at(world, 1)
    opening = world.authorise(11, 9_000, 0.5)
    world.reads(11, 400, opening)
    at(world, 2)
    world.reads(11, 100, NOBODY)
    at(world, 3)
    session = world.authorise(11, 9_000, 1)
    world.reads(11, 250, session)
    at(world, 3.5)
    world.reads(11, 50, session)
    assert {stay.session: stay.charged_wh for stay in stays(world)} == {opening: 0, session: 300}


def test_session_that_no_reading_names_began_with_its_authorisation_and_charged_nothing(world: World) -> None:
    at(world, 1)
    session = world.authorise(11, 9_000, 2)
    [stay] = stays(world)
    assert (stay.session, stay.arrival_s, stay.left_s) == (session, START_S + HOUR_S, START_S + 3 * HOUR_S)
    assert stay.charged_wh == 0


def test_vehicle_that_came_after_its_authorisation_arrived_with_its_first_reading(world: World) -> None:
    at(world, 1)
    session = world.authorise(11, 9_000, 5)
    at(world, 3)
    world.reads(11, 0, session)
    assert [stay.arrival_s for stay in stays(world)] == [START_S + 3 * HOUR_S]
    assert stays(world, from_h=0, to_h=3) == stays(world, from_h=3.1) == []


def test_only_stays_that_began_within_the_time_and_are_over_by_its_end_are_told(world: World) -> None:
    early = charged(world, 11, 1, 1_000, expires_h=1)
    runs = charged(world, 12, 2, 1_000, expires_h=8)
    late = charged(world, 13, 6, 1_000, expires_h=1)

    def named(from_h: float, to_h: float) -> list[bytes]:
        return [stay.session for stay in stays(world, from_h, to_h)]

    assert named(0, 10) == [early, runs, late]
    assert named(0, 9.9) == [early, late]
    assert named(1, 6) == [early]
    assert named(1.1, 24) == [runs, late]
    assert named(0, 1) == []
    world.need(runs, 50_000, START_S + 5 * HOUR_S, time_s=START_S + 5 * HOUR_S)
    assert named(0, 5) == [early, runs]


def test_the_latest_stays_are_told_by_arrival_and_other_stations_are_left_out(world: World) -> None:
    sessions = [charged(world, STATIONS[number % 3], 2 * number, 500, expires_h=1) for number in range(6)]
    charged(world, 14, 3, 500, expires_h=1)
    assert [stay.session for stay in stays(world)] == sessions
    assert [stay.session for stay in stays(world, limit=2)] == sessions[-2:]
    assert stays(world, limit=0) == []


def test_needs_that_were_known_before_are_declared_unless_they_are_leaves(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "wattledger.sqlite")
    declared = select(s.needs.c.declared_s).order_by(s.needs.c.serial)
    with store.engine.connect() as connection:
        config = migration_config(connection)
        command.upgrade(config, "0009-1")
        before = [column["name"] for column in inspect(connection).get_columns("needs")]
        for number, (departure_s, time_s) in enumerate(((500, 100), (300, 300))):
            row = {"session": bytes([number] * 32), "energy_wh": 1, "signature": bytes(65), "taken_at_s": 0}
            connection.execute(insert(s.needs), row | {"departure_s": departure_s, "time_s": time_s})
        connection.commit()

        command.upgrade(config, "0009")
        assert list(connection.execute(declared).scalars()) == [500, None]
        command.downgrade(config, "0009-1")
        assert [column["name"] for column in inspect(connection).get_columns("needs")] == before
        command.upgrade(config, "0009")
        assert list(connection.execute(declared).scalars()) == [500, None]
    store.close()
