"""Recorded sessions: what is kept, clipped, dropped and counted; and the events of ACN-Sim."""

import gzip
import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.charging_data import ChargingDataInvalid
from bench.charging_sessions import LOS_ANGELES, Corrections, local_day, local_midnight_s, read_events, read_sessions
from oracle.errors import SessionsFileInvalid

HEADER = "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure"
SUMMER, WINTER = "-07:00", "-08:00"


def row(
    session: str,
    arrival: str = "2019-06-03 08:00:00",
    departure: str = "2019-06-03 10:00:00",
    *,
    delivered: str = "5.5",
    station: str = "ST-1",
    declared: str = "2019-06-03 11:00:00",
    offset: str = SUMMER,
) -> str:
    return f"{arrival}{offset},{departure}{offset},20.0,{delivered},{station},{session},{declared}{offset}"


def written(folder: Path, *rows: str) -> Path:
    path = folder / "sessions.csv.gz"
    path.write_bytes(gzip.compress("\n".join((HEADER, *rows)).encode()))
    return path


def test_session_is_read_in_whole_units(tmp_path: Path) -> None:
    recording = read_sessions(written(tmp_path, row("s1")))
    (session,) = recording.sessions
    assert (session.session_id, session.station) == ("s1", "ST-1")
    assert datetime.fromtimestamp(session.arrival_s, LOS_ANGELES).isoformat() == "2019-06-03T08:00:00-07:00"
    assert session.departure_s - session.arrival_s == 7_200
    assert session.declared_departure_s - session.arrival_s == 10_800
    assert (session.energy_wh, session.requested_wh, session.power_w) == (5_500, 20_000, 6_600)
    assert recording.corrections == Corrections(rows=1)
    assert recording.energy_wh == 5_500
    assert len(recording.sha256) == 64


def test_energy_above_the_rated_power_is_clipped_and_counted(tmp_path: Path) -> None:
    recording = read_sessions(written(tmp_path, row("s1", delivered="13.25")))
    assert recording.sessions[0].energy_wh == 13_200
    assert recording.corrections == Corrections(rows=1, clipped_energy=1, clipped_wh=50)


def test_session_ends_when_the_next_one_comes_to_its_station(tmp_path: Path) -> None:
    other = row("s2", arrival="2019-06-03 09:00:00", departure="2019-06-03 12:00:00", declared="2019-06-03 12:00:00")
    recording = read_sessions(written(tmp_path, row("s1"), other, row("s3", station="ST-2")))
    stays_s = {session.session_id: session.departure_s - session.arrival_s for session in recording.sessions}
    assert stays_s == {"s1": 3_600, "s2": 10_800, "s3": 7_200}
    assert recording.corrections == Corrections(rows=3, clipped_departures=1)


def test_of_two_sessions_that_begin_at_once_at_a_station_one_is_dropped(tmp_path: Path) -> None:
    recording = read_sessions(written(tmp_path, row("s1"), row("s2")))
    assert len(recording.sessions) == 1
    assert recording.corrections == Corrections(rows=2, dropped_no_stay=1)


def test_rows_that_cannot_have_happened_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = (
        row("s1"),
        row("s1", station="ST-2"),
        row("s2", departure="2019-06-03 08:00:00", station="ST-3"),
        row("s3", departure="2019-06-03 07:00:00", station="ST-3"),
        row("s4", delivered="0.0004", station="ST-4"),
    )
    recording = read_sessions(written(tmp_path, *rows))
    assert [session.session_id for session in recording.sessions] == ["s1"]
    assert recording.corrections == Corrections(rows=5, dropped_twice=1, dropped_no_stay=2, dropped_no_energy=1)


def test_declared_departure_before_the_arrival_gives_way_to_the_true_one(tmp_path: Path) -> None:
    recording = read_sessions(written(tmp_path, row("s1", declared="2019-06-03 07:00:00")))
    assert recording.sessions[0].declared_departure_s == recording.sessions[0].departure_s
    assert recording.corrections == Corrections(rows=1, clipped_declared=1)


def test_field_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    with pytest.raises(SessionsFileInvalid, match="line 3"):
        read_sessions(written(tmp_path, row("s1"), row("s2", delivered="nan")))


def test_days_are_chosen_by_local_arrival(tmp_path: Path) -> None:
    rows = (
        row("before", arrival="2019-06-02 23:59:59", departure="2019-06-03 10:00:00"),
        row("within", arrival="2019-06-03 00:00:00", station="ST-2"),
        row("last", arrival="2019-06-04 23:59:59", departure="2019-06-05 08:00:00", station="ST-3"),
        row("after", arrival="2019-06-05 00:00:00", departure="2019-06-05 08:00:00", station="ST-4"),
    )
    recording = read_sessions(written(tmp_path, *rows))
    chosen = recording.between(date(2019, 6, 3), date(2019, 6, 4))
    assert [session.session_id for session in chosen.sessions] == ["within", "last"]
    assert chosen.sha256 == recording.sha256


@pytest.mark.parametrize(("day", "hours"), [((2019, 3, 10), 23), ((2019, 6, 3), 24), ((2019, 11, 3), 25)])
def test_days_on_which_clocks_change_are_shorter_or_longer(day: tuple[int, int, int], hours: int) -> None:
    first = date(*day)
    start_s, end_s = local_midnight_s(first, LOS_ANGELES), local_midnight_s(date(*day[:2], day[2] + 1), LOS_ANGELES)
    assert (end_s - start_s) == hours * 3_600
    assert local_day(start_s, LOS_ANGELES) == first != local_day(end_s, LOS_ANGELES)


def test_stay_over_the_hour_that_is_left_out_is_an_hour_shorter(tmp_path: Path) -> None:
    line = f"2019-03-10 01:00:00{WINTER},2019-03-10 04:00:00{SUMMER},20.0,5.5,ST-1,s1,2019-03-10 05:00:00{SUMMER}"
    (session,) = read_sessions(written(tmp_path, line)).sessions
    assert session.departure_s - session.arrival_s == 7_200


# --- the event queue of ACN-Sim ----------------------------------------------------------------


def vehicle(number: int, **changes: Any) -> dict[str, Any]:
    """A vehicle and its battery, as `EventQueue.to_json` writes them."""
    stay = {
        "_arrival": 10,
        "_departure": 20,
        "_estimated_departure": 20,
        "_session_id": f"s{number}",
        "_station_id": f"CA-{number}",
        "_requested_energy": 1.2345678,
        "_energy_delivered": 0,
        "_battery": f"b{number}",
    }
    battery = {"_max_power": 6.6, "_current_charge": 0, "_capacity": 1.2345678, "_init_charge": 0}
    return {
        f"v{number}": {"class": "acnportal.acnsim.models.ev.EV", "attributes": stay | changes},
        f"b{number}": {"class": "acnportal.acnsim.models.battery.Battery", "attributes": battery},
    }


def queue(folder: Path, objects: Mapping[str, Any]) -> Path:
    path = folder / "events.json.gz"
    text = json.dumps({"id": "q", "context_dict": objects, "version": "0.2.1"})
    path.write_bytes(gzip.compress(json.dumps(text).encode()))
    return path


def test_events_become_sessions_by_arrival(tmp_path: Path) -> None:
    objects = vehicle(1, _arrival=12, _departure=14, _estimated_departure=16) | vehicle(2)
    recording = read_events(queue(tmp_path, objects))
    second, first = recording.sessions
    assert (second.session_id, first.session_id) == ("s2", "s1")
    assert datetime.fromtimestamp(first.arrival_s, LOS_ANGELES).isoformat() == "2019-03-01T01:00:00-08:00"
    assert (first.departure_s - first.arrival_s, first.declared_departure_s - first.arrival_s) == (600, 1_200)
    assert (first.energy_wh, first.power_w, first.station) == (1_234, 6_600, "CA-1")
    assert recording.corrections == Corrections(rows=2)


def test_periods_are_counted_in_absolute_time_over_the_change_of_clocks(tmp_path: Path) -> None:
    noon_period = 9 * 288 + 11 * 12
    objects = vehicle(1, _arrival=noon_period, _departure=noon_period + 12, _estimated_departure=noon_period + 12)
    (session,) = read_events(queue(tmp_path, objects)).sessions
    assert datetime.fromtimestamp(session.arrival_s, LOS_ANGELES).isoformat() == "2019-03-10T12:00:00-07:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"_departure": 10},
        {"_arrival": -1},
        {"_arrival": 10.5},
        {"_estimated_departure": 9},
        {"_requested_energy": -1},
        {"_requested_energy": 0},
        {"_requested_energy": float("nan")},
        {"_requested_energy": "1"},
        {"_battery": "nowhere"},
    ],
)
def test_event_that_makes_no_sense_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ChargingDataInvalid):
        read_events(queue(tmp_path, vehicle(1, **changes)))


def test_session_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChargingDataInvalid, match="2 vehicles with 1 session ids"):
        read_events(queue(tmp_path, vehicle(1) | vehicle(2, _session_id="s1")))


@pytest.mark.parametrize("text", ["", "[]", "{}", '"{}"', '"[1]"', json.dumps('{"context_dict": {"a": 1}}')])
def test_file_that_is_no_event_queue_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text(text)
    with pytest.raises(ChargingDataInvalid):
        read_events(path)
