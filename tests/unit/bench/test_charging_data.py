"""Where the files of the benchmarks lie, and what is said when they do not."""

import gzip
from pathlib import Path

import pytest

from bench.charging_data import (
    DUTCH_DAY_AHEAD,
    ORIGINS,
    VARIABLE,
    ChargingDataInvalid,
    ChargingDataMissing,
    content,
    data_file,
    digest,
    table,
)
from scripts.anvil import ROOT


def test_file_lies_in_the_folder_that_the_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    path = tmp_path / "charging" / DUTCH_DAY_AHEAD
    path.parent.mkdir()
    path.touch()
    assert data_file(DUTCH_DAY_AHEAD) == path


@pytest.mark.parametrize("name", ORIGINS)
def test_error_about_a_missing_file_says_where_it_comes_from(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ChargingDataMissing) as caught:
        data_file(name)
    assert str(tmp_path / "charging" / name) in str(caught.value)
    assert ORIGINS[name] in str(caught.value)
    assert VARIABLE in str(caught.value)


def test_without_the_variable_the_folder_beside_the_project_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ChargingDataMissing) as caught:
        data_file("no-such-file.csv")
    assert caught.value.path == ROOT.parent / "shared" / "data" / "charging" / "no-such-file.csv"


def test_compressed_content_is_read_and_its_digest_is_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a\n1\n", mtime=0))
    assert content(path) == b"a\n1\n"
    assert list(table(path, "a")) == [(2, ("1",))]
    before = digest(path)
    path.write_bytes(gzip.compress(b"a\n2\n", mtime=0))
    assert len(before) == 64
    assert digest(path) != before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a,b\n1,2\n", "line 1: missing columns: c"),
        (b"a,b,c\n1,2,3\n4,5\n", "line 3: has fewer fields than the header"),
        (b"a,b,c\n\xff\xfe,2,3\n", "cannot be read"),
        (b"", "missing columns: a, c"),
    ],
)
def test_table_that_is_not_as_it_should_be_is_refused(text: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    with pytest.raises(ChargingDataInvalid, match=reason):
        list(table(path, "a", "c"))


@pytest.mark.parametrize("raw", [b"", b"no gzip", gzip.compress(b"a" * 100, mtime=0)[:-9]])
def test_broken_compression_is_reported(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(raw)
    if raw:
        with pytest.raises(ChargingDataInvalid, match="cannot be read"):
            content(path)
    else:
        assert content(path) == b""


def test_file_that_went_away_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(ChargingDataMissing):
        content(tmp_path / DUTCH_DAY_AHEAD)
