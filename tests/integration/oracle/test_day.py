"""Whole days through the command line against a backend that checks everything."""

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ReadingRefused
from domain.units import UnixSeconds
from tests.integration.oracle.day import DAY, HEADER, SMALL, check_complete, planned, row, run, settled

DATA = Path(os.environ.get("WATTLEDGER_CHARGING_DATA", Path(__file__).parents[4] / "shared" / "data" / "charging"))
RECORDED = DATA / "acn_jpl_2019-05-01_2019-08-31.csv.gz"
MakeSite = Callable[..., Any]


def test_a_day_is_signed_sent_stated_and_accepted_to_the_last_wh(site: Any) -> None:
    for service in ("vehicles", "stations"):
        result = run(site.command(service))
        assert result.exit_code == 0, result.output
    check_complete(site)
    assert planned(site)[1] > 0
    progress = site.progress("stations")
    assert progress["state"] == "done"
    assert progress["meter_signed"] == progress["meter_sent"] > 0
    assert progress["statement_sent"] == sum(map(len, site.backend.statements.values())) > len(site.sessions)


def test_a_second_run_sends_nothing_more(site: Any) -> None:
    for service in ("vehicles", "stations"):
        run(site.command(service))
    posted = site.backend.requests.copy()
    for service in ("vehicles", "stations"):
        assert run(site.command(service)).exit_code == 0
    assert [k for k in (site.backend.requests - posted) if k.startswith("POST")] == []


def test_a_backend_that_lost_everything_gets_everything_again(site: Any) -> None:
    for service in ("vehicles", "stations"):
        run(site.command(service))
    for lost in ("sessions", "session_items", "readings", "bms", "statements", "usage", "bodies"):
        getattr(site.backend, lost).clear()
    for service in ("vehicles", "stations"):
        assert run(site.command(service)).exit_code == 0
    check_complete(site)


def test_a_lost_spool_is_refused_instead_of_signing_numbers_twice(site: Any) -> None:
    for service in ("vehicles", "stations"):
        run(site.command(service))
    (site.folder / "stations.db").unlink()
    result = run(site.command("stations"))
    assert result.exit_code == 1
    assert "use the spool it was signed with" in result.output
    assert site.backend.conflicts == []


def test_a_session_without_authorisation_gets_no_energy_and_is_served_later(site: Any) -> None:
    early = run(site.command("stations", "--wait-s", "0.2", "--poll-s", "0.05"))
    assert early.exit_code == 0, early.output
    assert site.backend.readings == {}
    assert site.progress("stations")["sessions_turned_away"] == len(site.sessions)
    run(site.command("vehicles"))
    assert run(site.command("stations")).exit_code == 0
    check_complete(site)


def test_an_authorisation_signed_with_another_key_is_ignored(site: Any) -> None:
    run(site.command("vehicles"))
    site.backend.driver_keys[site.backend.session_items[0]["account"]] = bytes(20)
    result = run(site.command("stations", "--wait-s", "0.2", "--poll-s", "0.05"))
    assert result.exit_code == 0
    assert site.progress("stations")["sessions_turned_away"] == 1
    assert settled(site)[0] == planned(site)[0] - site.sessions[0].delivered_wh


def test_a_price_above_the_drivers_limit_means_no_energy(site: Any) -> None:
    run(site.command("vehicles", "--max-price-micro-per-kwh", "199999"))
    assert run(site.command("stations")).exit_code == 0
    assert site.backend.readings == {}


def test_drivers_who_do_not_sell_are_not_discharged(site: Any) -> None:
    run(site.command("vehicles", "--no-discharge"))
    assert run(site.command("stations")).exit_code == 0
    assert settled(site) == (planned(site)[0], 0)


def test_a_station_that_cannot_take_energy_back_takes_none(make_site: MakeSite) -> None:
    site = make_site(SMALL, DAY, bidirectional=False)
    run(site.command("vehicles"))
    assert run(site.command("stations")).exit_code == 0
    assert settled(site) == (planned(site)[0], 0)


def test_one_revoked_station_halts_and_the_others_go_on(site: Any) -> None:
    station = site.backend.stations[1]
    site.backend.stations[1] = station.without_key(station.signer, until_s=UnixSeconds(0))
    run(site.command("vehicles"))
    result = run(site.command("stations"))
    assert result.exit_code == 1
    assert "station 1: its key was revoked" in result.output
    assert set(site.backend.statements) == {2, 3}


def test_readings_of_a_suspended_station_go_on_and_its_statements_wait(site: Any) -> None:
    active = site.backend.stations[1]
    site.backend.stations[1] = replace(active, suspended_by_governance=True)
    run(site.command("vehicles"))
    result = run(site.command("stations"))
    assert result.exit_code == 1
    assert "station 1 is suspended" in result.output
    assert set(site.backend.readings) == {1, 2, 3}
    assert set(site.backend.statements) == {2, 3}
    site.backend.stations[1] = active
    assert run(site.command("stations")).exit_code == 0
    check_complete(site)


def test_statements_signed_before_a_suspension_are_held_and_sent_after_it(site: Any) -> None:
    run(site.command("vehicles"))
    site.backend.suspends = 1
    result = run(site.command("stations"))
    assert result.exit_code == 1
    assert "station 1: statement 1 waits" in result.output
    assert set(site.backend.readings) == {1, 2, 3}
    assert set(site.backend.statements) == {2, 3}
    site.backend.suspends = None
    assert run(site.command("stations")).exit_code == 0
    check_complete(site)


def test_a_key_that_is_not_in_the_keystore_is_named(site: Any) -> None:
    (site.folder / "stations" / "B.json").unlink()
    result = run(site.command("stations"))
    assert result.exit_code == 1
    assert "station 2 is registered with key 0x" in result.output


def test_a_passing_fault_of_the_backend_is_waited_out(site: Any) -> None:
    run(site.command("vehicles"))
    site.backend.faults[:] = [(503, {"Retry-After": "0"}), (0, {})]
    assert run(site.command("stations")).exit_code == 0
    check_complete(site)


def test_a_spool_serves_one_service_and_one_network(site: Any) -> None:
    run(site.command("vehicles"))
    (site.folder / "vehicles.db").rename(site.folder / "stations.db")
    result = run(site.command("stations"))
    assert result.exit_code == 1
    assert "not to stations on chain 31337" in result.output


def test_a_date_without_sessions_is_answered_with_those_there_are(site: Any) -> None:
    result = run(site.command("stations", day=date(2019, 7, 11)))
    assert result.exit_code == 1
    assert "2019-07-10" in result.output


@pytest.mark.skipif(not RECORDED.exists(), reason="WATTLEDGER_CHARGING_DATA names no folder with the recorded sessions")
def test_a_recorded_day_of_fifty_stations_settles_to_the_last_wh(make_site: MakeSite) -> None:
    day = date(2019, 7, 24)
    with gzip.open(RECORDED, "rt") as file:
        lines = file.read().splitlines()
    site = make_site("\n".join([HEADER, *(line for line in lines if line.startswith(str(day)))]), day)
    site.backend.page = 7
    for service in ("vehicles", "stations"):
        result = run(site.command(service))
        assert result.exit_code == 0, result.output
    check_complete(site)
    assert len(site.backend.stations) > 40
    assert (site.folder / "stations.db").stat().st_mode & 0o077 == 0


def test_a_refused_reading_halts_its_station_alone_until_the_next_start(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(site.command("vehicles"))
    take = site.backend._meter

    def refuse_one(item: dict[str, Any]) -> str:
        if item["station"] == 2 and item["sequence"] == 5:
            raise ReadingRefused("station 2: not today")
        return str(take(item))

    monkeypatch.setattr(site.backend, "_meter", refuse_one)
    result = run(site.command("stations"))
    assert result.exit_code == 1
    assert "station 2: reading 5 was refused: station 2: not today" in result.output
    assert set(site.backend.statements) == {1, 3}
    assert len(site.backend.readings[2]) == 4
    monkeypatch.undo()
    assert run(site.command("stations")).exit_code == 0
    check_complete(site)


def test_a_station_without_a_price_gives_no_energy(site: Any) -> None:
    run(site.command("vehicles"))
    published = list(site.backend.tariffs)
    site.backend.tariffs.clear()
    assert run(site.command("stations")).exit_code == 0
    assert site.backend.readings == {}
    site.backend.tariffs[:] = published
    assert run(site.command("stations")).exit_code == 0
    check_complete(site)


def test_an_earlier_day_after_a_later_one_is_refused(make_site: MakeSite) -> None:
    site = make_site(SMALL, DAY)
    for service in ("vehicles", "stations"):
        run(site.command(service))
    mapped = json.loads((site.folder / "map.json").read_text())
    mapped["sessions"]["early"] = {"account": 999}
    (site.folder / "early.json").write_text(json.dumps(mapped))
    line = row("A", "early", "06:01:02", "07:00:00").replace("2019-07-10", "2019-07-09")
    (site.folder / "sessions.csv").write_text(f"{HEADER}\n{line}")
    result = run(site.command("stations", day=date(2019, 7, 9), map_name="early.json"))
    assert result.exit_code == 1
    assert "session early arrives at" in result.output


def test_the_next_day_goes_on_where_the_spool_ends(make_site: MakeSite) -> None:
    site = make_site(SMALL, DAY)
    for service in ("vehicles", "stations"):
        run(site.command(service))
    (site.folder / "sessions.csv").write_text(SMALL.replace("2019-07-10", "2019-07-11"))
    rekeyed = site.folder / "sessions.csv"
    for old in ("a1", "a2", "b1", "c1"):
        rekeyed.write_text(rekeyed.read_text().replace(f",{old},", f",{old}-next,"))
    mapped = json.loads((site.folder / "map.json").read_text())
    mapped["sessions"] = {f"{key}-next": account for key, account in mapped["sessions"].items()}
    (site.folder / "next.json").write_text(json.dumps(mapped))
    before = settled(site)
    for service in ("vehicles", "stations"):
        result = run(site.command(service, day=date(2019, 7, 11), map_name="next.json"))
        assert result.exit_code == 0, result.output
    assert settled(site)[0] == 2 * before[0]
    assert site.backend.conflicts == []


def test_keys_are_made_and_listed_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "names").write_text("gate\n\nyard\n")
    at = ["--keystore", str(tmp_path / "keys")]
    work = ["--passphrase-file", str(tmp_path / "passphrase"), "--iterations", "2"]
    made = run(["keys", "create", *at, *work, "--names-file", str(tmp_path / "names"), "--count", "2"])
    assert made.exit_code == 0
    listed = run(["keys", "list", *at])
    assert json.loads(listed.stdout) == json.loads(made.stdout)
    assert list(json.loads(listed.stdout)) == ["gate", "key-001", "key-002", "yard"]
    again = run(["keys", "create", *at, *work, "--name", "gate"])
    assert again.exit_code == 1
    assert "never overwritten" in again.output
    nothing = run(["keys", "create", *at, *work])
    assert nothing.exit_code == 1
    assert "nothing to make" in nothing.output
