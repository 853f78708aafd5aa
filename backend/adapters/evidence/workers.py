"""Proving blobs in processes of their own, ahead of the audit, as many as are allowed.

The order in which they finish makes no difference: the audit asks for each blob in the chain's order. What is proven
ahead is bounded, and what is not asked for is dropped with its batch.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from typing import Any, cast

from backend.adapters.children import begin
from backend.adapters.evidence.sources import blobs_at
from backend.application.errors import WorkerDied
from domain.audit.proofs import Blob, NoBlob, Proofs, Prover, StatementProof, VehicleProof
from domain.cid import raw_cid
from domain.evidence import Manifest
from domain.signing import SigningDomain

BLOBS_AHEAD = 16
"""How many blobs are proven ahead of the audit, for each process."""
BLOBS_AT_ONCE = 4
"""How many blobs a process is given at a time."""
_Wanted = tuple[str, str]
"""What kind of blob, and its CID."""


@contextmanager
def proving(
    place: str, *, stations: SigningDomain, accounts: SigningDomain, jobs: int, secret: str | None = None
) -> Iterator[Proofs]:
    """Proofs of the blobs at a folder or address: worked out here for one job, else in so many processes."""
    here = Prover(blobs_at(place, secret=secret), stations=stations, accounts=accounts)
    if jobs == 1:
        yield here
        return
    pool = ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=_begin, initargs=(place, secret, stations, accounts, os.getpid())
    )
    try:
        yield Workers(here, pool, ahead=BLOBS_AHEAD * jobs)
    except WorkerDied:
        # One that ended while it held a lock of the pool would make the others, and the pool's end, wait for ever.
        for process in active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _Part:
    """Blobs that one process is given together."""

    task: Future[list[Any]]
    wanted: list[_Wanted]


@dataclass(slots=True)
class Workers:
    """Proofs from a pool of processes. WorkerDied if one of them ends before its time."""

    here: Prover
    pool: ProcessPoolExecutor
    ahead: int
    _manifests: dict[str, Blob[Manifest] | NoBlob] = field(default_factory=dict)
    _batch: int = 0
    _batches: dict[str, int] = field(default_factory=dict)
    """The number of each batch whose blobs are proven ahead, by the CID of its manifest."""
    _waiting: deque[tuple[int, _Wanted]] = field(default_factory=deque)
    _given: dict[_Wanted, tuple[int, _Part]] = field(default_factory=dict)

    def expect(self, evidence: bytes) -> None:
        """Tells that the batch with this manifest comes next but those expected before."""
        cid = raw_cid(evidence)
        if cid in self._manifests:
            return
        manifest = self._manifests[cid] = self.here.manifest(cid)
        self._batch += 1
        self._batches[cid] = self._batch
        if isinstance(manifest, Blob) and isinstance(manifest.content, Manifest):
            blobs = [("statement", cid) for _, cid in sorted(manifest.content.statements.items())]
            blobs += [("vehicle", cid) for _, cid in sorted(manifest.content.vehicles.items())]
            self._waiting.extend((self._batch, blob) for blob in blobs)
        self._give()

    def manifest(self, cid: str) -> Blob[Manifest] | NoBlob:
        """What belongs to a batch. What was expected of batches before it is dropped."""
        found = self._manifests.pop(cid, None)
        if found is None:
            return self.here.manifest(cid)
        batch = self._batches.pop(cid)
        while self._waiting and self._waiting[0][0] < batch:
            self._waiting.popleft()
        for wanted in [wanted for wanted, (of, _) in self._given.items() if of < batch]:
            del self._given[wanted]
        self._give()
        return found

    def statement(self, cid: str) -> Blob[StatementProof] | NoBlob:
        """What a statement's blob proves."""
        return cast("Blob[StatementProof] | NoBlob", self._take(("statement", cid)))

    def vehicle(self, cid: str) -> Blob[VehicleProof] | NoBlob:
        """What a vehicle's blob proves."""
        return cast("Blob[VehicleProof] | NoBlob", self._take(("vehicle", cid)))

    def _take(self, wanted: _Wanted) -> Any:
        _, part = self._given.pop(wanted, (0, None))
        if part is None:
            part = self._submit([wanted])
        try:
            proven = part.task.result()[part.wanted.index(wanted)]
        except BrokenProcessPool as error:
            raise WorkerDied(wanted[1]) from error
        self._give()
        return proven

    def _give(self) -> None:
        """Gives the processes as much as may be proven ahead."""
        while self._waiting and len(self._given) + BLOBS_AT_ONCE <= self.ahead:
            part: dict[_Wanted, int] = {}
            while self._waiting and len(part) < BLOBS_AT_ONCE:
                batch, wanted = self._waiting.popleft()
                if wanted not in self._given:
                    part[wanted] = batch
            if part:
                given = self._submit(list(part))
                self._given |= {wanted: (batch, given) for wanted, batch in part.items()}

    def _submit(self, wanted: list[_Wanted]) -> _Part:
        try:
            return _Part(self.pool.submit(_prove, wanted), wanted)
        except (BrokenProcessPool, OSError) as error:
            # A pool that breaks while it starts a process says so by what it can no longer open.
            raise WorkerDied(wanted[0][1]) from error


# --- in a process of its own ---------------------------------------------------------------------

_provers: list[Prover] = []


def _begin(place: str, secret: str | None, stations: SigningDomain, accounts: SigningDomain, parent: int) -> None:
    begin(parent)
    _provers.append(Prover(blobs_at(place, secret=secret), stations=stations, accounts=accounts))


def _prove(wanted: Sequence[_Wanted]) -> list[Blob[StatementProof] | Blob[VehicleProof] | NoBlob]:
    prover = _provers[0]
    return [prover.statement(cid) if kind == "statement" else prover.vehicle(cid) for kind, cid in wanted]
