"""What an audit keeps, in one SQLite file: tables and findings as they grow, and its state at a block.

One transaction leads from one saved state to the next, so that the file always holds one of them, whatever happens to
the process. A digest over all of it shows a change that the audit did not make. Nothing secret goes into that digest:
it guards against damage, not against somebody who writes a checkpoint on purpose (docs/how-to/audit.md).
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, MutableMapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from backend.application.audit import Saved
from backend.application.errors import CheckpointUnusable
from domain.audit.findings import Finding
from domain.audit.ledger import Books, Place
from domain.errors import Malformed
from domain.plain import plain, shaped
from domain.session import Usage
from domain.settlement import Payment
from domain.units import UnixSeconds

FORMAT = 3
APPLICATION_ID = 0x5741_5444
"""Marks an SQLite file as ours ("WATD")."""
CACHE_KIB = 16_384
_SUM_MODULUS = 1 << 256
_K = TypeVar("_K")
_V = TypeVar("_V")


@contextmanager
def audit_store(file: Path | None, subject: str) -> Iterator["SqliteStore"]:
    """The store in this file, or in one that ends with the audit. `subject` names what is audited.

    CheckpointUnusable if the file is no checkpoint of ours, of something else, or in use.
    """
    try:
        with closing(sqlite3.connect(file or "", isolation_level=None, timeout=0)) as database:
            yield SqliteStore(database, file, subject)
    except sqlite3.OperationalError as error:
        raise CheckpointUnusable(
            f"cannot use the checkpoint {file}: {error}; its folder must exist, and no other audit may use it"
        ) from error
    except sqlite3.DatabaseError as error:
        raise CheckpointUnusable(_unusable(file, f"is damaged or no checkpoint ({error})")) from error


class SqliteStore:
    """A store in an SQLite database, which is open for nobody else."""

    def __init__(self, database: sqlite3.Connection, file: Path | None, subject: str) -> None:
        self._database, self._file, self._subject = database, file, subject
        kept = file is not None
        for pragma in (
            f"cache_size = -{CACHE_KIB}",
            f"journal_mode = {'DELETE' if kept else 'OFF'}",
            f"synchronous = {'FULL' if kept else 'OFF'}",
        ):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN EXCLUSIVE")
        fresh = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not fresh and database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise CheckpointUnusable(_unusable(file, "is a database of something else"))
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("CREATE TABLE IF NOT EXISTS checkpoint (content TEXT NOT NULL, digest TEXT NOT NULL)")
        self._payments: Table[Place, tuple[Payment, bool]] = Table(
            database, "payments", tuple[int, int, int], tuple[Payment, bool]
        )
        self._statement_batches: Table[tuple[int, int], int] = Table(
            database, "statement_batches", tuple[int, int], int
        )
        self._usage: Table[bytes, Usage] = Table(database, "usage", bytes, Usage)
        self._session_starts: Table[bytes, UnixSeconds] = Table(database, "session_starts", bytes, int)
        self.findings = Log(Table(database, "findings", int, Finding))
        self.closing = Log(Table(database, "temp.closing", int, Finding))
        self.seen: Table[Place, bool] = Table(database, "temp.seen", tuple[int, int, int], bool)
        self._kept: list[Table[Any, Any]] = [
            *(self._payments, self._statement_batches, self._usage, self._session_starts, self.findings.table),
        ]

    def books(self) -> Books:
        """Empty books with the tables that are kept."""
        return Books(
            usage=self._usage,
            session_starts=self._session_starts,
            payments=self._payments,
            statement_batches=self._statement_batches,
        )

    def saved(self) -> Saved | None:
        """What was saved last; CheckpointUnusable if it was damaged since, or is of something else."""
        row = self._database.execute("SELECT content, digest FROM checkpoint").fetchone()
        if row is None:
            self.clear()
            return None
        content, digest = row
        try:
            value = json.loads(content)
            if value["format"] != FORMAT:
                raise CheckpointUnusable(_unusable(self._file, f"has format {value['format']}, this build {FORMAT}"))
            if value["subject"] != self._subject:
                raise CheckpointUnusable(_unusable(self._file, "is of another deployment or another first block"))
            self._require_whole(content, digest, value)
            return shaped(Saved, value["saved"])
        except (ValueError, KeyError, TypeError, Malformed) as error:
            raise CheckpointUnusable(_unusable(self._file, f"is damaged ({error!r})")) from error

    def save(self, saved: Saved) -> None:
        """Keeps this and the tables as they are now, together or not at all."""
        if self._file is None:
            return
        value = {"format": FORMAT, "subject": self._subject, "saved": plain(saved), "sums": self._sums()}
        content = json.dumps(value, separators=(",", ":"))
        self._database.execute("DELETE FROM checkpoint")
        self._database.execute("INSERT INTO checkpoint VALUES (?, ?)", (content, _digest(content)))
        self._database.execute("COMMIT")
        self._database.execute("BEGIN EXCLUSIVE")

    def clear(self) -> None:
        """Forgets everything."""
        self._database.execute("DELETE FROM checkpoint")
        for table in self._kept:
            table.empty()

    def _require_whole(self, content: str, digest: str, value: dict[str, Any]) -> None:
        broken = self._database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        for table in self._kept:
            table.add_up()
        if broken != "ok" or _digest(content) != digest or value["sums"] != self._sums():
            raise CheckpointUnusable(_unusable(self._file, "was changed since the audit wrote it"))

    def _sums(self) -> dict[str, str]:
        return {table.name: f"{table.count} rows {table.sum:064x}" for table in self._kept}


class Table(MutableMapping[_K, _V], Generic[_K, _V]):
    """A mapping in a table, in the order in which keys came; with a sum over its rows, whatever their order."""

    def __init__(self, database: sqlite3.Connection, name: str, key: Any, value: Any) -> None:
        self.name, self.count, self.sum = name, 0, 0
        self._database, self._key, self._value = database, key, value
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {name} (n INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL)"
        )

    def __getitem__(self, key: _K) -> _V:
        row = self._found(_text(key))
        if row is None:
            raise KeyError(key)
        found: _V = shaped(self._value, json.loads(row))
        return found

    def __setitem__(self, key: _K, value: _V) -> None:
        name, text = _text(key), _text(value)
        before = self._found(name)
        self._count(name, before, text)
        self._database.execute(
            f"INSERT INTO {self.name} (key, value) VALUES (?, ?) "  # noqa: S608 - the name is one of ours
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (name, text),
        )

    def __delitem__(self, key: _K) -> None:
        name = _text(key)
        before = self._found(name)
        if before is None:
            raise KeyError(key)
        self._count(name, before, None)
        self._database.execute(f"DELETE FROM {self.name} WHERE key = ?", (name,))  # noqa: S608 - as above

    def __iter__(self) -> Iterator[_K]:
        for (name,) in self._database.execute(f"SELECT key FROM {self.name} ORDER BY n"):  # noqa: S608 - as above
            key: _K = shaped(self._key, json.loads(name))
            yield key

    def __len__(self) -> int:
        return self.count

    def __contains__(self, key: object) -> bool:
        return self._found(_text(key)) is not None

    def empty(self) -> None:
        """Takes everything out."""
        self._database.execute(f"DELETE FROM {self.name}")  # noqa: S608 - as above
        self.count, self.sum = 0, 0

    def add_up(self) -> None:
        """Works count and sum out anew."""
        self.count, self.sum = 0, 0
        for name, text in self._database.execute(f"SELECT key, value FROM {self.name}"):  # noqa: S608 - as above
            self._count(name, None, text)

    def _found(self, name: str) -> str | None:
        row = self._database.execute(
            f"SELECT value FROM {self.name} WHERE key = ?",  # noqa: S608 - as above
            (name,),
        ).fetchone()
        return None if row is None else str(row[0])

    def _count(self, name: str, before: str | None, after: str | None) -> None:
        for text, sign in ((before, -1), (after, 1)):
            if text is not None:
                self.count += sign
                row = hashlib.sha256(f"{self.name}\n{name}\n{text}".encode()).digest()
                self.sum = (self.sum + sign * int.from_bytes(row, "big")) % _SUM_MODULUS


class Log:
    """Findings in their order, in a table by their number."""

    def __init__(self, table: Table[int, Finding]) -> None:
        self.table = table

    def append(self, finding: Finding, /) -> None:
        """One more."""
        self.table[self.table.count] = finding

    def __len__(self) -> int:
        return self.table.count

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.table.values())


def _text(value: object) -> str:
    return json.dumps(plain(value), separators=(",", ":"))


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _unusable(file: Path | None, what: str) -> str:
    return f"the checkpoint {file} {what}; name another file, or delete it to audit from the first block"
