"""An audit that goes on after a checkpoint finds what one audit would have found, and no wrong checkpoint is used."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import backend.application.audit as application
from backend.adapters.audit_store import audit_store
from backend.application.audit import AuditResult, audit
from backend.application.errors import ChainMoved, CheckpointUnusable
from bench.audit_snapshot import Snapshot
from domain.audit import Finding
from domain.audit.auditor import Auditor
from domain.chain import BlockRef, ChainEvent
from domain.plain import plain, shaped
from tests.unit.audit.chain_of import chain_of
from tests.unit.audit.record import Evidence, Record, settled_world
from tests.unit.audit.test_disputes import Case

SUBJECT = "the made-up record"


def audited(chain: Snapshot, file: Path, upto: int | None = None, subject: str = SUBJECT) -> tuple[AuditResult, Any]:
    """The audit up to a block, with what its checkpoint holds afterwards."""
    chain.at = upto
    notices: list[str] = []
    with audit_store(file, subject) as store:
        result = audit(chain.subject(), chain, chain.prover(), store=store, notice=notices.append)
        found = list(result.findings)
    chain.at = None
    return result, (found, notices)


def content(file: Path) -> list[Any]:
    """All that a checkpoint holds, row by row."""
    with sqlite3.connect(file) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [list(database.execute(f"SELECT * FROM {name}")) for name in sorted(names)]  # noqa: S608 - our names
    database.close()
    return rows


def _tampered() -> Record:
    """A record with findings in both batches and in the events between them."""

    def meddle(evidence: Evidence) -> bytes:
        return Evidence(evidence.statement, evidence.authorisations[:1], evidence.readings[:-1]).blob()

    record = settled_world(meddle)
    at = next(i for i, event in enumerate(record.events) if event.name == "StationRegistered")
    record.events[at] = replace(record.events[at], args={**record.events[at].args, "importWh": 7})
    return record


def _disputed() -> Record:
    case = Case().dispute()
    case.release(b"\xd2" * 32, to=7)
    return case.record


RECORDS: dict[str, Callable[[], Record]] = {"in order": settled_world, "tampered": _tampered, "disputed": _disputed}
CHAINS = {name: chain_of(make()) for name, make in RECORDS.items()}


@pytest.mark.parametrize("name", RECORDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_audit_in_steps_is_the_audit_in_one(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Byte for byte, wherever it stops in between."""
    chain, folder = CHAINS[name], tmp_path_factory.mktemp("steps")
    _, whole = audited(chain, folder / "whole")
    stops = sorted(data.draw(st.sets(st.integers(0, chain.head() - 1), max_size=5)))
    steps: Any = None
    for stop in [*stops, None]:
        result, steps = audited(chain, folder / "steps", stop)
    assert steps == whole
    assert content(folder / "steps") == content(folder / "whole")
    assert result.resumed == (stops[-1] if stops else None)


@pytest.mark.parametrize("name", RECORDS)
def test_state_survives_its_plain_form(name: str) -> None:
    chain = CHAINS[name]
    auditor = Auditor(deployed=chain.deployed, transactions=chain, proofs=chain.prover())
    auditor.take(chain.log)
    state = auditor.state()
    assert shaped(type(state), plain(state)) == state


class Breaking(Snapshot):
    """A node that fails at the last event."""

    def events(self, first_block: int, last_block: int) -> Iterator[ChainEvent]:
        *before, _ = Snapshot.events(self, first_block, last_block)
        yield from before
        raise ConnectionError("the node is gone")


def test_audit_that_is_cut_off_goes_on_after_its_last_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "SEGMENT_BLOCKS", 5)
    monkeypatch.setattr(application, "EVENTS_AHEAD", 0)
    chain, file = CHAINS["tampered"], tmp_path / "checkpoint"
    broken = Breaking(**{name.name: getattr(chain, name.name) for name in fields(chain)})
    with pytest.raises(ConnectionError):
        audited(broken, file)
    result, steps = audited(chain, file)
    assert result.resumed is not None
    assert result.resumed > 0
    assert steps == audited(chain, tmp_path / "whole")[1]


def test_reorganised_chain_is_audited_from_its_first_block(tmp_path: Path) -> None:
    chain, file = CHAINS["in order"].copied(), tmp_path / "checkpoint"
    stop = chain.head() - 2
    audited(CHAINS["tampered"].copied(), file, stop)
    chain.blocks[stop] = replace(chain.blocks[stop], block_hash=b"\x99" * 32)
    result, (found, notices) = audited(chain, file)
    assert (result.resumed, found) == (None, [])
    assert len(notices) == 1
    assert f"block {stop} is another one" in notices[0]
    assert result.tally == audited(CHAINS["in order"], tmp_path / "other")[0].tally


class Moving(Snapshot):
    """A node whose head becomes another block once it was asked for."""

    def block(self, number: int) -> BlockRef:
        asked = self.blocks[number]
        self.blocks[number] = replace(asked, block_hash=bytes(32))
        return asked


def test_reorganisation_during_the_audit_is_told(tmp_path: Path) -> None:
    chain = CHAINS["in order"].copied()
    moving = Moving(**{name.name: getattr(chain, name.name) for name in fields(chain)})
    with pytest.raises(ChainMoved, match="run the audit again"):
        audited(moving, tmp_path / "checkpoint")


def test_node_that_is_behind_the_checkpoint_is_told(tmp_path: Path) -> None:
    chain, file = CHAINS["in order"], tmp_path / "checkpoint"
    audited(chain, file)
    with pytest.raises(CheckpointUnusable, match="wait until it has caught up"):
        audited(chain, file, chain.head() - 1)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE payments SET value = replace(value, 'false', 'true') WHERE n = 1",
        "DELETE FROM findings WHERE n = 1",
        "INSERT INTO usage (key, value) VALUES ('\"00\"', '[1,1]')",
        "UPDATE checkpoint SET content = replace(content, '\"saved\":[', '\"saved\":[ ')",
        "UPDATE checkpoint SET digest = ''",
        "UPDATE checkpoint SET content = '{}'",
        "UPDATE checkpoint SET content = 'x'",
    ],
)
def test_checkpoint_that_was_changed_is_refused(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "checkpoint"
    audited(CHAINS["tampered"], file)
    database = sqlite3.connect(file, isolation_level=None)
    assert database.execute(damage).rowcount == 1
    database.close()
    with pytest.raises(CheckpointUnusable, match=r"name another file, or delete it"):
        audited(CHAINS["tampered"], file)


def test_checkpoint_with_a_flipped_byte_is_refused_or_the_same(tmp_path: Path) -> None:
    """A byte of the file that holds nothing may flip unseen."""
    file = tmp_path / "checkpoint"
    _, whole = audited(CHAINS["tampered"], file)
    data = file.read_bytes()
    refused = 0
    for place in range(100, len(data), max(1, len(data) // 60)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :])
        try:
            assert audited(CHAINS["tampered"], file)[1] == whole
        except CheckpointUnusable:
            refused += 1
    assert refused >= 3


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "letter"
    file.write_text("Dear auditor, " * 100)
    with pytest.raises(CheckpointUnusable, match="no checkpoint"):
        audited(CHAINS["in order"], file)
    assert file.read_text().startswith("Dear auditor")


def test_database_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE letters (text TEXT)")
    database.close()
    with pytest.raises(CheckpointUnusable, match="something else"):
        audited(CHAINS["in order"], file)


def test_checkpoint_of_another_deployment_is_refused(tmp_path: Path) -> None:
    audited(CHAINS["in order"], tmp_path / "checkpoint")
    with pytest.raises(CheckpointUnusable, match="another deployment"):
        audited(CHAINS["in order"], tmp_path / "checkpoint", subject="something else")


def test_checkpoint_in_use_is_refused(tmp_path: Path) -> None:
    with audit_store(tmp_path / "checkpoint", SUBJECT), pytest.raises(CheckpointUnusable, match="no other audit"):
        audited(CHAINS["in order"], tmp_path / "checkpoint")


def test_findings_are_counted_and_read_back_in_order(tmp_path: Path) -> None:
    chain = CHAINS["tampered"]
    plainly: list[Finding] = chain.copied().findings()
    assert plainly
    _, (found, _) = audited(chain, tmp_path / "checkpoint")
    assert found == plainly
