"""The platform for use on this machine: chain, contracts, backend and oracles that replay recorded weeks live.

It runs until Ctrl-C. What it did stays in the data folder, and the next start goes on with it, also after a crash.
"""

import argparse
import fcntl
import functools
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from rich.console import Console

from domain.errors import WattledgerError
from oracle.acn import read_all_sessions
from scripts.anvil import ROOT, AnvilFailed, free_port
from scripts.chain import ChainFailed
from scripts.day import EXCERPT
from scripts.kept_chain import KeptChain
from scripts.kubo import KuboFailed, KuboNode, program
from scripts.market import SET_POINTS
from scripts.platform import Platform, PlatformFailed, read_json
from scripts.steward import SITE
from scripts.supervisor import Service, Supervisor

DEFAULT_PORT = 8000
LOOK_EVERY_S = 0.2
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
REGISTER_LIMIT_S = 300
PAST_SHOWN = timedelta(hours=24)
STATEMENT_PERIOD_S = 3_600
ORACLE_WAIT_S = 900
"""The oracles catch up side by side: a station gives its drivers' oracle so long before it turns a session away."""
ERRORS = (AnvilFailed, ChainFailed, PlatformFailed, KuboFailed, OSError, WattledgerError, httpx.HTTPError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for. `sessions` is None if nothing is to be replayed."""

    folder: Path
    port: int
    ipfs: str
    sessions: Path | None
    zone: str


@dataclass(slots=True)
class Serving:
    """The running platform, and what of it is written down so that a later start, and `wattledger status`, find it."""

    options: Options
    at: Platform
    supervisor: Supervisor
    facts: dict[str, Any]
    chain: KeptChain
    _trouble: str | None = None
    _written: str = ""
    _services: list[Service] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.options.folder / "serve.json"

    def start(self) -> None:
        """Everything in the order in which it leans on each other."""
        at = self.at
        at.make_secrets()
        self._start_kubo()
        self._start_chain()
        at.say("starting the backend")
        at.url = f"http://127.0.0.1:{self.options.port}"
        backend = [sys.executable, "-m", "backend.main"]
        self._run(Service("backend", lambda: backend, at.environment, at.wait_for_backend))
        if self.options.sessions is not None:
            self._start_replay(self.options.sessions)
        self.note()

    def look(self) -> None:
        """Starts again what ended, and writes down new blocks."""
        self.supervisor.watch()
        trouble = self.chain.keep_if_due()
        if trouble != self._trouble and self._services[0].running:
            self.at.say(
                f"new blocks are not written down: {trouble}" if trouble else "new blocks are written down again"
            )
            self._trouble = trouble
        self.note()

    def note(self) -> None:
        """Writes down what is where, if that has changed."""
        services = [
            {"name": s.name, "pid": s.process.pid if s.process else None, "since": int(s.since_s), "starts": s.starts}
            for s in self._services
        ]
        text = json.dumps(self.facts | {"services": services}, indent=1)
        if text != self._written:
            beside = self.file.with_name("serve.json.new")
            beside.write_text(text)
            beside.replace(self.file)
            self._written = text

    def _run(self, service: Service) -> None:
        self.supervisor.start(service)
        self._services.append(service)

    def _start_kubo(self) -> None:
        if self.options.ipfs != "kubo":
            return
        node = KuboNode(
            program(self.at.say), self.options.folder / "kubo", self.facts["kubo_port"], self.facts["gateway_port"]
        )
        node.set_up()
        self.at.kubo = node
        self.at.say("starting Kubo (IPFS)")
        self._run(Service("kubo", node.command, node.environment, node.wait))

    def _start_chain(self) -> None:
        at, chain = self.at, self.chain
        begun = chain.file.exists()
        if not begun:
            _require_nothing_settled(at)
            at.deployment.unlink(missing_ok=True)
        at.say("taking up the chain (anvil)" if begun else "starting the chain (anvil)")
        self._run(Service("chain", chain.command, wait=chain.wait, before_stop=chain.keep_if_possible))
        at.rpc = chain.address
        at.say("checking the contracts" if begun else "deploying the contracts")
        at.deploy()
        chain.keep()

    def _start_replay(self, sessions: Path) -> None:
        at = self.at
        at.say(f"replaying {sessions.name} live since {self.facts['replay_from']} ({self.options.zone})")
        site = at.folder / "site.json"
        replay = ("--sessions", str(sessions), "--from", self.facts["replay_from"], "--zone", self.options.zone)
        beside = ("--folder", str(at.folder), "--backend", at.url, "--rpc", at.rpc, *replay)
        steward = [sys.executable, "-m", "scripts.steward", *beside]
        self._run(Service("steward", lambda: steward, wait=lambda process: _wait_for(site, process, at.folder)))
        bidders = [sys.executable, "-m", "scripts.bidders", *beside]
        self._run(Service("bidders", lambda: bidders))
        points = at.folder / SET_POINTS
        recorder = ("--backend", at.url, "--site", SITE, "--out", str(points))
        self._run(Service("set-points", lambda: [sys.executable, "-m", "oracle.cli", "set-points", *recorder]))
        for holder in ("vehicles", "stations"):
            oracle = functools.partial(
                self._oracle, holder, [*replay, "--stations", str(site), "--set-points", str(points)]
            )
            self._run(Service(f"oracle-{holder}", oracle))

    def _oracle(self, holder: str, replay: Sequence[str]) -> list[str]:
        at = self.at
        patience = ("--statement-period-s", str(STATEMENT_PERIOD_S), "--wait-s", str(ORACLE_WAIT_S))
        return [
            *(sys.executable, "-m", "oracle.cli", holder, "--backend", at.url),
            *("--keystore", str(at.keys(holder)), "--passphrase-file", str(at.passphrase_file)),
            *("--spool", str(at.folder / f"spool-{holder}.sqlite")),
            *("--progress", str(at.folder / f"progress-{holder}.json")),
            *replay,
            *(patience if holder == "stations" else ()),
        ]


def main() -> None:
    """Serves until it is asked to stop. 0 if it was, 1 if it could not start."""
    options = _options()
    console = Console()

    def say(text: str) -> None:
        console.print(f"{datetime.now().astimezone():%H:%M:%S} {text}", markup=False, highlight=False, soft_wrap=True)

    for number in ENDING:
        signal.signal(number, _ask)
    try:
        with _locked(options.folder):
            _serve(options, say)
    except _Asked:
        pass
    except ERRORS as error:
        console.print(f"serve: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


class _Asked(BaseException):
    """Somebody asked us to stop."""


def _ask(*_: object) -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise _Asked


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="TCP port of the API at 127.0.0.1")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "serve", help="where data is, and stays")
    parser.add_argument("--ipfs", choices=("embedded", "kubo"), default="embedded", help="where evidence goes")
    parser.add_argument("--sessions", type=Path, default=EXCERPT, help="recorded sessions to replay, ACN-Data CSV")
    parser.add_argument("--zone", default="UTC", help="time zone in which they take place, such as Europe/Berlin")
    parser.add_argument("--no-replay", action="store_true", help="no oracles: you bring your own stations")
    arguments = parser.parse_args()
    try:
        ZoneInfo(arguments.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        parser.error(f"--zone {arguments.zone!r} is no time zone; write it as Europe/Berlin")
    if not 1 <= arguments.port <= 65_535:  # noqa: PLR2004 (16 bits)
        parser.error("--port must be from 1 to 65535")
    return Options(
        folder=arguments.folder.resolve(),
        port=arguments.port,
        ipfs=arguments.ipfs,
        sessions=None if arguments.no_replay else arguments.sessions.resolve(),
        zone=arguments.zone,
    )


def _serve(options: Options, say: Callable[[str], None]) -> None:
    facts = _facts(options)
    _require_free(options.port)
    at = Platform(options.folder, say)
    logs = options.folder / "logs"
    logs.mkdir(exist_ok=True)
    chain = KeptChain(options.folder / "chain.json.gz", facts["rpc_port"])
    serving = Serving(options=options, at=at, supervisor=Supervisor(logs, say, ERRORS), facts=facts, chain=chain)
    try:
        serving.start()
        for line in _directions(serving):
            say(line)
        while True:
            time.sleep(LOOK_EVERY_S)
            serving.look()
    except _Asked:
        say("stopping; everything is kept")
        raise
    finally:
        serving.supervisor.stop()


def _facts(options: Options) -> dict[str, Any]:
    """What stays the same from start to start. PlatformFailed if the folder was begun with other options."""
    begun = read_json(options.folder / "serve.json")
    replayed = None
    if options.sessions is not None:
        read_all_sessions(options.sessions)
        digest = hashlib.sha256(options.sessions.read_bytes()).hexdigest()
        replayed = {"recording": digest, "zone": options.zone}
    asked = {"ipfs": options.ipfs, "replay": replayed}
    for name, value in asked.items():
        if begun and begun.get(name) != value:
            raise PlatformFailed(
                f"{options.folder} was begun with {name} {begun.get(name)}, not {value}; "
                "give the same options again, or another --folder"
            )
    since = datetime.now(UTC).replace(second=0, microsecond=0) - PAST_SHOWN
    facts = {"replay_from": begun.get("replay_from", since.isoformat(timespec="minutes")), **asked}
    for name in ("rpc_port", "kubo_port", "gateway_port"):
        port = begun.get(name)
        facts[name] = port if isinstance(port, int) and _is_free(port) else free_port()
    return facts | {"api": f"http://127.0.0.1:{options.port}", "pid": os.getpid()}


def _directions(serving: Serving) -> list[str]:
    at = serving.at
    keystore = at.keys("governor") / "governor.json"
    govern = f"--rpc {at.rpc} --deployment {at.deployment}"
    return [
        f"API {at.url} · OpenAPI {at.url}/docs · chain {at.rpc}",
        f"token for operators: {at.folder / 'keys' / 'api-token'}",
        f"contracts: {at.deployment}",
        f"to look: wattledger status --folder {at.folder}",
        f"to audit: wattledger audit {govern} {' '.join(at.evidence_options)} --claims {at.url}",
        f"to govern: python -m scripts.govern {govern} --keystore {keystore} "
        f"--passphrase-file {at.passphrase_file} status",
        "Ctrl-C stops it; the next start goes on",
    ]


def _wait_for(file: Path, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + REGISTER_LIMIT_S
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise PlatformFailed(f"the site was not registered; see {folder / 'logs' / 'steward.log'}")
        time.sleep(0.1)


def _require_nothing_settled(at: Platform) -> None:
    """PlatformFailed if there is a backend's database, but no chain that it belongs to."""
    if at.database.exists():
        raise PlatformFailed(
            f"{at.folder / 'chain.json.gz'} is missing, but {at.database} belongs to it; "
            "copy it back, or give another --folder"
        )


def _require_free(port: int) -> None:
    if not _is_free(port):
        raise PlatformFailed(f"port {port} at 127.0.0.1 is taken; end who listens there, or give another --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """PlatformFailed if another platform runs in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformFailed(f"a platform runs in {folder} already; stop it, or give another --folder") from None
        yield


if __name__ == "__main__":
    main()
