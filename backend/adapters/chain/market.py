"""The contracts AuctionHouse and PositionBook: what they are asked, and calls as bytes."""

from collections.abc import Sequence
from dataclasses import astuple
from functools import cached_property
from typing import Any

from backend.adapters.chain.reader import ChainReader
from backend.adapters.chain.writer import ChainWriter
from backend.application.market import BookRecord
from domain.auction.book import chunks_of
from domain.auction.claim import PlainClaim
from domain.chain import Call, View
from domain.keccak import keccak
from domain.text import address_text

_HOUSE, _POSITIONS = "AuctionHouse", "PositionBook"


class MarketContracts:
    """One deployment's market, as `AuctionChain` has it."""

    def __init__(self, reader: ChainReader, writer: ChainWriter) -> None:
        self._reader, self._writer = reader, writer

    def keys_valid_until(self, keys: Sequence[tuple[int, bytes]], block: int) -> dict[tuple[int, bytes], int]:
        """Until when each account's key counts, after a block; 0 for one that never did."""
        asked = [View("AccountRegistry", "driverKeyValidUntil", (account, address_text(key))) for account, key in keys]
        return dict(zip(keys, self._reader.views(asked, block), strict=True))

    def settle_within_s(self) -> int:
        """How long after an interval's end its auction can be settled."""
        return self._terms[0]

    def close_after_s(self) -> int:
        """How long after an interval's end the positions of a concluded auction stay open."""
        return self._terms[1]

    def forced(self, zone: int, interval_s: int) -> tuple[int, bytes]:
        """How many orders the chain says were forced for an interval, and the end of their chain."""
        count, chain, _ = self._reader.view(_HOUSE, "forcedOf", zone, interval_s)
        return int(count), bytes(chain)

    def commit(self, book: BookRecord) -> Call:
        count = len(book.fills)
        return self._writer.call(_HOUSE, "commitBook", book.zone, book.interval_s, count, book.digest)

    def clear(self, book: BookRecord) -> Call:
        """Clears all of a book in one transaction."""
        place, count = (book.zone, book.interval_s), len(book.fills)
        return self._writer.call(_HOUSE, "clear", *place, _claim(book), book.forced_nonces, book.lines, count, 0)

    def settle(self, book: BookRecord, chunk: int, proofs: Sequence[bytes]) -> Call:
        """Settles one chunk; `proofs` are of its signed lines."""
        chunks = chunks_of(book.lines)
        return self._writer.call(
            _HOUSE,
            "settle",
            book.zone,
            book.interval_s,
            len(book.fills),
            _claim(book),
            [keccak(one) for one in chunks],
            chunk,
            chunks[chunk],
            book.forced_nonces if chunk == 0 else b"",
            b"".join(proofs),
        )

    def void(self, zone: int, interval_s: int, lines: bytes, nonces: bytes) -> Call:
        """Gives back what is held for forced orders; `lines` are theirs."""
        return self._writer.call(_HOUSE, "void", zone, interval_s, lines, nonces)

    def close(self, zone: int, interval_s: int, accounts: Sequence[int], tariffs: tuple[int, int]) -> Call:
        return self._writer.call(_POSITIONS, "close", zone, interval_s, list(accounts), *tariffs)

    @cached_property
    def _terms(self) -> tuple[int, int]:
        """Both are fixed when the contract is deployed."""
        within, after = (self._reader.view(_POSITIONS, name) for name in ("settleWithinS", "closeAfterS"))
        return int(within), int(after)


def _claim(book: BookRecord) -> tuple[Any, ...]:
    return astuple(PlainClaim.of_named(book.claim))
