"""Checkpoints: outside of commits, beside writers and readers, and the log stays bounded."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.adapters.sql import checkpoints
from backend.adapters.sql.checkpoints import LOG_LIMIT_PAGES, PAGE_BYTES, Checkpoints
from domain.chain import BlockRef, ChainEvent
from domain.units import UnixSeconds
from tests.unit.backend.stores import new_store

MEGABYTE = 1 << 20
SQLITES_OWN_PAGES = 1_000
"""After so many, SQLite would carry the log over within a commit, if it was not told otherwise."""
TWICE_THE_LIMIT = 2 * LOG_LIMIT_PAGES * PAGE_BYTES // MEGABYTE
"""How many megabytes that is."""
MOST_BYTES = LOG_LIMIT_PAGES * PAGE_BYTES + 2 * MEGABYTE
"""The limit, and the transaction that goes past it."""


@dataclass(frozen=True)
class Held:
    """Does something in the moment in which writers are held back."""

    act: Callable[[], None]

    def __enter__(self) -> None:
        self.act()

    def __exit__(self, *_: object) -> None:
        pass


class Written:
    """A store to which one block after the other is written, each with an event of some size."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "wattledger.sqlite"
        self.store = new_store(self.file)
        self.store.checkpoint()
        self.blocks = 0

    @property
    def log_bytes(self) -> int:
        log = Path(f"{self.file}-wal")
        return log.stat().st_size if log.exists() else 0

    def write(self, size_bytes: int) -> None:
        number = self.blocks
        ref = BlockRef(number=number, block_hash=number.to_bytes(32), parent_hash=bytes(32), time_s=UnixSeconds(number))
        event = ChainEvent(
            block=number,
            block_hash=ref.block_hash,
            log_index=0,
            tx=ref.block_hash,
            contract="TariffBook",
            name="TariffPublished",
            args={"text": "x" * size_bytes},
        )
        with self.store.write() as unit:
            unit.blocks.add([ref], [event])
        self.blocks += 1

    def blocks_without_log(self) -> int:
        """How many blocks are in the database file alone."""
        alone = self.file.with_suffix(".alone")
        shutil.copyfile(self.file, alone)
        with closing(sqlite3.connect(alone)) as connection:
            return int(connection.execute("SELECT count(*) FROM blocks").fetchone()[0])


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    made = Written(tmp_path)
    yield made
    made.store.close()


def test_commits_leave_the_log_where_it_is(written: Written) -> None:
    for _ in range(2 * SQLITES_OWN_PAGES * PAGE_BYTES // MEGABYTE):
        written.write(MEGABYTE)
    assert written.log_bytes > SQLITES_OWN_PAGES * PAGE_BYTES
    assert written.blocks_without_log() == 0


def test_a_checkpoint_carries_what_was_committed_into_the_database(written: Written) -> None:
    written.write(100)
    written.write(100)
    assert written.blocks_without_log() == 0
    written.store.checkpoint()
    assert written.blocks_without_log() == 2


def test_a_log_that_was_carried_over_is_written_from_its_start(written: Written) -> None:
    written.write(MEGABYTE)
    length_bytes = written.log_bytes
    for _ in range(5):
        written.store.checkpoint()
        written.write(MEGABYTE)
    assert written.log_bytes < 2 * length_bytes


def test_what_is_written_during_a_checkpoint_of_a_long_log_is_carried_over_too(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOG_PAGES", 10)
    written.write(20 * PAGE_BYTES)
    # When writers are held back, one of them was quicker.
    log = Checkpoints(written.file, Held(lambda: written.write(100))).run()
    assert written.blocks == 2
    assert log.carried_pages == log.pages > 0
    assert written.blocks_without_log() == 2


def test_writers_are_not_held_back_for_a_short_log(written: Written) -> None:
    held = []
    written.write(100)
    log = Checkpoints(written.file, Held(lambda: held.append(1))).run()
    assert log.carried_pages == log.pages > 0
    assert held == []


def test_who_reads_from_a_long_log_keeps_writers_from_nothing(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOG_PAGES", 10)
    written.write(20 * PAGE_BYTES)
    with written.store.read() as unit:
        last = unit.blocks.last()
        written.write(20 * PAGE_BYTES)
        written.store.checkpoint()
        written.write(100)
        assert unit.blocks.last() == last
        assert written.blocks_without_log() < 3
    written.store.checkpoint()
    assert written.blocks_without_log() == 3


def test_the_log_stays_bounded_while_it_is_written_all_the_time(written: Written) -> None:
    writing = threading.Thread(target=_write, args=(written, TWICE_THE_LIMIT), daemon=True)
    writing.start()
    longest_bytes = carried = 0
    while writing.is_alive():
        written.store.checkpoint()
        longest_bytes = max(longest_bytes, written.log_bytes)
        carried = carried or written.blocks_without_log()
    assert written.blocks == TWICE_THE_LIMIT
    assert 0 < carried < TWICE_THE_LIMIT
    assert longest_bytes <= MOST_BYTES


def test_the_log_stays_bounded_if_nobody_runs_checkpoints(written: Written) -> None:
    _write(written, TWICE_THE_LIMIT)
    assert LOG_LIMIT_PAGES * PAGE_BYTES <= written.log_bytes <= MOST_BYTES


def test_nothing_is_left_in_the_log_when_the_store_is_closed(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.write(100)
    written.store.close()
    assert not Path(f"{written.file}-wal").exists()
    assert written.blocks_without_log() == 1


def _write(written: Written, megabytes: int) -> None:
    for _ in range(megabytes):
        written.write(MEGABYTE)
