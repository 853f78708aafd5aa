"""What was signed, on disk before it is sent: a killed oracle loses nothing and signs nothing twice.

SQLite in WAL mode with synchronous FULL: after `commit` the messages survive a loss of power. Only committed
messages are ever sent (`unsent` commits first), so what was not committed nobody has seen, and may be made anew.
One process uses a spool at a time, and a spool belongs to one network and one service.
"""

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from oracle.errors import SignedDifferently, SpoolUnusable

Kind = Literal["authorisation", "bms", "meter", "statement"]

_FORMAT = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('authorisation', 'bms', 'meter', 'statement')),
    device INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    time_s INTEGER NOT NULL,
    body TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0 CHECK (sent IN (0, 1)),
    UNIQUE (kind, device, sequence)
);
CREATE INDEX IF NOT EXISTS message_unsent ON message (id) WHERE sent = 0;
CREATE TABLE IF NOT EXISTS session (
    key TEXT PRIMARY KEY,
    station INTEGER NOT NULL,
    body TEXT,
    energy_wh INTEGER NOT NULL DEFAULT 0,
    cost_micro TEXT NOT NULL DEFAULT '0'
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS need (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    time_s INTEGER NOT NULL,
    until_s INTEGER NOT NULL,
    body TEXT NOT NULL,
    said INTEGER NOT NULL DEFAULT 0 CHECK (said IN (0, 1)),
    UNIQUE (session, time_s)
);
CREATE TABLE IF NOT EXISTS opening (
    station INTEGER PRIMARY KEY, import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Message:
    """A signed thing as JSON text. `device` is a station for meters and statements, else an account."""

    id: int
    kind: Kind
    device: int
    sequence: int
    time_s: int
    body: str


@dataclass(frozen=True, slots=True)
class SpooledNeed:
    """A signed need as JSON text that no backend has answered."""

    id: int
    body: str


@dataclass(frozen=True, slots=True)
class SpooledSession:
    """A session that a station admitted (`body` is JSON) or turned away (`body` is None), and what it billed."""

    key: str
    station: int
    body: str | None
    energy_wh: int
    cost_micro: int


class Spool:
    """The open spool. Writes gather in one transaction until `commit`."""

    def __init__(self, path: Path, *, owner: str) -> None:
        """`owner` names service and network; a spool of another owner is refused."""
        self._path = path
        self._lock = _locked(path)
        try:
            self._db = _connected(path)
            try:
                self._claim(owner)
                self._counts = self._counted()
            except BaseException:
                self._db.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forgets what was not committed."""
        self._db.close()
        os.close(self._lock)

    def commit(self) -> None:
        """From here on, what was written survives."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    # --- messages ------------------------------------------------------------------------------

    def add(self, kind: Kind, device: int, sequence: int, time_s: int, body: str) -> None:
        """Keeps a signed message. SignedDifferently if its number already stands for other content."""
        with self._writing():
            added = self._db.execute(
                "INSERT INTO message (kind, device, sequence, time_s, body) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (kind, device, sequence) DO NOTHING",
                (kind, device, sequence, time_s, body),
            )
            if added.rowcount:
                self._counts[kind, "signed"] += 1
            elif self.get(kind, device, sequence) != body:
                raise SignedDifferently(kind, device, sequence)

    def get(self, kind: Kind, device: int, sequence: int) -> str | None:
        row = self._db.execute(
            "SELECT body FROM message WHERE kind = ? AND device = ? AND sequence = ?", (kind, device, sequence)
        ).fetchone()
        return None if row is None else row[0]

    def last(self, kind: Kind, device: int) -> Message | None:
        """The message of this kind and device with the highest number."""
        return self._one("kind = ? AND device = ? ORDER BY sequence DESC LIMIT 1", (kind, device))

    def since(self, kind: Kind, device: int, time_s: int) -> list[Message]:
        """Messages of this kind and device from `time_s` on, in order."""
        return self._many("kind = ? AND device = ? AND time_s >= ? ORDER BY sequence", (kind, device, time_s))

    def of(self, kind: Kind) -> list[Message]:
        return self._many("kind = ? ORDER BY id", (kind,))

    def unsent(self, after_id: int, limit: int) -> list[Message]:
        """Messages that no backend has acknowledged, in the order they were made. Commits first."""
        self.commit()
        return self._many("sent = 0 AND id > ? ORDER BY id LIMIT ?", (after_id, limit))

    def mark_sent(self, ids: Iterable[int]) -> None:
        with self._writing():
            for number in ids:
                marked = self._db.execute(
                    "UPDATE message SET sent = 1 WHERE id = ? AND sent = 0 RETURNING kind", (number,)
                ).fetchall()
                for (kind,) in marked:
                    self._counts[kind, "sent"] += 1
        self.commit()

    def send_again(self, kind: Kind, device: int, after_sequence: int) -> int:
        """Takes back the acknowledgment of everything after `after_sequence`; how many that were."""
        with self._writing():
            changed = self._db.execute(
                "UPDATE message SET sent = 0 WHERE kind = ? AND device = ? AND sequence > ? AND sent = 1",
                (kind, device, after_sequence),
            ).rowcount
        self.commit()
        self._counts[kind, "sent"] -= changed
        return changed

    def counts(self) -> dict[str, int]:
        """How many of each kind were signed and sent."""
        kinds = sorted({kind for kind, _ in self._counts})
        return {f"{kind}_{what}": self._counts[kind, what] for kind in kinds for what in ("signed", "sent")}

    # --- needs ---------------------------------------------------------------------------------

    def keep_need(self, session: str, time_s: int, until_s: int, body: str) -> None:
        """Keeps a need, to be said until `until_s`; one of the same session and time is kept already."""
        with self._writing():
            self._db.execute(
                "INSERT OR IGNORE INTO need (session, time_s, until_s, body) VALUES (?, ?, ?, ?)",
                (session, time_s, until_s, body),
            )

    def unsaid_needs(self, now_s: int, limit: int) -> list[SpooledNeed]:
        """Needs that are still to be said, in the order they were made; forgets those whose time is over. Commits."""
        with self._writing():
            self._db.execute("DELETE FROM need WHERE until_s <= ?", (now_s,))
        self.commit()
        rows = self._db.execute("SELECT id, body FROM need WHERE said = 0 ORDER BY id LIMIT ?", (limit,))
        return [SpooledNeed(*row) for row in rows]

    def mark_said(self, ids: Iterable[int]) -> None:
        with self._writing():
            self._db.executemany("UPDATE need SET said = 1 WHERE id = ?", ((number,) for number in ids))
        self.commit()

    # --- stations ------------------------------------------------------------------------------

    def opening(self, station: int) -> tuple[int, int] | None:
        """The import and export registers that the station was registered with."""
        row = self._db.execute("SELECT import_wh, export_wh FROM opening WHERE station = ?", (station,)).fetchone()
        return None if row is None else (row[0], row[1])

    def keep_opening(self, station: int, import_wh: int, export_wh: int) -> None:
        with self._writing():
            self._db.execute("INSERT OR IGNORE INTO opening VALUES (?, ?, ?)", (station, import_wh, export_wh))

    def sessions(self, station: int) -> list[SpooledSession]:
        rows = self._db.execute(
            "SELECT key, station, body, energy_wh, cost_micro FROM session WHERE station = ?", (station,)
        )
        return [SpooledSession(key, at, body, wh, int(micro)) for key, at, body, wh, micro in rows]

    def keep_session(self, key: str, station: int, body: str | None) -> None:
        """Keeps what was decided of a session. One that was turned away may be admitted later, never the reverse."""
        with self._writing():
            self._db.execute(
                "INSERT INTO session (key, station, body) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET body = excluded.body WHERE body IS NULL",
                (key, station, body),
            )

    def keep_usage(self, key: str, energy_wh: int, cost_micro: int) -> None:
        with self._writing():
            # Money may be wider than SQLite's integers, hence text.
            self._db.execute(
                "UPDATE session SET energy_wh = ?, cost_micro = ? WHERE key = ?", (energy_wh, str(cost_micro), key)
            )

    # --- inside --------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        yield

    def _claim(self, owner: str) -> None:
        wanted = {"format": _FORMAT, "owner": owner}
        with self._writing():
            self._db.executemany("INSERT OR IGNORE INTO fact VALUES (?, ?)", wanted.items())
        found = dict(self._db.execute("SELECT name, value FROM fact"))
        if found != wanted:
            raise SpoolUnusable(
                f"{self._path} belongs to {found.get('owner')} (format {found.get('format')}), not to {owner}; "
                "give another --spool"
            )
        self.commit()

    def _counted(self) -> Counter[tuple[str, str]]:
        """Counted once: the table grows with every reading, and progress is told every few seconds."""
        rows = self._db.execute("SELECT kind, count(*), sum(sent) FROM message GROUP BY kind")
        return Counter({(kind, what): n for kind, made, sent in rows for what, n in (("signed", made), ("sent", sent))})

    def _one(self, where: str, values: tuple[object, ...]) -> Message | None:
        found = self._many(where, values)
        return found[0] if found else None

    def _many(self, where: str, values: tuple[object, ...]) -> list[Message]:
        query = f"SELECT id, kind, device, sequence, time_s, body FROM message WHERE {where}"  # noqa: S608 (constants)
        return [Message(*row) for row in self._db.execute(query, values)]


def _locked(path: Path) -> int:
    """An open file that holds the spool's lock for as long as the process lives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise SpoolUnusable(f"{path} is in use by another oracle; stop that one first") from None
    return handle


def _connected(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_SCHEMA)
    except sqlite3.DatabaseError as error:
        database.close()
        raise SpoolUnusable(f"{path} is no spool: {error}") from error
    return database
