"""ape compiles, tests and deploys the contracts, offline, in an environment of its own (docs/decisions/0004)."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.anvil import ROOT, anvil
from scripts.chain import connect
from scripts.compile import DEPLOYED, SOLC, compiled
from scripts.deploy import run as run_deploy
from tests.integration.deployed import (
    DEPLOYER,
    DUST,
    GOVERNOR,
    HOUSE,
    OPERATOR,
    Deployed,
    keystore,
)
from tests.services.environment import LIMIT_S, installed, run, search_path

APE = ROOT / ".venv-ape" / "bin" / "ape"

pytestmark = [pytest.mark.services, pytest.mark.timeout(2 * LIMIT_S)]


def _clear() -> None:
    """What ape leaves in the tree: forge would take its copies of the dependencies for contracts of ours."""
    for left_over in (ROOT / ".build", ROOT / "contracts" / ".cache"):
        shutil.rmtree(left_over, ignore_errors=True)


@pytest.fixture(scope="module")
def ape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What ape needs of its environment: packages, our compiler under the name it looks for, anvil, a fresh home."""
    programs = installed("ape")
    compilers, home = tmp_path_factory.mktemp("solc"), tmp_path_factory.mktemp("home")
    (compilers / "solc-v0.8.30").symlink_to(SOLC)
    # ape remembers dependencies by name below the home folder, whichever checkout they came from.
    yield {"SOLCX_BINARY_PATH": str(compilers), "PATH": search_path(programs), "HOME": str(home)}
    _clear()


def test_ape_compiles_every_contract_that_is_deployed(ape: dict[str, str]) -> None:
    _clear()
    assert "compiled" in run(APE, "compile", "--force", environment=ape)
    build = json.loads((ROOT / ".build" / "__local__.json").read_text())["contractTypes"]
    for name in DEPLOYED:
        functions = {entry["name"] for entry in build[name]["abi"] if entry["type"] == "function"}
        assert functions == {entry["name"] for entry in compiled()[name].abi if entry["type"] == "function"}


def test_ape_runs_its_tests(ape: dict[str, str]) -> None:
    """Offline on a chain that ape starts: deposit, a settlement that is refused, withdrawal, a module that waits."""
    _clear()
    tests = sorted((ROOT / "tests" / "ape").glob("*.py"))
    assert tests
    assert all(file.name.startswith("ape_") for file in tests), "no other run of pytest collects them"
    written = sum(len(re.findall(r"^def test_", file.read_text(), re.MULTILINE)) for file in tests)
    said = run(APE, "test", "tests/ape", environment=ape)
    assert re.search(rf"\b{written} passed in ", said)
    assert "failed" not in said


def test_ape_runs_the_deployment(ape: dict[str, str], tmp_path: Path) -> None:
    """`ape run deploy` on a chain that runs already, and the file that it leaves holds."""
    _clear()
    file, passphrase = keystore(tmp_path, DEPLOYER)
    out = tmp_path / "deployment.json"
    options: list[str | Path] = [
        *("--house", HOUSE.address, "--dust", DUST.address, "--operator", OPERATOR.address),
        *("--governor", GOVERNOR.address, "--out", out),
        *("--keystore", file, "--passphrase-file", passphrase),
    ]
    command: list[str | Path] = [APE, "run", "deploy", "--network", "ethereum:local:foundry"]
    with anvil() as rpc:
        here = ape | {"APE_FOUNDRY_HOST": rpc}
        assert "deployed; addresses and ABIs are in" in run(*command, *options, environment=here)
        assert run_deploy(["--rpc", rpc, "--check", str(out)]) == 0
        at = Deployed(rpc, out, connect(rpc))
        assert at.view("AccountRegistry", "isMember", DEPLOYER.address) is False
        assert "no differences in" in run(*command, "--check", out, environment=here)
        refused = run(*command, *options, "--module-delay-s", "1", environment=here, expect=(1,))
        assert "module delay of 1 s is too short" in refused
