"""halmos proves what contracts/test/proofs says of the contracts, over all arguments and all states.

By hand, with node_modules/.bin on the PATH: FOUNDRY_PROFILE=proofs .venv-verify/bin/halmos
"""

import json
import os
import re
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from scripts.anvil import ROOT
from scripts.compile import compiled
from scripts.mutate import Mutant, copy_project
from tests.services.environment import LIMIT_S, installed, run, search_path

PROOFS = ROOT / "contracts" / "test" / "proofs"
ARTIFACTS = ROOT / "build" / "proofs" / "out"
EXPECTED = {"EscrowProofs": 7, "MoneyProofs": 7, "StationRegistryProofs": 13}
BROKEN = tomllib.loads((PROOFS / "broken.toml").read_text())["broken"]
AT_A_TIME = min(4, os.cpu_count() or 1)
Results = dict[str, list[dict[str, Any]]]

pytestmark = [pytest.mark.services, pytest.mark.timeout(4 * LIMIT_S)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What became of each proof, by contract."""
    found: Results = {}
    for contract in EXPECTED:
        found |= _halmos(ROOT, tmp_path_factory.mktemp(contract), "--contract", contract)
    return found


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What became of each proof over a contract that breaks its property, by the proof's name."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(AT_A_TIME):
        copies.put(_copy(tmp_path_factory.mktemp(f"broken-{number}")))

    def tried(case: dict[str, str]) -> tuple[str, list[dict[str, Any]]]:
        folder = copies.get()
        try:
            return case["proof"], _broken(case, folder)
        finally:
            copies.put(folder)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(pool.map(tried, BROKEN))


def test_every_proof_holds(results: Results) -> None:
    failed = [test for tests in results.values() for test in tests if test["exitcode"] != 0]
    assert not failed, json.dumps(failed, indent=1)


def test_no_proof_stopped_at_the_loop_bound(results: Results) -> None:
    assert not [test["name"] for tests in results.values() for test in tests if test["num_bounded_loops"] != 0]


def test_every_proof_that_is_written_ran(results: Results) -> None:
    ran = {contract: sorted(test["name"].partition("(")[0] for test in tests) for contract, tests in results.items()}
    assert ran == {path.stem: names for path in PROOFS.glob("*.sol") if (names := _checks(path))}
    assert {contract: len(names) for contract, names in ran.items()} == EXPECTED


def test_proofs_are_about_the_code_that_is_deployed(results: Results) -> None:
    proved = set(re.findall(r'_deploy\("(\w+)"', "".join(path.read_text() for path in PROOFS.glob("*.sol"))))
    assert proved
    for name in proved:
        artifact = json.loads((ARTIFACTS / f"{name}.sol" / f"{name}.json").read_text())
        assert artifact["bytecode"]["object"] == f"0x{compiled()[name].bytecode}"


@pytest.mark.parametrize("proof", [case["proof"] for case in BROKEN])
def test_proof_fails_on_a_contract_that_breaks_its_property(broken: Results, proof: str) -> None:
    (found,) = broken[proof]
    assert found["num_models"] > 0


def _copy(folder: Path) -> Path:
    """A copy of the project, to break contracts in."""
    project = folder / "project"
    copy_project(project, "*.t.sol")
    shutil.copy2(ROOT / "halmos.toml", project)
    return project


def _broken(case: dict[str, str], project: Path) -> list[dict[str, Any]]:
    change = Mutant(**{key: value for key, value in case.items() if key != "proof"}, means=case["proof"])
    target = project / "contracts" / change.file
    source = target.read_text()
    target.write_text(change.applied(source))
    options = ("--early-exit", "--solver-threads", "1", "--match-test", rf"^{case['proof']}\(")
    try:
        (found,) = _halmos(project, project.parent, *options).values()
    finally:
        target.write_text(source)
    return found


def _halmos(project: Path, folder: Path, *options: str) -> Results:
    programs, report = installed("verify"), folder / "report.json"
    # halmos would fetch a solver into the home folder if it did not find one among its packages.
    environment = {"PATH": search_path(programs), "HOME": str(folder), "FOUNDRY_PROFILE": "proofs"}
    options = ("--no-status", "--json-output", str(report), *options)
    # 1: a proof failed, which the report tells.
    run(programs / "halmos", *options, folder=project, environment=environment, expect=(0, 1))
    found = json.loads(report.read_text())["test_results"]
    return {path.rpartition(":")[2]: tests for path, tests in found.items()}


def _checks(path: Path) -> list[str]:
    return sorted(re.findall(r"^    function (check_\w+)\(", path.read_text(), re.MULTILINE))
