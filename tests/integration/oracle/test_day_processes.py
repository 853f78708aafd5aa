"""Oracles as processes of their own: killed, stopped, and side by side."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oracle.replay import plan_of
from tests import programs
from tests.integration.oracle.day import check_complete, run
from tests.programs import Program


def start(arguments: list[str], log: Path) -> Program:
    return programs.start("oracle.cli", *arguments, out=Path(os.devnull), err=log)


def spooled(path: Path) -> dict[tuple[str, int, int], str]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT kind, device, sequence, body FROM message").fetchall()
    return {(kind, device, sequence): body for kind, device, sequence, body in rows}


@pytest.mark.parametrize("service", ["vehicles", "stations"])
def test_an_oracle_that_is_killed_again_and_again_loses_and_repeats_nothing(site: Any, service: str) -> None:
    if service == "stations":
        assert run(site.command("vehicles")).exit_code == 0
    spool, log = site.folder / f"{service}.db", site.folder / "log"
    kind = "bms" if service == "vehicles" else "meter"
    expected = sum(len(plan_of(s).reading_times()) for s in site.sessions)
    before: dict[tuple[str, int, int], str] = {}
    for kills in range(3):
        # The backend answers nothing useful after a while, so that the kill hits work half sent.
        site.backend.faults[:] = []
        process = start(site.command(service), log)
        _wait_until(partial(_has_received, site, kind, kills * 60))
        site.backend.faults[:] = [(503, {"Retry-After": "1"})] * 1_000
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=10) == -signal.SIGKILL
        now = spooled(spool)
        assert before.items() <= now.items()
        before = now
    site.backend.faults[:] = []
    assert start(site.command(service), log).wait(timeout=60) == 0, log.read_text()
    after = spooled(spool)
    assert before.items() <= after.items()
    assert site.backend.conflicts == []
    assert len([k for k in after if k[0] == kind]) == _received(site, kind) == expected


def _has_received(site: Any, kind: str, more_than: int) -> bool:
    return _received(site, kind) > more_than


def _received(site: Any, kind: str) -> int:
    return len([k for k in list(site.backend.bodies) if k[0] == kind])


def _wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("nothing happened for 10 s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_waiting_oracle_cleanly(site: Any, number: signal.Signals) -> None:
    process = start(site.command("stations", "--wait-s", "60"), site.folder / "log")
    _wait_until(lambda: site.backend.requests["GET /v1/sessions"] > 2)
    process.send_signal(number)
    assert process.wait(timeout=5) == 0, (site.folder / "log").read_text()
    assert site.progress("stations")["state"] == "stopped"


def test_two_oracles_cannot_share_a_spool(site: Any) -> None:
    process = start(site.command("stations"), site.folder / "log")
    _wait_until(lambda: site.backend.requests["GET /v1/sessions"] > 0)
    result = run(site.command("stations"))
    process.terminate()
    assert process.wait(timeout=5) == 0
    assert result.exit_code == 1
    assert "in use by another oracle" in result.output


def test_stations_and_vehicles_run_side_by_side(site: Any) -> None:
    stations = start(site.command("stations", "--poll-s", "0.1"), site.folder / "log")
    vehicles = start(site.command("vehicles"), site.folder / "log")
    assert vehicles.wait(timeout=60) == 0
    assert stations.wait(timeout=60) == 0
    check_complete(site)
