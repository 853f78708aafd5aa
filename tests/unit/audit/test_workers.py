"""Blobs that are proven in processes of their own: the same findings in the same words, and no silence if one dies."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path

import pytest

from backend.adapters.evidence import workers
from backend.adapters.evidence.workers import Workers, proving
from backend.application.audit import audit
from backend.application.errors import WorkerDied
from bench.audit_snapshot import Snapshot
from domain.audit import Proofs
from tests.unit.audit.chain_of import chain_of
from tests.unit.audit.record import Evidence, settled_world
from tests.vectors.world import ACCOUNT_DOMAIN, STATION_DOMAIN

pytestmark = pytest.mark.timeout(60)


def _meddle(evidence: Evidence) -> bytes:
    return Evidence(evidence.statement, evidence.authorisations, evidence.readings[:-1]).blob()


@pytest.fixture(scope="module")
def chain() -> Snapshot:
    """A chain with findings of many kinds: an altered blob, a missing one, one that is none."""
    chain = chain_of(settled_world(_meddle))
    first, second, third = sorted(chain.blobs)[:3]
    chain.blobs[first] = chain.blobs[first].replace(b"1", b"2", 1)
    chain.blobs[second] = b"\x00"
    del chain.blobs[third]
    return chain


@contextmanager
def proofs_of(chain: Snapshot, folder: Path, jobs: int) -> Iterator[Proofs]:
    for cid, data in chain.blobs.items():
        (folder / cid[-2:]).mkdir(exist_ok=True, parents=True)
        (folder / cid[-2:] / cid).write_bytes(data)
    with proving(str(folder), stations=STATION_DOMAIN, accounts=ACCOUNT_DOMAIN, jobs=jobs) as proofs:
        yield proofs


@pytest.mark.parametrize("ahead", [1, 16])
def test_findings_are_the_same_whatever_the_number_of_processes(
    chain: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    monkeypatch.setattr(workers, "BLOBS_AHEAD", ahead)
    found = []
    for jobs in (1, 2, 3):
        with proofs_of(chain, tmp_path, jobs) as proofs:
            result = audit(chain.subject(), chain, proofs)
            found.append((repr(list(result.findings)), result.tally))
    assert found[0] == found[1] == found[2]
    assert found[0][1].readings > 0
    assert "evidence-altered" in found[0][0]


def test_no_more_blobs_are_proven_ahead_than_are_allowed(chain: Snapshot, tmp_path: Path) -> None:
    with proofs_of(chain, tmp_path, 2) as proofs:
        assert isinstance(proofs, Workers)
        proofs.ahead = 4
        for event in chain.log:
            if event.name == "BatchSettled":
                proofs.expect(event.args["evidence"])
                assert len(proofs._given) <= 4


def _audit_while_processes_die(chain: Snapshot, folder: Path) -> None:
    with proofs_of(chain, folder, 2) as proofs:
        assert isinstance(proofs, Workers)
        for event in chain.log:
            if event.name == "BatchSettled":
                proofs.expect(event.args["evidence"])
        for worker in list(proofs.pool._processes):
            os.kill(worker, signal.SIGKILL)
        proofs._given.clear()
        audit(chain.subject(), chain, proofs)


def test_process_that_dies_is_an_error_that_says_what_to_do(chain: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(WorkerDied, match="--jobs 1"):
        _audit_while_processes_die(chain, tmp_path)
    assert active_children() == []
