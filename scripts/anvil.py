"""A local chain for the demo, the benchmarks and the tests."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
ANVIL = ROOT / "node_modules" / ".bin" / "anvil"
START_LIMIT_S = 20


class AnvilFailed(Exception):
    """anvil did not come up; the text says what to do."""


def free_port() -> int:
    """A TCP port that nobody listens on at 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def anvil(*options: str, port: int | None = None, fees: bool = False) -> Iterator[str]:
    """Runs anvil, without transaction fees if not asked; yields its JSON-RPC address and ends it afterwards."""
    if not ANVIL.exists():
        raise AnvilFailed(f"{ANVIL} is missing; run make setup")
    port = port or free_port()
    free = () if fees else ("--block-base-fee-per-gas", "0", "--gas-price", "0")
    process = subprocess.Popen(
        [ANVIL, "--host", "127.0.0.1", "--port", str(port), "--silent", "--gas-limit", "1000000000", *free, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    request = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AnvilFailed(f"anvil ended with status {process.returncode}; is its port taken?")
        try:
            httpx.post(address, json=request, timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AnvilFailed(f"anvil did not answer within {START_LIMIT_S} s")
