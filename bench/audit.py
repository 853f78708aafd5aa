"""The audit's speed, memory and sharpness, on a record made by the real contracts.

Speed: the whole command `wattledger audit` on one core, from its start to its end, again and again. The raw limit is
measured in the same run on the same core: hash each reading (EIP-712) and recover its signer, and nothing else.
Memory: the peak of all processes of the audit together. Sharpness: tamperings of every kind, each planted in a record
of its own, and whether the audit names each of them, and nothing else.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.audit_record import Record, Size, recorded
from bench.audit_tamperings import planted
from bench.figures import command_line, show
from domain.evidence_columns import statement_columns
from domain.signing import recover
from scripts.anvil import ROOT

READINGS, RUNS, TAMPERINGS = 120_000, 5, 1_000
RAW_ROUNDS, RAW_READINGS = 5, 4_000
RUN_LIMIT_S = 3_600
SAMPLE_S = 0.02
KIB_PER_MB = 1_000_000 / 1024


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command: its time, what its report says, and the peak of its processes' memory together."""

    duration_s: float
    report: dict[str, Any]
    memory_mb: float


def command(record: Record, jobs: int, report: Path) -> list[str]:
    """The audit as a user runs it."""
    return [
        *(sys.executable, "-m", "backend.cli", "audit", "--rpc", record.rpc, "--evidence", str(record.evidence)),
        *("--deployment", str(record.deployment_file), "--jobs", str(jobs), "--report", str(report)),
    ]


def run_audit(record: Record, cores: Sequence[int]) -> Run:
    """One audit on these cores, with a process for each; ValueError if it finds something or cannot run."""
    report = record.folder / "report.json"
    began_s = time.perf_counter()
    process = subprocess.Popen(
        command(record, len(cores), report),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509 - nothing else runs in this process
    )
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in _family(process.pid):
            with suppress(OSError, ValueError):
                peaks[pid] = max(peaks.get(pid, 0), _peak_kib(pid))
        if time.perf_counter() - began_s > RUN_LIMIT_S:
            process.kill()
        time.sleep(SAMPLE_S)
    duration_s = time.perf_counter() - began_s
    errors = process.stderr.read().decode() if process.stderr else ""
    if process.returncode != 0:
        raise ValueError(f"the audit ended with status {process.returncode}: {errors[-2000:]}")
    return Run(duration_s, json.loads(report.read_text()), sum(peaks.values()) / KIB_PER_MB)


def _family(pid: int) -> list[int]:
    """A process and its children; those of children are none of the audit's."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [pid, *(int(child) for task in tasks for child in (task / "children").read_text().split())]
    return [pid]


def _peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def raw_limit_per_s(record: Record, core: int) -> float:
    """How many readings can be hashed and their signers recovered in a second, on this core and in one process."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return statistics.median(_raw_per_s(record) for _ in range(RAW_ROUNDS))
    finally:
        os.sched_setaffinity(0, allowed)


def _raw_per_s(record: Record) -> float:
    blobs = [made.cid for batch in record.batches for made in batch]
    domain, done, spent_s = record.deployment.station_domain, 0, 0.0
    for cid in blobs:
        readings = statement_columns((record.evidence / cid[-2:] / cid).read_bytes()).readings
        signatures = [readings.signature(index) for index in range(len(readings))]
        began_s = time.perf_counter()
        for struct_hash, signature in zip(readings.struct_hashes(), signatures, strict=True):
            recover(domain.digest(struct_hash), signature)
        spent_s += time.perf_counter() - began_s
        done += len(readings)
        if done >= RAW_READINGS:
            break
    return done / spent_s


def measure(readings: int, runs: int, tamperings: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All figures, by their names."""
    with tempfile.TemporaryDirectory(prefix="audit-bench-") as folder:
        figures: dict[str, Any] = {"benchmark": "audit", "machine": machine()}
        with recorded(Path(folder), Size.of_readings(readings), say) as record:
            figures |= _measured(record, runs, say)
    figures |= planted(tamperings, say)
    return figures


def _measured(record: Record, runs: int, say: Callable[[str], None]) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    before = raw_limit_per_s(record, cores[-1])
    alone = []
    for number in range(runs):
        alone.append(run_audit(record, cores[-1:]))
        say(
            f"audit {number + 1} of {runs} on one core: {record.readings / alone[-1].duration_s:,.0f} readings a second"
        )
    raw = statistics.median([before, raw_limit_per_s(record, cores[-1])])
    together = run_audit(record, cores)
    found = [one.report["tally"]["readings"] for one in (*alone, together)]
    if set(found) != {record.readings}:
        raise ValueError(f"{record.readings} readings were made, the audits checked {found}")
    rate = record.readings / statistics.median(one.duration_s for one in alone)
    return {
        "readings": record.readings,
        "statements": together.report["tally"]["statements"],
        "batches": together.report["tally"]["batches"],
        "blob_mb": round(together.report["tally"]["blob_bytes"] / 1e6, 1),
        "runs": runs,
        "readings_per_s": round(rate),
        "raw_limit_per_s": round(raw),
        "ratio_to_raw_limit": round(rate / raw, 3),
        "jobs": len(cores),
        "readings_per_s_all_cores": round(record.readings / together.duration_s),
        "memory_mb": round(max(one.memory_mb for one in (*alone, together)), 1),
        "memory_mb_one_process": round(max(one.memory_mb for one in alone), 1),
        "memory_readings": record.readings,
    }


def machine() -> str:
    """What it runs on."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = command_line(__doc__)
    parser.add_argument("--readings", type=int, default=READINGS, help="how many readings the record has at least")
    parser.add_argument("--runs", type=int, default=RUNS, help="how many audits on one core")
    parser.add_argument("--tamperings", type=int, default=TAMPERINGS, help="how many tamperings are planted")
    arguments = parser.parse_args()
    figures = measure(arguments.readings, arguments.runs, arguments.tamperings, _say)
    show(figures, as_json=arguments.json)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
