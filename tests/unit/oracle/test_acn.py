"""Files of recorded sessions: what is read, and what is refused."""

import gzip
from datetime import date
from pathlib import Path

import pytest

from oracle.errors import NoSessionsOnDate, SessionsFileInvalid
from oracle.replay import read_all_sessions, read_sessions

HEADER = "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure"
DAY = date(2019, 7, 10)


def row(
    *,
    arrival: str = "2019-07-10 08:00:00-07:00",
    departure: str = "2019-07-10 12:00:00-07:00",
    requested: str = "12",
    delivered: str = "10.5",
    station: str = "A",
    session: str = "s1",
    estimated: str = "2019-07-10 11:00:00-07:00",
) -> str:
    return ",".join((arrival, departure, requested, delivered, station, session, estimated))


def written(folder: Path, *lines: str) -> Path:
    path = folder / "sessions.csv"
    path.write_text("\n".join((HEADER, *lines)))
    return path


def test_a_session_is_read_in_whole_wh_and_unix_seconds(tmp_path: Path) -> None:
    (session,) = read_sessions(written(tmp_path, row(delivered="9.9999999999999999")), DAY)
    assert (session.station_name, session.session_id) == ("A", "s1")
    assert session.arrival_s == 1_562_770_800
    assert session.departure_s - session.arrival_s == 4 * 3600
    assert (session.requested_wh, session.delivered_wh) == (12_000, 10_000)
    assert (session.utc_offset_s, session.local_day) == (-7 * 3600, DAY)
    assert session.local_midnight_s == session.arrival_s - 8 * 3600


def test_halves_of_a_wh_are_rounded_up(tmp_path: Path) -> None:
    (session,) = read_sessions(written(tmp_path, row(delivered="0.0005", requested="0.00049")), DAY)
    assert (session.delivered_wh, session.requested_wh) == (1, 0)


def test_compressed_files_are_read_alike(tmp_path: Path) -> None:
    plain = written(tmp_path, row())
    packed = tmp_path / "sessions.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_sessions(packed, DAY) == read_sessions(plain, DAY)


def test_the_local_day_of_arrival_decides(tmp_path: Path) -> None:
    late = row(
        arrival="2019-07-10 23:59:59-07:00", departure="2019-07-11 07:00:00-07:00", estimated="2019-07-11T06:00Z"
    )
    assert len(read_sessions(written(tmp_path, late), DAY)) == 1


def test_a_day_without_sessions_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(NoSessionsOnDate, match=r"2019-07-11; the file has sessions on: 2019-07-10"):
        read_sessions(written(tmp_path, row()), date(2019, 7, 11))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row(departure="2019-07-10 07:59:59-07:00"), "not after its arrival"),
        (row(departure="2019-07-10 08:00:00-07:00"), "not after its arrival"),
        (row(delivered="NaN"), "no plain non-negative number"),
        (row(delivered="-1"), "no plain non-negative number"),
        (row(delivered="Infinity"), "no plain non-negative number"),
        (row(delivered="1e3"), "no plain non-negative number"),
        (row(requested=""), "is empty"),
        (row(requested="-0.1"), "no plain non-negative number"),
        (row(delivered="88.1"), "is more than 22000 W"),
        (row(arrival="2019-07-10 08:00:00"), "no UTC offset"),
        (row(arrival="yesterday"), "no ISO 8601 time"),
        (row(arrival="1960-07-10 08:00:00-07:00"), "before 1970"),
        (row(station=" "), "station_id is empty"),
        (row(session=""), "session_id is empty"),
        (row() + ",more", "another number of fields"),
        ("2019-07-10 08:00:00-07:00", "another number of fields"),
    ],
)
def test_what_cannot_have_happened_is_refused_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    first = row(session="s0", station="Z")
    with pytest.raises(SessionsFileInvalid, match=f"line 3: .*{reason}"):
        read_sessions(written(tmp_path, first, line), DAY)


def test_overlapping_sessions_at_one_station_are_refused(tmp_path: Path) -> None:
    touching = row(session="s2", arrival="2019-07-10 12:00:00-07:00", departure="2019-07-10 13:00:00-07:00")
    with pytest.raises(SessionsFileInvalid, match="line 3: session s2 arrives at station A before session s1 has left"):
        read_sessions(written(tmp_path, row(), touching), DAY)


def test_a_session_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionsFileInvalid, match="twice"):
        read_sessions(written(tmp_path, row(), row(station="B")), DAY)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text("arrival,departure\n")
    with pytest.raises(SessionsFileInvalid, match="missing columns: requested_energy"):
        read_all_sessions(path)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08broken", b"plain"])
def test_a_broken_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sessions.csv.gz"
    path.write_bytes(content)
    with pytest.raises(SessionsFileInvalid):
        read_all_sessions(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionsFileInvalid, match="cannot be read"):
        read_all_sessions(tmp_path / "none.csv")
