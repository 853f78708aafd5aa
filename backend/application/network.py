"""What chain and contracts this service works with, how far it has read, and what it has seen there."""

from collections.abc import Mapping
from dataclasses import dataclass

from backend.application.ports import ChainView, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The chain's head, the last block that was taken in, and whether governance paused the escrow."""

    chain_id: int
    block: int
    indexed_block: int
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The deployment. `contracts` maps names to addresses, `events` are the names of their events."""

    chain_id: int
    deploy_block: int
    contracts: Mapping[str, bytes]
    events: frozenset[str]
    chain: ChainView
    store: Store

    def health(self) -> Health:
        with self.store.read() as unit:
            last, paused = unit.blocks.last(), unit.guards.paused()
        return Health(
            chain_id=self.chain_id,
            block=self.chain.head(),
            indexed_block=last.number if last else 0,
            paused=paused,
        )

    def batches(self) -> tuple[int, int]:
        """The last block taken in, and how many batches were settled up to it."""
        with self.store.read() as unit:
            last = unit.blocks.last()
            return (last.number if last else 0), unit.blocks.batches()
