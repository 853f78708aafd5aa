"""Checkpoints: what was committed to the write-ahead log goes into the database file, outside of commits.

A commit is durable when it is in the log, on the disk. SQLite would carry a grown log into the database within the
next commit, and everybody who waits for that commit would wait for all of it.
"""

import sqlite3
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 4_096
LOG_PAGES = 4_096
"""The log begins anew when it is longer: 16 MiB."""
LOG_LIMIT_PAGES = 16_384
"""Above this, each commit carries the log over by itself: 64 MiB, if checkpoints do not keep up or nobody runs them."""
READERS_WAIT_MS = 100
"""How long the log waits for those who still read from it, before it grows on."""


@dataclass(frozen=True, slots=True)
class Log:
    """The write-ahead log of a database, in pages: its length, and how much of it is in the database file."""

    pages: int
    carried_pages: int


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Those of one database file. Whoever writes to it is within `writing`."""

    file: Path
    writing: AbstractContextManager[object]

    def run(self) -> Log:
        """Carries the log over, beside readers and writers; writers wait only where a long log begins anew.

        While others write, some of the log is always new, and it would grow for ever. So once it is long, what is
        left of it is carried over with the writers held back: the next of them begins the log at its start.
        """
        with closing(self._connect()) as connection:
            log = _checkpoint(connection, "PASSIVE")
            if log.pages > LOG_PAGES:
                with self.writing:
                    log = _checkpoint(connection, "RESTART")
        return log

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=READERS_WAIT_MS / 1000, isolation_level=None)
        # Log and database are flushed in the order that a power loss demands.
        connection.execute("PRAGMA synchronous=FULL")
        return connection


def _checkpoint(connection: sqlite3.Connection, mode: str) -> Log:
    """What there is after it. What others hold it up with is left for the next one."""
    _, pages, carried_pages = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return Log(pages, carried_pages)
