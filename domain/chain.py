"""What the chain says: blocks and decoded contract events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.units import UnixSeconds


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
