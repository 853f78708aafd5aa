"""slither finds nothing of medium or high impact in the contracts that contracts/slither.toml does not explain."""

import json
import tomllib
from typing import Any

import pytest

from scripts.anvil import ROOT
from scripts.compile import DEPLOYED
from tests.services.environment import LIMIT_S, installed, run, search_path

EXPLAINED = ROOT / "contracts" / "slither.toml"

pytestmark = [pytest.mark.services, pytest.mark.timeout(2 * LIMIT_S)]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """What slither finds in our own contracts, tests left out: the detector and the place."""
    programs, folder = installed("verify"), tmp_path_factory.mktemp("slither")
    report = folder / "report.json"
    below = ("--exclude-low", "--exclude-informational", "--exclude-optimization", "--exclude-dependencies")
    # slither builds with forge, from scratch: in a folder of its own, or it would undo what is built here.
    build = {"FOUNDRY_OUT": str(folder / "out"), "FOUNDRY_CACHE_PATH": str(folder / "cache")}
    build |= {"PATH": search_path(programs), "HOME": str(folder)}
    run(programs / "slither", ".", "--json", report, *below, "--fail-none", environment=build)
    result = json.loads(report.read_text())
    assert result["success"], result["error"]
    assert all((folder / "out" / f"{name}.sol").is_dir() for name in DEPLOYED)
    return {(found["check"], _place(found["elements"])) for found in result["results"].get("detectors", [])}


def test_every_finding_is_explained(findings: set[tuple[str, str]]) -> None:
    unexplained = findings - set(_explained_places())
    assert not unexplained, _listed(unexplained)


def test_every_explanation_is_needed(findings: set[tuple[str, str]]) -> None:
    needless = set(_explained_places()) - findings
    assert not needless, _listed(needless)


def test_nothing_is_explained_twice() -> None:
    assert len(_explained_places()) == len(set(_explained_places()))


def test_every_explanation_gives_a_reason() -> None:
    assert all(entry.keys() == {"detector", "because", "places"} for entry in _explanations())
    assert all(len(entry["because"].split()) > 3 for entry in _explanations())


def test_findings_are_silenced_nowhere_else() -> None:
    sources = (ROOT / "contracts").rglob("*.sol")
    assert not [path for path in sources if "slither-disable" in path.read_text()]
    assert not [name for name in ("slither.config.json", "slither.db.json") if (ROOT / name).exists()]


def _explanations() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(EXPLAINED.read_text())["explained"]
    return entries


def _explained_places() -> list[tuple[str, str]]:
    return [(entry["detector"], place) for entry in _explanations() for place in entry["places"]]


def _listed(places: set[tuple[str, str]]) -> str:
    return "\n" + "\n".join(f"{detector}: {place}" for detector, place in sorted(places))


def _place(elements: list[dict[str, Any]]) -> str:
    """The function or variable that a finding is about, and the first expression that it names in it."""
    names: list[str] = []
    element: dict[str, Any] | None = elements[0]
    while element and element["type"] != "file":
        names.insert(0, element["name"])
        element = element.get("type_specific_fields", {}).get("parent")
    inside = next((element["name"] for element in elements[1:] if element["type"] == "node"), "")
    return ".".join(names) + (f": {inside}" if inside else "")
