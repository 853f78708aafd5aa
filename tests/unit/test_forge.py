"""forge's own settings hold: gas on record, invariants at length, a status that says when something failed."""

import json
import re
import subprocess
import tomllib

import pytest

from scripts.anvil import ROOT
from scripts.compile import DEPLOYED, compiled

SNAPSHOTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "snapshots").glob("*.json"))}
TESTS = (ROOT / "contracts" / "test" / "Gas.t.sol").read_text()
OF_ONE = {"AuctionHouse": "AuctionGas.t.sol", "PositionBook": "PositionGas.t.sol"}
"""Contracts whose verbs a file of its own measures."""


@pytest.mark.parametrize("contract", DEPLOYED)
def test_every_verb_of_a_contract_is_on_record(contract: str) -> None:
    verbs = {
        item["name"]
        for item in compiled()[contract].abi
        if item["type"] == "function" and item["stateMutability"] not in {"view", "pure"}
    }
    assert {name.split(",")[0] for name in SNAPSHOTS[contract]} == verbs


def test_nothing_is_on_record_that_no_test_measures() -> None:
    measured = set(re.findall(r'_note\("(\w+)", "([^"]+)"\)', TESTS))
    for contract, gate in re.findall(r'_gate\("(\w+)", (\w+)\)', TESTS):
        assert gate in {"stationGate", "escrowGate"}
        measured |= {(contract, verb) for verb in re.findall(r'_note\(name, "(\w+)"\)', TESTS)}
    for contract, file in OF_ONE.items():
        tests = (ROOT / "contracts" / "test" / file).read_text()
        measured |= {(contract, verb) for verb in re.findall(r'_note\("([^"]+)"\)', tests)}
    assert {(contract, name) for contract, figures in SNAPSHOTS.items() for name in figures} == measured


def test_forge_compares_with_what_is_on_record() -> None:
    settings = tomllib.loads((ROOT / "foundry.toml").read_text())
    assert settings["profile"]["default"]["gas_snapshot_check"] is True
    recipe = re.search(r"^gas:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert "FORGE_SNAPSHOT_CHECK=false scripts/forge test --match-path 'contracts/test/*Gas.t.sol'" in recipe[1]


def test_the_invariants_are_run_at_length_with_half_a_million_calls() -> None:
    profiles = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]
    full = profiles["default"]["invariant"] | profiles["full"]["invariant"]
    invariants = (ROOT / "contracts" / "test" / "invariants" / "Invariants.t.sol").read_text()
    suites = re.findall(r"^contract \w+ is PlatformInvariants", invariants, re.MULTILINE)
    assert len(suites) * full["runs"] * full["depth"] >= 500_000
    assert full["fail_on_revert"] is True
    recipe = re.search(r"^invariants:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert "FOUNDRY_PROFILE=full scripts/forge test --match-path 'contracts/test/invariants/*'" in recipe[1]


@pytest.mark.parametrize("words", [["test", "--no-such-option"], ["fmt", "--check", "no-such-file.sol"]])
def test_forge_that_fails_says_so(words: list[str]) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "forge", *words],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode != 0


def test_forge_is_never_started_through_the_wrapper_that_hides_its_status() -> None:
    files = [ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "docs").rglob("*.md")]
    assert [path.name for path in files if "node_modules/.bin/forge" in path.read_text()] == []
