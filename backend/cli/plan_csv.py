"""CSV files that a plan is made from: every line is checked, and what is wrong is said with its line."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from domain.errors import WattledgerError
from domain.units import UnixSeconds

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,30})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_LINES = 2_000_000
_SHOWN = 40


class InputInvalid(WattledgerError):
    """A file that no plan can be made from: which line, why, and what to do."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}, line {line}: {why}")
        self.path, self.line, self.why = path, line, why


Row = tuple[int, Mapping[str, str]]


def rows_of(path: Path, needed: set[str]) -> Iterator[Row]:
    """Lines with their numbers, fields by column, without blanks around them; gzip where the name ends in .gz."""
    line = 1
    try:
        with _opened(path) as text:
            rows = csv.DictReader(text, strict=True)
            header = [(name or "").strip() for name in rows.fieldnames or ()]
            _check_header(path, header, needed)
            rows.fieldnames = header
            for count, row in enumerate(rows):
                line = rows.line_num
                if count >= _MAX_LINES:
                    raise InputInvalid(path, line, f"more than {_MAX_LINES} lines; plan in several files")
                if None in row or None in row.values():
                    raise InputInvalid(path, line, f"it has another number of fields than the header's {len(header)}")
                yield line, {name: value.strip() for name, value in row.items()}
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputInvalid(path, line, f"cannot be read: {error}") from error


def header_of(path: Path) -> list[str]:
    """The names of a file's columns."""
    try:
        with _opened(path) as text:
            return [name.strip() for name in next(csv.reader(text, strict=True), [])]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputInvalid(path, 1, f"cannot be read: {error}") from error


def moment(text: str, column: str, zone: ZoneInfo) -> UnixSeconds:
    """An ISO 8601 time, local in `zone` if it has no UTC offset. ValueError says what is wrong with it."""
    if not text:
        raise ValueError(f"{column} is empty; write a time such as 2019-07-10T08:15:00-07:00")
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{column} {text[:_SHOWN]!r} is no ISO 8601 time such as 2019-07-10T08:15:00-07:00") from None
    seconds = ((read if read.tzinfo else _local(read, column, zone)) - _EPOCH) // timedelta(seconds=1)
    if seconds < 0:
        raise ValueError(f"{column} {text[:_SHOWN]!r} lies before 1970")
    return UnixSeconds(seconds)


def scaled(text: str, column: str, scale: int) -> int:
    """A plain decimal number times `scale`, halves away from zero. ValueError for NaN, infinity, 1e9 and blanks."""
    if not _NUMBER.fullmatch(text):
        shown = f"{text[:_SHOWN]!r} is no plain number such as 7.25" if text else "is missing; write a number"
        raise ValueError(f"{column} {shown}")
    return int((Decimal(text) * scale).to_integral_value(ROUND_HALF_UP))


def not_negative(text: str, column: str, scale: int) -> int:
    """Likewise, but never below zero."""
    value = scaled(text, column, scale)
    if value < 0:
        raise ValueError(f"{column} {text[:_SHOWN]!r} is negative")
    return value


def _local(read: datetime, column: str, zone: ZoneInfo) -> datetime:
    """A wall-clock time in its zone; on days on which clocks change, some do not exist and some exist twice."""
    first, second = read.replace(tzinfo=zone, fold=0), read.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    happens = "twice" if first.utcoffset() > second.utcoffset() else "never"  # type: ignore[operator]  # zones have one
    raise ValueError(
        f"{column} {read.isoformat()} happens {happens} in {zone.key}, where clocks change; write its UTC offset"
    )


def _check_header(path: Path, header: list[str], needed: set[str]) -> None:
    if not any(header):
        raise InputInvalid(path, 1, "the file is empty; its first line names the columns")
    missing = sorted(needed - set(header))
    if missing:
        raise InputInvalid(path, 1, f"missing columns: {', '.join(missing)}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputInvalid(path, 1, f"the columns {', '.join(twice)} are there twice")


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
