"""The audit as anybody runs it: chain and blobs in, findings out. Needs nothing of the operators' servers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.audit import Auditor, Claims, Deployed, Finding, Proofs, Tally, compare_claims
from domain.chain import Call, ChainEvent, View
from domain.text import address_text, parse_address
from domain.units import MoneyMicro, UnixSeconds

EVENT_BLOCKS = 500
"""How many blocks are read at a time."""
AT_ONCE = 500
"""How many accounts or stations are compared with the chain at a time."""
_ACCOUNT_VIEWS = ("freeOf", "withdrawalOf", "lockedOf", "debtsOf")


class AuditedChain(Protocol):
    """What the audit reads of a chain."""

    def head(self) -> int: ...

    def events(self, first_block: int, last_block: int) -> Iterator[ChainEvent]: ...

    def call_of(self, tx: bytes) -> Call: ...

    def time_of(self, block: int) -> UnixSeconds: ...

    def views(self, asked: Sequence[View], block: int) -> list[Any]: ...


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
    proofs: Proofs,
    *,
    claims: Callable[[], Claims] | None = None,
    progress: Callable[[Tally], None] = lambda _: None,
) -> AuditResult:
    """Re-derives everything up to the chain's present head, which stays fixed for the whole audit."""
    head = chain.head()
    auditor = Auditor(
        deployed=subject.deployed,
        transactions=chain,
        proofs=proofs,
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
    for accounts in _batched(sorted(auditor.books.accounts)):
        answers = iter(chain.views([View("Escrow", name, (a,)) for a in accounts for name in _ACCOUNT_VIEWS], head))
        for account, (free, (requested, _), locked, (owed, _, _)) in zip(
            accounts, zip(answers, answers, answers, answers, strict=True), strict=True
        ):
            auditor.check_account(account, (free, requested, locked, owed))
    for stations in _batched(sorted(auditor.books.stations)):
        states = chain.views([View("StationRegistry", "stationOf", (station,)) for station in stations], head)
        for station, state in zip(stations, states, strict=True):
            auditor.check_station(
                station,
                signer=parse_address(state.signer),
                suspended=state.suspendedByOperator or state.suspendedByGovernance,
                numbers=(state.importWh, state.exportWh, state.sequence),
            )
    escrow = address_text(subject.deployed.escrow)
    held, last = chain.views([View("SettlementToken", "balanceOf", (escrow,)), View("SessionSettlement", "head")], head)
    auditor.check_escrow(MoneyMicro(held))
    auditor.check_head(last)
    auditor.check_modules(chain.time_of(head))


def _batched(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE))
