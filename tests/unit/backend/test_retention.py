"""Retention: evidence of a batch goes as a whole, and only if it is old, settled and undisputed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.adapters.evidence.embedded import EmbeddedEvidence
from backend.adapters.sql.database import SqlStore
from backend.application.evidence import Evidence
from backend.application.ports import EvidenceStore, UnitOfWork
from backend.application.records import (
    AcceptedStatement,
    DisputeRecord,
    DisputeState,
    OutboxEntry,
    SettlementRecord,
    SettlementState,
    StatementRecord,
    VehicleBlob,
)
from backend.application.retention import Retention
from domain.batch import StatementNumbers
from domain.chain import BlockRef, ChainEvent
from domain.errors import EvidenceAltered
from domain.evidence import Manifest, manifest_blob, pack
from domain.statement import SignedStatement
from domain.units import StationId, UnixSeconds
from tests.unit.backend.stores import new_store
from tests.vectors.world import ALICE, altered, busy_statement

DAY_S = 86_400
NOW_S = 2_000 * DAY_S
DAYS = 400
STATION = StationId(1)


@dataclass(slots=True)
class FixedClock:
    time_s: int = NOW_S

    def now_s(self) -> UnixSeconds:
        return UnixSeconds(self.time_s)

    def monotonic_s(self) -> float:
        return float(self.time_s)

    def sleep(self, seconds: float) -> None:
        self.time_s += int(seconds)


@dataclass(slots=True)
class World:
    """A store and an evidence folder with one batch a number."""

    store: SqlStore
    evidence: EvidenceStore
    folder: Path

    @property
    def retention(self) -> Retention:
        return Retention(self.store, self.evidence, FixedClock())

    def batch(self, number: int, age_days: int, *, settled: bool = True) -> list[str]:
        """A batch with one statement and one vehicle, settled so long ago; its CIDs, the manifest's last."""
        blob, vehicle = (self.evidence.put(pack({kind: number})) for kind in ("statement", "vehicle"))
        manifest = self.evidence.put(
            manifest_blob(Manifest(statements={(STATION, number): blob}, vehicles={(6, number, number): vehicle}))
        )
        statement = SignedStatement(altered(busy_statement().statement, sequence=number), bytes(65))
        record = StatementRecord(
            signed=statement, evidence=blob, first_reading=number, last_reading=number, accepted_at_s=1
        )
        name, tx = f"{number:032x}", bytes([number]) * 32
        with self.store.write() as unit:
            unit.statements.add(AcceptedStatement(record=record, rows=(), usage={}))
            unit.settlements.add(
                SettlementRecord(
                    settlement=name,
                    state=SettlementState.BUILT,
                    transaction=b"",
                    evidence=manifest,
                    rows=0,
                    statements=((STATION, number),),
                ),
                [VehicleBlob(account=6, first=number, last=number, cid=vehicle)],
            )
            unit.outbox.add(OutboxEntry(sender=bytes(20), nonce=number, raw=b"", transaction=tx, purpose=""))
            unit.settlements.sent_as(name, tx)
            if settled:
                self._settle(unit, number, tx, NOW_S - age_days * DAY_S)
        return [blob, vehicle, manifest]

    def _settle(self, unit: UnitOfWork, number: int, tx: bytes, time_s: int) -> None:
        block = BlockRef(
            number=number, block_hash=bytes([number] * 32), parent_hash=bytes(32), time_s=UnixSeconds(time_s)
        )
        event = ChainEvent(
            block=number,
            block_hash=block.block_hash,
            log_index=0,
            tx=tx,
            contract="SessionSettlement",
            name="BatchSettled",
            args={},
        )
        unit.blocks.add([block], [event])
        unit.settlements.settled(tx, batch=number, paid_micro=0, dust_micro=0)
        kept = unit.statements.find(STATION, number)
        assert kept is not None
        unit.statements.settled([StatementNumbers.of(kept.statement)], batch=number)

    def dispute(self, number: int, state: DisputeState) -> None:
        with self.store.write() as unit:
            unit.disputes.opened(
                DisputeRecord(
                    station=STATION,
                    sequence=number,
                    row=0,
                    state=DisputeState.DISPUTED,
                    disputer=ALICE,
                    answer_until_s=NOW_S,
                    place=number,
                )
            )
            if state != DisputeState.DISPUTED:
                unit.disputes.ended(STATION, number, 0, state)

    def kept(self, cids: list[str]) -> list[bool]:
        return [self.evidence.has(cid) for cid in cids]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = new_store(tmp_path / "wattledger.sqlite")
    yield World(store, EmbeddedEvidence(tmp_path / "evidence"), tmp_path / "evidence")
    store.close()


def test_old_batch_goes_as_a_whole_and_a_younger_one_stays(world: World) -> None:
    old, edge, young = world.batch(1, DAYS + 1), world.batch(2, DAYS), world.batch(3, DAYS - 1)
    assert world.retention.release(DAYS) == 2
    assert world.kept(old) == world.kept(edge) == [False] * 3
    assert world.kept(young) == [True] * 3
    assert world.retention.release(DAYS) == 0


def test_what_would_go_is_told_without_letting_it_go(world: World) -> None:
    old = world.batch(1, DAYS)
    [expired] = world.retention.expired(DAYS)
    assert (expired.batch, expired.cids) == (1, tuple(old))
    assert world.kept(old) == [True] * 3


def test_batch_that_is_not_settled_stays(world: World) -> None:
    sent = world.batch(1, 2 * DAYS, settled=False)
    assert world.retention.release(DAYS) == 0
    assert world.kept(sent) == [True] * 3


def test_batch_with_a_row_in_dispute_stays_until_the_dispute_ends(world: World) -> None:
    disputed = world.batch(1, 2 * DAYS)
    world.dispute(1, DisputeState.DISPUTED)
    assert world.retention.release(DAYS) == 0
    assert world.kept(disputed) == [True] * 3
    with world.store.write() as unit:
        unit.disputes.ended(STATION, 1, 0, DisputeState.REVERSED)
    assert world.retention.release(DAYS) == 1
    assert world.kept(disputed) == [False] * 3


def test_release_that_broke_off_is_finished_the_next_time(world: World) -> None:
    old = world.batch(1, DAYS)
    world.evidence.release(old[:1])
    assert world.retention.release(DAYS) == 1
    assert world.kept(old) == [False] * 3


def test_altered_manifest_stops_the_release_and_is_named(world: World) -> None:
    old = world.batch(1, DAYS)
    (world.folder / old[2][-2:] / old[2]).write_bytes(b"x")
    with pytest.raises(EvidenceAltered, match=old[2]):
        world.retention.release(DAYS)
    assert world.kept(old) == [True] * 3


def test_check_names_what_is_altered_and_what_a_manifest_misses(world: World) -> None:
    first, second = world.batch(1, 1), world.batch(2, 1)
    assert list(Evidence(world.evidence).flaws()) == []
    (world.folder / first[0][-2:] / first[0]).write_bytes(b"x")
    world.evidence.release([second[1]])
    flaws = list(Evidence(world.evidence).flaws())
    assert len(flaws) == 2
    assert any(first[0] in flaw and "content of" in flaw for flaw in flaws)
    assert any(flaw == f"no blob {second[1]}, which manifest {second[2]} names" for flaw in flaws)
