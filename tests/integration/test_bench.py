"""The benchmarks run, and gas, which is the same on every machine, stays below its limit."""

import json
import subprocess
import sys

from scripts.anvil import ROOT

GAS_LIMIT_PER_SESSION = 2_200


def test_gas_of_a_settled_session_stays_below_its_limit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.gas", "--json"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert 0 < figures["gas_per_session_256x8x20"] <= GAS_LIMIT_PER_SESSION
    assert figures["gas_per_session_1024x32x20"] < figures["gas_per_session_256x8x20"]
