"""The telemetry root: small trees worked out by hand, and no node passes for a leaf."""

import pytest
from eth_hash.auto import keccak

from domain.merkle import EMPTY_ROOT, leaf, merkle_root

A, B, C, D, E = (leaf(bytes([n]) * 32, bytes([n]) * 65) for n in range(5))


def node(left: bytes, right: bytes) -> bytes:
    return keccak(b"\x01" + left + right)


def test_leaf_is_the_hash_of_a_zero_byte_the_reading_and_its_signature() -> None:
    assert keccak(bytes(1 + 32 + 65)) == A
    assert leaf(bytes(32), b"\x01" * 65) != A, "the signature is under the root"


@pytest.mark.parametrize(
    ("leaves", "root"),
    [
        ([], bytes(32)),
        ([A], A),
        ([A, B], node(A, B)),
        ([A, B, C], node(node(A, B), C)),
        ([A, B, C, D], node(node(A, B), node(C, D))),
        ([A, B, C, D, E], node(node(node(A, B), node(C, D)), E)),
        ([A, B, C, D, E, A], node(node(node(A, B), node(C, D)), node(E, A))),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, list) else "",
)
def test_root_of_a_small_tree_is_the_one_worked_out_by_hand(leaves: list[bytes], root: bytes) -> None:
    assert merkle_root(leaves) == root


def test_root_of_nothing_is_zero() -> None:
    assert merkle_root(iter(())) == EMPTY_ROOT == bytes(32)


def test_inner_node_does_not_pass_for_a_leaf() -> None:
    inner = A + B
    assert leaf(inner[:32], inner[32:]) != node(A, B)
    assert merkle_root([leaf(inner[:32], inner[32:]), node(C, D)]) != merkle_root([A, B, C, D])


def test_last_leaf_twice_is_not_the_same_as_once() -> None:
    assert merkle_root([A, B, C, C]) != merkle_root([A, B, C])


def test_order_of_leaves_matters() -> None:
    assert merkle_root([A, B]) != merkle_root([B, A])
