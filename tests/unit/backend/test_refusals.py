"""Revert data of the contracts, as named errors with their values."""

from eth_abi.abi import encode
from eth_hash.auto import keccak

from backend.adapters.chain.deployment import DeployedContract
from backend.adapters.chain.refusals import Refusals

ABI = [
    {
        "type": "error",
        "name": "SequenceMismatch",
        "inputs": [
            {"name": "station", "type": "uint24"},
            {"name": "expected", "type": "uint24"},
            {"name": "received", "type": "uint24"},
        ],
    },
    {"type": "error", "name": "NotAMember", "inputs": [{"name": "holder", "type": "address"}]},
]
REFUSALS = Refusals([DeployedContract("StationRegistry", bytes(20), ABI)])


def data(signature: str, *values: object) -> str:
    types = signature[signature.index("(") + 1 : -1]
    encoded = encode(types.split(","), values) if types else b""
    return "0x" + (bytes(keccak(signature.encode()))[:4] + encoded).hex()


def test_a_custom_error_has_its_name_and_values() -> None:
    refusal = REFUSALS.of(data("SequenceMismatch(uint24,uint24,uint24)", 3, 5, 4))

    assert str(refusal) == "SequenceMismatch(station=3, expected=5, received=4)"
    assert refusal.values == {"station": 3, "expected": 5, "received": 4}


def test_addresses_are_bytes() -> None:
    assert REFUSALS.of(data("NotAMember(address)", "0x" + "ab" * 20)).values == {"holder": b"\xab" * 20}


def test_reasons_and_panics_are_known() -> None:
    assert str(REFUSALS.of(data("Error(string)", "no"))) == "Error(reason=no)"
    assert str(REFUSALS.of(data("Panic(uint256)", 17))) == "Panic(code=17)"


def test_anything_else_is_unknown() -> None:
    for odd in (None, "", "0x", "0xzz", "0x12345678", {"data": 1}, data("SequenceMismatch(uint24)", 3)):
        assert REFUSALS.of(odd).name == "UnknownRefusal"
    assert REFUSALS.of(data("SequenceMismatch(uint24,uint24,uint24)", 3, 5, 4)[:20]).name == "SequenceMismatch"
