"""The chain of batches: what the settlement contract keeps of each batch, so that a row can be proven later.

A batch's digest covers its evidence, its statements and the accounts whose rows were set aside. The head is a
digest of all batches so far below their number; the contract keeps it once a page of 64.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.keccak import keccak
from domain.signing import word
from domain.units import AccountId

PAGE = 64
"""Batches on a page."""
_NUMBER_SHIFT = 224
_NO_STATEMENTS = bytes(32)


def batch_digest(evidence: bytes, struct_hashes: Sequence[bytes], set_aside: Sequence[AccountId]) -> bytes:
    """What the chain keeps of a batch.

    `struct_hashes` are the EIP-712 hashes of its statements in their order, `set_aside` the accounts whose rows
    moved no money, in the order in which the batch meets them.
    """
    statements = keccak(b"".join(struct_hashes)) if struct_hashes else _NO_STATEMENTS
    accounts = b"".join(map(word, set_aside))
    # abi.encode(bytes32, bytes32, uint24[]): the list lies behind the three words of the head.
    return keccak(evidence + statements + word(3 * 32) + word(len(set_aside)) + accounts)


def link(head: int, digest: bytes) -> int:
    """The head after one more batch: number (32 bits) above a digest of all batches (224 bits)."""
    number = (head >> _NUMBER_SHIFT) + 1
    return number << _NUMBER_SHIFT | int.from_bytes(keccak(word(head) + digest), "big") >> 32


def page_of(batch: int) -> tuple[int, int]:
    """On which page a batch is, and at which place of it. Batches count from 1, pages and places from 0."""
    return (batch - 1) // PAGE, (batch - 1) % PAGE


@dataclass(slots=True)
class BatchChain:
    """All batches' digests and the head that follows from them."""

    digests: list[bytes] = field(default_factory=list)
    head: int = 0

    @classmethod
    def of(cls, digests: Iterable[bytes]) -> "BatchChain":
        """The chain of these digests."""
        chain = cls()
        for digest in digests:
            chain.push(digest)
        return chain

    def push(self, digest: bytes) -> None:
        """One more batch."""
        self.digests.append(digest)
        self.head = link(self.head, digest)

    def page(self, number: int) -> list[bytes]:
        """The digests on a page, which prove a batch of it to the dispute court."""
        return self.digests[number * PAGE : (number + 1) * PAGE]
