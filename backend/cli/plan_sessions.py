"""Session files: ACN-Data's CSV, or a simpler one (docs/reference/session-file.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from backend.cli.plan_csv import InputInvalid, header_of, moment, not_negative, rows_of
from backend.cli.plan_limits import NO_LEAST, W_PER_KW, LeastPower, parse_least, parse_lines
from domain.bidding.stay import WHOLE_BP, Battery
from domain.errors import Malformed
from domain.schedule.problem import LINES, NO_ENERGY, NO_POWER, Vehicle
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH, EnergyWh, PowerW, PriceMicroPerKwh

ACN_ZONE = "America/Los_Angeles"
NO_PRICE = PriceMicroPerKwh(0)
LONGEST_STAY_S = 60 * 86_400
_SESSION, _ARRIVAL, _DEPARTURE, _ENERGY = "session", "arrival", "departure", "energy_kwh"
_POWER, _BATTERY, _STORED = "power_kw", "battery_kwh", "stored_kwh"
_STATION, _LINES, _LEAST = "station", "lines", "least_power"
_NEEDED = {_SESSION, _ARRIVAL, _DEPARTURE, _ENERGY}
_ACN_SESSION, _ACN_STATION, _ACN_DECLARED = "session_id", "station_id", "estimated_departure"
_ACN_NEEDS = {"delivered": "delivered_energy (kWh)", "requested": "requested_energy (kWh)"}
_ACN_NEEDED = {_ACN_SESSION, _ARRIVAL, _DEPARTURE, _ACN_DECLARED, *_ACN_NEEDS.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What vehicles are where the file does not say it. With a battery, packs are MODELLED: all alike, and at arrival
    as full as their need leaves them."""

    power_w: PowerW
    least: LeastPower = NO_LEAST
    lines: tuple[int, ...] = LINES
    need: str = "delivered"
    declared: bool = False
    export_power_w: PowerW = NO_POWER
    battery_wh: EnergyWh = NO_ENERGY
    floor_bp: int = 2_000
    efficiency_bp: int = 8_100
    wear_micro_per_kwh: PriceMicroPerKwh = NO_PRICE


@dataclass(frozen=True, slots=True)
class SessionFile:
    """A file's stays by arrival, what was left out of it, and which needs are above what their stays allow.

    `stations` names the station of each session, by session; empty where the file does not say it.
    """

    vehicles: tuple[Vehicle, ...]
    left_out: tuple[str, ...]
    too_much: tuple[str, ...]
    nothing: int
    stations: Mapping[str, str]


def is_acn(path: Path) -> bool:
    """Whether a file has ACN-Data's columns."""
    return set(header_of(path)) >= {_ACN_SESSION, _ACN_NEEDS["delivered"]}


def read_session_file(path: Path, zone: ZoneInfo, fleet: Fleet, *, skip_wrong: bool = False) -> SessionFile:
    """The stays of a file. InputInvalid names the first line that cannot be true; with `skip_wrong`, it is left out."""
    acn = is_acn(path)
    stay = _acn_stay if acn else _plain_stay
    lines: dict[str, int] = {}
    vehicles, left_out, too_much, nothing = list[Vehicle](), list[str](), list[str](), 0
    stations: dict[str, str] = {}
    for line, row in rows_of(path, _ACN_NEEDED if acn else _NEEDED):
        try:
            vehicle = stay(row, zone, fleet)
            before = lines.setdefault(vehicle.session, line)
            if before != line:
                raise ValueError(f"session {vehicle.session} is in line {before} already; give each its own name")
        except (ValueError, Malformed) as error:
            if not skip_wrong:
                raise InputInvalid(path, line, f"{error}; correct it, or leave such lines out: --skip-wrong") from None
            left_out.append(f"line {line}: {error}")
            continue
        nothing += vehicle.need_wh == 0
        if (text := _too_much(vehicle)) is not None:
            too_much.append(f"line {line}: {text}")
        vehicles.append(vehicle)
        stations[vehicle.session] = row.get(_ACN_STATION if acn else _STATION, "")
    if not vehicles:
        raise InputInvalid(path, 1, "there is no session to plan; a line for each follows the header")
    vehicles.sort(key=lambda one: (one.arrival_s, one.session))
    return SessionFile(tuple(vehicles), tuple(left_out), tuple(too_much), nothing, stations)


def possible_wh(vehicle: Vehicle) -> int:
    """The most that a stay lets a vehicle charge."""
    return vehicle.power_w * (vehicle.departure_s - vehicle.arrival_s) // SECONDS_PER_HOUR


def _too_much(vehicle: Vehicle) -> str | None:
    most_wh = possible_wh(vehicle)
    if vehicle.need_wh <= most_wh:
        return None
    return (
        f"session {vehicle.session} needs {vehicle.need_wh / WH_PER_KWH:.3f} kWh, its stay allows "
        f"{most_wh / WH_PER_KWH:.3f} kWh at {vehicle.power_w / W_PER_KW:g} kW"
    )


def _acn_stay(row: Mapping[str, str], zone: ZoneInfo, fleet: Fleet) -> Vehicle:
    column = _ACN_NEEDS[fleet.need]
    return _vehicle(
        row[_ACN_SESSION],
        (row[_ARRIVAL], _ARRIVAL),
        (row[_ACN_DECLARED], _ACN_DECLARED) if fleet.declared else (row[_DEPARTURE], _DEPARTURE),
        not_negative(row[column], column, WH_PER_KWH),
        zone=zone,
        fleet=fleet,
    )


def _plain_stay(row: Mapping[str, str], zone: ZoneInfo, fleet: Fleet) -> Vehicle:
    given: Callable[[str, int], int | None] = lambda name, scale: (  # noqa: E731  # a function would say no more
        not_negative(row[name], name, scale) if row.get(name) else None
    )
    return _vehicle(
        row[_SESSION],
        (row[_ARRIVAL], _ARRIVAL),
        (row[_DEPARTURE], _DEPARTURE),
        not_negative(row[_ENERGY], _ENERGY, WH_PER_KWH),
        zone=zone,
        fleet=fleet,
        power_w=given(_POWER, W_PER_KW),
        battery_wh=given(_BATTERY, WH_PER_KWH),
        stored_wh=given(_STORED, WH_PER_KWH),
        lines=parse_lines(row[_LINES], _LINES) if row.get(_LINES) else None,
        least=parse_least(row[_LEAST], _LEAST, fleet.least.volts) if row.get(_LEAST) else None,
    )


def _vehicle(
    session: str,
    arrival: tuple[str, str],
    departure: tuple[str, str],
    need_wh: int,
    *,
    zone: ZoneInfo,
    fleet: Fleet,
    power_w: int | None = None,
    battery_wh: int | None = None,
    stored_wh: int | None = None,
    lines: tuple[int, ...] | None = None,
    least: LeastPower | None = None,
) -> Vehicle:
    if not session:
        raise ValueError("the session has no name")
    arrival_s, departure_s = moment(*arrival, zone), moment(*departure, zone)
    if departure_s <= arrival_s:
        raise ValueError(f"session {session} departs at {departure[0]}, which is not after its arrival at {arrival[0]}")
    if departure_s - arrival_s > LONGEST_STAY_S:
        raise ValueError(f"session {session} stays for more than {LONGEST_STAY_S // 86_400} days")
    most_w = PowerW(fleet.power_w if power_w is None else power_w)
    if most_w <= 0:
        raise ValueError(f"session {session}: {_POWER} is 0, and some power must flow")
    battery = _battery(session, fleet, need_wh, battery_wh, stored_wh)
    drawn_from = lines or fleet.lines
    return Vehicle(
        session=session,
        arrival_s=arrival_s,
        departure_s=departure_s,
        need_wh=EnergyWh(need_wh),
        power_w=most_w,
        least_power_w=min((least or fleet.least).of(drawn_from), most_w),
        lines=drawn_from,
        export_power_w=fleet.export_power_w if battery else NO_POWER,
        battery=battery,
    )


def _battery(session: str, fleet: Fleet, need_wh: int, battery_wh: int | None, stored_wh: int | None) -> Battery | None:
    """The pack that gives back, None if nothing does. As full at arrival as the need leaves it, if nobody says it."""
    if not fleet.export_power_w:
        return None
    charged_wh = -(-need_wh * fleet.efficiency_bp // WHOLE_BP)
    capacity_wh = max(fleet.battery_wh, charged_wh) if battery_wh is None else battery_wh
    if capacity_wh < charged_wh:
        raise ValueError(f"session {session}: its need does not fit into a battery of {capacity_wh / WH_PER_KWH:g} kWh")
    stored_wh = capacity_wh - charged_wh if stored_wh is None else stored_wh
    return Battery(
        capacity_wh=EnergyWh(capacity_wh),
        stored_wh=EnergyWh(stored_wh),
        floor_wh=EnergyWh(capacity_wh * fleet.floor_bp // WHOLE_BP),
        efficiency_bp=fleet.efficiency_bp,
        wear_micro_per_kwh=fleet.wear_micro_per_kwh,
    )
