"""Evidence on a real Kubo: the same CIDs, nothing believed, every failure named. And the demo's whole day on it."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.adapters.clock import SystemClock
from backend.adapters.evidence.embedded import EmbeddedEvidence
from backend.adapters.evidence.kubo import KuboEvidence
from backend.adapters.evidence.kubo_rpc import AWAY_S
from backend.adapters.evidence.sources import HttpBlobs, blobs_at
from backend.adapters.sql.database import SqlStore
from backend.application.errors import EvidenceUnavailable
from backend.application.evidence import Evidence
from backend.application.records import DisputeState
from backend.cli.main import app
from bench.evidence import day_blobs
from domain.audit import Auditor, FindingCode
from domain.audit.proofs import Prover
from domain.car import Archive, read_blocks, write_car
from domain.cid import CHUNK_BYTES, blocks_of, cid_of
from domain.errors import EvidenceAltered, EvidenceMissing, InvalidCid, Malformed
from domain.unixfs import links_of
from scripts.anvil import ROOT
from scripts.kubo import KuboNode
from tests.services.kubo import (
    LIMIT_S,
    block_file,
    evidence_on,
    lying_node,
    overwrite,
    running_node,
    says,
    secret_of,
)
from tests.unit.audit.record import DEPLOYED, settled_world
from tests.unit.backend.test_retention import DAYS, World
from tests.vectors.world import ACCOUNT_DOMAIN, STATION_DOMAIN

pytestmark = [pytest.mark.services, pytest.mark.timeout(LIMIT_S)]

LARGE = random.Random(1).randbytes(3 * CHUNK_BYTES + 1)
NO_HANG_S = 8
"""Far below what waiting for an answer to its end would take, far above what it takes on a busy machine."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboNode]:
    with running_node(tmp_path_factory.mktemp("kubo")) as running:
        yield running


@pytest.fixture(scope="module")
def store(node: KuboNode) -> Iterator[KuboEvidence]:
    with evidence_on(node) as opened:
        yield opened


@pytest.fixture
def embedded(tmp_path: Path) -> EmbeddedEvidence:
    return EmbeddedEvidence(tmp_path / "evidence")


def fresh(size: int = 1_000) -> bytes:
    """Bytes that no other test has."""
    fresh.count += 1  # type: ignore[attr-defined]  # Functions may have attributes.
    return random.Random(f"fresh {fresh.count}").randbytes(size)  # type: ignore[attr-defined]


fresh.count = 0  # type: ignore[attr-defined]


# --- the same names ----------------------------------------------------------------------------

SIZES = [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, (1 << 20) + 1, 174 * CHUNK_BYTES + 1]


@pytest.mark.parametrize("size", SIZES)
def test_blob_of_any_size_has_the_cid_of_the_embedded_store(
    store: KuboEvidence, embedded: EmbeddedEvidence, size: int
) -> None:
    data = random.Random(size).randbytes(size)
    cid = store.put(data)
    assert cid == embedded.put(data) == cid_of(data)
    assert store.get(cid) == data


def test_blobs_of_chance_have_the_cids_of_the_embedded_store(store: KuboEvidence, embedded: EmbeddedEvidence) -> None:
    rng = random.Random(2)
    blobs = [rng.randbytes(rng.randint(0, 1 << rng.randint(1, 20))) for _ in range(40)]
    assert store.put_many(blobs) == embedded.put_many(blobs)


def test_every_blob_of_a_day_has_the_cid_of_the_embedded_store(store: KuboEvidence, embedded: EmbeddedEvidence) -> None:
    blobs = [*day_blobs(3, 40), *settled_world().blobs.values()]
    cids = store.put_many(blobs)
    assert cids == embedded.put_many(blobs)
    assert [store.get(cid) for cid in cids] == blobs


# --- keeping and letting go --------------------------------------------------------------------


def test_blob_that_is_kept_is_pinned_and_listed(store: KuboEvidence, node: KuboNode) -> None:
    cid = store.put(fresh())
    assert store.has(cid)
    assert cid in store.cids()
    assert f"{cid} recursive".encode() in node.run("pin", "ls", cid)


def test_blob_that_is_put_twice_is_kept_once(store: KuboEvidence) -> None:
    data = fresh()
    assert store.put(data) == store.put(data)
    assert store.cids().count(cid_of(data)) == 1


@pytest.mark.parametrize("size", [1_000, 3 * CHUNK_BYTES])
def test_released_blob_is_removed_and_the_others_stay(store: KuboEvidence, node: KuboNode, size: int) -> None:
    going, staying = store.put(fresh(size)), store.put(fresh(size))
    file = block_file(node, going)
    store.release([going, cid_of(b"never there")])
    assert file.exists()
    assert store.collect() >= 1
    assert not file.exists()
    assert (store.has(going), store.has(staying)) == (False, True)
    assert going not in store.cids()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", "x&arg=y"])
def test_name_that_is_no_cid_never_reaches_the_node(store: KuboEvidence, name: str) -> None:
    for use in (
        store.get,
        store.has,
        store.read,
        lambda cid: store.release([cid]),
    ):
        with pytest.raises(InvalidCid):
            use(name)


def test_old_batch_goes_as_a_whole_and_a_disputed_one_stays(
    store: KuboEvidence, node: KuboNode, tmp_path: Path
) -> None:
    records = SqlStore(tmp_path / "wattledger.sqlite")
    records.upgrade()
    world = World(records, store, tmp_path)
    old, disputed, young = world.batch(1, DAYS), world.batch(2, DAYS), world.batch(3, DAYS - 1)
    world.dispute(2, DisputeState.DISPUTED)
    assert world.retention.release(DAYS) == 1
    records.close()
    assert not any(block_file(node, cid).exists() for cid in old)
    assert world.kept(disputed) == world.kept(young) == [True] * 3


# --- what is not there, or not what it was -----------------------------------------------------


def test_missing_blob_is_missing_at_once(store: KuboEvidence) -> None:
    cid = cid_of(fresh())
    began = time.monotonic()
    for use in (store.get, store.read):
        with pytest.raises(EvidenceMissing, match=cid):
            use(cid)
    assert not store.has(cid)
    assert time.monotonic() - began < NO_HANG_S


def test_blob_without_one_of_its_blocks_is_missing(store: KuboEvidence, node: KuboNode) -> None:
    cid = store.put(fresh(3 * CHUNK_BYTES))
    leaf = links_of(block_file(node, cid).read_bytes())[1]
    block_file(node, leaf).unlink()
    with pytest.raises(EvidenceMissing, match=cid):
        store.get(cid)


def test_altered_block_is_named_and_its_content_never_given(store: KuboEvidence, node: KuboNode) -> None:
    data = fresh()
    cid = store.put(data)
    overwrite(block_file(node, cid), data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(EvidenceAltered) as caught:
        store.get(cid)
    assert (caught.value.expected, caught.value.found) == (cid, cid_of(store.read(cid)))
    assert [flaw for flaw in Evidence(store).flaws() if cid in flaw]
    store.release([cid])
    store.collect()


def test_altered_leaf_of_a_large_blob_is_named(store: KuboEvidence, node: KuboNode) -> None:
    cid = store.put(fresh(3 * CHUNK_BYTES))
    leaf = block_file(node, links_of(block_file(node, cid).read_bytes())[2])
    overwrite(leaf, bytes(len(leaf.read_bytes())))
    with pytest.raises(EvidenceAltered, match=cid):
        store.get(cid)
    store.release([cid])
    store.collect()


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\x12\x02\x0a\x00", bytes(100)], ids=repr)
def test_altered_root_of_a_large_blob_is_named(store: KuboEvidence, node: KuboNode, garbage: bytes) -> None:
    cid = store.put(fresh(2 * CHUNK_BYTES))
    whole = block_file(node, cid).read_bytes()
    overwrite(block_file(node, cid), garbage)
    with pytest.raises(EvidenceAltered, match=cid):
        store.get(cid)
    overwrite(block_file(node, cid), whole)
    assert cid_of(store.get(cid)) == cid


def test_audit_over_kubo_names_what_is_missing_and_what_is_altered(store: KuboEvidence, node: KuboNode) -> None:
    record = settled_world()
    cids = store.put_many(list(record.blobs.values()))
    assert cids == list(record.blobs)

    def audit() -> set[tuple[FindingCode, str]]:
        blobs = blobs_at(f"kubo:{node.api}", secret=secret_of(node))
        proofs = Prover(blobs, stations=STATION_DOMAIN, accounts=ACCOUNT_DOMAIN)
        auditor = Auditor(deployed=DEPLOYED, transactions=record, proofs=proofs)
        auditor.take(record.events)
        return {(f.code, f.where.split("blob ")[-1].split(":")[0].split("manifest ")[-1]) for f in auditor.findings}

    assert audit() == set()
    altered, missing = block_file(node, cids[0]), block_file(node, cids[1])
    whole = [altered.read_bytes(), missing.read_bytes()]
    overwrite(altered, whole[0][:-1] + b"?")
    missing.unlink()
    assert audit() >= {(FindingCode.EVIDENCE_ALTERED, cids[0]), (FindingCode.EVIDENCE_MISSING, cids[1])}
    overwrite(altered, whole[0])
    store.put(whole[1])
    assert audit() == set()


def test_gateway_of_the_node_serves_the_same_bytes(store: KuboEvidence, node: KuboNode) -> None:
    data = day_blobs(4, 1)[0]
    assert HttpBlobs(node.gateway).read(store.put(data)) == data
    with pytest.raises(EvidenceMissing):
        HttpBlobs(node.gateway).read(cid_of(fresh()))


# --- a node that does not answer ---------------------------------------------------------------


def test_stopped_daemon_is_unavailable_and_works_again_once_it_goes_on(node: KuboNode) -> None:
    assert node.process is not None
    with evidence_on(node, read_limit_s=1) as impatient:
        data = fresh()
        cid = impatient.put(data)
        _halt(node.process)
        try:
            for use in (lambda: impatient.get(cid), lambda: impatient.put(data), lambda: impatient.has(cid)):
                began = time.monotonic()
                with pytest.raises(EvidenceUnavailable, match=node.api):
                    use()
                assert time.monotonic() - began < NO_HANG_S
        finally:
            node.process.send_signal(signal.SIGCONT)
        time.sleep(AWAY_S)
        assert impatient.get(cid) == data


def test_who_waits_behind_a_request_that_was_not_answered_is_told_at_once(node: KuboNode, store: KuboEvidence) -> None:
    assert node.process is not None
    cid = store.put(fresh())
    with evidence_on(node, read_limit_s=1) as impatient:
        _halt(node.process)
        try:
            with pytest.raises(EvidenceUnavailable, match="Timeout"):
                impatient.get(cid)
            with pytest.raises(EvidenceUnavailable, match="a moment ago"):
                impatient.get(cid)
        finally:
            node.process.send_signal(signal.SIGCONT)


def test_killed_daemon_has_kept_what_was_put_and_is_waited_for(node: KuboNode, store: KuboEvidence) -> None:
    data = fresh()
    cid = store.put(data)
    node.kill()
    back = threading.Timer(0.5, node.start)
    back.start()
    try:
        assert store.get(cid) == data
    finally:
        back.join(timeout=60)
    assert cid in store.cids()


def test_daemon_that_stays_away_is_unavailable(node: KuboNode, store: KuboEvidence) -> None:
    node.stop()
    try:
        with (
            evidence_on(node, read_limit_s=1) as impatient,
            pytest.raises(EvidenceUnavailable, match="check that it runs"),
        ):
            impatient.put(fresh())
    finally:
        node.start()
    assert store.put(fresh())


def test_wrong_secret_is_unavailable_and_says_why(node: KuboNode) -> None:
    for secret in (None, "bearer:wrong", "basic:a:b"):
        stranger = KuboEvidence(node.api, SystemClock(), secret=secret)
        with pytest.raises(EvidenceUnavailable, match="403"):
            stranger.put(fresh())
        stranger.close()


@pytest.mark.parametrize("address", ["", "localhost:5001", "/ip4/127.0.0.1", "/ip4/x/tcp/1", "http://127.0.0.1:5001"])
def test_address_that_is_no_multiaddr_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(Malformed, match=r"/ip4/127\.0\.0\.1/tcp/5001"):
        KuboEvidence(address, SystemClock())


# --- a node that lies --------------------------------------------------------------------------


def lied_to(address: str) -> KuboEvidence:
    return KuboEvidence(address, SystemClock(), read_limit_s=1)


def test_wrong_cid_for_what_was_put_is_altered_evidence() -> None:
    other = cid_of(b"other")
    with lying_node(says(b'{"Name":"x","Hash":"%s","Size":"1"}' % other.encode())) as address:
        with pytest.raises(EvidenceAltered) as caught:
            lied_to(address).put(b"mine")
        assert (caught.value.expected, caught.value.found) == (cid_of(b"mine"), other)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"1", b"not json", b'{"Hash":1}', b'{"Keys":[]}', b'{"a":1}{"b":2}', b"\xff" * 100],
    ids=repr,
)
def test_answer_that_is_none_is_named_and_gives_nothing(body: bytes) -> None:
    with lying_node(says(body)) as address:
        store = lied_to(address)
        for use in (lambda: store.put(b"x"), store.cids):
            with pytest.raises((EvidenceUnavailable, EvidenceAltered)):
                use()
        with pytest.raises(EvidenceAltered):
            store.get(cid_of(b"x"))


@pytest.mark.parametrize("status", [301, 400, 401, 404, 500, 503])
def test_any_other_status_is_unavailable(status: int) -> None:
    with lying_node(says(b"no", status, "text/plain")) as address:
        store = lied_to(address)
        for use in (lambda: store.put(b"x"), lambda: store.get(cid_of(b"x")), lambda: store.has(cid_of(b"x"))):
            with pytest.raises((EvidenceUnavailable, EvidenceAltered)):
                use()


def test_block_without_end_is_altered_and_not_read_to_the_end() -> None:
    sent = []

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        for _ in range(1_000):
            request.wfile.write(bytes(1 << 16))
            sent.append(1)

    with lying_node(endless) as address, pytest.raises(EvidenceAltered, match="more than"):
        lied_to(address).get(cid_of(b"x"))
    assert len(sent) < 500


def test_block_that_trickles_is_unavailable_in_time() -> None:
    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        for _ in range(100):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.1)

    began = time.monotonic()
    with lying_node(trickle) as address, pytest.raises(EvidenceUnavailable):
        lied_to(address).get(cid_of(b"x"))
    assert time.monotonic() - began < NO_HANG_S


# --- archives ----------------------------------------------------------------------------------


def test_archive_of_the_embedded_store_is_taken_by_kubo(
    store: KuboEvidence, embedded: EmbeddedEvidence, node: KuboNode
) -> None:
    blobs = [fresh(), fresh(CHUNK_BYTES + 1), b"", fresh(5 * CHUNK_BYTES)]
    cids = embedded.put_many(blobs)
    car = b"".join(write_car(cids, (block for cid in cids for block in blocks_of(embedded.get(cid)))))
    store.take(Archive(io.BytesIO(car)))
    assert [store.get(cid) for cid in cids] == blobs
    assert set(cids) <= set(store.cids())
    assert all(cid.encode() in node.run("dag", "import", data=car) for cid in cids)


def test_archive_of_kubo_is_taken_by_the_embedded_store(
    store: KuboEvidence, embedded: EmbeddedEvidence, node: KuboNode
) -> None:
    for data in (fresh(), LARGE, b""):
        cid = store.put(data)
        embedded.take(Archive(io.BytesIO(node.run("dag", "export", cid))))
        assert embedded.get(cid) == data


def test_archive_of_one_blob_is_byte_for_byte_that_of_kubo(store: KuboEvidence, node: KuboNode) -> None:
    data = fresh()
    assert b"".join(write_car([store.put(data)], blocks_of(data))) == node.run("dag", "export", cid_of(data))


def test_blocks_that_kubo_exports_are_those_that_we_make(store: KuboEvidence, node: KuboNode) -> None:
    _, blocks = read_blocks(io.BytesIO(node.run("dag", "export", store.put(LARGE))))
    assert sorted(blocks) == sorted(blocks_of(LARGE))


def test_archive_with_a_file_in_another_layout_is_refused_by_both(
    store: KuboEvidence, embedded: EmbeddedEvidence, node: KuboNode
) -> None:
    added = node.run("add", "-Q", "--cid-version=1", "--raw-leaves", "--chunker=size-1000", data=fresh(5_000))
    cid = added.decode().strip()
    car = node.run("dag", "export", cid)
    assert read_blocks(io.BytesIO(car))[0] == [cid]
    for taker in (embedded, store):
        with pytest.raises(EvidenceAltered, match=cid):
            taker.take(Archive(io.BytesIO(car)))


# --- the command -------------------------------------------------------------------------------


def command(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["evidence", *map(str, words)])
    return done.exit_code, done.output


def test_command_carries_a_store_into_kubo_and_back(node: KuboNode, embedded: EmbeddedEvidence, tmp_path: Path) -> None:
    folder, again, car = tmp_path / "evidence", tmp_path / "again", tmp_path / "all.car"
    again.mkdir()
    cids = embedded.put_many([fresh(), fresh(2 * CHUNK_BYTES)])
    kubo = ("--evidence", f"kubo:{node.api}", "--ipfs-auth-file", node.secret_file)
    assert command("export", "--evidence", folder, "--to", car)[0] == 0
    assert command("import", *kubo, car)[0] == 0
    assert command("export", *kubo, "--to", tmp_path / "back.car", *cids)[0] == 0
    assert command("import", "--evidence", again, tmp_path / "back.car")[0] == 0
    assert EmbeddedEvidence(again).cids() == sorted(cids)
    assert command("check", "--evidence", again) == (0, "2 blobs, 0 altered or missing\n")


def test_command_says_what_is_altered_in_kubo(node: KuboNode, store: KuboEvidence) -> None:
    cid = store.put(fresh())
    overwrite(block_file(node, cid), b"altered")
    status, text = command("check", "--evidence", f"kubo:{node.api}", "--ipfs-auth-file", node.secret_file)
    assert status == 1
    assert f"✗ blob {cid} has content of" in text
    store.release([cid])
    store.collect()


# --- the benchmark and the whole day -----------------------------------------------------------------------------


def test_benchmark_measures_both_stores_and_finds_no_cid_that_differs(node: KuboNode) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.evidence", "--json", "--blobs", "6", "--runs", "2"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["cid_mismatches"] == 0
    for one in ("embedded", "kubo"):
        assert all(figures[one][name] > 0 for name in ("blobs_per_s", "mb_per_s", "read_blobs_per_s", "read_mb_per_s"))
    assert all(value > 0 for value in figures["raw"].values())


def test_whole_day_runs_on_kubo_and_the_audit_reads_from_it(node: KuboNode, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "scripts.demo",
            "--ipfs",
            "kubo",
            "--date",
            "2019-07-20",
            "--tamper",
            "--folder",
            tmp_path,
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    text = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert "audit findings │ 0" in text
    assert "--evidence kubo:/ip4/127.0.0.1/tcp/" in text
    for code in ("evidence-altered", "reading-swapped", "claim-amount"):
        assert f"✗ {code}" in text
    assert not (tmp_path / "kubo" / "repo").exists()
    assert not (tmp_path / "backend" / "evidence").exists()


def _halt(process: "subprocess.Popen[bytes]") -> None:
    """Stops all of its threads, and waits until they are: one that still runs could answer."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
