"""A local chain for the demo, the benchmarks and the tests."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = "node_modules/@foundry-rs/anvil-*/bin/anvil"
"""Without the wrapper that npm installs beside it: a wrapper that is killed leaves its chain running."""
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
    port = port or free_port()
    process = subprocess.Popen(
        anvil_command(port, *options, fees=fees),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for_anvil(address, process)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def anvil_command(port: int, *options: str, fees: bool = False) -> list[str]:
    """How to run it, without transaction fees if not asked."""
    programs = list(ROOT.glob(PROGRAMS))
    if len(programs) != 1:
        raise AnvilFailed("anvil is missing; run make setup")
    free = () if fees else ("--block-base-fee-per-gas", "0", "--gas-price", "0")
    listen = ("--host", "127.0.0.1", "--port", str(port))
    return [str(programs[0]), *listen, "--silent", "--gas-limit", "1000000000", *free, *options]


def wait_for_anvil(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until it answers; AnvilFailed if it does not."""
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
