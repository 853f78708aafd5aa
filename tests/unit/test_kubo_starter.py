"""The starter of Kubo says what is missing, and builds nothing but the sources that it knows."""

import json
from pathlib import Path

import pytest

from scripts import kubo
from scripts.kubo import GoMissing, KuboFailed, program


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nothing is built yet, and no Go but a made-up one is found."""
    monkeypatch.setattr(kubo, "FOLDER", tmp_path / "kubo")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def made_up_go(folder: Path, script: str) -> None:
    go = folder / "bin" / "go"
    go.write_text(f"#!/bin/sh\n{script}\n")
    go.chmod(0o700)


def silent(_: str) -> None:
    """Says nothing."""


def test_without_go_it_says_what_to_install() -> None:
    with pytest.raises(GoMissing, match=r"Go 1\.25"):
        program(silent)


@pytest.mark.parametrize(
    "answer",
    [
        "exit 1",
        'echo \'{"Error": "no network"}\'; exit 1',
        f"echo '{json.dumps({'Sum': 'h1:other', 'Dir': '.'})}'",
    ],
    ids=["nothing", "an error", "other sources"],
)
def test_sources_that_are_not_the_known_ones_are_not_built(folder: Path, answer: str) -> None:
    made_up_go(folder, f'case "$1" in mod) {answer} ;; *) touch {folder}/built ;; esac')
    with pytest.raises(KuboFailed, match="cannot fetch Kubo"):
        program(silent)
    assert not (folder / "built").exists()


def test_build_that_fails_names_its_log_and_leaves_no_program(folder: Path) -> None:
    fetched = json.dumps({"Sum": kubo.DIGEST, "Dir": "."})
    made_up_go(folder, f"case \"$1\" in mod) echo '{fetched}' ;; *) echo broken; exit 1 ;; esac")
    with pytest.raises(KuboFailed, match=r"build\.log"):
        program(silent)
    assert (folder / "kubo" / "build.log").read_text() == "broken\n"
    assert not (folder / "kubo" / "ipfs").exists()
