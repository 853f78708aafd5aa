"""`make serve` as a user starts, uses and ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from scripts.anvil import ROOT, free_port

START_LIMIT_S = 90
STOP_LIMIT_S = 30
LIMIT_S = 60
A_YEAR = timedelta(days=364)
HEADER = "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure"
PARTS = ("chain", "backend", "steward", "bidders", "set-points", "oracle-vehicles", "oracle-stations")


@dataclass(slots=True)
class Served:
    """A platform in its folder. `options` are given at each start."""

    folder: Path
    options: list[str]
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    @property
    def facts(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.folder / "serve.json").read_text())
        return value

    @property
    def rpc(self) -> str:
        return f"http://127.0.0.1:{self.facts['rpc_port']}"

    @property
    def pids(self) -> dict[str, int]:
        return {service["name"]: service["pid"] for service in self.facts["services"]}

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "scripts.serve", *self.words(*more)]

    def words(self, *more: str) -> list[str]:
        """What follows the program's name."""
        return ["--folder", str(self.folder), "--port", str(self.port), *self.options, *more]

    def start(self) -> None:
        """Until it says that it is up."""
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                self.command(), cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        process = self.process
        wait_until(lambda: "Ctrl-C" in self.said() or process.poll() is not None, START_LIMIT_S)
        assert process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text()

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(timeout=STOP_LIMIT_S) == 0, self.said()

    def kill(self) -> None:
        """As a power cut does; until its children have noticed."""
        pids = self.pids.values()
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=STOP_LIMIT_S)
        wait_until(lambda: not any(map(lives, pids)))

    def shown(self, line: str) -> list[str]:
        """The words of the command that it shows after these words."""
        return self.said().split(f"{line}: ")[-1].splitlines()[0].split()

    def status(self) -> dict[str, Any]:
        value: dict[str, Any] = httpx.get(f"{self.url}/v1/status", timeout=10).json()
        return value

    def settled(self) -> int:
        """How many statements are settled; -1 as long as nobody says so."""
        try:
            return int(self.status()["statements"]["settled"])
        except (httpx.HTTPError, KeyError, ValueError):
            return -1


WATTLEDGER = Path(sys.executable).parent / "wattledger"
ENVIRONMENT = os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "WATTLEDGER_BATCH_AGE_S": "1"}


def wait_until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def recording(folder: Path) -> Path:
    """Sessions a year ago today: three that are over, and one that ends every 15 seconds from soon on."""
    now = datetime.now(UTC).replace(microsecond=0)
    spans = [(f"past-{n}", timedelta(hours=-20 + 5 * n), timedelta(hours=-17 + 5 * n)) for n in range(3)]
    spans += [(f"soon-{n}", timedelta(minutes=-50), timedelta(seconds=30 + 15 * n)) for n in range(40)]
    rows = []
    for name, begin, end in spans:
        arrival, departure = now - A_YEAR + begin, now - A_YEAR + end
        rows.append(f"{arrival},{departure},9,4.2,{name},{name},{departure}")
    file = folder / "sessions.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    return file


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    """A platform that replays the recording, up and running; stopped, with nothing left, at the end."""
    made = Served(folder / "data", ["--sessions", str(recording(folder)), *options])
    try:
        made.start()
        yield made
        made.stop()
        assert not any(map(lives, made.pids.values()))
    finally:
        if made.process is not None and made.process.poll() is None:
            made.process.kill()
            made.process.wait(timeout=STOP_LIMIT_S)


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def audit(*options: str) -> "subprocess.CompletedProcess[str]":
    return run([str(WATTLEDGER), "audit", *options])


def check_audit(served: Served) -> None:
    """The command that is shown finds nothing, while the platform goes on."""
    program, subject, *options = served.shown("to audit")
    assert (program, subject) == ("wattledger", "audit")
    done = audit(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "findings" in done.stdout
