"""`wattledger audit`: re-checks everything from chain and blobs alone."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from backend.adapters.chain.deployment import Deployment, load_deployment
from backend.adapters.chain.reader import ChainReader, ChainUnreachable
from backend.adapters.claims import fetch_claims
from backend.adapters.evidence.sources import blobs_at
from backend.application.audit import AuditResult, AuditSubject, audit
from domain.audit import Prover, Tally
from domain.errors import WattledgerError
from domain.units import MICRO_PER_EURO, WH_PER_KWH

FOUND_SOMETHING = 1
COULD_NOT_RUN = 2


def audit_command(
    rpc: Annotated[str, typer.Option(help="JSON-RPC address of a node that you trust, best your own")],
    evidence: Annotated[str, typer.Option(help="Folder of blobs, or address to which a CID is appended")],
    deployment: Annotated[Path, typer.Option(help="Deployments file: contracts and ABIs")] = Path(
        "var/deployment.json"
    ),
    claims: Annotated[str | None, typer.Option(help="Address of a backend whose figures to compare as well")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the result as JSON to this file")] = None,
    show: Annotated[int, typer.Option(min=1, help="How many findings to print")] = 50,
) -> None:
    """Re-derives every signature, statement, amount and balance from chain and blobs. Exit status 1 if one fails."""
    console = Console(stderr=False)
    try:
        result = _run(load_deployment(deployment), rpc, evidence, claims, console)
    except (WattledgerError, ChainUnreachable, OSError) as error:
        Console(stderr=True).print(f"audit: {error}", markup=False, highlight=False)
        raise typer.Exit(COULD_NOT_RUN) from error
    if report is not None:
        report.write_text(json.dumps(_as_json(result), indent=1) + "\n")
    _print(result, console, show)
    raise typer.Exit(FOUND_SOMETHING if result.findings else 0)


def _run(deployment: Deployment, rpc: str, evidence: str, claims: str | None, console: Console) -> AuditResult:
    chain = ChainReader(rpc, deployment)
    chain.check_chain()
    subject = AuditSubject(first_block=deployment.block, deployed=deployment.deployed)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading the chain")

        def show(tally: Tally) -> None:
            progress.update(
                task, description=f"{tally.batches} batches · {tally.statements} statements · {tally.readings} readings"
            )

        deployed = deployment.deployed
        proofs = Prover(blobs_at(evidence), stations=deployed.station_domain, accounts=deployed.account_domain)
        return audit(subject, chain, proofs, claims=(lambda: fetch_claims(claims)) if claims else None, progress=show)


def _print(result: AuditResult, console: Console, show: int) -> None:
    tally = result.tally
    table = Table(title=f"Audit up to block {result.head}", show_header=False, title_justify="left")
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
        ("claims compared", f"{result.claims:,}"),
        ("findings", f"{len(result.findings):,}"),
    ):
        table.add_row(name, value)
    console.print(table)
    for finding in result.findings[:show]:
        console.print(f"✗ {finding.code}", style="bold red", highlight=False)
        for label, text in (("where", finding.where), ("expected", finding.expected), ("found", finding.found)):
            console.print(f"    {label:9}{text}", markup=False, highlight=False, soft_wrap=True)
    if len(result.findings) > show:
        console.print(f"… and {len(result.findings) - show} more; --show N or --report FILE has them all")


def _as_json(result: AuditResult) -> dict[str, object]:
    return {
        "head": result.head,
        "tally": asdict(result.tally),
        "claims": result.claims,
        "findings": [asdict(finding) for finding in result.findings],
    }
