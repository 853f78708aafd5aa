"""The audit as anybody runs it: chain and blobs in, findings out. Needs nothing of the operators' servers."""

from collections import deque
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from itertools import groupby, islice
from typing import Any, Protocol

from backend.application.errors import ChainMoved, CheckpointUnusable, ClaimsNotComparable
from domain.audit import Auditor, Claims, Deployed, Finding, Findings, Proofs, Tally, compare_books, compare_claims
from domain.audit.head import expected_at_head
from domain.audit.ledger import Books, Place
from domain.audit.state import AuditState
from domain.chain import BlockRef, Call, ChainEvent, View
from domain.text import address_text, parse_address
from domain.units import MoneyMicro, UnixSeconds

SEGMENT_BLOCKS, SEGMENT_BATCHES = 500, 64
"""After how many blocks or batches the state is kept."""
BATCHES_AHEAD, EVENTS_AHEAD = 4, 10_000
"""How far the events are read ahead of the audit."""
AT_ONCE = 500
"""How many accounts or stations are compared with the chain at a time."""
MEETINGS = 50
"""How often the audit follows a server that has gone on."""
_ACCOUNT_VIEWS = ("freeOf", "withdrawalOf", "lockedOf", "debtsOf")
_BATCH_NUMBER_SHIFT = 224


class AuditedChain(Protocol):
    """What the audit reads of a chain."""

    def head(self) -> int: ...

    def block(self, number: int) -> BlockRef: ...

    def events(self, first_block: int, last_block: int) -> Iterator[ChainEvent]: ...

    def call_of(self, tx: bytes) -> Call: ...

    def time_of(self, block: int) -> UnixSeconds: ...

    def views(self, asked: Sequence[View], block: int) -> list[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """Where an audit stopped, and all that it knew then."""

    block: int
    block_hash: bytes
    state: AuditState


class AuditStore(Protocol):
    """What an audit keeps: tables and findings, and, if it is to go on another time, its state."""

    @property
    def findings(self) -> Findings:
        """What was found in events, batches and blobs."""

    @property
    def closing(self) -> Findings:
        """What was found at the chain's head. Not kept."""

    @property
    def seen(self) -> MutableMapping[Place, bool]:
        """Which rows somebody's server claimed. Not kept."""

    def books(self) -> Books:
        """Empty books with the tables that are kept."""

    def saved(self) -> Saved | None:
        """What was saved last; CheckpointUnusable if it was damaged since."""

    def save(self, saved: Saved) -> None:
        """Keeps this and the tables as they are now, together or not at all."""

    def clear(self) -> None:
        """Forgets everything."""


@dataclass(slots=True)
class MemoryStore:
    """Keeps nothing beyond the process."""

    findings: list[Finding] = field(default_factory=list)
    closing: list[Finding] = field(default_factory=list)
    seen: dict[Place, bool] = field(default_factory=dict)

    def books(self) -> Books:
        return Books()

    def saved(self) -> Saved | None:
        return None

    def save(self, saved: Saved) -> None: ...

    def clear(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSubject:
    """What is audited: one deployment, from its first block on."""

    first_block: int
    deployed: Deployed


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an audit is: what it has checked, and how many batches there are in all."""

    tally: Tally
    batches: int


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit checked and found up to and including `head`. `resumed` is the block after which it went on.

    `claims` is how many figures of a server were compared, as they stood at block `claims_block`.
    """

    head: BlockRef
    tally: Tally
    claims: int
    claims_block: int | None
    lasting: Findings
    closing: Findings
    resumed: int | None

    @property
    def count(self) -> int:
        """How many findings there are."""
        return len(self.lasting) + len(self.closing)

    @property
    def findings(self) -> Iterator[Finding]:
        """All findings: those of the records in the chain's order, then those at its head."""
        return joined(self.lasting, self.closing)


def audit(
    subject: AuditSubject,
    chain: AuditedChain,
    proofs: Proofs,
    *,
    store: AuditStore | None = None,
    claims: Callable[[int], Claims] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    notice: Callable[[str], None] = lambda _: None,
) -> AuditResult:
    """Re-derives everything up to the chain's present head, which stays fixed for the whole audit.

    It goes on from what the store saved, if the chain still holds that block. `claims` are what a server says at a
    block that is not before the given one; they are compared with the books as they stand there. ChainMoved if the
    chain is reorganised meanwhile, CheckpointUnusable if nothing can go on from what was saved,
    ClaimsNotComparable if the server cannot be met at any block.
    """
    store = store or MemoryStore()
    head = chain.block(chain.head())
    saved = _usable(store, chain, head, notice)
    [last] = chain.views([View("SessionSettlement", "head")], head.number)
    auditor = Auditor(
        deployed=subject.deployed,
        transactions=chain,
        proofs=proofs,
        books=store.books(),
        findings=store.findings,
        progress=lambda tally: progress(Progress(tally, last >> _BATCH_NUMBER_SHIFT)),
    )
    if saved is not None:
        auditor.go_on_from(saved.state)
    walk = _Walk(subject, chain, proofs, store, auditor, subject.first_block - 1 if saved is None else saved.block)
    count, claims_block = (0, None) if claims is None else walk.compare(claims)
    head = walk.to(head)
    auditor.findings = store.closing
    _check_state(auditor, chain, subject, head.number)
    resumed = None if saved is None else saved.block
    return AuditResult(head, auditor.tally, count, claims_block, store.findings, store.closing, resumed)


@dataclass(slots=True)
class _Walk:
    """An audit on its way: all blocks up to and including `at` are in the books."""

    subject: AuditSubject
    chain: AuditedChain
    proofs: Proofs
    store: AuditStore
    auditor: Auditor
    at: int
    reached: BlockRef | None = None

    def to(self, head: BlockRef) -> BlockRef:
        """Takes in everything up to and including `head`; how far it is then, which may be further already."""
        if head.number > self.at:
            events = self.chain.events(self.at + 1, head.number)
            for part in _segments(_looking_ahead(events, self.proofs)):
                self.auditor.take(part)
                _save(self.store, self.chain, head, self.auditor, part.last, self.subject)
        for known in (head, self.reached or head):
            _require_same(self.chain, known)
        if self.reached is None or head.number > self.at:
            self.reached, self.at = head, max(head.number, self.at)
        _save(self.store, self.chain, self.reached, self.auditor, self.reached, self.subject)
        return self.reached

    def compare(self, claims: Callable[[int], Claims]) -> tuple[int, int]:
        """How many claims were compared, and at which block.

        The server goes on while it is audited: the books follow it until both stand at the same block.
        """
        for _ in range(MEETINGS):
            claimed = claims(self.at)
            if claimed.block == self.at:
                self.auditor.findings = self.store.closing
                count = compare_claims(claimed, self.auditor.books, self.auditor.report, seen=self.store.seen)
                count += compare_books(claimed.books, self.auditor.state().market, self.auditor.report)
                self.auditor.findings = self.store.findings
                return count, claimed.block
            known = self.chain.head()
            if claimed.block > known:
                raise ClaimsNotComparable(f"the server is at block {claimed.block}, the node only at {known}")
            self.to(self.chain.block(claimed.block))
        raise ClaimsNotComparable(f"the server was {MEETINGS} times at a later block than the audit")


def _usable(store: AuditStore, chain: AuditedChain, head: BlockRef, notice: Callable[[str], None]) -> Saved | None:
    """What was saved, if the chain still holds its block; else the store is empty afterwards."""
    saved = store.saved()
    if saved is None:
        return None
    if saved.block > head.number:
        raise CheckpointUnusable(
            f"the checkpoint is of block {saved.block}, but the node is only at block {head.number}; wait until it has "
            "caught up, or name another checkpoint file to audit from the first block"
        )
    if chain.block(saved.block).block_hash == saved.block_hash:
        return saved
    notice(
        f"the chain was reorganised: its block {saved.block} is another one than that of the checkpoint; "
        "auditing from the first block"
    )
    store.clear()
    return None


def _save(
    store: AuditStore, chain: AuditedChain, head: BlockRef, auditor: Auditor, at: BlockRef, subject: AuditSubject
) -> None:
    """Saves the state after block `at`. As long as the head is the same block, so are all before it."""
    _require_same(chain, head)
    auditor.tally.blocks = at.number - subject.first_block + 1
    store.save(Saved(block=at.number, block_hash=at.block_hash, state=auditor.state()))


def _require_same(chain: AuditedChain, known: BlockRef) -> None:
    if chain.block(known.number).block_hash != known.block_hash:
        raise ChainMoved("the chain was reorganised while it was audited; run the audit again")


# --- events --------------------------------------------------------------------------------------


def _looking_ahead(events: Iterator[ChainEvent], proofs: Proofs) -> Iterator[ChainEvent]:
    """The events, after the proofs were told which batches come soon."""
    held: deque[ChainEvent] = deque()
    batches = 0
    for event in events:
        held.append(event)
        if event.name == "BatchSettled":
            proofs.expect(event.args["evidence"])
            batches += 1
        while batches > BATCHES_AHEAD or len(held) > EVENTS_AHEAD:
            batches -= held[0].name == "BatchSettled"
            yield held.popleft()
    yield from held


class _Segment:
    """Events of some whole blocks. `last` is the last of these blocks, once all were gone through."""

    def __init__(self, events: Iterator[ChainEvent]) -> None:
        self._events = events
        self._last: ChainEvent | None = None

    def __iter__(self) -> Iterator[ChainEvent]:
        for event in self._events:
            self._last = event
            yield event

    @property
    def last(self) -> BlockRef:
        if self._last is None:
            raise ValueError("no event was taken from this segment")
        return BlockRef(
            number=self._last.block,
            block_hash=self._last.block_hash,
            parent_hash=b"",
            time_s=UnixSeconds(0),
        )


def _segments(events: Iterator[ChainEvent]) -> Iterator[_Segment]:
    """The events in parts, each of whole blocks."""
    number, start, block, batches = 0, -1, -1, 0

    def part_of(event: ChainEvent) -> int:
        nonlocal number, start, block, batches
        if event.block != block and (event.block >= start + SEGMENT_BLOCKS or batches >= SEGMENT_BATCHES):
            number, start, batches = number + 1, event.block, 0
        block = event.block
        batches += event.name == "BatchSettled"
        return number

    return (_Segment(part) for _, part in groupby(events, key=part_of))


# --- the chain's head ----------------------------------------------------------------------------


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
    questions = expected_at_head(auditor.state(), subject.deployed)
    while asked := list(islice(questions, AT_ONCE)):
        answers = iter(chain.views([expected.view for expected in asked], head))
        for expected, answer in zip(asked, answers, strict=True):
            expected.compare(answer, auditor.report)
    escrow = address_text(subject.deployed.escrow)
    held, last = chain.views([View("SettlementToken", "balanceOf", (escrow,)), View("SessionSettlement", "head")], head)
    auditor.check_escrow(MoneyMicro(held))
    auditor.check_head(last)
    now_s = chain.time_of(head)
    auditor.check_modules(now_s)
    auditor.check_positions(now_s)


def _batched(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE))
