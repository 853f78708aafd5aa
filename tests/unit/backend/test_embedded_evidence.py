"""The embedded evidence store: content-addressed, checked at each read, deaf to other names."""

import io
from pathlib import Path

import pytest

from backend.adapters.evidence.embedded import EmbeddedEvidence
from domain.car import Archive, write_car
from domain.cid import CHUNK_BYTES, DAG_PB, block_cid, blocks_of, cid_of
from domain.errors import EvidenceAltered, EvidenceMissing, InvalidCid

HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedEvidence:
    return EmbeddedEvidence(tmp_path / "evidence")


def test_a_blob_is_kept_under_its_cid(store: EmbeddedEvidence, tmp_path: Path) -> None:
    assert store.put(b"hello world") == HELLO
    assert store.put(b"hello world") == HELLO
    assert (store.get(HELLO), store.has(HELLO)) == (b"hello world", True)
    assert [file.name for file in (tmp_path / "evidence" / "5e").iterdir()] == [HELLO]


@pytest.mark.parametrize("size", [0, 262_144, 262_145, 1_000_000])
def test_blobs_of_any_size_come_back(store: EmbeddedEvidence, size: int) -> None:
    data = bytes(size)

    assert store.get(store.put(data)) == data


def test_a_missing_blob_is_missing(store: EmbeddedEvidence) -> None:
    assert not store.has(HELLO)
    with pytest.raises(EvidenceMissing):
        store.get(HELLO)


def test_an_altered_blob_is_found_and_replaced(store: EmbeddedEvidence, tmp_path: Path) -> None:
    cid = store.put(b"hello world")
    file = tmp_path / "evidence" / cid[-2:] / cid
    file.write_bytes(b"hello w0rld")

    with pytest.raises(EvidenceAltered) as caught:
        store.get(cid)
    assert (caught.value.expected, caught.value.found) == (cid, cid_of(b"hello w0rld"))
    store.put(b"hello world")
    assert store.get(cid) == b"hello world"


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "/etc/passwd", "b/../../x", HELLO + "/..", HELLO.upper(), "b\0", "Qm" + "a" * 44],
)
def test_a_name_that_is_no_cid_never_reaches_the_file_system(store: EmbeddedEvidence, name: str) -> None:
    for use in (store.get, store.has):
        with pytest.raises(InvalidCid):
            use(name)


def test_nothing_partial_is_left_behind(
    store: EmbeddedEvidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        store.put(b"hello world")
    monkeypatch.undo()

    assert not [file for file in (tmp_path / "evidence").rglob("*") if file.is_file()]


def test_many_blobs_are_kept_with_their_cids_in_order(store: EmbeddedEvidence) -> None:
    blobs = [b"%d" % n for n in range(100)] + [b"0", bytes(300_000)]

    cids = store.put_many(blobs)

    assert cids == [cid_of(blob) for blob in blobs]
    assert [store.get(cid) for cid in cids] == blobs
    assert store.cids() == sorted(set(cids))
    assert store.put_many([]) == []


def test_one_of_many_that_cannot_be_written_is_an_error(
    store: EmbeddedEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail(_: int) -> None:
        calls.append(1)
        if len(calls) > 3:
            raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)

    with pytest.raises(OSError, match="disk full"):
        store.put_many([b"%d" % n for n in range(20)])


def test_a_released_blob_is_gone_and_the_others_stay(store: EmbeddedEvidence) -> None:
    going, staying = store.put_many([b"a", b"b"])

    store.release([going, HELLO])

    assert (store.has(going), store.has(staying), store.collect()) == (False, True, 0)
    with pytest.raises(InvalidCid):
        store.release(["../../etc/passwd"])


def test_an_archive_of_a_file_in_another_layout_is_refused(store: EmbeddedEvidence) -> None:
    whole = bytes(3 * CHUNK_BYTES)
    *leaves, (_, root) = blocks_of(whole)
    other = root[: root.rindex(b"\x08\x02") - 2]  # Without its UnixFS data: the same leaves under another name.
    cid = block_cid(DAG_PB, other)
    archive = Archive(io.BytesIO(b"".join(write_car([cid], [*leaves, (cid, other)]))))

    with pytest.raises(EvidenceAltered, match=cid):
        store.take(archive)
    assert store.cids() == []
