"""A plan that the contracts would refuse, or that leaves the deployer something, is refused before anything is sent."""

import re
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from domain.signing import SigningDomain
from domain.text import address_text
from scripts.anvil import ROOT
from scripts.chain import ChainFailed, refusal
from scripts.compile import compiled
from scripts.plan import CONSTRUCTORS, LONGEST_FREEZE_S, Plan, Role, domain_separator, plan_of, role_names
from scripts.refusals import _WORDS, in_words

HOUSE, DUST, OPERATOR, GOVERNOR, AUDITOR, ISSUER, DEPLOYER = (address_text(bytes([n] * 20)) for n in range(1, 8))
PLAN = Plan(house=HOUSE, dust=DUST, operator=OPERATOR, governor=GOVERNOR, auditor=AUDITOR, issuer=ISSUER)
AT = {name: address_text(bytes([0x80 + i] * 20)) for i, name in enumerate(CONSTRUCTORS)}


def test_plan_is_taken() -> None:
    PLAN.check(DEPLOYER)
    replace(PLAN, governor=None).check(DEPLOYER)
    replace(PLAN, governor=None, operator=DEPLOYER).check(DEPLOYER)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"module_delay_s": 3_600 + LONGEST_FREEZE_S}, "is too short: members must be able to withdraw"),
        ({"withdrawal_delay_s": 7 * 86_400}, "is too short"),
        ({"withdrawal_delay_s": 0}, "the withdrawal delay 0 is not between 0 and"),
        ({"module_delay_s": 1 << 32}, "the module delay 4294967296 is not"),
        ({"answer_window_s": -1}, "the answer window -1 is not"),
        ({"dispute_window_s": 0}, "the dispute window 0 is not"),
        ({"close_after_s": 0}, "the time to close 0 is not"),
        ({"settle_within_s": 1 << 32}, "the time to settle 4294967296 is not"),
        ({"bond_micro": 1 << 96}, "the bond 79228162514264337593543950336 is not"),
        ({"dust": HOUSE}, "must be three addresses"),
        ({"house": DEPLOYER}, "must be three addresses"),
        ({"operator": HOUSE}, "the operator must not own the house or the dust account"),
        ({"governor": DUST}, "the governor must not own"),
        ({"issuer": DUST}, "the issuer must not own"),
        ({"governor": DEPLOYER}, "it cannot be the governor as well"),
        ({"operator": DEPLOYER}, "it cannot be the operator as well"),
        ({"auditor": DEPLOYER}, "it cannot be the auditor as well"),
        ({"issuer": DEPLOYER}, "it cannot be the issuer as well"),
    ],
)
def test_plan_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ChainFailed, match=why):
        replace(PLAN, **change).check(DEPLOYER)


@pytest.mark.parametrize(
    "plan", [PLAN, replace(PLAN, governor=None), replace(PLAN, issuer=None, auditor=None)], ids=["all", "none", "few"]
)
def test_plan_is_read_back_from_what_is_published(plan: Plan) -> None:
    assert plan_of(plan.as_json(DEPLOYER)) == (plan, DEPLOYER)


def test_roles_add_up() -> None:
    assert replace(PLAN, issuer=None).roles(DEPLOYER)[OPERATOR] == Role.OPERATOR | Role.SETTLER | Role.ISSUER
    assert replace(PLAN, governor=None).roles(DEPLOYER)[DEPLOYER] == Role.GOVERNOR
    assert replace(PLAN, governor=OPERATOR).roles(DEPLOYER)[OPERATOR] == Role.GOVERNOR | Role.OPERATOR | Role.SETTLER
    assert role_names(Role.GOVERNOR | Role.ISSUER) == "governor, issuer"
    assert role_names(0) == "none"


def test_roles_are_those_of_the_contracts() -> None:
    library = (ROOT / "contracts" / "Roles.sol").read_text().split("library NamedAccounts")[0]
    declared = re.findall(r"constant (\w+) = (\d+);", library)
    assert {name: int(bit) for name, bit in declared if name in Role.__members__} == {r.name: int(r) for r in Role}
    assert ("ALL", str(int(sum(Role)))) in declared


def test_longest_freeze_is_that_of_the_contract() -> None:
    assert f"MAX_FREEZE_S = {LONGEST_FREEZE_S // 3600} hours" in (ROOT / "contracts" / "Escrow.sol").read_text()


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_arguments_are_those_of_the_constructor(name: str) -> None:
    arguments = PLAN.arguments(name, DEPLOYER, AT)
    entry = next(entry for entry in compiled()[name].abi if entry["type"] == "constructor")
    assert [parameter["name"].removesuffix("_") for parameter in entry["inputs"]] == list(arguments)
    assert encode([parameter["type"] for parameter in entry["inputs"]], list(arguments.values()))


def test_domain_is_the_one_that_is_signed() -> None:
    for chain_id, contract in ((1, AT["StationRegistry"]), (31337, AT["AccountRegistry"])):
        assert domain_separator(chain_id, contract) == SigningDomain(chain_id, bytes.fromhex(contract[2:])).separator


def test_each_refusal_that_has_words_exists_with_these_values() -> None:
    errors = {e["name"]: e for artifact in compiled().values() for e in artifact.abi if e["type"] == "error"}
    for name, words in _WORDS.items():
        named = {parameter["name"] for artifact in compiled().values() for parameter in _inputs(artifact.abi, name)}
        assert set(re.findall(r"\{(\w+)\}", words)) <= named, name
        assert name in errors


def _inputs(abi: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return next((entry["inputs"] for entry in abi if entry["type"] == "error" and entry["name"] == name), [])


def test_refusal_without_words_is_told_by_name_and_values() -> None:
    abi = [{"type": "error", "name": "Odd", "inputs": [{"name": "number", "type": "uint24"}]}]
    data = "0x" + (keccak(b"Odd(uint24)")[:4] + encode(["uint24"], [7])).hex()
    assert in_words(refusal("try", data, abi)) == "try: the contract refuses with Odd (number 7)"
    assert "Odd" in in_words(refusal("try", data[:12], abi))
    reason = "0x" + (keccak(b"Error(string)")[:4] + encode(["string"], ["no"])).hex()
    assert in_words(refusal("try", reason, abi)) == "try: the contract refuses with Error (reason no)"
    for nonsense in (None, "0x", "0xzz", "0x12345678"):
        assert "an error that is not in its ABI" in in_words(refusal("try", nonsense, abi))
