"""How the audit's parts tell what they find, and what they look up on the chain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from domain.audit.findings import FindingCode
from domain.chain import Call
from domain.signing import SigningDomain
from domain.units import UnixSeconds

Report = Callable[[FindingCode, str, str, str], None]
"""Told the kind of discrepancy, where it is, what the records prove, and what was found instead."""


class TransactionSource(Protocol):
    """Where the data of transactions and the times of blocks come from."""

    def call_of(self, tx: bytes) -> Call: ...

    def time_of(self, block: int) -> UnixSeconds: ...


class BlobSource(Protocol):
    """Where blobs come from. Nothing is believed of them: the auditor recomputes each CID."""

    def read(self, cid: str) -> bytes:
        """The bytes that somebody stores under this CID; EvidenceMissing if nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The addresses of one platform's contracts, and how long its market waits, from its deployments file."""

    settlement: bytes
    court: bytes
    positions: bytes
    auctions: bytes
    escrow: bytes
    token: bytes
    station_domain: SigningDomain
    account_domain: SigningDomain
    close_after_s: int
    settle_within_s: int

    @property
    def modules(self) -> tuple[bytes, ...]:
        """The contracts that are modules of the escrow."""
        return self.settlement, self.court, self.positions, self.auctions


class BlockTimes:
    """When blocks were made. Events come block by block, so the last one is kept."""

    def __init__(self, transactions: TransactionSource) -> None:
        self._transactions = transactions
        self._last: tuple[int, UnixSeconds] | None = None

    def of(self, block: int) -> UnixSeconds:
        """When a block was made."""
        if self._last is None or self._last[0] != block:
            self._last = (block, self._transactions.time_of(block))
        return self._last[1]
