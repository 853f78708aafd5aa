"""Tools that do not fit into our environment: each gets one of its own below the root, made when first asked for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.anvil import ROOT

UV = Path(sys.executable).parent / "uv"
LIMIT_S = 600


def installed(name: str) -> Path:
    """The programs of the environment that requirements-NAME.txt describes; asks no registry once they are there."""
    folder, requirements = ROOT / f".venv-{name}", ROOT / f"requirements-{name}.txt"
    programs, stamp = folder / "bin", folder / "installed.txt"
    if not (programs / "python").exists():
        run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        run(UV, "pip", "sync", "--quiet", "--python", programs / "python", "--require-hashes", requirements)
        shutil.copyfile(requirements, stamp)
    return programs


def search_path(programs: Path) -> str:
    """A PATH on which these programs and those of the Solidity toolchain are found."""
    return f"{ROOT / 'node_modules' / '.bin'}:{programs}:{os.environ['PATH']}"


def run(
    *command: str | Path,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    expect: tuple[int, ...] = (0,),
) -> str:
    """What the command writes; it must end with a status that is expected. `environment` adds to what there is."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode in expect, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr
