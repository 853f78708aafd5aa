"""The audit of a record on a real chain: nothing in it, each tampering with it named, and in steps as in one."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.adapters.audit_store import audit_store
from backend.adapters.chain.reader import ChainReader
from backend.application.audit import AuditSubject, audit
from bench.audit_lies_market import MARKET_KINDS
from bench.audit_life import lively
from bench.audit_market_life import traded
from bench.audit_record import Record
from bench.audit_snapshot import Snapshot
from bench.audit_tamperings import KINDS, Outcome, outcomes
from domain.audit import Auditor, FindingCode
from domain.compression import compress
from domain.errors import Malformed
from domain.evidence import unpack
from scripts.anvil import ROOT
from tests import programs

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Record, Snapshot]]:
    with lively(tmp_path_factory.mktemp("lively"), lambda _: None) as record:
        yield record


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Record, Snapshot]]:
    with traded(tmp_path_factory.mktemp("market"), lambda _: None) as record:
        yield record


@pytest.fixture(scope="module")
def planted(lived: tuple[Record, Snapshot], market: tuple[Record, Snapshot]) -> list[Outcome]:
    """One tampering of each kind."""
    others = outcomes(market[1], len(MARKET_KINDS), kinds=MARKET_KINDS)
    return [*outcomes(lived[1], len(KINDS)), *others]


def test_record_in_order_has_no_findings(lived: tuple[Record, Snapshot]) -> None:
    assert lived[1].copied().findings() == []


def test_market_in_order_has_no_findings_and_is_seen_whole(market: tuple[Record, Snapshot]) -> None:
    snapshot = market[1]
    assert snapshot.copied().findings() == []
    auditor = Auditor(deployed=snapshot.deployed, transactions=snapshot, proofs=snapshot.prover())
    auditor.take(snapshot.log)
    told = Counter(event.name for event in snapshot.log)
    tally = auditor.tally
    assert (tally.auctions, tally.orders, tally.traded_wh) == (told["AuctionCleared"], 6, 4_000)
    assert tally.positions == told["PositionClosed"] > 0
    assert {event.args["setAside"] for event in snapshot.log if event.name == "PositionClosed"} == {True, False}


def test_audit_of_a_market_in_steps_is_the_audit_in_one(market: tuple[Record, Snapshot], tmp_path: Path) -> None:
    """Also where a step ends between an auction's clearing and its settlement."""
    chain, found = market[1].copied(), {}
    blocks = sorted({event.block for event in chain.log if event.contract in ("AuctionHouse", "PositionBook")})
    for name, stops in (("whole", [None]), ("steps", [*blocks, None])):
        for stop in stops:
            chain.at = stop
            with audit_store(tmp_path / name, "market") as store:
                head = list(audit(chain.subject(), chain, chain.prover(), store=store).findings)
                saved = store.saved()
        assert head == []
        assert saved is not None
        found[name] = saved.state
    assert found["whole"] == found["steps"]


def test_each_kind_of_tampering_is_named_with_its_place(planted: list[Outcome]) -> None:
    assert [(one.kind, one.missed) for one in planted if one.missed] == []


def test_nothing_is_found_but_a_tampering_and_what_follows_from_it(planted: list[Outcome]) -> None:
    assert [(one.kind, [str(f) for f in one.elsewhere]) for one in planted if one.elsewhere] == []


def test_each_code_has_a_tampering_that_brings_it_up(planted: list[Outcome]) -> None:
    assert {finding.code for one in planted for finding in one.findings} == set(FindingCode)


def test_price_with_a_direction_that_is_none_is_told_and_does_not_break_the_audit(
    lived: tuple[Record, Snapshot],
) -> None:
    record = lived[1].copied()
    at = next(i for i, event in enumerate(record.log) if event.name == "TariffPublished")
    record.log[at] = replace(record.log[at], args={**record.log[at].args, "direction": 4})
    with pytest.raises(Malformed, match="no contract of ours tells this TariffPublished"):
        record.findings()


class Early(ChainReader):
    """A node at an earlier block of the chain."""

    at = 0

    def head(self) -> int:
        return self.at


def test_audit_of_a_real_chain_in_steps_is_the_audit_in_one(lived: tuple[Record, Snapshot], tmp_path: Path) -> None:
    record, snapshot = lived
    subject = AuditSubject(first_block=record.deployment.block, deployed=record.deployment.deployed)
    chain = Early(record.rpc, record.deployment)
    head = ChainReader(record.rpc, record.deployment).head()
    found: dict[str, Any] = {}
    for name, stops in (("whole", [head]), ("steps", [30, 39, 40, 44, 50, head])):
        for stop in stops:
            chain.at = stop
            with audit_store(tmp_path / name, "steps") as store:
                result = audit(subject, chain, snapshot.prover(), store=store)
                assert list(result.findings) == []
                found[name] = result.tally
    assert found["whole"] == found["steps"]


def audited(record: Record, *options: str) -> subprocess.CompletedProcess[str]:
    subject = ("--rpc", record.rpc, "--evidence", str(record.evidence), "--deployment", str(record.deployment_file))
    return programs.run("backend.cli.main", "audit", *subject, *options)


def test_command_writes_a_report_and_goes_on_after_its_checkpoint(
    lived: tuple[Record, Snapshot], tmp_path: Path
) -> None:
    record, _ = lived
    report, checkpoint = tmp_path / "report.json", tmp_path / "checkpoint"
    reports = []
    for jobs in (1, 2):
        options = ("--report", str(report), "--checkpoint", str(checkpoint), "--jobs", str(jobs))
        done = audited(record, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        reports.append(json.loads(report.read_text()))
    first, second = reports
    assert first["schema"] == "wattledger/audit-report/1"
    assert (first["resumed_after_block"], second["resumed_after_block"]) == (None, first["head"]["block"])
    assert first["tally"] == second["tally"]
    assert first["tally"]["readings"] == record.readings
    assert (first["count"], first["findings"], first["count_by_code"]) == (0, [], {})
    documented = (ROOT / "docs" / "reference" / "audit-report.md").read_text()
    assert all(f"`{name}`" in documented for name in (*first, *first["tally"], *first["head"], *first["machine"]))
    assert all(f"`{code}`" in documented for code in FindingCode)


def test_command_names_what_is_wrong_in_the_same_words_with_any_number_of_processes(
    lived: tuple[Record, Snapshot], tmp_path: Path
) -> None:
    record, _ = lived
    victim = max(record.evidence.glob("*/*"), key=os.path.getsize)
    data = victim.read_bytes()
    victim.chmod(0o600)
    victim.write_bytes(compress(unpack(data).replace(b'"power_w":10980', b'"power_w":10981', 1)))
    try:
        found = []
        for jobs in ("1", "2"):
            done = audited(record, "--jobs", jobs, "--report", str(tmp_path / jobs))
            assert done.returncode == 1, done.stdout + done.stderr
            value = json.loads((tmp_path / jobs).read_text())
            assert value["count"] == len(value["findings"]) == sum(value["count_by_code"].values()) > 0
            found.append((done.stdout, value["findings"]))
        assert found[0] == found[1]
        assert victim.name in found[0][0]
    finally:
        victim.write_bytes(data)
    assert audited(record, "--checkpoint", str(tmp_path)).returncode == 2
