"""Retention: evidence is kept for ever, or until its batch has been settled for so many days."""

from collections.abc import Iterator
from dataclasses import dataclass

from backend.application.ports import Clock, EvidenceStore, Store, UnitOfWork
from backend.application.records import DisputeState, SettlementRecord, StatementState
from domain.evidence import parse_manifest

PAGE = 200
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A batch whose evidence need not be kept any longer: the CIDs of its blobs, and last of its manifest."""

    settlement: str
    batch: int
    cids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """The use case around evidence that is old enough to go."""

    store: Store
    evidence: EvidenceStore
    clock: Clock

    def expired(self, days: int) -> Iterator[Expired]:
        """Batches that were settled at least `days` days ago, by the chain's time, and whose evidence is still kept.

        All of a batch or nothing: one with a row in dispute, or with a statement that is not settled, is left out.
        A manifest or blob that is altered is told by the error of reading it.
        """
        kept = set(self.evidence.cids())
        time_s, after = self.clock.now_s() - days * SECONDS_PER_DAY, 0
        while page := self._page(time_s, after):
            after = page[-1].serial
            for record in page:
                if record.evidence in kept and self._is_closed(record):
                    yield self._expired(record, kept)

    def release(self, days: int) -> int:
        """Lets their blobs go and frees the space; how many batches."""
        released = 0
        for expired in self.expired(days):
            # The manifest goes last: what a crash leaves behind is found by it.
            self.evidence.release(expired.cids)
            released += 1
        if released:
            self.evidence.collect()
        return released

    def _page(self, time_s: int, after: int) -> list[SettlementRecord]:
        with self.store.read() as unit:
            return unit.settlements.settled_until(time_s, after, PAGE)

    def _is_closed(self, batch: SettlementRecord) -> bool:
        with self.store.read() as unit:
            return all(_is_closed(unit, *place) for place in batch.statements)

    def _expired(self, record: SettlementRecord, kept: set[str]) -> Expired:
        manifest = parse_manifest(self.evidence.get(record.evidence))
        named = dict.fromkeys([*manifest.statements.values(), *manifest.vehicles.values()])
        cids = (*(cid for cid in named if cid in kept), record.evidence)
        return Expired(settlement=record.settlement, batch=record.batch or 0, cids=cids)


def _is_closed(unit: UnitOfWork, station: int, sequence: int) -> bool:
    """Whether a statement is settled and none of its rows is in dispute."""
    record = unit.statements.find(station, sequence)
    disputes = unit.disputes.of(station, sequence).values()
    settled = record is not None and record.state == StatementState.SETTLED
    return settled and all(dispute.state != DisputeState.DISPUTED for dispute in disputes)
