"""Charging schedules on recorded days, next to what was possible: cases A to G, one table each, the figures as JSON.

Each case runs all its arms on the same inputs, whose digest is in the JSON. See docs/reference/schedule-benchmark.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from os import cpu_count

from bench import (
    schedule_caltech,
    schedule_day_ahead,
    schedule_declared,
    schedule_jpl,
    schedule_speed,
    schedule_sun,
    schedule_v2g,
)
from bench.audit import machine
from bench.schedule_site import Case

CASES: Mapping[str, Callable[[Executor], Case]] = {
    "a": schedule_jpl.run,
    "c": schedule_day_ahead.run,
    "d": schedule_sun.run,
    "e": schedule_v2g.run,
    "f": schedule_declared.run,
}
WORKERS = 2


def speed() -> Case:
    """Case G: how long plans take (schedule_speed.py)."""
    figures = schedule_speed.measure(plain_large=False)
    return Case(
        figures=figures, table="\n".join(["G: time", *(f"  {name:34}{value}" for name, value in figures.items())])
    )


ALONE: Mapping[str, Callable[[], Case]] = {"b": schedule_caltech.run, "g": speed}
"""Cases that measure time: nothing runs beside them."""


def run(names: str, workers: int = WORKERS) -> dict[str, Case]:
    """The named cases, by name; the arms of those on JPL's months share the workers."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool, ThreadPoolExecutor() as threads:
        begun = {name: threads.submit(_timed, name, partial(CASES[name], pool)) for name in names if name in CASES}
        found = {name: case.result() for name, case in begun.items()}
    found |= {name: _timed(name, ALONE[name]) for name in names if name in ALONE}
    return dict(sorted(found.items()))


def _timed(name: str, case: Callable[[], Case]) -> Case:
    begun = time.perf_counter()
    found = case()
    sys.stderr.write(f"{found.table}\ncase {name}: {time.perf_counter() - begun:.0f} s\n")
    return found


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object on the standard output")
    parser.add_argument("--cases", default="".join([*CASES, *ALONE]), help="letters of the cases to run")
    parser.add_argument("--workers", type=int, default=min(WORKERS, cpu_count() or 1))
    arguments = parser.parse_args()
    cases = run(arguments.cases, arguments.workers)
    if not arguments.json:
        sys.stdout.writelines(case.table + "\n" for case in cases.values())
    figures = {"benchmark": "schedule", "machine": machine(), "workers": arguments.workers}
    sys.stdout.write(json.dumps(figures | {name: case.figures for name, case in cases.items()}) + "\n")


if __name__ == "__main__":
    main()
