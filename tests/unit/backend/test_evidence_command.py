"""`wattledger evidence`: checks, archives and lets go; what is wrong is said in one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.adapters.evidence.embedded import EmbeddedEvidence
from backend.cli.main import app
from domain.cid import cid_of
from domain.evidence import Manifest, manifest_blob
from tests.unit.backend.stores import new_store


def command(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["evidence", *map(str, words)])
    return done.exit_code, done.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


@pytest.fixture
def store(folder: Path) -> EmbeddedEvidence:
    return EmbeddedEvidence(folder)


def test_check_of_a_sound_store_ends_well(store: EmbeddedEvidence, folder: Path) -> None:
    store.put_many([b"a", b"b"])

    assert command("check", "--evidence", folder) == (0, "2 blobs, 0 altered or missing\n")


def test_check_names_altered_and_missing_blobs(store: EmbeddedEvidence, folder: Path) -> None:
    altered, missing = store.put(b"a"), cid_of(b"b")
    manifest = store.put(manifest_blob(Manifest(statements={(1, 1): altered, (1, 2): missing}, vehicles={})))
    (folder / altered[-2:] / altered).write_bytes(b"A")

    status, text = command("check", "--evidence", folder)

    assert status == 1
    assert f"blob {altered} has content of {cid_of(b'A')}" in text
    assert f"no blob {missing}, which manifest {manifest} names" in text
    assert "2 blobs, 2 altered or missing" in text


def test_store_goes_into_an_archive_and_out_again(store: EmbeddedEvidence, folder: Path, tmp_path: Path) -> None:
    cids = store.put_many([b"a", bytes(600_000), b""])
    other = tmp_path / "other"
    other.mkdir()

    assert command("export", "--evidence", folder, "--to", tmp_path / "all.car")[0] == 0
    assert command("import", "--evidence", other, tmp_path / "all.car") == (0, "3 blobs imported\n")

    assert EmbeddedEvidence(other).cids() == sorted(cids)


def test_chosen_blobs_go_into_an_archive(store: EmbeddedEvidence, folder: Path, tmp_path: Path) -> None:
    first, _ = store.put_many([b"a", b"b"])
    other = tmp_path / "other"
    other.mkdir()

    assert command("export", "--evidence", folder, "--to", tmp_path / "one.car", first)[0] == 0
    command("import", "--evidence", other, tmp_path / "one.car")

    assert EmbeddedEvidence(other).cids() == [first]


def test_export_of_an_altered_blob_fails_and_leaves_nothing(
    store: EmbeddedEvidence, folder: Path, tmp_path: Path
) -> None:
    cid = store.put(b"a")
    (folder / cid[-2:] / cid).write_bytes(b"A")

    status, text = command("export", "--evidence", folder, "--to", tmp_path / "all.car")

    assert (status, cid in text) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["evidence"]


def test_archive_that_is_altered_is_not_imported_at_all(store: EmbeddedEvidence, folder: Path, tmp_path: Path) -> None:
    store.put_many([b"a", b"b"])
    car, other = tmp_path / "all.car", tmp_path / "other"
    other.mkdir()
    command("export", "--evidence", folder, "--to", car)
    car.write_bytes(car.read_bytes()[:-1] + b"?")

    status, text = command("import", "--evidence", other, car)

    assert (status, "has content of" in text) == (2, True)
    assert EmbeddedEvidence(other).cids() == []


def test_gc_tells_what_would_go_and_how_many_went(store: EmbeddedEvidence, folder: Path, tmp_path: Path) -> None:
    database = tmp_path / "wattledger.sqlite"
    new_store(database).close()
    store.put(b"a")
    words = ("gc", "--evidence", folder, "--database", database, "--days", "366")

    assert command(*words, "--dry-run") == (0, "[]\n")
    assert command(*words) == (0, "evidence of 0 batches released\n")
    assert len(store.cids()) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("check", "--evidence", "nowhere"), "no folder"),
        (("check", "--evidence", "kubo:127.0.0.1:5001"), "no address of an IPFS API"),
        (("check", "--evidence", ".", "--ipfs-auth-file", "nowhere"), "names no file"),
        (("export", "--evidence", ".", "--to", "README.md"), "is there already"),
        (("export", "--evidence", ".", "--to", "/nowhere/x.car"), "No such file"),
        (("export", "--evidence", ".", "--to", "x.car", "../../etc/passwd"), "is no CID"),
        (("import", "--evidence", ".", "README.md"), "archive"),
        (("import", "--evidence", ".", "nowhere"), "No such file"),
        (("gc", "--evidence", ".", "--database", "nowhere", "--days", "400"), "is no database"),
        (("gc", "--evidence", ".", "--database", "README.md", "--days", "365"), "366"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: tuple[str, ...], reason: str) -> None:
    status, text = command(*words)

    assert status == 2
    assert reason in " ".join(text.split())
    assert "Traceback" not in text
