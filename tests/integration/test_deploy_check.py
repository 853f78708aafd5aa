"""Anybody can compare a deployments file with the chain and with a build of their own; each difference has a name."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from scripts.chain import connect
from scripts.compile import compiled
from scripts.deploy import run
from scripts.inspection import FIXED, Inspector, inspect_published
from scripts.plan import Role, plan_of
from tests import programs
from tests.integration.deployed import (
    AUDITOR,
    DEPLOYER,
    GOVERNOR,
    OPERATOR,
    STRANGER,
    Deployed,
    deployed,
    undone,
)

Alter = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("check")) as place:
        yield place


@pytest.fixture
def at(unchanged: Deployed) -> Iterator[Deployed]:
    with undone(unchanged.rpc):
        yield unchanged


def differences(at: Deployed, file: dict[str, Any] | None = None) -> list[str]:
    found = inspect_published(connect(at.rpc), at.state() if file is None else file, lambda _: None)
    return [str(difference) for difference in found.differences]


def test_deployment_as_published_has_no_differences(at: Deployed) -> None:
    found = inspect_published(connect(at.rpc), at.state(), lambda _: None)
    assert found.differences == ()
    immutables = sum(len(artifact.immutables) for artifact in compiled().values())
    assert found.compared >= immutables + 40
    assert {(holder.owner, holder.roles, holder.open) for holder in found.holders} >= {
        (DEPLOYER.address, Role(0), False),
        (GOVERNOR.address, Role.GOVERNOR, True),
    }


def test_command_reads_only_and_says_who_holds_what(at: Deployed) -> None:
    block = at.web3.eth.block_number
    done = programs.run("scripts.deploy", "--check", str(at.file), "--rpc", at.rpc)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"of {GOVERNOR.address} (open): governor\n" in done.stdout
    assert f"account 3 of {DEPLOYER.address} (closed): none\n" in done.stdout
    assert "no differences in " in done.stdout
    assert at.web3.eth.block_number == block


def _set(*path: str, to: object) -> Alter:
    def alter(file: dict[str, Any]) -> None:
        for key in path[:-1]:
            file = file[key]
        file[path[-1]] = to

    return alter


def _swap_addresses(file: dict[str, Any]) -> None:
    contracts = file["contracts"]
    one, two = contracts["Escrow"], contracts["DisputeCourt"]
    one["address"], two["address"] = two["address"], one["address"]


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (_set("chainId", to=1), "file, chainId: expected 31337, found 1"),
        (_set("complete", to=False), "file, complete: expected True, found False"),
        (_set("compiler", "optimizer", "runs", to=200), "file, compiler, optimizer, runs: expected 1000000, found 200"),
        (_set("contracts", "Escrow", "codeHash", to="0x" + "00" * 32), "file, Escrow, codeHash: expected 0x"),
        (_set("contracts", "Escrow", "abi", to=[]), "file, Escrow, abi: expected"),
        (
            _set("contracts", "Escrow", "arguments", "moduleDelay", to=1),
            "file, Escrow, arguments, moduleDelay: expected 604800, found 1",
        ),
        (_set("delaysS", "module", to=1), "StationRegistry.moduleDelay(): expected 1, found 604800"),
        (_set("delaysS", "answer", to=1), "DisputeCourt.answerWindowS(): expected 1, found 604800"),
        (_set("bondMicro", to=1), "DisputeCourt.bondMicro(): expected 1, found 1000000"),
        (_set("accounts", "house", to=STRANGER.address), "AccountRegistry.ownerOf(1): expected " + STRANGER.address),
        (_set("deployer", to=STRANGER.address), "AccountRegistry.ownerOf(3): expected " + STRANGER.address),
        (_set("roles", "governor", to=STRANGER.address), f"roles of {GOVERNOR.address}: expected none, found governor"),
        (
            _set("roles", "settler", to=STRANGER.address),
            f"file, roles, settler: expected {OPERATOR.address}, found {STRANGER.address}",
        ),
        (_set("roles", "auditor", to=None), f"roles of {AUDITOR.address}: expected none, found auditor"),
        (_set("deployBlock", to=10), "deployBlock: expected a block no later than the first event, found 10"),
        (_swap_addresses, "that is not this build's Escrow"),
        (_set("contracts", "Escrow", "address", to=STRANGER.address), ", found no code"),
        (lambda file: file["contracts"].pop("TariffBook"), "TariffBook at 0x0000"),
    ],
)
def test_altered_file_is_named(at: Deployed, tmp_path: Path, alter: Alter, named: str) -> None:
    file = at.state()
    alter(file)
    found = differences(at, file)
    assert any(named in line for line in found), found
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(file))
    assert run(["--rpc", at.rpc, "--check", str(path)]) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"contracts": {}}', '{"deployer": "0x"}'])
def test_file_that_is_none_is_refused(
    at: Deployed, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nonsense.json"
    path.write_text(text)
    assert run(["--rpc", at.rpc, "--check", str(path)]) == 1
    assert "no deployments file of ours" in capsys.readouterr().err


def _code(at: Deployed, name: str) -> bytearray:
    return bytearray(at.web3.eth.get_code(at.web3.to_checksum_address(at.address(name))))


@pytest.mark.parametrize("name", list(compiled()))
def test_other_code_is_named(at: Deployed, name: str) -> None:
    code = _code(at, name)
    code[-1] ^= 1
    at.request("anvil_setCode", at.address(name), "0x" + code.hex())
    assert [line.split(":")[0] for line in differences(at)] == [f"{name} at {at.address(name)}"]


def test_module_delay_that_is_short_in_one_place_of_the_code_is_named(at: Deployed) -> None:
    """The getter still tells the long one: only the place that counts was altered."""
    artifact, code = compiled()["Escrow"], _code(at, "Escrow")
    delay = at.state()["delaysS"]["module"]
    places = next(
        places
        for places, values in zip(artifact.immutables, artifact.immutables_in(bytes(code)), strict=True)
        if values == {delay}
    )
    assert len(places) > 1
    tampered = 0
    for start, length in places:
        altered = bytearray(code)
        altered[start : start + length] = (0).to_bytes(length, "big")
        at.request("anvil_setCode", at.address("Escrow"), "0x" + altered.hex())
        found = differences(at)
        assert found
        tampered += at.view("Escrow", "moduleDelay") == delay
        assert any(
            "Escrow, immutable in the code: expected one of the planned values, found 0x0 and" in f for f in found
        )
    assert tampered >= 1


def test_address_that_was_replaced_throughout_the_code_is_named(at: Deployed) -> None:
    code = bytes(_code(at, "Escrow"))
    old, new = (bytes.fromhex(address[2:]) for address in (at.address("SettlementToken"), STRANGER.address))
    assert code.count(old) > 1
    at.request("anvil_setCode", at.address("Escrow"), "0x" + code.replace(old, new).hex())
    found = differences(at)
    assert any("Escrow, immutable in the code" in line for line in found)
    assert any(line.startswith(f"Escrow.token(): expected {at.address('SettlementToken')}") for line in found)


def test_module_that_nobody_published_is_named(at: Deployed) -> None:
    at.transact(GOVERNOR, "Escrow", "proposeModule", at.address("TariffBook"))
    assert [line.split(",")[0:2] for line in differences(at)] == [
        ["Escrow", f" module {at.address('TariffBook')}: expected no module"]
    ]


def test_module_that_is_gone_is_named(at: Deployed) -> None:
    at.transact(GOVERNOR, "StationRegistry", "removeModule", at.address("SessionSettlement"))
    found = differences(at)
    assert len(found) == 1
    assert f"module {at.address('SessionSettlement')}: expected active, as SessionSettlement" in found[0]


def test_role_that_nobody_published_is_named(at: Deployed) -> None:
    at.transact(GOVERNOR, "AccountRegistry", "openAccount", STRANGER.address, "0x" + "00" * 20)
    account = at.view("AccountRegistry", "accountOf", STRANGER.address)
    at.transact(GOVERNOR, "AccountRegistry", "grantRole", account, int(Role.ISSUER))
    at.transact(GOVERNOR, "AccountRegistry", "grantRole", account, int(Role.AUDITOR))
    found = differences(at)
    assert [line.split(";")[0] for line in found] == [
        f"roles of {STRANGER.address}: expected none, found auditor, issuer"
    ]


def test_account_of_the_deployer_that_is_open_again_is_named(at: Deployed) -> None:
    at.transact(GOVERNOR, "AccountRegistry", "reopenAccount", 3)
    assert [line.split(";")[0] for line in differences(at)] == [
        "account 3 of the deployer: expected closed, found open"
    ]


def test_node_that_gives_few_blocks_of_events_at_once_is_asked_for_less(at: Deployed) -> None:
    web3, refused = connect(at.rpc), 0
    answer = web3.provider.make_request

    def in_small_pieces(method: Any, parameters: Any) -> Any:
        nonlocal refused
        if method == "eth_getLogs" and int(parameters[0]["toBlock"], 16) - int(parameters[0]["fromBlock"], 16) > 5:
            refused += 1
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "query returned too much"}}
        return answer(method, parameters)

    cast(Any, web3.provider).make_request = in_small_pieces
    found = inspect_published(web3, at.state(), lambda _: None)
    assert refused > 0
    assert found.differences == ()
    assert len(found.holders) == len(inspect_published(connect(at.rpc), at.state(), lambda _: None).holders)


def test_gate_that_is_not_sealed_is_named(at: Deployed) -> None:
    """As after a deployment that was left half done: the seal is a flag in the contract's storage."""
    plan, deployer = plan_of(at.state())
    for gate in ("Escrow", "StationRegistry"):
        slot = next(s for s in range(20) if _seal_is_in(at, gate, s))
        at.request("anvil_setStorageAt", at.address(gate), hex(slot), "0x" + "00" * 32)
    look = Inspector(connect(at.rpc), plan, deployer, at.addresses(), at.state()["deployBlock"]).look(handed_over=True)
    fixed = [str(difference) for difference in look.differences if difference.kind == FIXED]
    assert [line.split(":")[0] for line in fixed] == ["StationRegistry.sealedModules()", "Escrow.sealedModules()"]


def _seal_is_in(at: Deployed, gate: str, slot: int) -> bool:
    with undone(at.rpc):
        at.request("anvil_setStorageAt", at.address(gate), hex(slot), "0x" + "00" * 32)
        return not at.view(gate, "sealedModules")
