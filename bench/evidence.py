"""Evidence stores: blobs and megabytes a second into and out of the embedded folder and a Kubo node.

The blobs are those of a made-up day: statements with 20 to 400 readings each, as the oracles sign them; signatures are
random bytes, which compress as real ones do. Each run writes a day of its own into a store that is there already, and
reads it back. Writing is durable: Kubo is set to flush its block files as well.

The raw limit of the same run: the same bytes into plain files, each flushed to the disk, and read and hashed again.
"""

import hashlib
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from backend.adapters.clock import SystemClock
from backend.adapters.evidence.embedded import EmbeddedEvidence
from backend.adapters.evidence.kubo import KuboEvidence
from backend.application.ports import EvidenceStore
from bench.figures import command_line, show
from domain.cid import cid_of
from domain.evidence import VehicleEvidence, unpack, vehicle_blob
from domain.reading import BmsReading, SignedBmsReading
from domain.units import AccountId, BasisPoints, DeciCelsius, UnixSeconds
from scripts.kubo import KuboFailed, kubo

SEED = 20_190_710
BLOBS = 200
RUNS = 5
PARALLEL = 8
START_S = 1_562_745_600
SESSION = bytes(range(32))


def day_blobs(seed: int, count: int) -> list[bytes]:
    """As many blobs as a day has, each with 20 to 400 readings."""
    rng = random.Random(seed)
    return [_blob(rng, AccountId(4 + n), rng.randint(20, 400)) for n in range(count)]


def measure(store: EvidenceStore, days: Sequence[list[bytes]]) -> dict[str, Any]:
    """Medians over the days: one blob after the other, many at once, and read again."""
    single, many, read = [], [], []
    mismatches = 0
    for day in days:
        first, second = day[: len(day) // 2], day[len(day) // 2 :]
        cids = [cid_of(blob) for blob in day]
        single.append(_rate(len(first), partial(_each, store.put, first)))
        many.append(_rate(len(second), partial(store.put_many, second)))
        read.append(_rate(len(day), partial(_each, store.get, cids)))
        mismatches += sum(store.get(cid) != blob for cid, blob in zip(cids, day, strict=True))
    mean_mb = sum(len(blob) for day in days for blob in day) / sum(map(len, days)) / 1e6
    blobs_per_s, read_per_s = statistics.median(many), statistics.median(read)
    return {
        "blobs_per_s": round(blobs_per_s, 1),
        "mb_per_s": round(blobs_per_s * mean_mb, 2),
        "one_by_one_blobs_per_s": round(statistics.median(single), 1),
        "read_blobs_per_s": round(read_per_s, 1),
        "read_mb_per_s": round(read_per_s * mean_mb, 2),
        "cid_mismatches": mismatches,
    }


def measure_raw(folder: Path, days: Sequence[list[bytes]]) -> dict[str, float]:
    """What the disk and the hash take: plain flushed files one by one and side by side, read and hashed again."""
    folder.mkdir()
    single, many, read, hashed = [], [], [], []
    for number, day in enumerate(days):
        files = [folder / f"{number}-{place}" for place in range(len(day))]
        pairs = list(zip(files, day, strict=True))
        half = len(day) // 2
        single.append(_rate(half, partial(_each, _flushed, pairs[:half])))
        with ThreadPoolExecutor(PARALLEL) as pool:
            many.append(_rate(len(day) - half, partial(_each_of, pool, pairs[half:])))
        read.append(_rate(len(day), partial(_each, _read_and_hash, files)))
        hashed.append(_rate(sum(map(len, day)), partial(_each, _hash, day)) / 1e6)
    return {
        "fsync_files_per_s": round(statistics.median(single), 1),
        "fsync_files_side_by_side_per_s": round(statistics.median(many), 1),
        "read_and_hash_files_per_s": round(statistics.median(read), 1),
        "sha256_mb_per_s": round(statistics.median(hashed), 1),
    }


def run(blobs: int, runs: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All figures, by their names."""
    days = [day_blobs(SEED + n, blobs) for n in range(runs)]
    sizes = sorted(len(blob) for day in days for blob in day)
    with tempfile.TemporaryDirectory(prefix="wattledger-bench-") as name:
        folder = Path(name)
        raw = measure_raw(folder / "raw", days)
        embedded = measure(EmbeddedEvidence(folder / "embedded"), days)
        node, reason = _measure_kubo(folder / "kubo", days, say)
    return {
        "benchmark": "evidence",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "blobs_a_run": blobs,
        "runs": runs,
        "median_blob_bytes": sizes[len(sizes) // 2],
        "largest_blob_bytes": sizes[-1],
        "json_bytes_a_compressed_byte": round(_ratio(days[0]), 2),
        "raw": raw,
        "embedded": embedded,
        "kubo": node,
        "kubo_reason": reason,
        "cid_mismatches": embedded["cid_mismatches"] + (node["cid_mismatches"] if node else 0),
    }


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = command_line(__doc__)
    parser.add_argument("--blobs", type=int, default=BLOBS, help="blobs in each run")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs, of which the median counts")
    arguments = parser.parse_args()
    figures = run(arguments.blobs, arguments.runs, lambda line: print(line, file=sys.stderr))
    show(figures, as_json=arguments.json)


def _measure_kubo(
    folder: Path, days: Sequence[list[bytes]], say: Callable[[str], None]
) -> tuple[dict[str, Any] | None, str | None]:
    """Figures of Kubo; or none, and why."""
    with ExitStack() as stack:
        try:
            node = stack.enter_context(kubo(folder, say))
        except KuboFailed as error:
            return None, str(error)
        store = KuboEvidence(node.api, SystemClock(), secret=node.secret_file.read_text().strip())
        stack.callback(store.close)
        return measure(store, days), None


def _blob(rng: random.Random, account: AccountId, readings: int) -> bytes:
    charge = rng.randint(500, 4_000)
    return vehicle_blob(
        VehicleEvidence(
            account=account,
            readings=[
                SignedBmsReading(
                    BmsReading(
                        account=account,
                        sequence=n + 1,
                        time_s=UnixSeconds(START_S + 60 * n),
                        state_of_charge_bp=BasisPoints(min(10_000, charge + 9 * n)),
                        state_of_health_bp=BasisPoints(9_600),
                        temperature_deci_c=DeciCelsius(250 + rng.randint(0, 30)),
                        pack_millivolt=380_000 + rng.randint(0, 4_000),
                        pack_milliampere=17_000 + rng.randint(0, 500),
                        session=SESSION,
                    ),
                    rng.randbytes(65),
                )
                for n in range(readings)
            ],
        )
    )


def _ratio(day: Sequence[bytes]) -> float:
    return sum(len(unpack(blob)) for blob in day) / sum(map(len, day))


def _each(act: Callable[[Any], object], values: Sequence[Any]) -> None:
    for value in values:
        act(value)


def _each_of(pool: ThreadPoolExecutor, pairs: Sequence[tuple[Path, bytes]]) -> None:
    for _ in pool.map(_flushed, pairs):
        pass


def _flushed(pair: tuple[Path, bytes]) -> None:
    with pair[0].open("wb") as file:
        file.write(pair[1])
        file.flush()
        os.fsync(file.fileno())


def _read_and_hash(path: Path) -> bytes:
    return _hash(path.read_bytes())


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _rate(count: int, act: Callable[[], object]) -> float:
    """How many a second."""
    began = time.perf_counter()
    act()
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
