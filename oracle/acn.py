"""Recorded charging sessions in the ACN-Data format (Lee, Li, Low: ACN-Data, e-Energy 2019), as CSV.

The whole file is checked before any of it is used: a file that is wrong in one place is not to be trusted
in another. Overlapping sessions at one station are refused, never shifted: moving them would be inventing data.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TextIO

from domain.units import SECONDS_PER_HOUR, WH_PER_KWH, EnergyWh, PowerW, UnixSeconds
from oracle.errors import NoSessionsOnDate, SessionsFileInvalid

RATED_POWER_W = PowerW(22_000)

_ARRIVAL, _DEPARTURE, _ESTIMATED = "arrival", "departure", "estimated_departure"
_REQUESTED, _DELIVERED = "requested_energy (kWh)", "delivered_energy (kWh)"
_STATION, _SESSION = "station_id", "session_id"
_COLUMNS = (_ARRIVAL, _DEPARTURE, _REQUESTED, _DELIVERED, _STATION, _SESSION, _ESTIMATED)
_DECIMAL = re.compile(r"[0-9]{1,4}(\.[0-9]{1,30})?")
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySession:
    """One recorded session. `utc_offset_s` is local time minus UTC at arrival."""

    session_id: str
    station_name: str
    arrival_s: UnixSeconds
    departure_s: UnixSeconds
    estimated_departure_s: UnixSeconds
    requested_wh: EnergyWh
    delivered_wh: EnergyWh
    utc_offset_s: int

    @property
    def local_midnight_s(self) -> int:
        """When the local day of the arrival began."""
        local_s = self.arrival_s + self.utc_offset_s
        return local_s - local_s % 86_400 - self.utc_offset_s

    @property
    def local_day(self) -> date:
        return (_EPOCH + timedelta(seconds=self.local_midnight_s + self.utc_offset_s)).date()


def read_sessions(path: Path, day: date, *, rated_power_w: PowerW = RATED_POWER_W) -> list[ReplaySession]:
    """The file's sessions that arrive on this local day, by arrival.

    SessionsFileInvalid names the line that cannot be true; NoSessionsOnDate lists the days that there are.
    """
    everything = read_all_sessions(path, rated_power_w=rated_power_w)
    chosen = [session for session in everything if session.local_day == day]
    if not chosen:
        raise NoSessionsOnDate(path, day, sorted({session.local_day for session in everything}))
    return chosen


def read_all_sessions(path: Path, *, rated_power_w: PowerW = RATED_POWER_W) -> list[ReplaySession]:
    """Every session of the file, by arrival."""
    numbered = [(line, _possible(path, line, session, rated_power_w)) for line, session in recorded_rows(path)]
    _check_apart(path, numbered)
    return sorted((s for _, s in numbered), key=lambda s: (s.arrival_s, s.station_name))


def recorded_rows(path: Path) -> Iterator[tuple[int, ReplaySession]]:
    """Each row of the file with its line, as it was recorded: whether the session is possible is not checked.

    SessionsFileInvalid names the line of a field that cannot be read.
    """
    line = 1
    try:
        with _opened(path) as text:
            rows = csv.DictReader(text, strict=True)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise SessionsFileInvalid(path, 1, f"missing columns: {', '.join(missing)}")
            for row in rows:
                line = rows.line_num
                yield line, _session(path, line, row)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise SessionsFileInvalid(path, line, f"cannot be read: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _session(path: Path, line: int, row: dict[str, str]) -> ReplaySession:
    try:
        if None in row or None in row.values():
            raise ValueError("has another number of fields than the header")
        arrival = _moment(row, _ARRIVAL)
        return ReplaySession(
            session_id=_text(row, _SESSION),
            station_name=_text(row, _STATION),
            arrival_s=_unix(arrival),
            departure_s=_unix(_moment(row, _DEPARTURE)),
            estimated_departure_s=_unix(_moment(row, _ESTIMATED)),
            requested_wh=_energy(row, _REQUESTED),
            delivered_wh=_energy(row, _DELIVERED),
            utc_offset_s=(arrival.utcoffset() or timedelta()) // timedelta(seconds=1),
        )
    except ValueError as error:
        raise SessionsFileInvalid(path, line, str(error)) from None


def _possible(path: Path, line: int, session: ReplaySession, rated_power_w: PowerW) -> ReplaySession:
    """The session, if it lasts and its energy fits; SessionsFileInvalid otherwise."""
    stay_s = session.departure_s - session.arrival_s
    if stay_s <= 0:
        reason = f"session {session.session_id}: its departure is not after its arrival"
        raise SessionsFileInvalid(path, line, reason)
    if session.delivered_wh * SECONDS_PER_HOUR > rated_power_w * stay_s:
        delivered = f"session {session.session_id}: {session.delivered_wh} Wh in {stay_s} s"
        raise SessionsFileInvalid(path, line, f"{delivered} is more than {rated_power_w} W")
    return session


def _check_apart(path: Path, numbered: Sequence[tuple[int, ReplaySession]]) -> None:
    """Session ids are unique, and a station's sessions follow each other."""
    seen: set[str] = set()
    for line, session in numbered:
        if session.session_id in seen:
            raise SessionsFileInvalid(path, line, f"session {session.session_id} is in the file twice")
        seen.add(session.session_id)
    before: dict[str, ReplaySession] = {}
    for line, session in sorted(numbered, key=lambda item: (item[1].arrival_s, item[0])):
        other = before.get(session.station_name)
        if other is not None and session.arrival_s <= other.departure_s:
            raise SessionsFileInvalid(
                path,
                line,
                f"session {session.session_id} arrives at station {session.station_name} before session "
                f"{other.session_id} has left",
            )
        before[session.station_name] = session


def _text(row: dict[str, str], column: str) -> str:
    text = row[column].strip()
    if not text:
        raise ValueError(f"{column} is empty")
    return text


def _moment(row: dict[str, str], column: str) -> datetime:
    text = _text(row, column)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{column} {text[:40]!r} is no ISO 8601 time") from None
    if moment.tzinfo is None:
        raise ValueError(f"{column} {text[:40]!r} has no UTC offset")
    return moment


def _unix(moment: datetime) -> UnixSeconds:
    """Whole Unix seconds, rounded down."""
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if seconds < 0:
        raise ValueError(f"{moment} lies before 1970")
    return UnixSeconds(seconds)


def _energy(row: dict[str, str], column: str) -> EnergyWh:
    """kWh as text to whole Wh, halves up."""
    text = _text(row, column)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{column} {text[:40]!r} is no plain non-negative number of kWh below 10000")
    return EnergyWh(int((Decimal(text) * WH_PER_KWH).to_integral_value(ROUND_HALF_UP)))
