"""A local chain that outlives its process: its blocks lie in a file and are loaded when it starts.

The file is written soon after each new block, whole or not at all. What a killed chain had not written is lost;
whoever sent it sends it again, as after a reorganisation.
"""

import gzip
import json
import os
import subprocess
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from scripts.anvil import AnvilFailed, anvil_command, wait_for_anvil

REQUEST_LIMIT_S = 60
AFTER_FAILURE_S = 1.0
PAUSE_FACTOR = 20
"""After a write, so many times as long passes until the next: a long chain takes a twentieth of a core at most."""


@dataclass(slots=True)
class KeptChain:
    """anvil at a port of 127.0.0.1, with its state in `file`. The process is started and ended by its owner."""

    file: Path
    port: int
    _kept: tuple[int, str] = (-1, "")
    _next_s: float = 0.0
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=REQUEST_LIMIT_S, trust_env=False))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _unpacked(self) -> Path:
        return self.file.with_name("chain-loading.json")

    def command(self) -> list[str]:
        """How to start it. AnvilFailed if the file is damaged."""
        self._kept = (-1, "")
        if not self.file.exists():
            return anvil_command(self.port)
        try:
            state = json.loads(gzip.decompress(self.file.read_bytes()))
            state["blocks"] = _with_one_genesis(state["blocks"])
            self._unpacked.write_text(json.dumps(state, separators=(",", ":")))
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise AnvilFailed(
                f"{self.file} cannot be read: {error}; the chain in it is lost, or copy it back"
            ) from error
        return anvil_command(self.port, "--load-state", str(self._unpacked))

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until it answers with what the file holds."""
        wait_for_anvil(self.address, process)
        self._unpacked.unlink(missing_ok=True)
        second = self._call("eth_getBlockByNumber", "0x1", False)
        if second is not None and second["parentHash"] != self._call("eth_getBlockByNumber", "0x0", False)["hash"]:
            raise AnvilFailed(f"{self.file} was loaded, but its first block is not the one that the others follow")

    def keep_if_due(self) -> str | None:
        """Writes the file if there are new blocks and the last time is long enough ago; why that failed, if it did."""
        if time.monotonic() < self._next_s:
            return None
        return self.keep_if_possible()

    def keep_if_possible(self) -> str | None:
        """Writes the file if there are new blocks; why that failed, if it did. It is tried again then."""
        try:
            self.keep()
        except (httpx.HTTPError, OSError) as error:
            self._next_s = time.monotonic() + AFTER_FAILURE_S
            return str(error) or type(error).__name__
        return None

    def keep(self) -> None:
        """Writes the file if there are new blocks; httpx.HTTPError if the chain does not answer."""
        head = self._head()
        if head == self._kept:
            return
        began_s = time.monotonic()
        packed = bytes.fromhex(self._call("anvil_dumpState").removeprefix("0x"))
        beside = self.file.with_name(self.file.name + ".new")
        with beside.open("wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.file)
        self._kept = head
        self._next_s = time.monotonic() + PAUSE_FACTOR * (time.monotonic() - began_s)

    def _head(self) -> tuple[int, str]:
        block = self._call("eth_getBlockByNumber", "latest", False)
        return int(block["number"], 16), block["hash"]

    def _call(self, method: str, *parameters: object) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        response = self._http.post(self.address, json=request)
        response.raise_for_status()
        value = response.json()
        if "result" not in value:
            raise httpx.DecodingError(f"{method}: {value.get('error')}", request=response.request)
        return value["result"]


def _with_one_genesis(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks without the genesis blocks of later starts, which anvil makes before it loads, and keeps."""
    first = min((b for b in blocks if _number(b, "number") == 0), key=lambda b: _number(b, "timestamp"))
    return [first, *(b for b in blocks if _number(b, "number") != 0)]


def _number(block: dict[str, Any], name: str) -> int:
    return int(block["header"][name], 16)
