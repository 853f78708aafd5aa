"""A deployment goes on wherever it was cut off, changes nothing when run again, refuses a wrong chain or build."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from web3 import HTTPProvider, Web3

from backend.adapters.chain.deployment import load_deployment
from scripts.anvil import anvil
from scripts.chain import ChainFailed, connect, open_key
from scripts.compile import DEPLOYED
from scripts.deploy import Deployer, DeployFailed, run
from scripts.plan import CONSTRUCTORS, Plan, Role
from tests.integration.deployed import (
    AUDITOR,
    DEPLOYER,
    DUST,
    GOVERNOR,
    HOUSE,
    ISSUER,
    OPERATOR,
    PLAN,
    STRANGER,
    Deployed,
    keystore,
    request,
    undone,
)

TRANSACTIONS = 9 + 9 + 4 + 4 + 2 + 1
"""Contracts, wiring, accounts, roles of the others, the governor's and the deployer's roles, the closing."""
SHORT_LIMIT_S = 0.1


class CutOff(Exception):
    pass


@pytest.fixture(scope="module")
def rpc() -> Iterator[str]:
    with anvil() as address:
        yield address


@pytest.fixture
def chain(rpc: str) -> Iterator[str]:
    """The chain as it was, for each test."""
    with undone(rpc):
        yield rpc


def deploy(
    chain: str, file: Path, say: Callable[[str], None] = lambda _: None, plan: Plan = PLAN, **more: Any
) -> dict[str, Any]:
    return Deployer(connect(chain), DEPLOYER, file, say, **more).run(plan)


def nonce(chain: str) -> int:
    return Web3(HTTPProvider(chain)).eth.get_transaction_count(DEPLOYER.address)


def roles(at: Deployed) -> dict[str, int]:
    owners = {key.address for key in (DEPLOYER, HOUSE, DUST, OPERATOR, GOVERNOR, AUDITOR, ISSUER, STRANGER)}
    held = {
        owner: at.view("AccountRegistry", "rolesOf", at.view("AccountRegistry", "accountOf", owner)) for owner in owners
    }
    return {owner: mask for owner, mask in held.items() if mask}


def assert_complete(chain: str, file: Path) -> None:
    """The chain and the file are what an uninterrupted deployment leaves."""
    at = Deployed(chain, file, connect(chain))
    assert at.state()["complete"] is True
    assert set(load_deployment(file).contracts) <= set(at.state()["contracts"]) == set(DEPLOYED)
    assert roles(at) == {
        OPERATOR.address: Role.OPERATOR | Role.SETTLER,
        ISSUER.address: Role.ISSUER,
        AUDITOR.address: Role.AUDITOR,
        GOVERNOR.address: Role.GOVERNOR,
    }
    assert at.view("AccountRegistry", "isMember", DEPLOYER.address) is False
    assert at.view("StationRegistry", "sealedModules")
    assert at.view("Escrow", "sealedModules")
    for module in ("PositionBook", "SessionSettlement", "DisputeCourt", "AuctionHouse"):
        assert at.view("Escrow", "isModule", at.address(module))
    assert nonce(chain) == TRANSACTIONS
    assert run(["--rpc", chain, "--check", str(file)]) == 0


def test_constructors_are_those_of_the_contracts() -> None:
    assert tuple(CONSTRUCTORS) == DEPLOYED


def test_second_run_changes_nothing(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    deploy(chain, file)
    assert_complete(chain, file)
    before, said = file.read_text(), list[str]()
    deploy(chain, file, said.append)
    assert (file.read_text(), nonce(chain), said) == (before, TRANSACTIONS, [])


def test_run_that_is_cut_off_after_each_transaction_is_gone_on_with(chain: str, tmp_path: Path) -> None:
    file, said = tmp_path / "deployment.json", list[str]()

    def cut_off(line: str) -> None:
        said.append(line)
        raise CutOff

    for _ in range(TRANSACTIONS):
        with pytest.raises(CutOff):
            deploy(chain, file, cut_off)
    deploy(chain, file, cut_off)
    assert len(said) == len(set(said)) == TRANSACTIONS, "no step was done twice"
    assert_complete(chain, file)


def test_run_that_is_cut_off_before_each_transaction_is_gone_on_with(chain: str, tmp_path: Path) -> None:
    """Where the next contract will be is written down, but nothing was sent."""
    file = tmp_path / "deployment.json"
    for allowed in range(TRANSACTIONS + 1):
        web3, sent = connect(chain), 0
        provider = web3.provider
        answer = provider.make_request

        def cut_off(method: Any, parameters: Any, answer: Any = answer, allowed: int = allowed) -> Any:
            nonlocal sent
            if method == "eth_sendRawTransaction":
                sent += 1
                if sent > min(allowed, 1):
                    raise CutOff
            return answer(method, parameters)

        cast(Any, provider).make_request = cut_off
        try:
            Deployer(web3, DEPLOYER, file, lambda _: None).run(PLAN)
        except CutOff:
            assert nonce(chain) == allowed
    assert_complete(chain, file)


def test_run_that_is_cut_off_while_each_transaction_waits_is_gone_on_with(chain: str, tmp_path: Path) -> None:
    file, web3 = tmp_path / "deployment.json", Web3(HTTPProvider(chain))
    request(chain, "evm_setAutomine", False)
    try:
        for _ in range(TRANSACTIONS):
            with pytest.raises(ChainFailed, match=r"not mined within 0 s; run the same command again"):
                deploy(chain, file, limit_s=SHORT_LIMIT_S)
            with pytest.raises(ChainFailed, match=r"earlier transactions of .*: not mined"):
                deploy(chain, file, limit_s=SHORT_LIMIT_S)
            assert web3.eth.get_transaction_count(DEPLOYER.address, "pending") == nonce(chain) + 1
            request(chain, "evm_mine")
    finally:
        request(chain, "evm_setAutomine", True)
    deploy(chain, file)
    assert_complete(chain, file)


def test_contract_whose_place_was_taken_by_another_transaction_is_deployed_elsewhere(
    chain: str, tmp_path: Path
) -> None:
    file = tmp_path / "deployment.json"
    written = dict[str, str]()

    def cut_off(line: str) -> None:
        written["address"] = json.loads(file.read_text())["contracts"]["AccountRegistry"]["address"]
        raise CutOff

    with undone(chain), pytest.raises(CutOff):
        deploy(chain, file, cut_off)
    signed = DEPLOYER.sign_transaction(
        {"to": STRANGER.address, "value": 0, "nonce": 0, "gas": 21_000, "gasPrice": 0, "chainId": 31337}
    )
    Web3(HTTPProvider(chain)).eth.send_raw_transaction(signed.raw_transaction)
    state = deploy(chain, file)
    assert state["contracts"]["AccountRegistry"]["address"] != written["address"]
    assert run(["--rpc", chain, "--check", str(file)]) == 0


def test_what_governance_changed_since_is_told_and_left_alone(chain: str, tmp_path: Path) -> None:
    file, said = tmp_path / "deployment.json", list[str]()
    deploy(chain, file)
    at = Deployed(chain, file, connect(chain))
    at.transact(GOVERNOR, "Escrow", "removeModule", at.address("DisputeCourt"))
    account = at.view("AccountRegistry", "accountOf", AUDITOR.address)
    at.transact(GOVERNOR, "AccountRegistry", "revokeRole", account, int(Role.AUDITOR))
    deploy(chain, file, said.append)
    assert nonce(chain) == TRANSACTIONS
    assert len(said) == 2
    assert all(line.startswith("changed since the deployment: ") for line in said)
    assert at.address("DisputeCourt") in said[0]
    assert AUDITOR.address in said[1]


def test_without_a_governor_the_deployer_stays_and_it_is_said(chain: str, tmp_path: Path) -> None:
    file, said = tmp_path / "deployment.json", list[str]()
    deploy(chain, file, said.append, replace(PLAN, governor=None))
    assert f"NO GOVERNOR WAS GIVEN: the deployer {DEPLOYER.address} stays governor" in said
    at = Deployed(chain, file, connect(chain))
    assert roles(at)[DEPLOYER.address] == Role.GOVERNOR
    assert at.state()["roles"]["governor"] == DEPLOYER.address
    assert run(["--rpc", chain, "--check", str(file)]) == 0


def test_delay_that_is_too_short_is_refused_before_anything_is_sent(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    with pytest.raises(ChainFailed, match=r"module delay of 262800 s is too short.*give 262801 s or more"):
        deploy(chain, file, plan=replace(PLAN, withdrawal_delay_s=3_600, module_delay_s=3_600 + 72 * 3_600))
    assert nonce(chain) == 0
    assert not file.exists()


def test_shortest_delay_that_is_taken_is_taken_by_the_contract(chain: str, tmp_path: Path) -> None:
    plan = replace(PLAN, withdrawal_delay_s=3_600, module_delay_s=3_601 + 72 * 3_600)
    assert deploy(chain, tmp_path / "deployment.json", plan=plan)["complete"]


def test_other_plan_than_the_one_begun_with_is_refused(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    deploy(chain, file)
    with pytest.raises(DeployFailed, match=f"was begun with roles .*{OPERATOR.address}"):
        deploy(chain, file, plan=replace(PLAN, operator=STRANGER.address))
    with pytest.raises(DeployFailed, match="was begun with bondMicro 1000000, now it is 7"):
        deploy(chain, file, plan=replace(PLAN, bond_micro=7))


def test_file_of_another_chain_is_refused(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    deploy(chain, file)
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"chainId": 1}))
    with pytest.raises(DeployFailed, match="is of chain 1, chain 31337 answers"):
        deploy(chain, file)
    file.write_text(json.dumps(state | {"deployBlock": 10**6}))
    with pytest.raises(DeployFailed, match=r"begins at block 1000000, but the chain is only at \d+"):
        deploy(chain, file)
    file.write_text(json.dumps({"chainId": 31337}))
    with pytest.raises(DeployFailed, match="is no deployments file of this build"):
        deploy(chain, file)


def test_other_code_at_a_known_address_is_refused(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    deploy(chain, file)
    address = json.loads(file.read_text())["contracts"]["Escrow"]["address"]
    request(chain, "anvil_setCode", address, "0x6001")
    with pytest.raises(DeployFailed, match=r"Escrow at .* code of 2 bytes that is not this build's Escrow"):
        deploy(chain, file)


def test_file_publishes_what_was_deployed(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    deploy(chain, file)
    state = json.loads(file.read_text())
    assert state["chainId"] == 31337
    assert state["compiler"]["solc"] == "0.8.30"
    assert state["compiler"]["viaIR"] is True
    assert state["compiler"]["evmVersion"] == "paris"
    assert state["compiler"]["optimizer"] == {"enabled": True, "runs": 1_000_000}
    assert state["delaysS"] == {"withdrawal": 3600, "module": 604_800, "dispute": 7_776_000, "answer": 604_800} | {
        "close": 86_400,
        "settle": 21_600,
    }
    assert state["bondMicro"] == 1_000_000
    assert state["deployer"] == DEPLOYER.address
    assert state["roles"] == {
        "governor": GOVERNOR.address,
        "operator": OPERATOR.address,
        "settler": OPERATOR.address,
        "issuer": ISSUER.address,
        "auditor": AUDITOR.address,
    }
    court = state["contracts"]["DisputeCourt"]
    assert list(court["arguments"]) == list(CONSTRUCTORS["DisputeCourt"])
    assert court["arguments"]["settlement"] == state["contracts"]["SessionSettlement"]["address"]
    assert len(bytes.fromhex(court["codeHash"][2:])) == 32


@pytest.mark.parametrize(
    "options",
    [("--block-base-fee-per-gas", "1000000000"), ("--hardfork", "berlin", "--gas-price", "7")],
    ids=["base fee", "no base fee"],
)
def test_chain_that_wants_fees_is_paid(options: tuple[str, ...], tmp_path: Path) -> None:
    with anvil(*options, fees=True) as rpc:
        request(rpc, "anvil_setBalance", DEPLOYER.address, hex(10**20))
        file = tmp_path / "deployment.json"
        deploy(rpc, file)
        assert_complete(rpc, file)
        web3 = Web3(HTTPProvider(rpc))
        last = web3.eth.get_transaction_by_block("latest", 0)
        assert last["gasPrice"] > 0


def test_key_without_money_on_a_chain_that_wants_fees_is_told(tmp_path: Path) -> None:
    with anvil(fees=True) as rpc, pytest.raises(ChainFailed, match=r"deploy AccountRegistry .*funds"):
        deploy(rpc, tmp_path / "deployment.json")


def options_for(tmp_path: Path, rpc: str) -> list[str]:
    file, passphrase = keystore(tmp_path, DEPLOYER)
    named = ["--house", HOUSE.address, "--dust", DUST.address, "--operator", OPERATOR.address]
    named += ["--governor", GOVERNOR.address, "--auditor", AUDITOR.address, "--issuer", ISSUER.address]
    return [
        *("--rpc", rpc, "--keystore", str(file), "--passphrase-file", str(passphrase)),
        *named,
        *("--out", str(tmp_path / "deployment.json")),
    ]


def test_command_deploys(chain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(options_for(tmp_path, chain)) == 0
    assert f"deployed; addresses and ABIs are in {tmp_path / 'deployment.json'}" in capsys.readouterr().out
    assert_complete(chain, tmp_path / "deployment.json")


def test_command_names_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATTLEDGER_PASSPHRASE", raising=False)
    nowhere = "http://127.0.0.1:1"
    options = options_for(tmp_path, nowhere)
    assert run(options) == 1
    assert "no chain answers" in capsys.readouterr().err
    assert run([*options, "--module-delay-s", "1"]) == 1
    assert "module delay of 1 s is too short" in capsys.readouterr().err
    (tmp_path / "passphrase").write_text("wrong\n")
    assert run(options) == 1
    assert "cannot open the keystore" in capsys.readouterr().err
    assert run(["--rpc", nowhere, "--house", HOUSE.address]) == 1
    assert "deploying needs --keystore, --dust, --operator as well" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run([*options, "--governor", "0x12"])
    assert "'0x12' is no address" in capsys.readouterr().err
    (tmp_path / "passphrase").write_text("for tests\n")
    file = tmp_path / f"{DEPLOYER.address}.json"
    assert open_key(file, tmp_path / "passphrase").address == DEPLOYER.address
    with pytest.raises(ChainFailed, match="give --passphrase-file or set WATTLEDGER_PASSPHRASE"):
        open_key(file, None)
    with pytest.raises(ChainFailed, match=r"cannot read .*nowhere"):
        open_key(tmp_path / "nowhere", tmp_path / "passphrase")
