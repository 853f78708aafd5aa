"""A Kubo (IPFS) node for the demo, the benchmarks and the tests: built by Go, private, offline, on 127.0.0.1.

Kubo's own go.sum pins all that it is built from; its own digest is here. Built once, it stays below .build/.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from scripts.anvil import ROOT, free_port

MODULE, VERSION = "github.com/ipfs/kubo", "v0.40.1"
"""The newest that builds with Go 1.25 and with 1.26."""
DIGEST = "h1:jCUBDTXFKp1lAewSOdAY00zsgrt0QLAgvSFldTSzgkI="
FOLDER = ROOT / ".build" / "kubo" / VERSION
BUILD_LIMIT_S = 1_200
COMMAND_LIMIT_S = 60
START_LIMIT_S = 60
STOP_LIMIT_S = 20
PROGRESS_S = 15
PROFILES = "test,announce-off"


class KuboFailed(Exception):
    """Kubo could not be built or did not come up; the text says what to do."""


class GoMissing(KuboFailed):
    """There is nothing to build Kubo with."""

    def __init__(self) -> None:
        super().__init__("Kubo is built with Go 1.25 or later: install it, or put `go` on the PATH")


def program(say: Callable[[str], None]) -> Path:
    """Kubo's program, built first if it is not there yet; `say` is told how far it is. GoMissing, KuboFailed."""
    built = FOLDER / "ipfs"
    if built.exists():
        return built
    go = shutil.which("go")
    if go is None:
        raise GoMissing
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two test workers need it built once.
        if not built.exists():
            _build(go, built, say)
    return built


@dataclass(slots=True)
class KuboNode:
    """One node with its repository in `folder`. `api` is its address, `secret_file` what its API asks for."""

    program: Path
    folder: Path
    port: int
    gateway_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.port}"

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}/ipfs"

    @property
    def secret_file(self) -> Path:
        return self.folder / "api-secret"

    @property
    def log(self) -> Path:
        return self.folder / "kubo.log"

    def block_files(self) -> list[Path]:
        """The files of all blocks that it keeps."""
        return list((self.folder / "repo" / "blocks").glob("*/*.data"))

    def command(self) -> list[str]:
        """How to run the daemon."""
        return [str(self.program), "daemon", "--offline"]

    def environment(self) -> dict[str, str]:
        """What it runs in, besides the usual."""
        return {"IPFS_PATH": str(self.folder / "repo"), "IPFS_TELEMETRY": "off"}

    def set_up(self) -> None:
        """A repository, unless it is there, that listens at this node's ports."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "repo" / "config").exists():
            _run([self.program, "init", f"--profile={PROFILES}"], self)
        _configure(self)

    def start(self) -> None:
        """Runs the daemon until it answers; KuboFailed if it does not."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.wait(self.process)
        except KuboFailed:
            self.kill()
            raise

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until the daemon answers; KuboFailed if it does not."""
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        raise KuboFailed(f"Kubo did not come up within {START_LIMIT_S} s; its log is {self.log}")

    def stop(self) -> None:
        """Asks the daemon to end, and ends it if it does not."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)  # A stopped process would not hear the next one.
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """Ends the daemon as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=STOP_LIMIT_S)
            self.process = None

    def run(self, *arguments: str, data: bytes | None = None) -> bytes:
        """What a command of Kubo's writes, asked of the daemon."""
        secret = ("--api-auth", self.secret_file.read_text().strip())
        return _run([self.program, "--api", self.api, *secret, *arguments], self, data)

    def _answers(self) -> bool:
        header = {"Authorization": "Bearer " + self.secret_file.read_text().strip().removeprefix("bearer:")}
        try:
            httpx.post(f"http://127.0.0.1:{self.port}/api/v0/id", headers=header, timeout=2).raise_for_status()
        except httpx.HTTPError:
            return False
        return True


@contextmanager
def kubo(folder: Path, say: Callable[[str], None]) -> Iterator[KuboNode]:
    """A new node with an empty repository, up and running; ended and its repository removed afterwards."""
    node = KuboNode(program(say), folder, free_port(), free_port())
    try:
        node.set_up()
        node.start()
        yield node
    finally:
        node.stop()
        shutil.rmtree(folder / "repo", ignore_errors=True)


def _build(go: str, built: Path, say: Callable[[str], None]) -> None:
    """In Kubo's own module: `go install MODULE@VERSION` refuses those that exclude versions, as this one does."""
    say(f"building Kubo {VERSION} with Go, once: takes some minutes")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    began = time.monotonic()
    fetched = subprocess.run(
        [go, "mod", "download", "-json", f"{MODULE}@{VERSION}"],
        cwd=FOLDER,
        env=environment | {"GOFLAGS": "-mod=mod"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=BUILD_LIMIT_S,
        check=False,
    )
    source: dict[str, Any] = json.loads(fetched.stdout or "{}")
    if fetched.returncode != 0 or source.get("Sum") != DIGEST:
        raise KuboFailed(f"cannot fetch Kubo {VERSION}: {source.get('Error') or source.get('Sum') or fetched.stderr!r}")
    partial = built.with_name("partial")
    command = [go, "build", "-C", source["Dir"], "-buildvcs=false", "-trimpath", "-o", str(partial), "./cmd/ipfs"]
    with (FOLDER / "build.log").open("wb") as log:
        building = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait(building, began, say)
        finally:
            building.kill()
            building.wait(timeout=STOP_LIMIT_S)
    if building.returncode != 0:
        raise KuboFailed(f"Go could not build Kubo {VERSION}; its log is {FOLDER / 'build.log'}")
    partial.replace(built)
    say(f"built Kubo in {time.monotonic() - began:.0f} s")


def _wait(building: subprocess.Popen[bytes], began: float, say: Callable[[str], None]) -> None:
    while time.monotonic() - began < BUILD_LIMIT_S:
        try:
            building.wait(timeout=PROGRESS_S)
        except subprocess.TimeoutExpired:
            say(f"building Kubo: {time.monotonic() - began:.0f} s")
        else:
            return
    raise KuboFailed(f"Kubo was not built within {BUILD_LIMIT_S} s; its log is {FOLDER / 'build.log'}")


def _configure(node: KuboNode) -> None:
    """Private, offline, durable, at the node's ports, with a new secret for its API."""
    secret = f"bearer:{secrets.token_urlsafe(32)}"
    with os.fdopen(os.open(node.secret_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret + "\n")
    path = node.folder / "repo" / "config"
    config: dict[str, Any] = json.loads(path.read_text())
    config["Addresses"] |= {
        "API": node.api,
        "Gateway": f"/ip4/127.0.0.1/tcp/{node.gateway_port}",
        "Swarm": [],
    }
    config["API"]["Authorizations"] = {"wattledger": {"AuthSecret": secret, "AllowedPaths": ["/api/v0"]}}
    config["Routing"]["Type"] = "none"
    config["Import"] |= {"CidVersion": 1, "UnixFSRawLeaves": True, "UnixFSChunker": "size-262144"}
    config["Gateway"]["NoFetch"] = True
    for mount in config["Datastore"]["Spec"]["mounts"]:
        if mount.get("type") == "flatfs" or mount.get("child", {}).get("type") == "flatfs":
            (mount.get("child") or mount)["sync"] = True
    path.write_text(json.dumps(config, indent=1))


def _run(command: list[Any], node: KuboNode, data: bytes | None = None) -> bytes:
    done = subprocess.run(
        command,
        env=os.environ | node.environment(),
        input=data or b"",
        capture_output=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise KuboFailed(f"ipfs {command[1]}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout
