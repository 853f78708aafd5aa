"""Taking readings in over HTTP: signatures checked, series checked, on the disk (synchronous FULL) before the answer.

The service is a process of its own, pinned to one core together with all its threads; the load comes from the others.
The raw limit is the packing of a reading's digest and the recovery of its signer, and nothing else, on that same core
before and after each run.
"""

import json
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.figures import command_line, show
from bench.fleet import Fleet
from bench.http_load import Load, post_all
from domain.packet import MEDIA_TYPE, pack_readings
from domain.reading import SignedMeterReading
from domain.wire import meter_to_json
from scripts.platform import platform

STEP_S = 60
DELIVERY = 1_000
STATIONS_IN_DELIVERY = 20
CONNECTIONS, SINGLE_CONNECTIONS = 8, 64
RUNS = 5
LIMIT_READINGS = 5_000
_LIMIT = """
import sys, time
from bench.consortium import key_of
from bench.fleet import Meter
from domain.signing import SigningDomain, recover
domain = SigningDomain(31337, bytes(20))
meter = Meter(7, key_of("station 0"), bytes(32), domain)
signed = [meter.read(60) for _ in range(int(sys.argv[1]))]
started = time.perf_counter()
for one in signed:
    recover(domain.digest(one.reading.struct_hash()), one.signature)
print(len(signed) / (time.perf_counter() - started))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is sent: by how many stations, packed and in JSON deliveries, and one by one."""

    stations: int = 200
    deliveries: int = 40
    json_deliveries: int = 15
    singles: int = 5_000

    def __post_init__(self) -> None:
        if self.stations % STATIONS_IN_DELIVERY:
            raise ValueError(f"{self.stations} stations are not a multiple of the {STATIONS_IN_DELIVERY} of a delivery")
        if min(self.stations, self.deliveries, self.json_deliveries, self.singles) < 1:
            raise ValueError("every size is at least 1")


def run(core: int, runs: int, sizes: Sizes) -> dict[str, Any]:
    """All figures, by their names: medians of so many runs."""
    command = ["taskset", "-c", str(core), sys.executable, "-m", "backend.main"]
    with (
        tempfile.TemporaryDirectory(prefix="wattledger-ingest-") as folder,
        platform(Path(folder), lambda _: None, backend_command=command) as at,
    ):
        fleet, port = Fleet(at, sizes.stations), int(at.url.rsplit(":", 1)[1])
        limits = [signature_limit(core)]
        packed, listed, singles = [], [], []
        for _ in range(runs):
            packed.append(_batches(fleet, port, sizes.deliveries, MEDIA_TYPE, lambda some: pack_readings(some, [])))
            listed.append(_batches(fleet, port, sizes.json_deliveries, "application/json", _as_json))
            singles.append(_singles(fleet, port, sizes.singles))
            limits.append(signature_limit(core))
        kept = sum(meter.last.sequence for meter in fleet.meters if meter.last)
        found = sum(one["last_reading_sequence"] for one in at.items("/v1/stations", limit=200))
    if kept != found:
        raise ValueError(f"{kept} readings were acknowledged, {found} are kept")
    limit = statistics.median(limits)
    per_s = statistics.median(DELIVERY * len(load.answers) / load.seconds for load in packed)
    return {
        "benchmark": "ingest",
        "machine": f"{machine.machine()}, {os.cpu_count()} cores, Python {machine.python_version()}",
        "stations": sizes.stations,
        "readings_per_delivery": DELIVERY,
        "readings": kept,
        "runs": runs,
        "verified_durable_readings_per_s": round(per_s),
        "signature_limit_per_s": round(limit),
        "ratio_to_signature_limit": round(per_s / limit, 3),
        "delivery_p99_ms": round(statistics.median(load.latency_ms(0.99) for load in packed), 1),
        "json_readings_per_s": round(statistics.median(DELIVERY * len(load.answers) / load.seconds for load in listed)),
        "single_post_per_s": round(statistics.median(len(load.answers) / load.seconds for load in singles)),
        "single_connections": min(SINGLE_CONNECTIONS, sizes.stations),
        "p50_ms": round(statistics.median(load.latency_ms(0.5) for load in singles), 1),
        "p99_ms": round(statistics.median(load.latency_ms(0.99) for load in singles), 1),
    }


def signature_limit(core: int) -> float:
    """Digests packed and signers recovered a second by one core that does nothing else."""
    command = ["taskset", "-c", str(core), sys.executable, "-c", _LIMIT, str(LIMIT_READINGS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return float(done.stdout)


def _batches(
    fleet: Fleet, port: int, count: int, media_type: str, form: Callable[[Sequence[SignedMeterReading]], bytes]
) -> Load:
    """Deliveries of one site after the other; a station's next readings come only when its last ones were answered."""
    sites = [fleet.meters[at : at + STATIONS_IN_DELIVERY] for at in range(0, len(fleet.meters), STATIONS_IN_DELIVERY)]
    each = DELIVERY // STATIONS_IN_DELIVERY
    bodies = [
        form([meter.read(STEP_S) for meter in sites[at % len(sites)] for _ in range(each)]) for at in range(count)
    ]
    load = post_all(port, "/v1/readings/batch", media_type, bodies, connections=CONNECTIONS, senders=len(sites))
    for answer in load.answers:
        if answer.status != 200 or json.loads(answer.body)["accepted"] != DELIVERY:
            raise ValueError(f"a delivery was answered with {answer.status}: {answer.body[:500]!r}")
    return load


def _singles(fleet: Fleet, port: int, count: int) -> Load:
    meters = fleet.meters
    bodies = [json.dumps(meter_to_json(meters[at % len(meters)].read(STEP_S))).encode() for at in range(count)]
    load = post_all(
        port, "/v1/readings", "application/json", bodies, connections=SINGLE_CONNECTIONS, senders=len(meters)
    )
    refused = [answer for answer in load.answers if answer.status != 201]
    if refused:
        raise ValueError(f"{len(refused)} readings were refused, one with {refused[0].body[:500]!r}")
    return load


def _as_json(readings: Sequence[SignedMeterReading]) -> bytes:
    return json.dumps({"meter": [meter_to_json(one) for one in readings]}).encode()


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = command_line(__doc__)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core of the service")
    parser.add_argument("--runs", type=int, default=RUNS)
    for size in fields(Sizes):
        parser.add_argument(f"--{size.name.replace('_', '-')}", type=int, default=size.default)
    arguments = parser.parse_args()
    sizes = Sizes(**{size.name: getattr(arguments, size.name) for size in fields(Sizes)})
    figures = run(arguments.core, arguments.runs, sizes)
    show(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
