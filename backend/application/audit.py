"""The audit as anybody runs it: chain and blobs in, findings out. Needs nothing of the operators' servers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from domain.audit import Auditor, BlobSource, Claims, Deployed, Finding, Tally, compare_claims
from domain.chain import Call, ChainEvent
from domain.text import parse_address
from domain.units import MoneyMicro, UnixSeconds

EVENT_BLOCKS = 500
"""How many blocks are read at a time."""


class AuditedChain(Protocol):
    """What the audit reads of a chain."""

    def head(self) -> int: ...

    def events(self, first_block: int, last_block: int) -> Iterator[ChainEvent]: ...

    def call_of(self, tx: bytes) -> Call: ...

    def time_of(self, block: int) -> UnixSeconds: ...

    def view(self, contract: str, function: str, *args: object, block: int | None = None) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSubject:
    """What is audited: one deployment, from its first block on."""

    first_block: int
    deployed: Deployed


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit checked and found, up to and including block `head`."""

    head: int
    tally: Tally
    claims: int
    findings: list[Finding]


def audit(
    subject: AuditSubject,
    chain: AuditedChain,
    blobs: BlobSource,
    *,
    claims: Callable[[], Claims] | None = None,
    progress: Callable[[Tally], None] = lambda _: None,
) -> AuditResult:
    """Re-derives everything up to the chain's present head, which stays fixed for the whole audit."""
    head = chain.head()
    auditor = Auditor(
        deployed=subject.deployed,
        transactions=chain,
        blobs=blobs,
        progress=progress,
    )
    for first in range(subject.first_block, head + 1, EVENT_BLOCKS):
        last = min(first + EVENT_BLOCKS - 1, head)
        auditor.take(chain.events(first, last))
        auditor.tally.blocks += last - first + 1
        progress(auditor.tally)
    _check_state(auditor, chain, subject, head)
    count = compare_claims(claims(), auditor.books, auditor.report) if claims else 0
    return AuditResult(head, auditor.tally, count, auditor.findings)


def _check_state(auditor: Auditor, chain: AuditedChain, subject: AuditSubject, head: int) -> None:
    """Compares what the contracts hold at `head` with the books."""
    for account in sorted(auditor.books.accounts):
        free = chain.view("Escrow", "freeOf", account, block=head)
        requested, _ = chain.view("Escrow", "withdrawalOf", account, block=head)
        locked = chain.view("Escrow", "lockedOf", account, block=head)
        owed, _, _ = chain.view("Escrow", "debtsOf", account, block=head)
        auditor.check_account(account, (free, requested, locked, owed))
    for station in sorted(auditor.books.stations):
        state = chain.view("StationRegistry", "stationOf", station, block=head)
        auditor.check_station(
            station,
            signer=parse_address(state.signer),
            suspended=state.suspendedByOperator or state.suspendedByGovernance,
            numbers=(state.importWh, state.exportWh, state.sequence),
        )
    held = chain.view("SettlementToken", "balanceOf", subject.deployed.escrow, block=head)
    auditor.check_escrow(MoneyMicro(held))
    auditor.check_head(chain.view("SessionSettlement", "head", block=head))
    auditor.check_modules(chain.time_of(head))
