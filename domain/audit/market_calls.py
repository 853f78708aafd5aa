"""The calls that clear and settle auctions, and those that close positions, read from their transactions' data.

The layout is the ABI's (docs.soliditylang.org, ABI specification): words of 32 bytes, structs without dynamic parts in
place, lists by their offset.
"""

from dataclasses import dataclass

from domain.auction.claim import CLAIM_NAMES, PlainClaim
from domain.errors import Malformed
from domain.keccak import keccak
from domain.signing import typehash, word

_CLAIM = "(bool,uint64,int32,int32,uint8,uint64,uint64,uint64,uint16)"
CLEAR_SELECTOR = typehash(f"clear(uint16,uint40,{_CLAIM},bytes,bytes,uint256,uint256)")[:4]
SETTLE_SELECTOR = typehash(f"settle(uint16,uint40,uint256,{_CLAIM},bytes32[],uint256,bytes,bytes,bytes)")[:4]
REVEAL_SELECTOR = typehash("reveal(bytes32,bytes32)")[:4]
CLOSE_SELECTOR = typehash("close(uint16,uint40,uint24[],uint24,uint24)")[:4]

_WORD, _CLAIM_WORDS = 32, len(CLAIM_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCall:
    """A book, or a part of it, with the claim that it is cleared with."""

    zone: int
    interval_s: int
    claim: PlainClaim
    forced_nonces: bytes
    lines: bytes
    count: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleCall:
    """A chunk of a cleared book, with the proofs of its signed lines."""

    zone: int
    interval_s: int
    count: int
    claim: PlainClaim
    chunk_hashes: tuple[bytes, ...]
    chunk: int
    lines: bytes
    forced_nonces: bytes
    proofs: bytes


def decode_clear(data: bytes) -> ClearCall:
    """A call's arguments, without its selector; Malformed if they run past its end."""
    return ClearCall(
        zone=_number(data, 0),
        interval_s=_number(data, 1),
        claim=_claim(data, 2),
        forced_nonces=_bytes(data, 2 + _CLAIM_WORDS),
        lines=_bytes(data, 3 + _CLAIM_WORDS),
        count=_number(data, 4 + _CLAIM_WORDS),
        first=_number(data, 5 + _CLAIM_WORDS),
    )


def decode_settle(data: bytes) -> SettleCall:
    """A call's arguments, without its selector; Malformed if they run past its end."""
    after = 3 + _CLAIM_WORDS
    return SettleCall(
        zone=_number(data, 0),
        interval_s=_number(data, 1),
        count=_number(data, 2),
        claim=_claim(data, 3),
        chunk_hashes=_words(data, after),
        chunk=_number(data, after + 1),
        lines=_bytes(data, after + 2),
        forced_nonces=_bytes(data, after + 3),
        proofs=_bytes(data, after + 4),
    )


def sealed_commitment(account: int, data: bytes) -> bytes:
    """What the call of `reveal` in this data opens, for an account."""
    return keccak(word(account) + _word(data, 0) + _word(data, 1))


def _claim(data: bytes, at: int) -> PlainClaim:
    numbers = [_number(data, at + place) for place in range(_CLAIM_WORDS)]
    lo, hi = (int.from_bytes(_word(data, at + place), "big", signed=True) for place in (2, 3))
    return PlainClaim(bool(numbers[0]), numbers[1], lo, hi, *numbers[4:])


def _word(data: bytes, place: int) -> bytes:
    found = data[_WORD * place : _WORD * (place + 1)]
    if len(found) != _WORD:
        raise Malformed(f"the call's data has {len(data)} bytes, its argument {place} lies beyond")
    return found


def _number(data: bytes, place: int) -> int:
    return int.from_bytes(_word(data, place), "big")


def _bytes(data: bytes, place: int) -> bytes:
    """A list of bytes whose offset is at a place."""
    start, length = _list(data, place)
    if start + length > len(data):
        raise Malformed("a list of the call runs past the end of its data")
    return data[start : start + length]


def _words(data: bytes, place: int) -> tuple[bytes, ...]:
    start, count = _list(data, place)
    if start + count * _WORD > len(data):
        raise Malformed("a list of the call runs past the end of its data")
    return tuple(data[at : at + _WORD] for at in range(start, start + count * _WORD, _WORD))


def _list(data: bytes, place: int) -> tuple[int, int]:
    """Where a list's content begins, and how many items it has."""
    offset = _number(data, place)
    length = data[offset : offset + _WORD] if offset < len(data) else b""
    if len(length) != _WORD:
        raise Malformed("a list of the call begins past the end of its data")
    return offset + _WORD, int.from_bytes(length, "big")
