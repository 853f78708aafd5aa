"""Runs the whole platform on this machine: a chain, the contracts, the backend, and oracles beside it.

Every service is a process of its own and they talk as in production, over JSON-RPC and HTTP. Keys are
made anew in encrypted keystores below the data folder. All of it ends with the context manager.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from domain.text import address_text
from oracle import keystore
from scripts.anvil import ROOT, anvil, free_port
from scripts.chain import connect, open_key
from scripts.deploy import Deployer
from scripts.kubo import KuboNode, kubo
from scripts.plan import Plan

START_LIMIT_S = 60
STOP_LIMIT_S = 15
REQUEST_TIMEOUT_S = 60
MEMBERS = ("deployer", "governor", "house", "dust", "operator", "auditor")
LOCAL_KEY_ROUNDS = 1_000
"""PBKDF2 rounds of the keys made here: they guard play money on a chain of this machine alone."""


class PlatformFailed(Exception):
    """A service did not come up or went down; the text says which and where its log is."""


@dataclass(slots=True)
class Platform:
    """Where everything is. `say` is told each step. The chain's time begins at `begins_s`, or is the machine's."""

    folder: Path
    say: Callable[[str], None]
    rpc: str = ""
    url: str = ""
    token: str = ""
    addresses: dict[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    backend: subprocess.Popen[bytes] | None = None
    kubo: KuboNode | None = None
    begins_s: int | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=REQUEST_TIMEOUT_S, trust_env=False))
    """One for all requests: each new client reads the machine's certificates anew."""

    @property
    def deployment(self) -> Path:
        return self.folder / "deployment.json"

    @property
    def close_after_s(self) -> int:
        """How long after an interval's end its positions stay open."""
        return int(json.loads(self.deployment.read_text())["delaysS"]["close"])

    @property
    def evidence(self) -> Path:
        return self.folder / "backend" / "evidence"

    @property
    def evidence_options(self) -> list[str]:
        """Where the evidence is, for the commands that read it."""
        if self.kubo is None:
            return ["--evidence", str(self.evidence)]
        return ["--evidence", f"kubo:{self.kubo.api}", "--ipfs-auth-file", str(self.kubo.secret_file)]

    def blob_files(self) -> list[Path]:
        """The files in which blobs lie: of the embedded store, or of Kubo's blocks."""
        return list(self.evidence.glob("*/*")) if self.kubo is None else self.kubo.block_files()

    @property
    def database(self) -> Path:
        return self.folder / "backend" / "wattledger.sqlite"

    @property
    def passphrase_file(self) -> Path:
        return self.folder / "keys" / "passphrase"

    def keys(self, name: str) -> Path:
        """Folder of the encrypted keys of one holder."""
        return self.folder / "keys" / name

    def make_keys(self, holder: str, names: Sequence[str]) -> dict[str, str]:
        """Encrypted keys, new ones where there are none; their addresses by name, in the order of the names."""
        folder = self.keys(holder)
        known = keystore.list_keys(folder) if any(folder.glob("*.json")) else {}
        if missing := [name for name in names if name not in known]:
            passphrase = keystore.read_passphrase(self.passphrase_file)
            known |= keystore.create(folder, missing, passphrase, kdf="pbkdf2", iterations=LOCAL_KEY_ROUNDS)
        return {name: address_text(known[name]) for name in names}

    def make_secrets(self) -> None:
        """The members' keys, their passphrase and the API's token, unless they are there."""
        folder = self.folder / "keys"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("passphrase", "api-token"):
            if not (folder / name).exists():
                _write_secret(folder / name, secrets.token_urlsafe(32))
        self.token = (folder / "api-token").read_text().strip()
        for member in MEMBERS:
            self.addresses |= self.make_keys(member, [member])

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """An operator's request; PlatformFailed with the problem's detail if it is refused."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self._answer(self.http.post(f"{self.url}{path}", json=body, headers=headers))

    def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        return self._answer(self.http.get(f"{self.url}{path}", params=parameters))

    def catch_up(self, block: int) -> None:
        """Until the backend has read the chain up to a block; PlatformFailed if it does not."""
        deadline = time.monotonic() + START_LIMIT_S
        while self.get("/v1/health")["indexed_block"] < block:
            if time.monotonic() > deadline:
                raise PlatformFailed(f"the backend has not read block {block} within {START_LIMIT_S} s; see its log")
            time.sleep(0.02)

    def items(self, path: str, **parameters: str | int) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        while True:
            page = self.get(path, **parameters)
            yield from page["items"]
            if page["next"] is None:
                return
            parameters["after"] = page["next"]

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        value: dict[str, Any] = response.json()
        if response.is_error:
            raise PlatformFailed(f"{response.request.method} {response.request.url}: {value.get('detail', value)}")
        return value

    def deploy(self) -> None:
        """Contracts and the accounts of governor, operator and auditor; the deployer's key is worth nothing then."""
        deployer = open_key(self.keys("deployer") / "deployer.json", self.passphrase_file)
        plan = Plan(
            house=self.addresses["house"],
            dust=self.addresses["dust"],
            operator=self.addresses["operator"],
            governor=self.addresses["governor"],
            auditor=self.addresses["auditor"],
        )
        Deployer(connect(self.rpc), deployer, self.deployment, lambda _: None).run(plan)

    def environment(self) -> dict[str, str]:
        """Settings of the backend."""
        ipfs = {}
        if self.kubo is not None:
            ipfs = {"EVIDENCE": "kubo", "IPFS_API": self.kubo.api, "IPFS_AUTH_FILE": str(self.kubo.secret_file)}
        return {f"WATTLEDGER_{name}": value for name, value in ipfs.items()} | {
            "WATTLEDGER_DATA_DIR": str(self.folder / "backend"),
            "WATTLEDGER_RPC_URL": self.rpc,
            "WATTLEDGER_DEPLOYMENT_FILE": str(self.deployment),
            "WATTLEDGER_OPERATOR_KEYSTORE_FILE": str(self.keys("operator") / "operator.json"),
            "WATTLEDGER_OPERATOR_PASSPHRASE_FILE": str(self.passphrase_file),
            "WATTLEDGER_API_TOKEN_FILE": str(self.folder / "keys" / "api-token"),
            "WATTLEDGER_PORT": self.url.rsplit(":", 1)[1],
            **self.settings,
        }

    @contextmanager
    def process(
        self, name: str, command: Sequence[str], environment: dict[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A service of ours, with its log in the data folder; ended with the block."""
        with (self.folder / f"{name}.log").open("ab") as log:
            running = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield running
        finally:
            stop(running)

    def wait_for_backend(self, backend: subprocess.Popen[bytes]) -> None:
        """Until the backend answers; PlatformFailed if it does not."""
        deadline = time.monotonic() + START_LIMIT_S
        with httpx.Client(base_url=self.url, timeout=5, trust_env=False) as client:
            while time.monotonic() < deadline and backend.poll() is None:
                try:
                    client.get("/v1/health").raise_for_status()
                except httpx.HTTPError:
                    time.sleep(0.1)
                else:
                    return
        raise PlatformFailed("the backend did not come up; its log, backend.log, is in the data folder")


@contextmanager
def platform(
    folder: Path,
    say: Callable[[str], None],
    *,
    port: int | None = None,
    ipfs: str = "embedded",
    backend_command: Sequence[str] = (sys.executable, "-m", "backend.main"),
    settings: Mapping[str, str] | None = None,
    begins_s: int | None = None,
) -> Iterator[Platform]:
    """Chain, contracts and backend, up and running, with fresh keys in `folder`; with `ipfs="kubo"` a Kubo too.

    `settings` are further ones of the backend. With `begins_s`, the chain's time begins then, and the market goes by
    it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if begins_s is not None:
        settings = {"WATTLEDGER_MARKET_CLOCK": "blocks"} | dict(settings or {})
    at = Platform(folder, say, settings=settings or {}, begins_s=begins_s)
    with ExitStack() as stack:
        at.make_secrets()
        if ipfs == "kubo":
            at.kubo = stack.enter_context(kubo(folder / "kubo", say))
            say(f"evidence goes to Kubo (IPFS) · API {at.kubo.api} · gateway {at.kubo.gateway}")
        say("starting the chain (anvil)")
        at.rpc = stack.enter_context(anvil(*(() if begins_s is None else ("--timestamp", str(begins_s)))))
        say("deploying the contracts")
        at.deploy()
        say("starting the backend")
        at.url = f"http://127.0.0.1:{port or free_port()}"
        at.backend = stack.enter_context(at.process("backend", backend_command, at.environment()))
        at.wait_for_backend(at.backend)
        yield at


def stop(running: subprocess.Popen[bytes]) -> None:
    """Asks a process to end, and ends it if it does not."""
    if running.poll() is not None:
        return
    running.terminate()
    try:
        running.wait(timeout=STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait(timeout=STOP_LIMIT_S)


def _write_secret(path: Path, text: str) -> None:
    """A file that only its owner reads, and that has its name only once it is whole."""
    beside = path.with_name(path.name + ".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in a file, or an empty one if it is not there yet."""
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value
