"""Calls of view functions as bytes, and their answers, by a contract's ABI alone."""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple

from domain.keccak import keccak
from domain.text import address_text, hex_text

_SELECTOR_BYTES = 4


class ViewCoder:
    """One view function of one contract. `entry` is its part of the ABI."""

    def __init__(self, address: bytes, entry: Mapping[str, Any]) -> None:
        self._to = address_text(address)
        self._inputs = [collapse_if_tuple(parameter) for parameter in entry["inputs"]]
        self._outputs = [collapse_if_tuple(parameter) for parameter in entry["outputs"]]
        self._selector = keccak(f"{entry['name']}({','.join(self._inputs)})".encode())[:_SELECTOR_BYTES]
        self._fields = [_fields(parameter) for parameter in entry["outputs"]]

    def call(self, args: Sequence[object]) -> dict[str, str]:
        """The call's parameters for JSON-RPC."""
        return {"to": self._to, "data": hex_text(self._selector + encode(self._inputs, args))}

    def answer(self, result: str) -> Any:
        """What came back: the one value, or all of them."""
        values = decode(self._outputs, bytes.fromhex(result.removeprefix("0x")))
        shaped = [
            value if fields is None else fields(*value) for value, fields in zip(values, self._fields, strict=True)
        ]
        return shaped[0] if len(shaped) == 1 else shaped


def _fields(parameter: Mapping[str, Any]) -> Any:
    """The names of a structure's parts; None for anything else."""
    if parameter["type"] != "tuple":
        return None
    return namedtuple("Answer", [part["name"] for part in parameter["components"]])
