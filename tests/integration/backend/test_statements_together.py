"""Statements that come at the same time: stored together, each with an outcome of its own."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import pytest

from backend.application.errors import EvidenceUnavailable
from backend.application.ports import EvidenceStore
from backend.application.records import StatementRecord
from backend.application.statements import Statements
from backend.main import Platform, open_platform
from domain.errors import BadSignature
from domain.evidence import parse_statement_blob
from domain.statement import SignedStatement
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Site, new_driver, new_meter, running

LIMIT_S = 20
STATIONS = 5


@dataclass
class Held:
    """An evidence store that waits at first, notes how many blobs come together, and can lack room for some."""

    inner: EvidenceStore
    groups: list[int] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    no_room_for: list[SignedStatement] = field(default_factory=list)

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        self.groups.append(len(blobs))
        self.begun.set()
        assert self.open.wait(LIMIT_S)
        if any(parse_statement_blob(blob).statement in self.no_room_for for blob in blobs):
            raise EvidenceUnavailable("a full disk", "no room")
        return self.inner.put_many(blobs)


@dataclass
class Came:
    """Statements that wait while the first of them is taken in."""

    platform: Platform
    statements: Statements
    evidence: Held
    signed: list[SignedStatement]
    pool: ThreadPoolExecutor

    def send(self, signed: SignedStatement) -> Future[tuple[StatementRecord, bool]]:
        return self.pool.submit(self.statements.take, signed)

    def send_together(self, signed: Sequence[SignedStatement]) -> list[Future[tuple[StatementRecord, bool]]]:
        """The first is being taken in while all others come, in this order."""
        sent = [self.send(signed[0])]
        assert self.evidence.begun.wait(LIMIT_S)
        for count, one in enumerate(signed[1:], 1):
            sent.append(self.send(one))
            wait_until(partial(self._waits, count))
        self.evidence.open.set()
        return sent

    def _waits(self, count: int) -> bool:
        return len(self.statements._waiting) == count

    def kept(self, signed: SignedStatement) -> StatementRecord | None:
        with self.platform.store.read() as unit:
            return unit.statements.find(signed.statement.station, signed.statement.sequence)


@contextmanager
def coming(at: Site) -> Iterator[Came]:
    signed = []
    with running(at) as api:
        driver = new_driver(api)
        for _ in range(STATIONS):
            meter = new_meter(api)
            session = driver.authorise(api, meter.station)
            meter.charge(session)
            signed.append(meter.draw_up(session))
    with open_platform(at.settings()) as platform, ThreadPoolExecutor(2 * STATIONS) as pool:
        whole = platform.services.statements
        evidence = Held(whole.evidence)
        try:
            yield Came(platform, replace(whole, evidence=cast(EvidenceStore, evidence)), evidence, signed, pool)
        finally:
            evidence.open.set()


def test_statements_that_came_meanwhile_are_stored_together_and_told_apart(own_site: Site) -> None:
    with coming(own_site) as came:
        *good, other = came.signed
        forged = replace(other, signature=good[0].signature)
        sent = came.send_together([*good, forged, good[1]])
        *outcomes, refused, again = sent
        assert [one.result(LIMIT_S)[1] for one in outcomes] == [True] * len(good)
        with pytest.raises(BadSignature):
            refused.result(LIMIT_S)
        assert again.result(LIMIT_S) == (came.kept(good[1]), False)
        assert came.evidence.groups == [1, len(good) - 1]
        for signed, outcome in zip(good, outcomes, strict=True):
            record, kept = outcome.result()[0], came.kept(signed)
            assert kept is not None
            assert replace(kept, serial=record.serial) == record
            assert came.evidence.inner.has(record.evidence)
        assert came.kept(other) is None


def test_one_whose_evidence_is_not_stored_is_not_accepted_and_the_others_are(own_site: Site) -> None:
    with coming(own_site) as came:
        lost = came.signed[2]
        came.evidence.no_room_for.append(lost)
        sent = came.send_together(came.signed)
        with pytest.raises(EvidenceUnavailable, match="no room"):
            sent[2].result(LIMIT_S)
        assert came.kept(lost) is None
        assert [one.result(LIMIT_S)[1] for one in sent[:2] + sent[3:]] == [True] * (STATIONS - 1)
        came.evidence.no_room_for.clear()
        record, is_new = came.send(lost).result(LIMIT_S)
        assert is_new
        assert came.evidence.inner.has(record.evidence)
