"""The audit's result as a JSON file, described in docs/reference/audit-report.md."""

import json
import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from backend.adapters.chain.deployment import Deployment
from backend.application.audit import AuditResult
from domain.text import address_text, hex_text

SCHEMA = "wattledger/audit-report/1"
MS_PER_S = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How an audit was run."""

    deployment: Deployment
    jobs: int
    duration_s: float


def write_report(file: Path, result: AuditResult, run: Run) -> None:
    """Writes the report as a whole or not at all. Findings are written one by one: there may be many."""
    partial = file.with_name(file.name + ".partial")
    with partial.open("w") as out:
        out.write(json.dumps(_summary(result, run), indent=1).removesuffix("\n}"))
        out.write(',\n "findings": [')
        for number, finding in enumerate(result.findings):
            out.write((",\n  " if number else "\n  ") + json.dumps(asdict(finding)))
        out.write("\n ]\n}\n")
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)


def _summary(result: AuditResult, run: Run) -> dict[str, Any]:
    tally, deployment = result.tally, run.deployment
    return {
        "schema": SCHEMA,
        "version": version("wattledger"),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "jobs": run.jobs,
        "duration_ms": round(run.duration_s * MS_PER_S),
        "deployment": {
            "chain_id": deployment.chain_id,
            "first_block": deployment.block,
            "settlement": address_text(deployment.deployed.settlement),
        },
        "head": {
            "block": result.head.number,
            "hash": hex_text(result.head.block_hash),
            "time_s": result.head.time_s,
        },
        "resumed_after_block": result.resumed,
        "tally": asdict(tally) | {"readings": tally.readings},
        "claims": result.claims,
        "claims_block": result.claims_block,
        "count": result.count,
        "count_by_code": dict(sorted(Counter(str(finding.code) for finding in result.findings).items())),
    }
