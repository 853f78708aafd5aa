"""Stores for tests: all begin as copies of one file, because the migrations take longer than most tests."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.adapters.sql.database import SqlStore

FILE = "wattledger.sqlite"


def new_store(file: Path) -> SqlStore:
    """An empty store with the latest tables in `file`, as `upgrade` makes it; `file` must not be there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("xb") as out:
        out.write(_upgraded())
    return SqlStore(file)


@cache
def _upgraded() -> bytes:
    """A database file that went through all migrations. Its log is carried over when it is closed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        store = SqlStore(file)
        store.upgrade()
        store.close()
        assert [one.name for one in Path(folder).iterdir()] == [FILE]
        return file.read_bytes()
