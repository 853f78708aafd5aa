"""`make serve` comes up, answers, is audited from outside, and ends when it is told to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from scripts.anvil import ROOT, free_port

START_LIMIT_S = 60
STOP_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class Served:
    url: str
    rpc: str
    folder: Path
    govern: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("serve") / "data", free_port()
    log = folder.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.serve", "--folder", str(folder), "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while "Ctrl-C" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        rpc = log.read_text().split("chain ")[-1].split()[0]
        govern = log.read_text().split("to govern: ")[-1].splitlines()[0]
        yield Served(f"http://127.0.0.1:{port}", rpc, folder, govern)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=STOP_LIMIT_S) == 0


def test_api_and_its_description_are_there(served: Served) -> None:
    assert httpx.get(f"{served.url}/v1/health", timeout=10).json()["status"] == "ok"
    assert "/v1/readings" in httpx.get(f"{served.url}/v1/openapi.json", timeout=10).json()["paths"]


def test_command_that_is_shown_governs(served: Served) -> None:
    program, *options = served.govern.split()
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *options[:-1], "pause"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "paused: no settlement" in done.stdout


def audit(served: Served, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "wattledger"), "audit", *options]
    return subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def test_empty_chain_is_audited_without_findings(served: Served) -> None:
    evidence = served.folder / "backend" / "evidence"
    evidence.mkdir(parents=True, exist_ok=True)
    done = audit(
        served,
        *("--rpc", served.rpc, "--evidence", str(evidence), "--claims", served.url),
        *("--deployment", str(served.folder / "deployment.json")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "findings" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--rpc", "http://127.0.0.1:1"), "no chain answers"),
        (("--deployment", "nowhere.json"), "run scripts/deploy.py"),
        (("--evidence", "nowhere"), "is no folder"),
        (("--claims", "http://127.0.0.1:1"), "cannot fetch the claims"),
    ],
)
def test_audit_that_cannot_run_says_why_and_ends_with_2(served: Served, wrong: tuple[str, str], words: str) -> None:
    (served.folder / "backend" / "evidence").mkdir(parents=True, exist_ok=True)
    options = {
        "--rpc": served.rpc,
        "--evidence": str(served.folder / "backend" / "evidence"),
        "--deployment": str(served.folder / "deployment.json"),
    } | dict([wrong])
    done = audit(served, *(word for option in options.items() for word in option))
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
