"""Bids for a replayed site's drivers and for the grid, live: before each gate, one quarter of an hour after the other.

`python -m scripts.bidders` runs beside a platform for good. What it trades are commitments, which the site's schedule
keeps to as far as that is worth it; what agents mean to do is written down beside. It may be killed and started again
at any time: what a vehicle has moved so far follows from the set-points that its oracles follow.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from domain.auction.zone import GATE_S
from domain.bidding.stay import Moved
from domain.text import parse_address
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from oracle.acn import read_all_sessions
from oracle.course import Limits, Planned, PlannedCourse
from oracle.plan_file import add_plan
from oracle.replay import energy_cap_wh
from oracle.set_points import SetPointFile
from oracle.sitemap import SiteMap, read_site_map
from oracle.visits import EndlessVisits, Visit
from scripts.beside import Beside, beside, repeat
from scripts.chain import ChainFailed
from scripts.market import AT_ONCE, BIDDING_S, PLANS, SET_POINTS, Bidders, Contracts, NotOver, Traders
from scripts.platform import Platform, PlatformFailed, read_json

LAST_CALL_S = 30
"""No bidding later than so long before the gate."""
PLANNED_BY_S = 5
"""How long before an interval it is planned, whether its auction is over or not."""
LOOK_EVERY_S = 1.0

log = logging.getLogger("bidders")

_NOTHING = Planned(EnergyWh(0), EnergyWh(0))


@dataclass(slots=True)
class LivePrices:
    """The zone's market tariffs as last read. Where none is known yet, the dearest, or the least, that is."""

    at: Platform
    _listed: list[dict[str, Any]] = field(default_factory=list)

    def refresh(self) -> None:
        """PlatformFailed if there are none."""
        tariffs = self.at.items("/v1/tariffs", limit=AT_ONCE)
        self._listed = [one for one in tariffs if one["direction"].startswith("market_")]
        if {one["direction"] for one in self._listed} != {"market_charge", "market_discharge"}:
            raise PlatformFailed("no market tariffs are published yet")

    def charge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        return PriceMicroPerKwh(max(self._of("market_charge", interval_s)))

    def discharge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        return PriceMicroPerKwh(min(self._of("market_discharge", interval_s)))

    def _of(self, direction: str, interval_s: int) -> list[int]:
        own = [one for one in self._listed if one["direction"] == direction]
        holding = [one for one in own if one["valid_from"] <= interval_s < one["valid_to"]]
        return [one["price_micro_per_kwh"] for one in holding or own]


class LiveMarket:
    """The bidding of one site. `visits` are all that ever come, by arrival."""

    def __init__(
        self, bidders: Bidders, prices: LivePrices, visits: Iterator[Visit], site: SiteMap, folder: Path
    ) -> None:
        self._bidders, self._prices = bidders, prices
        self._visits, self._next = visits, next(visits)
        self._traders = frozenset(site.traders)
        self._site, self._plans = site, folder / PLANS
        self._followed = SetPointFile(folder / SET_POINTS, site.traders)
        self._courses: dict[AccountId, PlannedCourse] = {}
        self._meant: dict[AccountId, Planned] = {}

    def trade(self, interval_s: UnixSeconds, stopped: threading.Event) -> None:
        """One interval: bids, waits for its auction, and plans. Nothing is planned if it is stopped."""
        self._prices.refresh()
        self.arrivals(int(time.time()))
        self.meter(int(time.time()), interval_s)
        present = self._bidders.bid(interval_s)
        price: int | None = None
        while time.time() < interval_s - PLANNED_BY_S:
            try:
                price = self._bidders.over(interval_s)
                break
            except NotOver:
                if stopped.wait(LOOK_EVERY_S):
                    return
        self._meant = self._bidders.plan(interval_s, present, price)
        add_plan(self._plans, interval_s, self._meant)
        log.info("interval %d: %d vehicles, price %s", interval_s, len(present), price)

    def arrivals(self, now_s: int) -> None:
        """Takes in who has come by now, as far as they are still there."""
        while self._next.session.arrival_s <= now_s:
            visit, self._next = self._next, next(self._visits)
            if visit.account in self._traders and visit.account is not None and visit.session.departure_s > now_s:
                self._bidders.arrive(visit.account, visit.session)
                self._courses[visit.account] = PlannedCourse(
                    visit.session,
                    visit.account,
                    self._followed,
                    limits=Limits(max_energy_wh=energy_cap_wh(visit.session)),
                    rated_power_w=self._site.rated_power_w,
                )

    def meter(self, now_s: int, interval_s: UnixSeconds) -> None:
        """Tells agents what their vehicles moved, and will have moved when an interval begins, if they do as meant."""
        for account, course in list(self._courses.items()):
            if course.departure_s <= now_s:
                del self._courses[account]
                continue
            meant, left_s = self._meant.get(account, _NOTHING), min(MARKET_INTERVAL_S, max(0, interval_s - now_s))
            imported_wh = course.import_at(now_s) + meant.import_wh * left_s // MARKET_INTERVAL_S
            exported_wh = course.export_at(now_s) + meant.export_wh * left_s // MARKET_INTERVAL_S
            self._bidders.metered(max(now_s, course.arrival_s), account, Moved(imported_wh, exported_wh))


def next_interval(now_s: float) -> UnixSeconds:
    """The next interval that can still be bid for.

    >>> next_interval(900 - 300 - 31), next_interval(900 - 300 - 29)
    (900, 1800)
    """
    ahead_s = int(now_s) + GATE_S + LAST_CALL_S
    return UnixSeconds(-(-ahead_s // MARKET_INTERVAL_S) * MARKET_INTERVAL_S)


class Trading:
    """The bidding of a platform's site, one interval after the other. What fails begins anew."""

    def __init__(self, own: Beside) -> None:
        self._own = own
        self._market: LiveMarket | None = None
        self._done_s = 0

    def step(self) -> float:
        """The next interval that was not traded yet, in its time."""
        own, market = self._own, self._market
        self._market = None
        market = market or _market(own.at, own.sessions, own.from_s, own.zone)
        interval_s = max(next_interval(time.time()), UnixSeconds(self._done_s + MARKET_INTERVAL_S))
        if not own.stopped.wait(max(0.0, interval_s - BIDDING_S - time.time())):
            market.trade(interval_s, own.stopped)
            self._done_s = interval_s
        self._market = market
        return 0.0


def main() -> None:
    """Bids until it is told to stop."""
    own = beside("bidders", __doc__, level=logging.INFO)
    # A chain that goes away in the middle of a call is an OSError.
    failures = (httpx.HTTPError, PlatformFailed, ChainFailed, OSError)
    repeat(Trading(own).step, own.stopped, log, failures=failures)


def _market(at: Platform, sessions: Path, from_s: int, zone: ZoneInfo) -> LiveMarket:
    site = read_site_map(at.folder / "site.json")
    facts = read_json(at.folder / "site.json").get("market")
    if not isinstance(facts, dict):
        raise PlatformFailed("the steward has not opened the market yet")
    prices = LivePrices(at)
    prices.refresh()
    traders = Traders(vehicles={}, sun=None, grid=AccountId(facts["grid"]), keys=_keys(facts["keys"]))
    bidders = Bidders(at, Contracts.of(at).order_domain(), traders, prices, strict=False)
    visits = EndlessVisits(read_all_sessions(sessions), site, from_s=UnixSeconds(from_s), zone=zone)
    return LiveMarket(bidders, prices, visits.everywhere({}), site, at.folder)


def _keys(addresses: Mapping[str, str]) -> dict[AccountId, bytes]:
    return {AccountId(int(account)): parse_address(address) for account, address in addresses.items()}


if __name__ == "__main__":
    main()
