"""Recorded weeks replayed live: what has happened is caught up with, and nothing is signed before its time."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from oracle.cli import app
from tests import programs
from tests.programs import Program

HEADER = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure,claimed"
)
LIMIT_S = 30
A_YEAR = timedelta(days=364)
MakeSite = Callable[..., Any]


def row(station: str, key: str, start: datetime, end: datetime) -> str:
    return f"{start - A_YEAR},{end - A_YEAR},12,10.5,{station},{key},{end - A_YEAR},True"


@pytest.fixture
def now() -> datetime:
    """Now, in a zone where it is noon: so all sessions lie on one local day."""
    now = datetime.now(UTC)
    return now.astimezone(timezone(timedelta(hours=12 - now.hour)))


def zone_of(moment: datetime) -> str:
    """Its name in the zone database, which counts hours to the west."""
    return f"Etc/GMT{-(moment.utcoffset() or timedelta()) // timedelta(hours=1):+}"


@pytest.fixture
def site(make_site: MakeSite, now: datetime) -> Any:
    """Last year today: a session that ended an hour ago, one that runs, and one that begins in a few seconds."""
    hour, soon = timedelta(hours=1), now + timedelta(seconds=6)
    rows = [
        row("A", "ended", now - 5 * hour, now - hour),
        row("B", "runs", now - 2 * hour, now + 2 * hour),
        row("C", "soon", soon, now + 3 * hour),
    ]
    made = make_site("\n".join([HEADER, *rows]), (now - A_YEAR).date())
    value = json.loads((made.folder / "map.json").read_text())
    value["drivers"] = sorted(made.backend.driver_keys)
    del value["sessions"]
    (made.folder / "live.json").write_text(json.dumps(value))
    return made


@contextmanager
def running(site: Any, service: str, since: datetime) -> Iterator[Program]:
    command = site.command(service, "--from", since.isoformat(), "--zone", zone_of(since), map_name="live.json")
    at = command.index("--date")
    words, log = [*command[:at], *command[at + 2 :]], site.folder / f"{service}.log"
    process = programs.start("oracle.cli", *words, out=Path(os.devnull), err=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=LIMIT_S)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_happened_is_caught_up_with_and_the_future_waits_for_its_time(site: Any, now: datetime) -> None:
    backend, since = site.backend, now - timedelta(hours=6)
    soon_s = int((now + timedelta(seconds=6)).timestamp())
    with ExitStack() as stack:
        vehicles, stations = (stack.enter_context(running(site, name, since)) for name in ("vehicles", "stations"))
        wait_until(lambda: 1 in backend.statements and 2 in backend.readings)
        wait_until(lambda: len(backend.session_items) == 3)
        assert time.time() >= soon_s
        wait_until(lambda: 3 in backend.readings)
        wait_until(lambda: len(backend.needs) == 3)
        stations.kill()
        stations.wait(timeout=LIMIT_S)
        told = site.folder / "stations.progress"
        told.unlink()
        again = stack.enter_context(running(site, "stations", since))
        wait_until(told.exists)  # Else the figures, and the signal, would meet the process before it has begun.
        wait_until(lambda: site.progress("stations")["meter_sent"] == sum(map(len, backend.readings.values())))
        for process, service in ((vehicles, "vehicles"), (again, "stations")):
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=LIMIT_S) == 0, (site.folder / f"{service}.log").read_text()
            assert site.progress(service)["state"] == "stopped"
    assert backend.conflicts == []
    ended_s = int((now - timedelta(hours=1)).timestamp())
    assert [need.departure_s for need in backend.needs if need.leaves] == [ended_s]
    assert [s.end_s for s in backend.statements[1]][-1] == backend.readings[1][-1].reading.time_s
    for readings in backend.readings.values():
        assert [r.reading.sequence for r in readings] == list(range(1, len(readings) + 1))
        assert readings[-1].reading.time_s <= time.time()
    assert [item["not_before"] for item in backend.session_items] == sorted(
        item["not_before"] for item in backend.session_items
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "2026-11-23"), "is no moment since 1970; write it as"),
        (("--from", "yesterday"), "is no moment since 1970; write it as"),
        (("--from", "2026-11-23T00:00+00:00", "--zone", "Nowhere/Land"), "is no time zone; write it as"),
        (("--from", "2026-11-23T00:00+00:00", "--date", "2019-07-10"), "give one of --date"),
        ((), "give one of --date"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(site: Any, options: tuple[str, ...], words: str) -> None:
    command = site.command("stations", map_name="live.json")
    at = command.index("--date")
    result = CliRunner().invoke(app, [*command[:at], *command[at + 2 :], *options])
    assert result.exit_code == 1
    assert words in result.output


def test_map_with_too_few_drivers_is_refused(site: Any) -> None:
    value = json.loads((site.folder / "live.json").read_text())
    (site.folder / "live.json").write_text(json.dumps(value | {"drivers": value["drivers"][:1]}))
    command = site.command("vehicles", "--from", "2026-11-23T00:00+00:00", map_name="live.json")
    at = command.index("--date")
    result = CliRunner().invoke(app, [*command[:at], *command[at + 2 :]])
    assert result.exit_code == 1
    assert "3 stations need as many drivers; the map names 1" in result.output
