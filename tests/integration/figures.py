"""What benchmarks print, run as processes."""

import json
import subprocess
import sys
from typing import Any

from scripts.anvil import ROOT


def figures_of(module: str, *arguments: str) -> dict[str, Any]:
    """What a benchmark prints as its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--json", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
