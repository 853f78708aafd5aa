"""The contracts compile with ape as well, in an environment of its own (docs/decisions/0004)."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.anvil import ROOT
from scripts.compile import DEPLOYED, SOLC, compiled

ENVIRONMENT = ROOT / ".venv-ape"
UV = Path(sys.executable).parent / "uv"
LIMIT_S = 600

pytestmark = [pytest.mark.services, pytest.mark.timeout(2 * LIMIT_S)]


def _run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def _clear() -> None:
    """What ape leaves in the tree: forge would take its copies of the dependencies for contracts of ours."""
    for left_over in (ROOT / ".build", ROOT / "contracts" / ".cache"):
        shutil.rmtree(left_over, ignore_errors=True)


@pytest.fixture(scope="module")
def ape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What ape needs of its environment: packages, our compiler under the name it looks for, anvil, a fresh home."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        _run(UV, "venv", "--quiet", "--python", sys.executable, ENVIRONMENT)
    _run(UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes", ROOT / "requirements-ape.txt")
    compilers, home = tmp_path_factory.mktemp("solc"), tmp_path_factory.mktemp("home")
    (compilers / "solc-v0.8.30").symlink_to(SOLC)
    path = f"{ROOT / 'node_modules' / '.bin'}:{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"
    # ape remembers dependencies by name below the home folder, whichever checkout they came from.
    yield {"SOLCX_BINARY_PATH": str(compilers), "PATH": path, "HOME": str(home)}
    _clear()


def test_ape_compiles_every_contract_that_is_deployed(ape: dict[str, str]) -> None:
    _clear()
    assert "compiled" in _run(ENVIRONMENT / "bin" / "ape", "compile", "--force", **ape)
    build = json.loads((ROOT / ".build" / "__local__.json").read_text())["contractTypes"]
    for name in DEPLOYED:
        functions = {entry["name"] for entry in build[name]["abi"] if entry["type"] == "function"}
        assert functions == {entry["name"] for entry in compiled()[name].abi if entry["type"] == "function"}
