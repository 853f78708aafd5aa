"""The chain of batches: what proves that a batch was settled, and when it stops doing so."""

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from domain.batch_chain import PAGE, BatchChain, batch_digest, link, page_of
from domain.units import AccountId

EVIDENCE = b"\x0e" * 32
HASHES = [bytes([n]) * 32 for n in (1, 2, 3)]


@pytest.mark.parametrize("set_aside", [[], [7], [9, 2, 16_777_215]])
def test_digest_is_the_hash_of_what_the_abi_encodes(set_aside: list[int]) -> None:
    accounts = [AccountId(account) for account in set_aside]
    expected = encode(["bytes32", "bytes32", "uint24[]"], [EVIDENCE, keccak(b"".join(HASHES)), set_aside])
    assert batch_digest(EVIDENCE, HASHES, accounts) == keccak(expected)


def test_batch_without_statements_has_no_hash_of_them() -> None:
    expected = encode(["bytes32", "bytes32", "uint24[]"], [EVIDENCE, bytes(32), []])
    assert batch_digest(EVIDENCE, [], []) == keccak(expected)


def test_head_holds_the_number_above_a_digest_of_all_before() -> None:
    head = link(link(0, HASHES[0]), HASHES[1])
    assert head >> 224 == 2
    first = 1 << 224 | int.from_bytes(keccak(encode(["uint256", "bytes32"], [0, HASHES[0]])), "big") >> 32
    second = int.from_bytes(keccak(encode(["uint256", "bytes32"], [first, HASHES[1]])), "big") >> 32
    assert head == 2 << 224 | second
    assert BatchChain.of(HASHES[:2]).head == head


def test_another_order_or_another_batch_makes_another_head() -> None:
    heads = {BatchChain.of(digests).head for digests in (HASHES, HASHES[::-1], HASHES[:2], [*HASHES[:2], EVIDENCE])}
    assert len(heads) == 4


def test_batches_lie_on_pages_of_64() -> None:
    chain = BatchChain.of(keccak(bytes([n])) for n in range(130))
    assert [len(chain.page(n)) for n in range(4)] == [64, 64, 2, 0]
    for batch in (1, PAGE, PAGE + 1, 130):
        page, place = page_of(batch)
        assert chain.page(page)[place] == keccak(bytes([batch - 1]))
