"""What a contract says when it refuses a call: custom errors by name, with their values."""

from collections.abc import Iterable, Mapping
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from backend.adapters.chain.deployment import DeployedContract
from backend.application.errors import TransactionRefused
from domain.keccak import keccak
from domain.text import parse_address

_SELECTOR_BYTES = 4
_STANDARD: list[dict[str, Any]] = [
    {"type": "error", "name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
]


class Refusals:
    """Decodes revert data with the errors of all contracts: one contract passes on another one's."""

    def __init__(self, contracts: Iterable[DeployedContract]) -> None:
        entries = [entry for contract in contracts for entry in contract.abi if entry["type"] == "error"]
        self._errors = {_selector(entry): entry for entry in [*_STANDARD, *entries]}

    def of(self, data: object) -> TransactionRefused:
        """The refusal in revert data, which nodes give as hexadecimal text."""
        try:
            raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
        except ValueError:
            raw = b""
        entry = self._errors.get(raw[:_SELECTOR_BYTES])
        if entry is None:
            return TransactionRefused("UnknownRefusal", {"selector": raw[:_SELECTOR_BYTES]} if raw else {})
        inputs = entry["inputs"]
        try:
            values = decode([parameter["type"] for parameter in inputs], raw[_SELECTOR_BYTES:])
        except DecodingError:
            return TransactionRefused(entry["name"])
        return TransactionRefused(
            entry["name"], {p["name"]: _plain(value, p["type"]) for p, value in zip(inputs, values, strict=True)}
        )


def _selector(entry: Mapping[str, Any]) -> bytes:
    types = ",".join(parameter["type"] for parameter in entry["inputs"])
    return bytes(keccak(f"{entry['name']}({types})".encode()))[:_SELECTOR_BYTES]


def _plain(value: object, abi_type: str) -> object:
    return parse_address(value) if abi_type == "address" and isinstance(value, str) else value
