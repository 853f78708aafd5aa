"""`wattledger status`: how a platform stands, at a glance."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

NEEDS_ATTENTION = 1
COULD_NOT_RUN = 2
TIMEOUT_S = 10
DEFAULT_BACKEND = "http://127.0.0.1:8000"


class NoStatus(Exception):
    """There is nobody to ask; the text says what to do."""


def status_command(
    backend: Annotated[str | None, typer.Option(help=f"Address of the backend; else {DEFAULT_BACKEND}")] = None,
    folder: Annotated[Path | None, typer.Option(help="Data folder of `make serve`: shows its processes, too")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs")] = False,
) -> None:
    """Shows what came in, what waits and what needs attention. Exit status 1 if something does."""
    errors = Console(stderr=True)
    try:
        serving = _serving(folder) if folder is not None else None
        address = backend or (serving["api"] if serving else DEFAULT_BACKEND)
        found = {"backend": address} | _asked(address, serving)
    except NoStatus as error:
        errors.print(f"status: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(COULD_NOT_RUN) from error
    if serving is not None:
        _add_processes(found, serving, folder or Path())
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _print(found, Console())
    raise typer.Exit(NEEDS_ATTENTION if found["attention"] else 0)


def _serving(folder: Path) -> dict[str, Any]:
    try:
        value = json.loads((folder / "serve.json").read_text())
        return {"api": str(value["api"]), "services": list(value["services"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoStatus(f"{folder} is no data folder of a platform ({error}); start one with make serve") from error


def _asked(address: str, serving: dict[str, Any] | None) -> dict[str, Any]:
    """The backend's own view. A backend of `make serve` that is down is what needs attention, and no error."""
    try:
        response = httpx.get(f"{address.rstrip('/')}/v1/status", timeout=TIMEOUT_S, trust_env=False)
        response.raise_for_status()
        value = response.json()
        if not isinstance(value, dict) or not isinstance(value.get("attention"), list):
            raise TypeError("the answer is no status")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:
        if serving is not None:
            return {"status": "attention", "attention": [f"the backend at {address} does not answer"]}
        raise NoStatus(f"no backend answers at {address} ({error}); give --backend, or start one") from error
    return value


def _add_processes(found: dict[str, Any], serving: dict[str, Any], folder: Path) -> None:
    """The processes of `make serve`, and how far its oracles are."""
    found["services"] = [
        {
            "name": service["name"],
            "running": _is_running(service["pid"]),
            "since": service["since"],
            "starts": service["starts"],
        }
        for service in serving["services"]
    ]
    oracles = {name: _progress(folder / f"progress-{name}.json") for name in ("stations", "vehicles")}
    found["oracles"] = {name: counts for name, counts in oracles.items() if counts}
    down = [service["name"] for service in found["services"] if not service["running"]]
    if down:
        found["attention"].append(f"not running: {', '.join(down)}; make serve starts them")
    for name, counts in found["oracles"].items():
        if halted := counts.get(f"{name}_halted"):
            log = folder / "logs" / f"oracle-{name}.log"
            found["attention"].append(f"{halted} {name} were halted by their oracle; {log} says why")


def _is_running(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _progress(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _print(found: dict[str, Any], console: Console) -> None:
    table = Table(title=f"Wattledger at {found['backend']}", show_header=False, title_justify="left")
    for name, value in _lines(found):
        table.add_row(name, value)
    console.print(table)
    for service in found.get("services", ()):
        state = f"since {_ago(service['since'])}" if service["running"] else "NOT RUNNING"
        again = f", started {service['starts']} times" if service["starts"] > 1 else ""
        console.print(f"  {service['name']:16} {state}{again}", highlight=False)
    for sentence in found["attention"]:
        console.print(f"! {sentence}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    if not found["attention"]:
        console.print("nothing needs attention", style="green")


def _lines(found: dict[str, Any]) -> Sequence[tuple[str, str]]:
    if "chain" not in found:
        return []
    chain, readings, members = found["chain"], found["readings"], found["members"]
    statements, sessions = found["statements"], found["sessions"]
    waiting, newest = statements["oldest_waiting"], readings["newest"]
    head = "does not answer" if chain["block"] is None else f"block {chain['block']}"
    return [
        ("chain", f"{chain['chain_id']}, {head}, read up to {chain['indexed_block']}"),
        ("settlement", found["settlement"]),
        ("evidence store", found["evidence"]),
        ("stations", f"{members['stations']}, {members['stations_suspended']} suspended"),
        ("accounts", f"{members['accounts']}"),
        ("sessions", f"{sessions['authorised']:,}, {sessions['open']} open now"),
        ("meter readings", f"{readings['meter']:,}" + (f", the newest {_ago(newest)} ago" if newest else "")),
        ("BMS readings", f"{readings['bms']:,}"),
        ("statements settled", f"{statements['settled']:,}"),
        ("statements on their way", f"{statements['batched']:,}"),
        ("statements waiting", f"{statements['accepted']:,}" + (f", since {_ago(waiting)}" if waiting else "")),
        ("statements refused or void", f"{statements['refused']:,} and {statements['void']:,}"),
        ("batches settled", f"{found['settlements']['settled']:,}"),
        *_market_lines(found.get("market")),
        ("transactions to be mined", f"{found['transactions']['queued'] + found['transactions']['sent']:,}"),
    ]


def _market_lines(market: dict[str, Any] | None) -> Sequence[tuple[str, str]]:
    if market is None:
        return []
    auctions, positions = market["auctions"], market["positions"]
    return [
        ("auctions not over", f"{auctions['without_book'] + auctions['unsettled']:,}"),
        ("positions to be closed", f"{positions['closable']:,}"),
    ]


def _ago(time_s: int) -> str:
    """A time span as people say it, from its begin to now."""
    seconds = max(0, int(time.time()) - time_s)
    for name, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"
