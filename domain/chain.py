"""What the chain says: blocks and decoded contract events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.text import address_text, hex_text
from domain.units import UnixSeconds

LOG_INDEX_BITS = 20
"""More events than 2^20 do not fit a block."""
_ADDRESS_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRef:
    """A block by its place and content. A reorganisation shows as another hash at the same number."""

    number: int
    block_hash: bytes
    parent_hash: bytes
    time_s: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEvent:
    """One event of one of our contracts.

    `args` has the names of the contract's ABI; addresses are 20 bytes, hashes 32 bytes, numbers integers.
    """

    block: int
    block_hash: bytes
    log_index: int
    tx: bytes
    contract: str
    name: str
    args: Mapping[str, Any]

    @property
    def place(self) -> int:
        """Its place among all events of the chain, as one number."""
        return self.block << LOG_INDEX_BITS | self.log_index

    def plain_args(self) -> dict[str, Any]:
        """The arguments as JSON holds them: addresses and hashes as text, lists of 256-bit words in hexadecimal."""
        return {name: _plain(value) for name, value in self.args.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A transaction's target and data."""

    to: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class View:
    """A question to one of our contracts, by the name of its function."""

    contract: str
    function: str
    args: tuple[object, ...] = ()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        # Words of 256 bits, which not every reader of JSON can hold as numbers.
        return [f"{word:#066x}" for word in value]
    if not isinstance(value, bytes):
        return value
    return address_text(value) if len(value) == _ADDRESS_BYTES else hex_text(value)
