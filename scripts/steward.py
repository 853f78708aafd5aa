"""Looks after a replayed site: registers its stations and drivers, opens its market, and keeps prices and money ahead.

`python -m scripts.steward` runs beside a platform for good. Each step looks first what is there already, so it may
be killed and started again at any time.
"""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx

from domain.units import MARKET_INTERVAL_S, MICRO_PER_EURO, AccountId
from oracle.acn import read_all_sessions
from scripts.beside import beside, repeat
from scripts.chain import ChainFailed
from scripts.day import DRIVER_DEPOSIT_MICRO, OPERATOR_DEPOSIT_MICRO, PLAIN_EVERY, RATED_POWER_W, operator_account
from scripts.market import ZONE, Contracts, join, open_zone
from scripts.platform import Platform, PlatformFailed
from scripts.tariffs import MARKET, day_tariffs

LOOK_EVERY_S = 600
DAYS_AHEAD = 2
MARKET_NOTICE_S = 60
"""Market prices are known so long before they hold."""
DAY_S = 86_400
DRIVERS_PER_STATION = 2
DRIVER_LOW_MICRO = 30 * MICRO_PER_EURO
OPERATOR_LOW_MICRO = 1_000 * MICRO_PER_EURO
AT_ONCE = 500
"""The most that one request takes, of anything."""

Item = TypeVar("Item")

log = logging.getLogger("steward")


@dataclass(slots=True)
class Steward:
    """The site whose stations are those of `sessions`. `from_s` is when its first day begins."""

    at: Platform
    sessions: Path
    from_s: int
    zone: ZoneInfo
    site: dict[str, Any] = field(default_factory=dict)
    _priced: set[tuple[str, int]] | None = None
    _drivers: dict[str, str] = field(default_factory=dict)
    _registered: bool = False

    @property
    def map_file(self) -> Path:
        return self.at.folder / "site.json"

    def step(self) -> float:
        """Registers what is not registered yet, and looks after the site; how many seconds until the next look."""
        if not self._registered:
            self.register()
        self.look(int(time.time()))
        if not self._registered:
            self.open_market()
            self.write_map()
            self._registered = True
        return LOOK_EVERY_S

    def register(self) -> None:
        """Stations and drivers, each with a key of its own."""
        names = sorted({s.station_name for s in read_all_sessions(self.sessions)})
        signers = self.at.make_keys("stations", names)
        self._drivers = self.at.make_keys(
            "vehicles", [f"driver-{n:04}" for n in range(1, DRIVERS_PER_STATION * len(names) + 1)]
        )
        stations = self._stations(list(signers.values()))
        accounts = self._accounts(list(self._drivers.values()))
        self.site = {
            "stations": {name: stations[signer] for name, signer in signers.items()},
            "drivers": [accounts[owner] for owner in self._drivers.values()],
            "rated_power_w": RATED_POWER_W,
        }

    def open_market(self) -> None:
        """The zone with the operator as grid account, and a seat in it for four drivers of five."""
        at, grid = self.at, operator_account(self.at)
        names = {owner: name for name, owner in self._drivers.items()}
        trading = [owner for number, owner in enumerate(self._drivers.values()) if number % PLAIN_EVERY]
        accounts = dict(zip(self._drivers.values(), self.site["drivers"], strict=True))
        contracts = Contracts.of(at)
        zones = {one["args"]["zone"] for one in at.items("/v1/events", name="ZoneOpened", limit=AT_ONCE)}
        if ZONE not in zones:
            log.warning("opening the market")
            open_zone(contracts, AccountId(grid), {})
        joined = {one["args"]["account"] for one in at.items("/v1/events", name="Joined", limit=AT_ONCE)}
        for owner in trading:
            if accounts[owner] not in joined:
                join(contracts, "vehicles", names[owner])
        self.site["traders"] = [accounts[owner] for owner in trading]
        keys = {str(accounts[owner]): owner for owner in trading} | {str(grid): at.addresses["operator"]}
        self.site["market"] = {"grid": grid, "keys": keys}

    def write_map(self) -> None:
        """What the oracles read: they may begin now."""
        beside = self.map_file.with_name("site.json.new")
        beside.write_text(json.dumps(self.site, indent=1))
        beside.replace(self.map_file)

    def look(self, now_s: int) -> None:
        """Prices up to two days ahead, and money for who has little left."""
        self._publish(now_s, now_s + DAYS_AHEAD * DAY_S)
        self._top_up()

    def _stations(self, signers: Sequence[str]) -> dict[str, int]:
        """Numbers by signer."""
        known = {item["signer"]: int(item["station"]) for item in self.at.items("/v1/stations", limit=AT_ONCE)}
        missing = [signer for signer in signers if signer not in known]
        for group in _groups(missing):
            log.warning("registering %d stations", len(group))
            body = {"signers": group, "rated_power_w": RATED_POWER_W, "bidirectional": True}
            known |= dict(zip(group, self.at.post("/v1/stations", body)["stations"], strict=True))
        return known

    def _accounts(self, owners: Sequence[str]) -> dict[str, int]:
        """Numbers by owner."""
        known = {item["owner"]: int(item["account"]) for item in self.at.items("/v1/accounts", limit=AT_ONCE)}
        missing = [owner for owner in owners if owner not in known]
        for group in _groups(missing):
            log.warning("opening accounts for %d drivers", len(group))
            body = {"members": [{"owner": owner, "driver_key": owner} for owner in group]}
            known |= dict(zip(group, self.at.post("/v1/accounts", body)["accounts"], strict=True))
        return known

    def _publish(self, now_s: int, until_s: int) -> None:
        if self._priced is None:
            listed = self.at.items("/v1/tariffs", limit=AT_ONCE)
            self._priced = {(item["direction"], int(item["valid_from"])) for item in listed}
        wanted = day_tariffs(self.from_s, until_s, self.zone)
        missing = [one for one in wanted if (one["direction"], one["valid_from"]) not in self._priced]
        missing += self._market_prices(now_s, until_s)
        for group in _groups(missing):
            log.warning("publishing %d prices", len(group))
            self.at.post("/v1/tariffs", {"tariffs": group})
            self._priced |= {(one["direction"], one["valid_from"]) for one in group}

    def _market_prices(self, now_s: int, until_s: int) -> list[dict[str, Any]]:
        """Market prices that follow those that are published. They begin in the future, at an interval."""
        soon_s = (now_s + MARKET_NOTICE_S) // MARKET_INTERVAL_S * MARKET_INTERVAL_S + MARKET_INTERVAL_S
        listed = [one for one in self.at.items("/v1/tariffs", limit=AT_ONCE) if one["direction"].startswith("market_")]
        prices = []
        for one in day_tariffs(now_s, until_s, self.zone, MARKET):
            ends = [int(known["valid_to"]) for known in listed if known["direction"] == one["direction"]]
            from_s = max(one["valid_from"], max(ends, default=0), soon_s)
            if from_s < one["valid_to"]:
                prices.append({**one, "valid_from": from_s})
        return prices

    def _top_up(self) -> None:
        operator = operator_account(self.at)
        owners = set(self._drivers.values())
        deposits = []
        for item in self.at.items("/v1/accounts", limit=AT_ONCE):
            low, full = (
                (OPERATOR_LOW_MICRO, OPERATOR_DEPOSIT_MICRO)
                if item["account"] == operator
                else (DRIVER_LOW_MICRO, DRIVER_DEPOSIT_MICRO)
            )
            if (item["account"] == operator or item["owner"] in owners) and item["free_micro"] < low:
                deposits.append({"account": item["account"], "amount_micro": full - item["free_micro"]})
        for group in _groups(deposits):
            euro = sum(deposit["amount_micro"] for deposit in group) // MICRO_PER_EURO
            log.warning("paying in %d euro for %d members", euro, len(group))
            self.at.post("/v1/deposits", {"deposits": group})


def main() -> None:
    """Registers, then looks after the site until it is told to stop."""
    own = beside("steward", __doc__, level=logging.WARNING)
    steward = Steward(own.at, own.sessions, own.from_s, own.zone)
    repeat(steward.step, own.stopped, log, failures=(httpx.HTTPError, ChainFailed, PlatformFailed, ValueError))


def _groups(items: Sequence[Item]) -> list[list[Item]]:
    return [list(items[first : first + AT_ONCE]) for first in range(0, len(items), AT_ONCE)]


if __name__ == "__main__":
    main()
