"""A recorded day on a running platform: who takes part in it, and the oracles that replay it."""

import json
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from domain.text import parse_address
from domain.units import MARKET_INTERVAL_S, MICRO_PER_EURO, AccountId, UnixSeconds
from oracle.acn import ReplaySession
from oracle.sitemap import SunSite, read_site_map
from oracle.sun import sun_of
from oracle.visits import RecordedVisits
from scripts.anvil import ROOT
from scripts.market import Contracts, Traders, open_zone
from scripts.platform import Platform, read_json
from scripts.tariffs import MARKET, day_tariffs

EXCERPT = ROOT / "data" / "acn_jpl_2019-07-08_2019-07-21.csv"
SITE_ZONE = ZoneInfo("America/Los_Angeles")
RATED_POWER_W = 22_000
PLANS = "plans.jsonl"
SUN = "photovoltaics"
SUN_POWER_W = 250_000
SUN_PERCENT = 50
"""The photovoltaics' energy of a day, of what the day's sessions charge."""
PLAIN_EVERY = 5
DRIVER_DEPOSIT_MICRO = 100 * MICRO_PER_EURO
OPERATOR_DEPOSIT_MICRO = 5_000 * MICRO_PER_EURO
HOLDERS = ("vehicles", "stations")


def register(at: Platform, sessions: list[ReplaySession]) -> None:
    """Stations, drivers, deposits and the days' tariffs, through the operator's REST."""
    names = sorted({session.station_name for session in sessions})
    at.say(f"registering {len(names)} stations and {len(sessions)} drivers, each with a key of its own")
    stations = _stations(at, names, RATED_POWER_W)
    drivers = at.make_keys("vehicles", _vehicles(sessions))
    accounts = _accounts(at, list(drivers.values()))
    deposits = [{"account": account, "amount_micro": DRIVER_DEPOSIT_MICRO} for account in accounts]
    deposits.append({"account": operator_account(at), "amount_micro": OPERATOR_DEPOSIT_MICRO})
    at.say(f"depositing {sum(d['amount_micro'] for d in deposits) // MICRO_PER_EURO:,} euro")
    at.post("/v1/deposits", {"deposits": deposits})
    at.post("/v1/tariffs", {"tariffs": day_tariffs(*span_of(sessions), SITE_ZONE)})
    site = {
        "stations": dict(zip(names, stations, strict=True)),
        "sessions": {s.session_id: account for s, account in zip(sessions, accounts, strict=True)},
        "rated_power_w": RATED_POWER_W,
    }
    _write_map(at, site)


def open_market(at: Platform, sessions: list[ReplaySession]) -> Traders:
    """The zone with its prices, photovoltaics, and the seats of those who trade.

    One driver in five keeps to the tariff. To be called before the day begins on the chain.
    """
    site = read_json(at.folder / "site.json")
    by_account = {AccountId(site["sessions"][session.session_id]): session for session in sessions}
    drivers = at.make_keys("vehicles", [*_vehicles(sessions), SUN])
    [sun], [sun_station] = _accounts(at, [drivers[SUN]]), _stations(at, [SUN], SUN_POWER_W)
    keys = dict(zip([*by_account, AccountId(sun)], drivers.items(), strict=True))
    vehicles = {account: session for n, (account, session) in enumerate(by_account.items()) if n % PLAIN_EVERY}
    at.say(f"opening the market: {len(vehicles)} drivers and photovoltaics join, the operator stands in for the grid")
    at.post("/v1/tariffs", {"tariffs": day_tariffs(*span_of(sessions), SITE_ZONE, MARKET)})
    grid = AccountId(operator_account(at))
    open_zone(Contracts.of(at), grid, {"vehicles": [keys[one][0] for one in (*vehicles, AccountId(sun))]})
    sun_wh = sum(session.delivered_wh for session in sessions) * SUN_PERCENT // 100
    site["traders"] = list(vehicles)
    site["sun"] = {"account": sun, "station": sun_station, "wh_a_day": sun_wh}
    _write_map(at, site)
    return Traders(
        vehicles=vehicles,
        sun=sun_of(SunSite(**site["sun"]), RecordedVisits(sessions, read_site_map(at.folder / "site.json")), SITE_ZONE),
        grid=grid,
        keys={account: parse_address(address) for account, (_, address) in keys.items()}
        | {grid: parse_address(at.addresses["operator"])},
    )


def _vehicles(sessions: list[ReplaySession]) -> list[str]:
    return [f"vehicle-{i:04}" for i in range(len(sessions))]


def _stations(at: Platform, names: list[str], power_w: int) -> list[int]:
    signers = at.make_keys("stations", names)
    body = {"signers": list(signers.values()), "rated_power_w": power_w, "bidirectional": True}
    return [int(number) for number in at.post("/v1/stations", body)["stations"]]


def _accounts(at: Platform, owners: list[str]) -> list[int]:
    members = [{"owner": address, "driver_key": address} for address in owners]
    return [int(number) for number in at.post("/v1/accounts", {"members": members})["accounts"]]


def _write_map(at: Platform, site: dict[str, Any]) -> None:
    (at.folder / "site.json").write_text(json.dumps(site, indent=1))


def span_of(sessions: list[ReplaySession]) -> tuple[int, int]:
    """From the first local midnight to the last departure."""
    return min(session.local_midnight_s for session in sessions), max(session.departure_s for session in sessions)


def intervals_of(sessions: list[ReplaySession]) -> list[UnixSeconds]:
    """The market intervals from the first arrival to the last departure."""
    first_s, last_s = min(s.arrival_s for s in sessions), max(s.departure_s for s in sessions)
    return [UnixSeconds(at_s) for at_s in range(first_s - first_s % MARKET_INTERVAL_S, last_s, MARKET_INTERVAL_S)]


def operator_account(at: Platform) -> int:
    """The operator's account."""
    owner = at.addresses["operator"]
    return next(int(a["account"]) for a in at.items("/v1/accounts", limit=200) if a["owner"] == owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One day of a file of recorded sessions, with a statement of each station every so often."""

    at: Platform
    sessions: Path
    day: date
    statement_period_s: int

    @property
    def plans(self) -> Path:
        """What the vehicles' agents plan."""
        return self.at.folder / PLANS

    def command(self, holder: str) -> list[str]:
        """The oracle of the stations or of the vehicles. It ends when the day is over."""
        at = self.at
        return [
            *(sys.executable, "-m", "oracle.cli", holder),
            *("--backend", at.url),
            *("--keystore", str(at.keys(holder))),
            *("--passphrase-file", str(at.passphrase_file)),
            *("--spool", str(at.folder / f"spool-{holder}.sqlite")),
            *("--sessions", str(self.sessions.resolve())),
            *("--date", self.day.isoformat()),
            *("--stations", str(at.folder / "site.json")),
            *(("--plans", str(self.plans), "--zone", str(SITE_ZONE)) if self.plans.exists() else ()),
            *("--progress", str(at.folder / f"progress-{holder}.json")),
            *(("--statement-period-s", str(self.statement_period_s)) if holder == "stations" else ()),
        ]
