"""`wattledger audit`: re-checks everything from chain and blobs alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from backend.adapters.audit_store import audit_store
from backend.adapters.chain.deployment import Deployment, load_deployment
from backend.adapters.chain.reader import ChainReader
from backend.adapters.claims import fetch_claims
from backend.adapters.clock import SystemClock
from backend.adapters.evidence.workers import proving
from backend.application.audit import AuditResult, AuditSubject, audit
from backend.application.errors import ChainUnreachable
from backend.cli.audit_progress import shown
from backend.cli.audit_report import Run, write_report
from backend.config import read_secret
from domain.errors import WattledgerError
from domain.units import MICRO_PER_EURO, WH_PER_KWH

FOUND_SOMETHING = 1
COULD_NOT_RUN = 2
MAX_JOBS = 256


def audit_command(
    rpc: Annotated[str, typer.Option(help="JSON-RPC address of a node that you trust, best your own")],
    evidence: Annotated[str, typer.Option(help="Folder of blobs, address to which a CID is appended, or kubo:/ip4/…")],
    deployment: Annotated[Path, typer.Option(help="Deployments file: contracts and ABIs")] = Path(
        "var/deployment.json"
    ),
    claims: Annotated[str | None, typer.Option(help="Address of a backend whose figures to compare as well")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the result as JSON to this file")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to go on from, and to keep what is needed to go on another time")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_JOBS, help="Processes that check blobs; as many as may run if not given"),
    ] = None,
    ipfs_auth_file: Annotated[Path | None, typer.Option(help="File with the secret that Kubo's API asks for")] = None,
    show: Annotated[int, typer.Option(min=1, help="How many findings to print")] = 50,
) -> None:
    """Re-derives every signature, statement, amount and balance from chain and blobs. Exit status 1 if one fails."""
    clock, errors = SystemClock(), Console(stderr=True)
    began_s = clock.monotonic_s()
    jobs = jobs or len(os.sched_getaffinity(0))
    try:
        secret = read_secret(str(ipfs_auth_file)) if ipfs_auth_file else None
        deployed = load_deployment(deployment)
        with _audited(deployed, rpc, evidence, secret, claims, checkpoint, jobs, errors) as result:
            run = Run(deployment=deployed, jobs=jobs, duration_s=clock.monotonic_s() - began_s)
            if report is not None:
                write_report(report, result, run)
            _print(result, Console(), show)
            found = result.count
    except (WattledgerError, ChainUnreachable, OSError, ValueError) as error:
        _say(errors, str(error))
        raise typer.Exit(COULD_NOT_RUN) from error
    raise typer.Exit(FOUND_SOMETHING if found else 0)


@contextmanager
def _audited(
    deployed: Deployment,
    rpc: str,
    evidence: str,
    secret: str | None,
    claims: str | None,
    checkpoint: Path | None,
    jobs: int,
    errors: Console,
) -> Iterator[AuditResult]:
    """The result of the audit, whose findings can be read until its store is closed."""
    chain = ChainReader(rpc, deployed)
    chain.check_chain()
    domains = {"stations": deployed.station_domain, "accounts": deployed.account_domain}
    with (
        audit_store(checkpoint, _name(deployed)) as store,
        proving(evidence, **domains, jobs=jobs, secret=secret) as proofs,
        shown(errors) as progress,
    ):
        yield audit(
            AuditSubject(first_block=deployed.block, deployed=deployed.deployed),
            chain,
            proofs,
            store=store,
            claims=(lambda block: fetch_claims(claims, block, SystemClock())) if claims else None,
            progress=progress,
            notice=lambda text: _say(errors, text),
        )


def _say(console: Console, text: str) -> None:
    console.print(f"audit: {text}", markup=False, highlight=False)


def _claims_text(result: AuditResult) -> str:
    at = result.claims_block
    return f"{result.claims:,}" + (f", as of block {at}" if at is not None and at != result.head.number else "")


def _name(deployment: Deployment) -> str:
    """What a checkpoint must be of: chain, first block and contracts."""
    addresses = sorted((name, contract.address.hex()) for name, contract in deployment.contracts.items())
    return " ".join([f"chain={deployment.chain_id}", f"first={deployment.block}", *map("=".join, addresses)])


def _print(result: AuditResult, console: Console, show: int) -> None:
    tally = result.tally
    table = Table(title=f"Audit up to block {result.head.number}", show_header=False, title_justify="left")
    for name, value in (
        ("batches", f"{tally.batches:,}"),
        ("statements", f"{tally.statements:,}"),
        ("rows", f"{tally.rows:,}"),
        ("meter readings, each signature checked", f"{tally.meter_readings:,}"),
        ("BMS readings, each signature checked", f"{tally.bms_readings:,}"),
        ("authorisations", f"{tally.authorisations:,}"),
        ("blobs", f"{tally.blobs:,} ({tally.blob_bytes / 1e6:.1f} MB)"),
        ("energy charged", f"{tally.imported_wh / WH_PER_KWH:,.3f} kWh"),
        ("energy sold back", f"{tally.exported_wh / WH_PER_KWH:,.3f} kWh"),
        ("paid", f"{tally.paid_micro / MICRO_PER_EURO:,.6f} euro"),
        ("accounts and stations compared with the chain", f"{tally.accounts:,} and {tally.stations:,}"),
        ("claims compared", _claims_text(result)),
        ("findings", f"{result.count:,}"),
    ):
        table.add_row(name, value)
    console.print(table)
    for finding in islice(result.findings, show):
        console.print(f"✗ {finding.code}", style="bold red", highlight=False)
        for label, text in (("where", finding.where), ("expected", finding.expected), ("found", finding.found)):
            console.print(f"    {label:9}{text}", markup=False, highlight=False, soft_wrap=True)
    if result.count > show:
        console.print(f"… and {result.count - show} more; --show N or --report FILE has them all")
