"""`make serve` comes up, is used and audited from outside, and refuses what cannot be meant."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.anvil import free_port
from tests import programs
from tests.e2e.serving import PARTS, WATTLEDGER, Served, check_audit, run, serving, wait_until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("serve")) as made:
        yield made


def test_api_and_its_description_are_there(served: Served) -> None:
    assert httpx.get(f"{served.url}/v1/health", timeout=10).json()["status"] == "ok"
    assert "/v1/readings" in httpx.get(f"{served.url}/v1/openapi.json", timeout=10).json()["paths"]


def test_command_that_is_shown_governs(served: Served) -> None:
    program, *options = served.shown("to govern")
    assert program == "python"
    for verb, words in (("pause", "paused: no settlement"), ("unpause", "settlement")):
        done = run([sys.executable, *options[:-1], verb])
        assert done.returncode == 0, done.stdout + done.stderr
        assert words in done.stdout


def test_command_that_is_shown_tells_how_it_stands(served: Served) -> None:
    wait_until(lambda: served.settled() >= 3)
    program, *options = served.shown("to look")
    done = run([str(WATTLEDGER.parent / program), *options])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing needs attention" in done.stdout
    assert all(f"{part} " in done.stdout for part in PARTS)


def test_site_is_planned_live(served: Served) -> None:
    def plans() -> list[dict[str, Any]]:
        found = httpx.get(f"{served.url}/v1/schedules?site=replayed", timeout=10)
        return list(found.json()["items"]) if found.status_code == 200 else []

    wait_until(lambda: bool(plans()))
    points = httpx.get(f"{served.url}/v1/sites/replayed/set-points", timeout=10).json()
    assert len(points["set_points"]) == len(httpx.get(f"{served.url}/v1/stations?limit=500").json()["items"])
    assert all(0 <= one["power_w"] <= 22_000 or one["session"] for one in points["set_points"])


def test_second_platform_in_the_same_folder_is_refused(served: Served) -> None:
    done = programs.run("scripts.serve", *served.words("--port", str(free_port())))
    assert done.returncode == 1
    assert "a platform runs in" in done.stdout
    assert served.settled() > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--zone", "Asia/Tokyo"), "was begun with replay"),
        (("--no-replay",), "was begun with replay"),
        (("--ipfs", "kubo"), "was begun with ipfs embedded"),
    ],
)
def test_folder_that_was_begun_otherwise_is_refused(
    served: Served, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "serve.json").write_text((served.folder / "serve.json").read_text())
    other = Served(tmp_path, served.options)
    done = programs.run("scripts.serve", *other.words(*options))
    assert done.returncode == 1
    assert words in done.stdout
    assert "or another --folder" in done.stdout


def test_folder_whose_chain_is_missing_or_damaged_is_refused_and_left_alone(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "backend").mkdir(parents=True)
    shutil.copytree(served.folder / "keys", folder / "keys")
    (folder / "backend" / "wattledger.sqlite").write_bytes(b"a database")
    other = Served(folder, served.options)
    done = programs.run("scripts.serve", *other.words())
    assert done.returncode == 1
    assert "chain.json.gz is missing" in done.stdout
    (folder / "chain.json.gz").write_bytes(b"damaged")
    done = programs.run("scripts.serve", *other.words())
    assert done.returncode == 1
    assert "cannot be read" in done.stdout
    assert (folder / "backend" / "wattledger.sqlite").read_bytes() == b"a database"


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--port", "0"), 2, "--port must be from 1 to 65535"),
        (("--zone", "Nowhere/Land"), 2, "is no time zone"),
        (("--sessions", "nowhere.csv"), 1, "nowhere.csv"),
        (("--ipfs", "cloud"), 2, "invalid choice"),
    ],
)
def test_option_that_cannot_be_meant_is_refused(
    tmp_path: Path, options: tuple[str, ...], status: int, words: str
) -> None:
    done = programs.run("scripts.serve", *Served(tmp_path / "data", []).words(*options))
    assert done.returncode == status
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_port_that_is_taken_is_refused_before_anything_starts(served: Served, tmp_path: Path) -> None:
    other = Served(tmp_path / "data", served.options, port=served.port)
    done = programs.run("scripts.serve", *other.words())
    assert done.returncode == 1
    assert f"port {served.port} at 127.0.0.1 is taken" in done.stdout


def test_audit_that_is_shown_finds_nothing_while_the_platform_goes_on(served: Served) -> None:
    wait_until(lambda: served.settled() >= 3)
    check_audit(served)


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
    done = programs.run("backend.cli.main", "audit", *(word for option in options.items() for word in option))
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
