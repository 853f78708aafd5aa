"""Merkle root over a statement's readings: what the station signs of its telemetry.

Leaves and nodes are hashed with different prefixes, so that no node passes for a leaf (after RFC 6962,
section 2.1, with keccak-256). A node without a sibling moves up unchanged.
"""

from collections.abc import Iterable

from domain.keccak import keccak

EMPTY_ROOT = bytes(32)


def leaf(struct_hash: bytes, signature: bytes) -> bytes:
    """Leaf of one signed reading."""
    return keccak(b"\x00" + struct_hash + signature)


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Root over the leaves in order; 32 zero bytes if there are none."""
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        paired = [keccak(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]
