"""Takes the chain's events into the store, and takes them back when the chain is reorganised."""

import threading
from collections.abc import Sequence
from itertools import pairwise

import structlog
from web3.exceptions import BlockNotFound

from backend.application.indexing import apply, roll_back
from backend.application.ports import ChainView, Store
from domain.chain import BlockRef, ChainEvent

RANGE_BLOCKS = 2_000
"""How many blocks are taken in at a time."""
TAIL_BLOCKS = 128
"""How many of the last blocks are kept even if they hold no event, to find where a reorganisation starts."""
ATTEMPTS = 5

log = structlog.get_logger()


class ChainMoved(Exception):
    """The chain was reorganised while it was read."""


class ChainIndexer:
    """Keeps the store in step with the chain, `confirmations` blocks behind its head."""

    def __init__(self, store: Store, chain: ChainView, *, first_block: int, confirmations: int = 0) -> None:
        self._store, self._chain = store, chain
        self._first_block, self._confirmations = first_block, confirmations
        self._syncing = threading.Lock()

    def sync(self) -> int:
        """Takes in what is new on the chain; the last block taken in."""
        with self._syncing:
            for _ in range(ATTEMPTS):
                try:
                    return self._catch_up()
                except (ChainMoved, BlockNotFound):
                    continue
            return self._last_number()

    def _catch_up(self) -> int:
        head = max(self._chain.head() - self._confirmations, 0)
        last = self._common_ancestor(head)
        start = self._first_block if last is None else last.number + 1
        while start <= head:
            end = min(start + RANGE_BLOCKS - 1, head)
            last = self._take_in(start, end, head, last)
            start = end + 1
        return self._last_number()

    def _common_ancestor(self, head: int) -> BlockRef | None:
        """The last block that both we and the chain have; what came after it is taken back."""
        with self._store.read() as unit:
            last = block = unit.blocks.last()
            while block is not None and not self._is_on_chain(block, head):
                block = unit.blocks.below(block.number)
        if last is not None and block != last:
            fork = self._first_block - 1 if block is None else block.number
            log.warning("reorganisation", orphaned_from=fork + 1, up_to=last.number)
            with self._store.write() as unit:
                roll_back(unit, fork)
        return block

    def _is_on_chain(self, block: BlockRef, head: int) -> bool:
        if block.number > head + self._confirmations:
            return False
        return self._chain.block(block.number).block_hash == block.block_hash

    def _take_in(self, start: int, end: int, head: int, last: BlockRef | None) -> BlockRef:
        events = list(self._chain.events(start, end))
        blocks = self._blocks(start, end, head, events)
        hashes = {block.number: block.block_hash for block in blocks}
        _check_links([last, *blocks] if last else blocks)
        if any(hashes[event.block] != event.block_hash for event in events):
            raise ChainMoved
        with self._store.write() as unit:
            unit.blocks.add(blocks, events)
            apply(unit, events)
        return blocks[-1]

    def _blocks(self, start: int, end: int, head: int, events: Sequence[ChainEvent]) -> list[BlockRef]:
        numbers = {event.block for event in events} | {end}
        numbers |= set(range(max(start, head - TAIL_BLOCKS), end + 1))
        return [self._chain.block(number) for number in sorted(numbers)]

    def _last_number(self) -> int:
        with self._store.read() as unit:
            last = unit.blocks.last()
        return last.number if last else 0


def _check_links(blocks: Sequence[BlockRef]) -> None:
    """ChainMoved unless each block that directly follows another one names it as its parent."""
    for parent, child in pairwise(blocks):
        if child.number == parent.number + 1 and child.parent_hash != parent.block_hash:
            raise ChainMoved
