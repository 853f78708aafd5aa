"""Killed at any moment, backend and oracles lose nothing that they acknowledged, and settle nothing twice.

Oracles replay recorded days while another client sends packed readings, and batches are settled all the time. Fifty
times something is killed with SIGKILL: the backend, an oracle, or all of them at once.
"""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from backend.adapters.chain.deployment import load_deployment
from backend.adapters.chain.reader import ChainReader
from bench.fleet import Fleet, Meter
from domain.batch import StatementNumbers
from domain.packet import MEDIA_TYPE, pack_readings
from domain.reading import SignedMeterReading
from domain.wire import meter_to_json
from oracle.acn import read_sessions
from scripts.anvil import ROOT
from scripts.day import EXCERPT, HOLDERS, Replay, register
from scripts.platform import Platform, platform, stop

pytestmark = [pytest.mark.services, pytest.mark.timeout(1500)]

KILLS = 50
FIRST_DAY, DAYS = date(2019, 7, 9), 4
LONGEST_WAIT_S = 1.5
END_LIMIT_S = 300
REQUEST_LIMIT_S = 30
STATIONS = 10
PACKET = 15
SETTINGS = {"WATTLEDGER_BATCH_STATEMENTS": "4", "WATTLEDGER_BATCH_AGE_S": "1", "WATTLEDGER_POLL_MS": "50"}


@dataclass
class Running:
    """The processes, which are started again whenever they are killed."""

    at: Platform
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    day: date = FIRST_DAY
    finished_days: int = 0

    def start_backend(self) -> None:
        self._start("backend", [sys.executable, "-m", "backend.main"], self.at.environment())

    def start_oracle(self, holder: str) -> None:
        replay = Replay(at=self.at, sessions=EXCERPT, day=self.day, statement_period_s=7200)
        self._start(holder, replay.command(holder), {})

    def kill(self, name: str) -> None:
        process = self.processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)

    def revive(self) -> None:
        """Starts what is not running, and the next day when both oracles are through with this one."""
        if self.processes["backend"].poll() is not None:
            self.start_backend()
            self.at.wait_for_backend(self.processes["backend"])
        if all(self.processes[holder].poll() == 0 for holder in HOLDERS) and self.finished_days < DAYS:
            self.finished_days += 1
            if self.finished_days < DAYS:
                self.day += timedelta(days=1)
                for holder in HOLDERS:
                    self.start_oracle(holder)
        for holder in HOLDERS:
            if self.processes[holder].poll() not in (None, 0):
                self.start_oracle(holder)

    def stop(self) -> None:
        for process in self.processes.values():
            stop(process)

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.at.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env={"PATH": "/usr/bin:/bin"} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


class Client(threading.Thread):
    """Sends packed readings all the time, each packet until it is acknowledged, and keeps what was."""

    def __init__(self, url: str, meters: list[Meter]) -> None:
        super().__init__(daemon=True)
        self._http = httpx.Client(base_url=url, timeout=REQUEST_LIMIT_S, trust_env=False)
        self._meters = meters
        self._stopping = threading.Event()
        self.acknowledged: dict[int, list[SignedMeterReading]] = {}
        self.again = 0
        self.refused: list[str] = []

    def run(self) -> None:
        """Until it is stopped, or something is refused."""
        at = 0
        while not self._stopping.is_set() and not self.refused:
            meter = self._meters[at % len(self._meters)]
            at += 1
            self._send(meter, [meter.read(60) for _ in range(PACKET)])

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=REQUEST_LIMIT_S)

    def _send(self, meter: Meter, readings: list[SignedMeterReading]) -> None:
        body = pack_readings(readings, [])
        while not self._stopping.is_set():
            with suppress(httpx.TransportError):
                answer = self._http.post("/v1/readings/batch", content=body, headers={"Content-Type": MEDIA_TYPE})
                if answer.status_code == httpx.codes.OK:
                    verdicts = answer.json()["verdicts"]["meter"]
                    if verdicts.strip("ad"):
                        self.refused.append(answer.text)
                    self.again += verdicts.count("d")
                    self.acknowledged.setdefault(meter.station, []).extend(readings)
                    return
            time.sleep(0.1)


@contextmanager
def running(folder: Path) -> Iterator[tuple[Running, Client]]:
    with platform(folder, lambda _: None, settings=SETTINGS) as at:
        sessions = [one for n in range(DAYS) for one in read_sessions(EXCERPT, FIRST_DAY + timedelta(days=n))]
        register(at, sessions)
        client = Client(at.url, Fleet(at, STATIONS).meters)
        assert at.backend is not None
        service = Running(at, {"backend": at.backend})
        try:
            for holder in HOLDERS:
                service.start_oracle(holder)
            client.start()
            yield service, client
        finally:
            client.stop()
            service.stop()


def test_kills_lose_nothing_and_settle_nothing_twice(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    choices = random.Random(seed)
    with running(tmp_path) as (service, client):
        killed: Counter[str] = Counter()
        while sum(killed.values()) < KILLS:
            time.sleep(choices.uniform(0.05, LONGEST_WAIT_S))
            victims = choices.choice([["backend"], ["stations"], ["vehicles"], ["backend", *HOLDERS]])
            victims = [victim for victim in victims if service.processes[victim].poll() is None]
            for victim in victims:
                service.kill(victim)
            if victims:
                killed[" and ".join(victims)] += 1
            service.revive()
        client.stop()
        finish(service)
        assert client.refused == []
        check_acknowledged(service.at, client)
        check_spools(service.at)
        check_chain(service.at)
    assert sum(len(readings) for readings in client.acknowledged.values()) > KILLS * PACKET


def finish(service: Running) -> None:
    """Lets the days end, and everything be settled."""
    deadline = time.monotonic() + END_LIMIT_S
    while time.monotonic() < deadline:
        service.revive()
        statements = list(service.at.items("/v1/statements", limit=200))
        if service.finished_days == DAYS and all(one["state"] == "settled" for one in statements):
            return
        time.sleep(0.5)
    states = Counter(one["state"] for one in service.at.items("/v1/statements", limit=200))
    raise AssertionError(f"after {END_LIMIT_S} s: {service.finished_days} days, {dict(states)}")


def check_acknowledged(at: Platform, client: Client) -> None:
    """Every reading that the client was told of is there as it was sent."""
    for station, readings in client.acknowledged.items():
        kept = list(at.items("/v1/readings", station=station, limit=500))
        assert kept[: len(readings)] == [meter_to_json(one) for one in readings]


def check_spools(at: Platform) -> None:
    """Everything that the oracles signed was acknowledged and is there, and the backend never lost a thing."""
    for holder in HOLDERS:
        log = (at.folder / f"{holder}.log").read_text()
        assert "the backend lost" not in log
        with sqlite3.connect(at.folder / f"spool-{holder}.sqlite") as spool:
            assert spool.execute("SELECT count(*) FROM message WHERE sent = 0").fetchone() == (0,)
            for kind, key in (("meter", "station"), ("bms", "account")):
                rows = spool.execute("SELECT device, body FROM message WHERE kind = ? ORDER BY sequence", (kind,))
                signed: dict[int, list[object]] = {}
                for device, body in rows:
                    signed.setdefault(device, []).append(json.loads(body))
                for device, bodies in signed.items():
                    assert list(at.items("/v1/readings", **{key: device}, limit=500)) == bodies


def check_chain(at: Platform) -> None:
    """Every statement was settled once, and the audit finds nothing."""
    reader = ChainReader(at.rpc, load_deployment(at.deployment))
    words = [
        word
        for event in reader.events(0, reader.head())
        if event.name == "BatchSettled"
        for word in event.args["statements"]
    ]
    settled = Counter((one.station, one.sequence) for one in map(StatementNumbers.from_word, words))
    assert set(settled.values()) == {1}
    stated = {one["id"] for one in at.items("/v1/statements", limit=200)}
    assert {f"{station}-{sequence}" for station, sequence in settled} == stated
    command = [sys.executable, "-m", "backend.cli", "audit", "--rpc", at.rpc, "--evidence", str(at.evidence)]
    command += ["--deployment", str(at.deployment), "--claims", at.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
