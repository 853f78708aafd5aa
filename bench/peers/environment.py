"""An environment for a peer's packages, pinned and hashed, made below .build/ when first asked for."""

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from domain.errors import WattledgerError
from scripts.anvil import ROOT

UV = Path(sys.executable).parent / "uv"
BUILD_LIMIT_S = 600


class PeerEnvironmentFailed(WattledgerError):
    """The packages of a peer could not be installed."""

    def __init__(self, requirements: Path, reason: str) -> None:
        super().__init__(
            f"the packages of {requirements.name} could not be installed: {reason.strip()[-600:]}; "
            "run `make setup`, see that the package registry answers, and run this again"
        )
        self.requirements, self.reason = requirements, reason


def python_of(name: str, say: Callable[[str], None]) -> Path:
    """The Python that has what requirements-NAME.txt pins; asks no registry once it is there. PeerEnvironmentFailed."""
    requirements = Path(__file__).parent / f"requirements-{name}.txt"
    folder = ROOT / ".build" / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    folder.parent.mkdir(exist_ok=True)
    wanted = requirements.read_text()
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two test workers need it built once.
        if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
            say(f"installing {name} below {folder.parent}")
            _uv(requirements, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
            _uv(requirements, "pip", "sync", "--quiet", "--python", python, "--require-hashes", requirements)
            stamp.write_text(wanted)
    return python


def _uv(requirements: Path, *words: str | Path) -> None:
    try:
        done = subprocess.run(
            (UV, *words),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PeerEnvironmentFailed(requirements, f"uv took more than {BUILD_LIMIT_S} s") from None
    except OSError as error:
        raise PeerEnvironmentFailed(requirements, f"{UV} cannot be run: {error}") from None
    if done.returncode:
        raise PeerEnvironmentFailed(requirements, done.stderr or f"uv ended with status {done.returncode}")
