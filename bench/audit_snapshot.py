"""A chain and its blobs in memory: what an audit reads, there to be altered as a liar would."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.adapters.chain.reader import ChainReader
from backend.adapters.evidence.sources import FolderBlobs
from backend.application.audit import AuditStore, AuditSubject, audit
from domain.audit import Auditor, Deployed, Finding, Prover
from domain.audit.claims import Claims
from domain.audit.head import expected_at_head
from domain.audit.state import AuditState
from domain.chain import BlockRef, Call, ChainEvent, View
from domain.errors import EvidenceMissing
from domain.text import address_text
from domain.units import UnixSeconds

_CALLED = {"BatchSettled", "AuctionCleared", "BookSettled", "BidForced"}
"""Events whose transactions an audit reads."""
_ACCOUNT_VIEWS = ("freeOf", "withdrawalOf", "lockedOf", "debtsOf")


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """Stands in for a node and an evidence store."""

    deployed: Deployed
    first_block: int
    log: list[ChainEvent] = field(default_factory=list)
    calls: dict[bytes, Call] = field(default_factory=dict)
    blocks: dict[int, BlockRef] = field(default_factory=dict)
    answers: dict[View, Any] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    claims: Claims | None = None
    at: int | None = None
    """The block that it gives out as its head, if not its last one."""

    def copied(self) -> "Snapshot":
        """Another one to alter. What is in the events and answers is shared: replace it."""
        return Snapshot(
            deployed=self.deployed,
            first_block=self.first_block,
            log=list(self.log),
            calls=dict(self.calls),
            blocks=dict(self.blocks),
            answers=dict(self.answers),
            blobs=dict(self.blobs),
            claims=deepcopy(self.claims),
        )

    def head(self) -> int:
        return max(self.blocks) if self.at is None else self.at

    def block(self, number: int) -> BlockRef:
        return self.blocks[number]

    def events(self, first_block: int, last_block: int) -> Iterator[ChainEvent]:
        return (event for event in list(self.log) if first_block <= event.block <= last_block)

    def call_of(self, tx: bytes) -> Call:
        return self.calls[tx]

    def time_of(self, block: int) -> UnixSeconds:
        return self.blocks[block].time_s

    def views(self, asked: Sequence[View], block: int) -> list[Any]:  # noqa: ARG002 - it knows one answer
        return [self.answers.get(view, 0) for view in asked]

    def read(self, cid: str) -> bytes:
        if cid not in self.blobs:
            raise EvidenceMissing(cid)
        return self.blobs[cid]

    def prover(self) -> Prover:
        """Proofs of its blobs."""
        return Prover(self, stations=self.deployed.station_domain, accounts=self.deployed.account_domain)

    def subject(self) -> AuditSubject:
        return AuditSubject(first_block=self.first_block, deployed=self.deployed)

    def findings(self, store: AuditStore | None = None) -> list[Finding]:
        """What the audit finds in it."""
        claims = self.claims
        result = audit(
            self.subject(), self, self.prover(), store=store, claims=(lambda _: claims) if claims is not None else None
        )
        return list(result.findings)


def snapshot_of(reader: ChainReader, evidence: Path) -> Snapshot:
    """All that a small chain and its evidence hold at the chain's head."""
    deployed, first, head = reader.deployment.deployed, reader.deployment.block, reader.head()
    log = list(reader.events(first, head))
    accounts = {event.args["account"] for event in log if event.name == "AccountOpened"}
    stations = {event.args["station"] for event in log if event.name == "StationRegistered"}
    asked = [View("Escrow", name, (account,)) for account in accounts for name in _ACCOUNT_VIEWS]
    asked += [View("StationRegistry", "stationOf", (station,)) for station in stations]
    asked += [escrow_view(reader), View("SessionSettlement", "head")]
    asked += [expected.view for expected in expected_at_head(_state(reader, log, evidence), deployed)]
    asked = list(dict.fromkeys(asked))
    return Snapshot(
        deployed=deployed,
        first_block=first,
        log=log,
        calls={event.tx: reader.call_of(event.tx) for event in log if event.name in _CALLED},
        blocks={number: reader.block(number) for number in {head, *(event.block for event in log)}},
        answers=dict(zip(asked, reader.views(asked, head), strict=True)),
        blobs={path.name: path.read_bytes() for path in evidence.glob("*/*")},
    )


def _state(reader: ChainReader, log: list[ChainEvent], evidence: Path) -> AuditState:
    """What an auditor knows in the end."""
    deployed = reader.deployment.deployed
    proofs = Prover(FolderBlobs(evidence), stations=deployed.station_domain, accounts=deployed.account_domain)
    auditor = Auditor(deployed=deployed, transactions=reader, proofs=proofs)
    auditor.take(log)
    return auditor.state()


def escrow_view(reader: ChainReader) -> View:
    """The question what the escrow holds, as the audit asks it."""
    return View("SettlementToken", "balanceOf", (address_text(reader.deployment.deployed.escrow),))
