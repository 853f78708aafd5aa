"""Recorded charging sessions for the benchmarks: ACN-Data as CSV, and the event queue of ACN-Sim.

What is recorded is what was delivered, so that is what a session needs. The CSV files hold a few rows that a charger of
the rated power cannot have delivered, and might hold worse: such rows are dropped or clipped, and counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bench.charging_data import ChargingDataInvalid, content, digest
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH, EnergyWh, PowerW, UnixSeconds
from oracle.acn import ReplaySession, recorded_rows

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
RATED_POWER_W = PowerW(6_600)
CALTECH_START = date(2019, 3, 1)
CALTECH_PERIOD_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSession:
    """One stay of a vehicle. `energy_wh` is what it was given, `requested_wh` what its driver asked for."""

    session_id: str
    station: str
    arrival_s: UnixSeconds
    departure_s: UnixSeconds
    declared_departure_s: UnixSeconds
    energy_wh: EnergyWh
    requested_wh: EnergyWh
    power_w: PowerW


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """What was changed in a recording so that it can have happened."""

    rows: int = 0
    dropped_no_stay: int = 0
    """Its departure is not after its arrival."""
    dropped_twice: int = 0
    """Its id was in an earlier row."""
    dropped_no_energy: int = 0
    clipped_departures: int = 0
    """Ended when the next session began at the same station."""
    clipped_declared: int = 0
    """The declared departure is not after the arrival: the true one stands in."""
    clipped_energy: int = 0
    """Given no more than the rated power gives in its stay."""
    clipped_wh: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Sessions by arrival, the zone of their days, and the digest of the file."""

    sessions: tuple[ChargingSession, ...]
    zone: ZoneInfo
    sha256: str
    corrections: Corrections

    @property
    def energy_wh(self) -> EnergyWh:
        return EnergyWh(sum(session.energy_wh for session in self.sessions))

    def between(self, first: date, last: date) -> "Recording":
        """The sessions that arrive on the local days from `first` to `last`, both included."""
        chosen = (s for s in self.sessions if first <= local_day(s.arrival_s, self.zone) <= last)
        return replace(self, sessions=tuple(chosen))


def local_midnight_s(day: date, zone: ZoneInfo) -> UnixSeconds:
    """When this day begins in the zone."""
    return UnixSeconds(int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()))


def local_day(time_s: UnixSeconds, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(time_s, zone).date()


def read_sessions(path: Path, *, power_w: PowerW = RATED_POWER_W, zone: ZoneInfo = LOS_ANGELES) -> Recording:
    """Every session of an ACN-Data CSV file that can have happened at `power_w`.

    SessionsFileInvalid, if a field cannot be read at all.
    """
    count: dict[str, int] = dict.fromkeys(asdict(Corrections()), 0)
    kept: list[ReplaySession] = []
    seen: set[str] = set()
    for _, row in recorded_rows(path):
        count["rows"] += 1
        fault = _fault(row, seen)
        seen.add(row.session_id)
        if fault:
            count[fault] += 1
        else:
            kept.append(row)
    kept.sort(key=lambda row: (row.arrival_s, row.station_name, row.session_id))
    sessions = [_clipped(row, power_w, count) for row in _apart(kept, count)]
    return Recording(sessions=tuple(sessions), zone=zone, sha256=digest(path), corrections=Corrections(**count))


def _fault(row: ReplaySession, seen: set[str]) -> str | None:
    """Why a row is dropped: the name of its count."""
    if row.session_id in seen:
        return "dropped_twice"
    if row.departure_s <= row.arrival_s:
        return "dropped_no_stay"
    return None if row.delivered_wh else "dropped_no_energy"


def _apart(rows: Sequence[ReplaySession], count: dict[str, int]) -> list[ReplaySession]:
    """Rows by arrival, none of which stays when the next one comes to its station; two that come at once lose one."""
    following: dict[str, int] = {}
    apart: list[ReplaySession] = []
    for row in reversed(rows):
        next_s = following.get(row.station_name, row.departure_s)
        if next_s <= row.arrival_s:
            count["dropped_no_stay"] += 1
            continue
        count["clipped_departures"] += next_s < row.departure_s
        apart.append(replace(row, departure_s=min(row.departure_s, UnixSeconds(next_s))))
        following[row.station_name] = row.arrival_s
    return apart[::-1]


def _clipped(row: ReplaySession, power_w: PowerW, count: dict[str, int]) -> ChargingSession:
    most_wh = power_w * (row.departure_s - row.arrival_s) // SECONDS_PER_HOUR
    excess_wh = max(0, row.delivered_wh - most_wh)
    count["clipped_energy"] += excess_wh > 0
    count["clipped_wh"] += excess_wh
    declared_holds = row.estimated_departure_s > row.arrival_s
    count["clipped_declared"] += not declared_holds
    return ChargingSession(
        session_id=row.session_id,
        station=row.station_name,
        arrival_s=row.arrival_s,
        departure_s=row.departure_s,
        declared_departure_s=row.estimated_departure_s if declared_holds else row.departure_s,
        energy_wh=EnergyWh(row.delivered_wh - excess_wh),
        requested_wh=row.requested_wh,
        power_w=power_w,
    )


# --- the event queue of ACN-Sim ----------------------------------------------------------------


def read_events(
    path: Path, *, start: date = CALTECH_START, period_s: int = CALTECH_PERIOD_S, zone: ZoneInfo = LOS_ANGELES
) -> Recording:
    """The plug-in events of an ACN-Sim event queue (acnportal, `EventQueue.to_json`), which count periods from `start`.

    Energy is rounded down to whole Wh. Nothing is clipped: where a stay is too short for its energy, nobody can deliver
    all of it, and the shares that are delivered show that. ChargingDataInvalid names what cannot be understood.
    """
    objects = _objects(path)
    start_s = local_midnight_s(start, zone)
    sessions = [
        _event_session(path, objects, name, start_s, period_s)
        for name, entry in objects.items()
        if _class(path, name, entry) == "EV"
    ]
    sessions.sort(key=lambda session: (session.arrival_s, session.station, session.session_id))
    ids = {session.session_id for session in sessions}
    if not sessions or len(ids) != len(sessions):
        raise ChargingDataInvalid(path, "context_dict", f"has {len(sessions)} vehicles with {len(ids)} session ids")
    rows = Corrections(rows=len(sessions))
    return Recording(sessions=tuple(sessions), zone=zone, sha256=digest(path), corrections=rows)


def _objects(path: Path) -> Mapping[str, Any]:
    """The objects of the queue by their ids; the file is a JSON string that holds JSON."""
    try:
        inner = json.loads(content(path))
        objects = json.loads(inner, parse_float=Decimal, parse_constant=_refused)["context_dict"]
        if not isinstance(objects, dict):
            raise ValueError("context_dict is no object")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ChargingDataInvalid(path, "content", f"is no event queue of ACN-Sim: {error!r}") from error
    return objects


def _refused(name: str) -> Decimal:
    raise ValueError(f"{name} is no number")


def _class(path: Path, name: str, entry: Any) -> str:
    try:
        return str(entry["class"]).rsplit(".", 1)[-1]
    except (TypeError, KeyError):
        raise ChargingDataInvalid(path, f"object {name}", "has no class") from None


def _event_session(path: Path, objects: Mapping[str, Any], name: str, start_s: int, period_s: int) -> ChargingSession:
    try:
        vehicle = objects[name]["attributes"]
        battery = objects[vehicle["_battery"]]["attributes"]
        arrival, departure, declared = (
            _whole(vehicle[key]) for key in ("_arrival", "_departure", "_estimated_departure")
        )
        if not 0 <= arrival < min(departure, declared):
            raise ValueError(f"arrives in period {arrival} and leaves in {departure}, declared {declared}")
        energy_wh = EnergyWh(_milli(vehicle["_requested_energy"]))
        return ChargingSession(
            session_id=str(vehicle["_session_id"]),
            station=str(vehicle["_station_id"]),
            arrival_s=UnixSeconds(start_s + arrival * period_s),
            departure_s=UnixSeconds(start_s + departure * period_s),
            declared_departure_s=UnixSeconds(start_s + declared * period_s),
            energy_wh=energy_wh,
            requested_wh=energy_wh,
            power_w=PowerW(_milli(battery["_max_power"])),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ChargingDataInvalid(path, f"vehicle {name}", f"cannot be read: {error!r}") from error


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _milli(value: Any) -> int:
    """kWh or kW, to whole Wh or W, rounded down."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 < value < 10_000:
        raise ValueError(f"{value!r} is no energy or power above zero and below 10,000 kWh or kW")
    return int((Decimal(value) * WH_PER_KWH).to_integral_value(ROUND_FLOOR))
