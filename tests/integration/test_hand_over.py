"""After the deployment the deployer holds nothing, and each function of each contract refuses its key.

The functions come from the ABIs. Each is called with many plausible arguments, those that work for somebody else
among them: what the governor, the operator or a member can do proves that the arguments would have been good.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError

from scripts.compile import compiled
from scripts.plan import CONSTRUCTORS, Role
from tests.integration.deployed import DEPLOYER, GOVERNOR, ISSUER, OPERATOR, STRANGER, Deployed, deployed, key_of

DEPLOYER_ACCOUNT = 3
STATION_KEY, MEMBER, VISITOR, MONEY_MICRO = key_of(0x21), key_of(0x22), key_of(0x23), 5_000_000
FUNCTIONS = [
    (name, entry)
    for name, artifact in compiled().items()
    for entry in artifact.abi
    if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
]
MOST_CALLS = 200
WORK_FOR_OTHERS = {
    *("AccountRegistry.openAccount", "AccountRegistry.openAccounts", "AccountRegistry.setDriverKey"),
    *("AccountRegistry.closeAccount", "AccountRegistry.reopenAccount"),
    *("AccountRegistry.grantRole", "AccountRegistry.revokeRole"),
    *("StationRegistry.registerStation", "StationRegistry.registerStations", "StationRegistry.rotateKey"),
    *("StationRegistry.revokeKey", "StationRegistry.suspendStation", "StationRegistry.proposeModule"),
    *("StationRegistry.removeModule", "TariffBook.publish", "SettlementToken.mint", "SettlementToken.burn"),
    *("SettlementToken.approve", "SettlementToken.transfer", "SettlementToken.transferFrom", "Escrow.deposit"),
    *("Escrow.requestWithdrawal", "Escrow.setDailyCap", "Escrow.collect", "Escrow.pause"),
    *("Escrow.freezeWithdrawals", "Escrow.thawWithdrawals", "Escrow.setBalanceCap"),
    *("Escrow.proposeModule", "Escrow.removeModule"),
}
"""Functions for which the arguments below are good enough, as somebody else shows."""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Contracts in use: a station, money in an account, a token in circulation."""
    with deployed(tmp_path_factory.mktemp("hand-over")) as place:
        place.transact(OPERATOR, "StationRegistry", "registerStation", STATION_KEY.address, 22_000, True, 0, 0)
        place.transact(OPERATOR, "AccountRegistry", "openAccount", MEMBER.address, MEMBER.address)
        place.transact(OPERATOR, "AccountRegistry", "openAccount", VISITOR.address, VISITOR.address)
        for owner in (ISSUER, MEMBER):
            place.transact(ISSUER, "SettlementToken", "mint", owner.address, MONEY_MICRO)
            place.transact(owner, "SettlementToken", "approve", place.address("Escrow"), MONEY_MICRO)
            account = place.view("AccountRegistry", "accountOf", owner.address)
            place.transact(owner, "Escrow", "deposit", account, MONEY_MICRO // 2)
        yield place


def test_deployer_holds_nothing(at: Deployed) -> None:
    deployer = DEPLOYER.address
    assert at.view("AccountRegistry", "accountOf", deployer) == DEPLOYER_ACCOUNT
    assert at.view("AccountRegistry", "isMember", deployer) is False
    assert at.view("AccountRegistry", "isOpen", DEPLOYER_ACCOUNT) is False
    assert at.view("AccountRegistry", "rolesOf", DEPLOYER_ACCOUNT) == 0
    assert at.view("SettlementToken", "balanceOf", deployer) == 0
    assert at.view("Escrow", "isClear", DEPLOYER_ACCOUNT)
    owned = range(1, at.view("AccountRegistry", "accountCount") + 1)
    assert [a for a in owned if at.view("AccountRegistry", "ownerOf", a) == deployer] == [DEPLOYER_ACCOUNT]
    for gate in ("Escrow", "StationRegistry"):
        assert at.view(gate, "moduleActiveFrom", deployer) == 0
    approvals = at.contract("SettlementToken").events.Approval().get_logs(from_block=0)
    assert approvals, "members approved something, so that the event is seen"
    assert deployer not in {party for log in approvals for party in (log["args"]["owner"], log["args"]["spender"])}


def test_no_contract_can_name_the_deployer(at: Deployed) -> None:
    """No address that a contract tells without being asked for one is the deployer's."""
    seen = 0
    for name, artifact in compiled().items():
        for entry in artifact.abi:
            if entry["type"] != "function" or entry["inputs"] or entry["stateMutability"] not in ("view", "pure"):
                continue
            if [output["type"] for output in entry["outputs"]] == ["address"]:
                seen += 1
                assert at.view(name, entry["name"]) in at.addresses().values()
    assert seen >= len([a for arguments in CONSTRUCTORS.values() for a in arguments if a == "accounts"])


@pytest.mark.parametrize(
    ("contract", "entry"),
    [pytest.param(name, e, id=f"{name}.{e['name']}") for name, e in FUNCTIONS],
)
def test_function_refuses_the_deployer(at: Deployed, contract: str, entry: dict[str, Any]) -> None:
    calls = list(itertools.islice(_arguments(at, entry), MOST_CALLS))
    assert calls
    function = at.contract(contract).get_function_by_signature(_signature(entry))
    accepted = [arguments for arguments in calls if _accepts(function, DEPLOYER.address, arguments)]
    assert accepted == []
    if f"{contract}.{entry['name']}" in WORK_FOR_OTHERS:
        others = (GOVERNOR, OPERATOR, ISSUER, MEMBER)
        assert any(_accepts(function, key.address, arguments) for key, arguments in itertools.product(others, calls))


def test_each_function_that_works_for_others_exists() -> None:
    assert {f"{name}.{entry['name']}" for name, entry in FUNCTIONS} >= WORK_FOR_OTHERS


def _accepts(function: ContractFunction, sender: str, arguments: tuple[object, ...]) -> bool:
    try:
        function(*arguments).call({"from": sender})
    except ContractLogicError:
        return False
    return True


def _signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(_type(parameter) for parameter in entry['inputs'])})"


def _type(parameter: dict[str, Any]) -> str:
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    inner = ",".join(_type(component) for component in parameter["components"])
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


def _arguments(at: Deployed, entry: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    yield from itertools.product(*(_values(at, parameter) for parameter in entry["inputs"]))


def _values(at: Deployed, parameter: dict[str, Any]) -> list[Any]:
    """Values of a parameter that make sense somewhere in this system."""
    kind, name = str(parameter["type"]), str(parameter["name"])
    if kind.endswith("[]"):
        inner = parameter | {"type": kind.removesuffix("[]")}
        return [[], *([value] for value in _values(at, inner)[:2])]
    if kind == "tuple":
        choices = [_values(at, component) for component in parameter["components"]]
        width = max(len(choice) for choice in choices)
        return [tuple(choice[i % len(choice)] for choice in choices) for i in range(width)]
    return _addresses(at) if kind == "address" else _plain_values(at, kind, name)


def _addresses(at: Deployed) -> list[Any]:
    known = at.addresses()
    others = [known["TariffBook"], known["Escrow"], known["SessionSettlement"]]
    return [*others, STATION_KEY.address, STRANGER.address, DEPLOYER.address, MEMBER.address, "0x" + "00" * 20]


def _plain_values(at: Deployed, kind: str, name: str) -> list[Any]:
    if kind == "bool":
        return [False, True]
    if kind.startswith("bytes"):
        return [bytes(int(kind.removeprefix("bytes") or 0)), bytes([1] * int(kind.removeprefix("bytes") or 100))]
    if name in ("role", "roles"):
        return [int(role) for role in Role]
    if name in ("account", "payee", "debtor", "to", "creditor"):
        owners = (DEPLOYER, OPERATOR, GOVERNOR, ISSUER, MEMBER, VISITOR)
        return [*(at.view("AccountRegistry", "accountOf", owner.address) for owner in owners), 1]
    if name == "validTo":
        return [2, 2**40 - 1]
    return [1, 0, 255 if kind == "uint8" else 1_000]
