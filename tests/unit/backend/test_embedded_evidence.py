"""The embedded evidence store: content-addressed, checked at each read, deaf to other names."""

from pathlib import Path

import pytest

from backend.adapters.evidence.embedded import EmbeddedEvidence
from domain.cid import cid_of
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
