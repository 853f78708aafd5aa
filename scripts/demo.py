"""One real day of charging, from the meter's signature to the payment and through the audit.

Starts a chain, deploys the contracts, registers a consortium, trades each interval of a recorded day in an auction,
replays the day through oracles that sign and a backend that receives over HTTP, settles what stations signed, sets it
against what was traded, and audits all of it.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from domain.errors import WattledgerError
from domain.units import MARKET_INTERVAL_S, MICRO_PER_EURO, WH_PER_KWH
from oracle.acn import ReplaySession, read_sessions
from oracle.errors import NoSessionsOnDate
from scripts.anvil import ROOT, AnvilFailed
from scripts.chain import ChainFailed
from scripts.compile import CompileFailed, compiled
from scripts.day import (
    EXCERPT,
    HOLDERS,
    SITE_ZONE,
    Replay,
    drivers_of,
    intervals_of,
    open_market,
    operator_account,
    register,
    span_of,
)
from scripts.kubo import KuboFailed
from scripts.market import Contracts, MarketDay, prices_of
from scripts.market_report import market_figures
from scripts.platform import Platform, PlatformFailed, platform, read_json, stop
from scripts.report import DayFigures, write_report
from scripts.schedule_report import schedule_figures
from scripts.site_day import DAY_S, SiteDay, stays_of, usual_peak_w
from scripts.tamper import tamper

DEFAULT_DATE = date(2019, 7, 10)
STATEMENT_PERIOD_S = 43_200
ORACLE_LIMIT_S = 300
SETTLE_LIMIT_S = 120
AUDIT_LIMIT_S = 300
CLOSE_LIMIT_S = 120
POLL_MS = 20
USUAL_DAYS_BEFORE = (1, 7)
"""The days whose sessions say what peak such a day needs in any case."""
BEGINS_BEFORE_S = 3_600
"""How long before the day's midnight the chain begins: time to register everybody."""
MODELLED = (
    "Sessions, arrivals, departures and delivered energy are real (ACN-Data, JPL, CC BY 4.0). Charging power, battery "
    "packs, BMS values, the energy sold back and photovoltaics are modelled; prices are the demo's own."
)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the user asked for."""

    day: date
    sessions: Path
    tamper: bool
    folder: Path
    ipfs: str = "embedded"


def main() -> None:
    """Runs the demo; exit status 1 if the audit finds something or a step fails."""
    arguments = _arguments()
    console = Console()
    try:
        status = run(arguments, console)
    except (AnvilFailed, CompileFailed, ChainFailed, KuboFailed, PlatformFailed, WattledgerError, OSError) as error:
        console.print(f"demo: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        status = 1
    except KeyboardInterrupt:
        console.print("demo: stopped")
        status = 130
    sys.exit(status)


def run(arguments: Arguments, console: Console) -> int:
    """The whole day; the audit's exit status."""
    began = time.monotonic()
    sessions = read_sessions(arguments.sessions, arguments.day)
    console.print(f"[bold]{arguments.day}[/] · {len(sessions)} sessions of {arguments.sessions.name}", highlight=False)
    console.print(MODELLED, style="dim", highlight=False)
    compiled()
    if arguments.folder.exists():
        shutil.rmtree(arguments.folder)
    with platform(
        arguments.folder,
        lambda line: console.print(f"• {line}", highlight=False),
        ipfs=arguments.ipfs,
        settings={"WATTLEDGER_POLL_MS": str(POLL_MS)},
        begins_s=span_of(sessions)[0] - BEGINS_BEFORE_S,
    ) as at:
        console.print(f"• chain {at.rpc} · API {at.url} · OpenAPI {at.url}/docs", highlight=False)
        register(at, sessions)
        market = _trade(at, arguments, sessions, console)
        _replay(at, arguments, sessions, console)
        settlements = _settle(at, console)
        _close(at, market, console)
        _check_contracts(at, console)
        status, audit = _audit(at, console)
        statements = [at.get(f"/v1/statements/{s['id']}") for s in at.items("/v1/statements", limit=200)]
        figures = DayFigures(
            day=arguments.day,
            zone=SITE_ZONE,
            sessions=len(sessions),
            statements=statements,
            settlements=settlements,
            accounts=list(at.items("/v1/accounts", limit=200)),
            operator=operator_account(at),
            audit=audit,
            market=market_figures(at, market),
            schedule=schedule_figures(
                drivers_of(at, sessions),
                market.prices,
                rows=[row for statement in statements for row in statement["rows"]],
                positions=list(at.items("/v1/positions", limit=500)),
                sun_account=market.sun.account,
            ),
            modelled=MODELLED,
        )
        report = write_report(figures, arguments.folder / "report.html")
        _print_day(console, figures, time.monotonic() - began)
        console.print(f"report: {report}", highlight=False, soft_wrap=True)
        if arguments.tamper:
            status = _tamper(at, console)
    return status


def _trade(at: Platform, arguments: Arguments, sessions: list[ReplaySession], console: Console) -> MarketDay:
    """The day's auctions, in the chain's time, and the schedule that follows from them."""
    traders = open_market(at, sessions)
    contracts, intervals = Contracts.of(at), intervals_of(sessions)
    at.say(f"trading the day: {len(intervals)} auctions, cleared by the backend, checked by the contract")
    prices = prices_of(at, intervals)
    day = MarketDay(at, contracts, traders, prices)
    span = intervals[0], intervals[-1] + MARKET_INTERVAL_S
    usual_w = max(usual_peak_w(_sessions_of(arguments, days), days * DAY_S, prices, span) for days in USUAL_DAYS_BEFORE)
    site = SiteDay(stays_of(drivers_of(at, sessions), traders.vehicles), traders.vehicles, prices, level_w=usual_w)
    with _progress(console) as progress:
        task = progress.add_task("", total=len(intervals))
        day.run(intervals, site, at.folder, lambda text: progress.update(task, description=text, advance=1))
    at.say(
        f"{len(intervals)} auctions over, {day.orders:,} signed orders; all vehicles scheduled, interval by interval"
    )
    contracts.move_to(day.sun.to_s)
    return day


def _sessions_of(arguments: Arguments, days_before: int) -> list[ReplaySession]:
    """The recorded sessions so many days before the day; none if there are none."""
    try:
        return read_sessions(arguments.sessions, arguments.day - timedelta(days=days_before))
    except NoSessionsOnDate:
        return []


def _close(at: Platform, market: MarketDay, console: Console) -> None:
    """Lets the time pass until positions are closed, and waits for it."""
    at.say("closing the market's positions: trades against what was metered")
    Contracts.of(at).move_to(market.sun.to_s + at.close_after_s + 1)
    deadline = time.monotonic() + CLOSE_LIMIT_S
    with _progress(console) as progress:
        task = progress.add_task("", total=None)
        while time.monotonic() < deadline:
            still_open = sum(1 for _ in at.items("/v1/positions", open="true", limit=500))
            progress.update(task, description=f"{still_open} positions are open")
            if not still_open:
                return
            time.sleep(0.1)
    raise PlatformFailed(f"positions were not closed within {CLOSE_LIMIT_S} s; see {at.folder / 'backend.log'}")


def _replay(at: Platform, arguments: Arguments, sessions: list[ReplaySession], console: Console) -> None:
    """Both oracles, each a process with its own keys, until they have sent the whole day."""
    at.say("replaying the day: oracles sign, the backend verifies and stores")
    replay = Replay(at=at, sessions=arguments.sessions, day=arguments.day, statement_period_s=STATEMENT_PERIOD_S)
    with ExitStack() as stack:
        oracles = {
            holder: stack.enter_context(at.process(f"oracle-{holder}", replay.command(holder), {}))
            for holder in HOLDERS
        }
        with _progress(console) as progress:
            task = progress.add_task("", total=None)
            _watch(oracles, at.folder, lambda text: progress.update(task, description=text))
    charged = sum(s["import_wh"] for s in at.items("/v1/stations", limit=200))
    needed = sum(session.delivered_wh for session in sessions)
    at.say(f"drivers needed {_kwh(needed)}; settled so far {_kwh(charged)}, with what was sold back and bought again")


def _watch(oracles: dict[str, subprocess.Popen[bytes]], folder: Path, show: Callable[[str], None]) -> None:
    deadline = time.monotonic() + ORACLE_LIMIT_S
    while any(process.poll() is None for process in oracles.values()):
        if time.monotonic() > deadline:
            raise PlatformFailed(f"the oracles did not finish within {ORACLE_LIMIT_S} s; their logs are in {folder}")
        for holder, process in oracles.items():
            if process.poll() not in (None, 0):
                raise PlatformFailed(_last_line(folder / f"oracle-{holder}.log"))
        show(" · ".join(_counts(folder, holder) for holder in oracles))
        time.sleep(0.2)
    for holder, process in oracles.items():
        if process.returncode != 0:
            raise PlatformFailed(_last_line(folder / f"oracle-{holder}.log"))


def _counts(folder: Path, holder: str) -> str:
    progress = read_json(folder / f"progress-{holder}.json")
    shown = {key: value for key, value in progress.items() if type(value) is int}
    return f"{holder}: " + ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in shown.items())


def _last_line(log: Path) -> str:
    lines = log.read_text().strip().splitlines()
    return f"{lines[-1] if lines else 'an oracle ended'} (log: {log})"


def _settle(at: Platform, console: Console) -> list[dict[str, Any]]:
    """Settles whatever still waits; all settlements, confirmed."""
    at.say("settling on chain")
    deadline = time.monotonic() + SETTLE_LIMIT_S
    with _progress(console) as progress:
        task = progress.add_task("", total=None)
        while time.monotonic() < deadline:
            waiting = _try_settle(at)
            settlements = list(at.items("/v1/settlements", limit=200))
            done = [s for s in settlements if s["state"] == "settled"]
            failed = [s for s in settlements if s["state"] == "failed"]
            if failed:
                raise PlatformFailed(f"settlement {failed[0]['settlement']} failed; see {at.folder / 'backend.log'}")
            progress.update(task, description=f"{len(done)} of {len(settlements)} batches confirmed")
            if not waiting and len(done) == len(settlements):
                return done
            time.sleep(0.1)
    raise PlatformFailed(f"not everything was settled within {SETTLE_LIMIT_S} s; see {at.folder / 'backend.log'}")


def _try_settle(at: Platform) -> bool:
    """Asks for a batch of what waits; False if nothing does."""
    try:
        at.post("/v1/settlements", {})
    except PlatformFailed:
        refused = [s for s in at.items("/v1/statements", limit=200) if s["state"] == "refused"]
        if refused:
            raise PlatformFailed(f"statement {refused[0]['id']} was refused by the chain") from None
        return any(s["state"] == "accepted" for s in at.items("/v1/statements", limit=200))
    return True


def _check_contracts(at: Platform, console: Console) -> None:
    """Compares the deployments file with this build and the chain, as anybody does before an audit."""
    at.say("comparing the contracts on the chain with this build")
    command = [sys.executable, "-m", "scripts.deploy", "--check", str(at.deployment), "--rpc", at.rpc]
    _show(console, " ".join(["python", *command[1:]]))
    with at.process("check", command, {}) as process:
        status = _wait_for(process, "the comparison")
    line = _last_line(at.folder / "check.log")
    if status != 0:
        raise PlatformFailed(f"the contracts are not as published: {line}")
    console.print(f"  {line.split(' (log:')[0]}", highlight=False)


def _wait_for(process: subprocess.Popen[bytes], what: str) -> int:
    try:
        return process.wait(timeout=AUDIT_LIMIT_S)
    except subprocess.TimeoutExpired:
        stop(process)
        raise PlatformFailed(f"{what} did not finish within {AUDIT_LIMIT_S} s") from None


def _show(console: Console, command: str) -> None:
    console.print(f"  $ {command}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _audit(at: Platform, console: Console) -> tuple[int, dict[str, Any]]:
    """The audit as anybody runs it, in a process of its own; its exit status and result."""
    at.say("auditing from chain and blobs")
    report = at.folder / "audit.json"
    command = [
        *(sys.executable, "-m", "backend.cli", "audit", "--rpc", at.rpc, *at.evidence_options),
        *("--deployment", str(at.deployment), "--claims", at.url, "--report", str(report)),
    ]
    _show(console, " ".join(["wattledger", *command[3:]]))
    with at.process("audit", command, {"COLUMNS": "140"}) as process:
        status = _wait_for(process, "the audit")
    result = read_json(report)
    if status not in (0, 1) or not result:
        raise PlatformFailed(_last_line(at.folder / "audit.log"))
    return status, result


def _tamper(at: Platform, console: Console) -> int:
    """Alters records behind the platform's back and audits once more; the audit's exit status."""
    console.print("\n[bold]Now somebody tampers with the records:[/]")
    for line in tamper(at):
        console.print(f"  ✂ {line}", markup=False, highlight=False, soft_wrap=True)
    (at.folder / "audit.json").unlink()
    status, result = _audit(at, console)
    for finding in result["findings"]:
        console.print(f"✗ {finding['code']}", style="bold red", highlight=False)
        for key in ("where", "expected", "found"):
            console.print(f"    {key:9}{finding[key]}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"audit: {len(result['findings'])} findings, exit status {status}", style="bold", highlight=False)
    return status


def _print_day(console: Console, figures: DayFigures, seconds: float) -> None:
    tally = figures.audit["tally"]
    table = Table(title=f"One day, {figures.day}", show_header=False, title_justify="left")
    for name, value in (
        ("sessions", f"{figures.sessions:,}"),
        ("energy charged", _kwh(tally["imported_wh"])),
        ("energy sold back", _kwh(tally["exported_wh"])),
        ("euro moved", f"{tally['paid_micro'] / MICRO_PER_EURO:,.2f}"),
        ("energy traded", _kwh(figures.market.traded_wh)),
        ("gas per session", f"{figures.gas_used / figures.sessions:,.0f}"),
        ("readings verified", f"{tally['meter_readings'] + tally['bms_readings']:,}"),
        ("audit findings", f"{len(figures.audit['findings']):,}"),
        ("time", f"{seconds:.1f} s"),
    ):
        table.add_row(name, value)
    console.print(table)
    beside = Table(title="The site, uncontrolled and scheduled", title_justify="left")
    for name in ("", "uncontrolled (computed)", "scheduled (settled)"):
        beside.add_column(name, justify="right" if name else "left")
    for row in figures.schedule.table():
        beside.add_row(*row)
    console.print(beside)


def _kwh(energy_wh: int) -> str:
    return f"{energy_wh / WH_PER_KWH:,.3f} kWh"


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as YYYY-MM-DD, such as 2019-07-10") from None


def _arguments() -> Arguments:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--date", type=_day, default=DEFAULT_DATE, help="local day, YYYY-MM-DD")
    parser.add_argument("--sessions", type=Path, default=EXCERPT, help="sessions in ACN-Data's CSV format")
    parser.add_argument("--tamper", action="store_true", help="tamper with the records afterwards and audit again")
    parser.add_argument("--ipfs", choices=["embedded", "kubo"], default="embedded", help="where evidence is kept")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "demo", help="where data and report go")
    given = parser.parse_args()
    return Arguments(given.date, given.sessions, given.tamper, given.folder, given.ipfs)


if __name__ == "__main__":
    main()
