"""The deployment goes on where it was cut off, changes nothing when run again, and refuses a wrong chain or build."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from typer import Typer
from typer.testing import CliRunner
from web3 import HTTPProvider, Web3

from backend.adapters.chain.deployment import load_deployment
from backend.adapters.chain.reader import ChainReader
from scripts.anvil import anvil
from scripts.compile import DEPLOYED
from scripts.deploy import Deployer, DeployFailed, Plan, connect, main, open_key

GOVERNOR = Account.from_key("0x" + "11" * 32)
PLAN = Plan(
    house=Account.from_key("0x" + "12" * 32).address,
    dust=Account.from_key("0x" + "13" * 32).address,
    operator=Account.from_key("0x" + "14" * 32).address,
    auditor=Account.from_key("0x" + "15" * 32).address,
)


class CutOff(Exception):
    pass


@pytest.fixture(scope="module")
def rpc() -> Iterator[str]:
    with anvil() as address:
        yield address


@pytest.fixture
def chain(rpc: str) -> Iterator[str]:
    """The chain as it was, for each test."""
    web3 = Web3(HTTPProvider(rpc))
    snapshot = web3.provider.make_request("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    yield rpc
    web3.provider.make_request("evm_revert", [snapshot])  # type: ignore[arg-type]


def deploy(chain: str, file: Path, say: list[str], *, cut_after: int | None = None) -> None:
    def tell(line: str) -> None:
        say.append(line)
        if cut_after is not None and len(say) >= cut_after:
            raise CutOff

    Deployer(connect(chain), GOVERNOR, file, tell).run(PLAN)


def nonce(chain: str) -> int:
    return Web3(HTTPProvider(chain)).eth.get_transaction_count(GOVERNOR.address)


def test_second_run_changes_nothing(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    deploy(chain, file, [])
    before, sent = file.read_text(), nonce(chain)
    said: list[str] = []
    deploy(chain, file, said)
    assert (file.read_text(), nonce(chain), said) == (before, sent, [])


@pytest.mark.parametrize("cut_after", [1, 4, 6, 8, 10, 12])
def test_run_that_was_cut_off_is_gone_on_with(chain: str, tmp_path: Path, cut_after: int) -> None:
    file = tmp_path / "deployment.json"
    first: list[str] = []
    with pytest.raises(CutOff):
        deploy(chain, file, first, cut_after=cut_after)
    second: list[str] = []
    deploy(chain, file, second)
    assert len(set(first)) + len(set(second)) == len({*first, *second}), "no step was done twice"
    contracts = load_deployment(file).contracts
    assert set(contracts) == set(DEPLOYED)
    reader = ChainReader(chain, load_deployment(file))
    assert (
        reader.view("Escrow", "settlement") == json.loads(file.read_text())["contracts"]["SessionSettlement"]["address"]
    )
    operator = reader.view("AccountRegistry", "accountOf", PLAN.operator)
    assert reader.view("AccountRegistry", "rolesOf", operator) == 2 | 4 | 16


def test_file_of_another_chain_is_refused(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps({"chainId": 1, "deployBlock": 0, "contracts": {}}))
    with pytest.raises(DeployFailed, match="is of chain 1, chain 31337 answers"):
        deploy(chain, file, [])


def test_other_code_at_a_known_address_is_refused(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    deploy(chain, file, [])
    address = json.loads(file.read_text())["contracts"]["Escrow"]["address"]
    Web3(HTTPProvider(chain)).provider.make_request("anvil_setCode", [address, "0x6001"])  # type: ignore[arg-type]
    with pytest.raises(DeployFailed, match="does not hold this build's Escrow"):
        deploy(chain, file, [])


def test_command_names_what_is_wrong(tmp_path: Path) -> None:
    app = Typer()
    app.command()(main)
    keystore = tmp_path / "key.json"
    keystore.write_text(json.dumps(Account.encrypt(GOVERNOR.key, "right", kdf="pbkdf2", iterations=10)))
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("wrong\n")
    options = ["--rpc", "http://127.0.0.1:1", "--house", PLAN.house, "--dust", PLAN.dust, "--operator", PLAN.operator]
    options += ["--keystore", str(keystore), "--passphrase-file", str(passphrase)]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 1
    assert "cannot open the keystore" in done.output
    passphrase.write_text("right\n")
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 1
    assert "no chain answers" in done.output
    assert open_key(keystore, passphrase).address == GOVERNOR.address
