"""Which on-chain station and account stand for the names in a file of recorded sessions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.units import AccountId, EnergyWh, PowerW, StationId
from oracle.acn import RATED_POWER_W
from oracle.errors import SiteMapInvalid

_LARGEST_ID = (1 << 24) - 1
_LARGEST_SUN_WH = (1 << 30) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSite:
    """Photovoltaics of the site: whose they are, the station of their meter, and the energy of a clear day."""

    account: AccountId
    station: StationId
    wh_a_day: EnergyWh


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMap:
    """Station numbers by the file's station name, account numbers by session id; or drivers who come in turn.

    `traders` are the accounts whose energy is traded, `scheduled` those whose power the site's schedule says.
    """

    stations: Mapping[str, StationId]
    accounts: Mapping[str, AccountId]
    drivers: Sequence[AccountId] = ()
    traders: Sequence[AccountId] = ()
    scheduled: Sequence[AccountId] = ()
    sun: SunSite | None = None
    rated_power_w: PowerW = RATED_POWER_W

    def station_of(self, name: str) -> StationId:
        if name not in self.stations:
            raise SiteMapInvalid(f"the map names no station for {name!r}")
        return self.stations[name]

    def account_of(self, session_id: str) -> AccountId:
        if session_id not in self.accounts:
            raise SiteMapInvalid(f"the map names no account for session {session_id!r}")
        return self.accounts[session_id]


def read_site_map(path: Path) -> SiteMap:
    """Reads {"stations": {name: 1 or {"station": 1}}, "sessions": {id: {"account": 57}}, "rated_power_w": 22000}.

    Instead of `sessions` there may be {"drivers": [57, 58]}: accounts that come in turn. {"traders": [57]} take part
    in the market, {"scheduled": [57, 61]} follow the site's schedule.
    {"sun": {"account": 60, "station": 9, "wh_a_day": 150000}} are photovoltaics.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SiteMapInvalid(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise SiteMapInvalid(f"{path} is not a JSON object")
    rated_power_w = value.get("rated_power_w", RATED_POWER_W)
    if type(rated_power_w) is not int or rated_power_w <= 0:
        raise SiteMapInvalid(f"{path}: rated_power_w must be a positive integer")
    drivers = _listed(path, value, "drivers")
    accounts = {} if drivers and "sessions" not in value else _numbers(path, value, "sessions", "account")
    return SiteMap(
        stations={k: StationId(v) for k, v in _numbers(path, value, "stations", "station").items()},
        accounts={k: AccountId(v) for k, v in accounts.items()},
        drivers=drivers,
        traders=_listed(path, value, "traders"),
        scheduled=_listed(path, value, "scheduled"),
        sun=_sun(path, value["sun"]) if "sun" in value else None,
        rated_power_w=PowerW(rated_power_w),
    )


def _sun(path: Path, value: object) -> SunSite:
    numbers: list[int] = []
    for name in ("account", "station", "wh_a_day"):
        number = value.get(name) if isinstance(value, dict) else None
        if type(number) is not int or not 0 < number <= _LARGEST_SUN_WH:
            raise SiteMapInvalid(f"{path}: sun must be an object whose {name} is a positive integer")
        numbers.append(number)
    account, station, wh_a_day = numbers
    return SunSite(account=AccountId(account), station=StationId(station), wh_a_day=EnergyWh(wh_a_day))


def _listed(path: Path, value: Mapping[str, object], key: str) -> list[AccountId]:
    """The accounts under `key`, if it is there; none is named twice."""
    entries = value.get(key, [])
    if not isinstance(entries, list) or not all(type(n) is int and 0 < n <= _LARGEST_ID for n in entries):
        raise SiteMapInvalid(f"{path}: {key} must be a list of integers from 1 to {_LARGEST_ID}")
    if len(set(entries)) != len(entries):
        raise SiteMapInvalid(f"{path}: one of {key} is named twice")
    return [AccountId(number) for number in entries]


def _numbers(path: Path, value: Mapping[str, object], key: str, inner: str) -> dict[str, int]:
    """The numbers under `key`, given plainly or as {inner: number}; no number may stand for two names."""
    entries = value.get(key)
    if not isinstance(entries, dict):
        raise SiteMapInvalid(f"{path}: {key} must be an object")
    numbers = {name: entry.get(inner) if isinstance(entry, dict) else entry for name, entry in entries.items()}
    checked: dict[str, int] = {}
    for name, number in numbers.items():
        if type(number) is not int or not 0 < number <= _LARGEST_ID:
            raise SiteMapInvalid(f"{path}: {key}, {name!r}: {inner} must be an integer from 1 to {_LARGEST_ID}")
        checked[name] = number
    if len(set(checked.values())) != len(checked):
        raise SiteMapInvalid(f"{path}: two {key} have the same {inner}")
    return checked
