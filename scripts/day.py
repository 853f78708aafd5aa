"""A recorded day on a running platform: who takes part in it, and the oracles that replay it."""

import json
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from domain.units import MICRO_PER_EURO
from oracle.acn import ReplaySession
from scripts.anvil import ROOT
from scripts.platform import Platform
from scripts.tariffs import day_tariffs

EXCERPT = ROOT / "data" / "acn_jpl_2019-07-08_2019-07-21.csv"
SITE_ZONE = ZoneInfo("America/Los_Angeles")
RATED_POWER_W = 22_000
DRIVER_DEPOSIT_MICRO = 100 * MICRO_PER_EURO
OPERATOR_DEPOSIT_MICRO = 5_000 * MICRO_PER_EURO
HOLDERS = ("vehicles", "stations")


def register(at: Platform, sessions: list[ReplaySession]) -> None:
    """Stations, drivers, deposits and the days' tariffs, through the operator's REST."""
    names = sorted({session.station_name for session in sessions})
    at.say(f"registering {len(names)} stations and {len(sessions)} drivers, each with a key of its own")
    signers = at.make_keys("stations", names)
    drivers = at.make_keys("vehicles", [f"vehicle-{i:04}" for i in range(len(sessions))])
    stations = at.post(
        "/v1/stations", {"signers": list(signers.values()), "rated_power_w": RATED_POWER_W, "bidirectional": True}
    )["stations"]
    members = [{"owner": address, "driver_key": address} for address in drivers.values()]
    accounts = at.post("/v1/accounts", {"members": members})["accounts"]
    deposits = [{"account": account, "amount_micro": DRIVER_DEPOSIT_MICRO} for account in accounts]
    deposits.append({"account": operator_account(at), "amount_micro": OPERATOR_DEPOSIT_MICRO})
    at.say(f"depositing {sum(d['amount_micro'] for d in deposits) // MICRO_PER_EURO:,} euro")
    at.post("/v1/deposits", {"deposits": deposits})
    first = min(session.local_midnight_s for session in sessions)
    last = max(session.departure_s for session in sessions)
    at.post("/v1/tariffs", {"tariffs": day_tariffs(first, last, SITE_ZONE)})
    site = {
        "stations": dict(zip(names, stations, strict=True)),
        "sessions": {s.session_id: account for s, account in zip(sessions, accounts, strict=True)},
        "rated_power_w": RATED_POWER_W,
    }
    (at.folder / "site.json").write_text(json.dumps(site, indent=1))


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
            *("--progress", str(at.folder / f"progress-{holder}.json")),
            *(("--statement-period-s", str(self.statement_period_s)) if holder == "stations" else ()),
        ]
