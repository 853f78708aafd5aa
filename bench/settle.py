"""Settling what waits in the database: batches built, signed, sent, mined by anvil, and taken in from its events.

A session is one row of a statement, one driver at one tariff in one market interval, as in bench.gas. Statements come
over REST from stations that sign; the clock runs from the start of the settlement loop, which is the service's own,
to the last receipt that is confirmed and taken in. Nothing may be left behind.

The raw limit is the same batches sent once more to a copy of the chain, as fast as anvil takes them.
"""

import os
import platform as machine
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx

from backend.application.filters import Page, SettlementFilter
from backend.config import load_settings
from backend.main import Platform, open_platform
from bench.figures import command_line, show
from bench.fleet import Fleet, Stated
from bench.http_load import post_all
from domain.packet import MEDIA_TYPE
from domain.text import hex_text
from scripts.platform import Platform as Services
from scripts.platform import platform, stop

RUNS = 5
CONNECTIONS = 8
LIMIT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is settled: statements of each station, and rows of each statement."""

    stations: int = 200
    statements: int = 4
    rows: int = 32

    def __post_init__(self) -> None:
        if min(self.stations, self.statements, self.rows) < 1:
            raise ValueError("every size is at least 1")


def run(runs: int, sizes: Sizes) -> dict[str, Any]:
    """All figures, by their names: medians of so many runs, each over statements of its own."""
    found = [_one_run(sizes) for _ in range(runs)]
    rows = sizes.stations * sizes.statements * sizes.rows
    return {
        "benchmark": "settle",
        "machine": f"{machine.machine()}, {os.cpu_count()} cores, Python {machine.python_version()}",
        "chain": "anvil, a block for each transaction",
        "stations": sizes.stations,
        "statements": sizes.stations * sizes.statements,
        "sessions": rows,
        "batches": found[0]["batches"],
        "runs": runs,
        "sessions_per_s": round(statistics.median(rows / one["seconds"] for one in found)),
        "chain_limit_sessions_per_s": round(statistics.median(rows / one["chain_seconds"] for one in found)),
        "left_behind": sum(one["left_behind"] for one in found),
    }


def _one_run(sizes: Sizes) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="wattledger-settle-") as folder, _prepared(Path(folder), sizes) as at:
        snapshot = _request(at.rpc, "evm_snapshot")
        with open_platform(load_settings(at.environment())) as service:
            started = time.perf_counter()
            _settle_all(service)
            seconds = time.perf_counter() - started
            left, raw = _left_behind(service), _settlements(service)
        _request(at.rpc, "evm_revert", snapshot)
        chain_seconds = _sent(at.rpc, raw)
    return {"seconds": seconds, "chain_seconds": chain_seconds, "left_behind": left, "batches": len(raw)}


@contextmanager
def _prepared(folder: Path, sizes: Sizes) -> Iterator[Services]:
    """The chain, and a data folder with statements that wait, of a service that has stopped."""
    with platform(folder, lambda _: None, settings={"WATTLEDGER_AUTO_SETTLE": "false"}) as at:
        fleet = Fleet(at, sizes.stations)
        for number in range(1, sizes.statements + 1):
            _send(at, fleet.stated(number, sizes.rows))
        if at.backend is not None:
            stop(at.backend)
        yield at


def _send(at: Services, stated: Sequence[Stated]) -> None:
    """Readings first, then the statements over them."""
    port = int(at.url.rsplit(":", 1)[1])
    _post(port, "/v1/readings/batch", MEDIA_TYPE, [one.readings for one in stated], 200)
    _post(port, "/v1/statements", "application/json", [one.statement for one in stated], 201)


def _post(port: int, path: str, media_type: str, bodies: list[bytes], status: int) -> None:
    for answer in post_all(port, path, media_type, bodies, connections=CONNECTIONS, senders=len(bodies)).answers:
        if answer.status != status:
            raise ValueError(f"{path} answered {answer.status}: {answer.body[:500]!r}")


def _settle_all(service: Platform) -> None:
    """Runs the service's loops until nothing waits and nothing is on its way; ValueError after LIMIT_S."""
    deadline = time.monotonic() + LIMIT_S
    with service.keep_going():
        while _left_behind(service):
            if time.monotonic() > deadline:
                raise ValueError(f"{_left_behind(service)} statements are not settled after {LIMIT_S} s")
            time.sleep(0.005)


def _left_behind(service: Platform) -> int:
    """Statements that are not settled, as the service's database has it from the chain's events."""
    with service.store.read() as unit:
        return unit.statements.unsettled()


def _settlements(service: Platform) -> list[bytes]:
    """The signed transactions of all settlements, in the order of their nonces."""
    with service.store.read() as unit:
        settlements = unit.settlements.page(Page(0, 10_000), SettlementFilter())
        entries = [unit.outbox.find(one.transaction) for one in settlements]
    return [entry.raw for entry in sorted((e for e in entries if e is not None), key=lambda entry: entry.nonce)]


def _sent(rpc: str, raw: list[bytes]) -> float:
    """Seconds that the chain alone takes for these transactions."""
    started = time.perf_counter()
    hashes = [_request(rpc, "eth_sendRawTransaction", hex_text(one)) for one in raw]
    for transaction in hashes:
        while (receipt := _request(rpc, "eth_getTransactionReceipt", transaction)) is None:
            time.sleep(0.002)
        if int(receipt["status"], 16) != 1:
            raise ValueError(f"the chain alone reverted {transaction}")
    return time.perf_counter() - started


def _request(rpc: str, method: str, *params: object) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = httpx.post(rpc, json=body, timeout=LIMIT_S).json()
    if "error" in answer:
        raise ValueError(f"{method}: {answer['error']}")
    return answer["result"]


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = command_line(__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    for size in fields(Sizes):
        parser.add_argument(f"--{size.name}", type=int, default=size.default)
    arguments = parser.parse_args()
    figures = run(arguments.runs, Sizes(**{size.name: getattr(arguments, size.name) for size in fields(Sizes)}))
    show(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
