"""The market's part of the demo's report: what was traded, at which prices, and what each side gains by it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from domain.auction.book import Line, decode_lines
from domain.auction.zone import ZoneTerms
from domain.text import parse_hex
from domain.units import (
    MARKET_INTERVAL_S,
    EnergyWh,
    UnixSeconds,
    cost_ceil,
    cost_floor,
)
from oracle.acn import ReplaySession
from oracle.bidding import WEAR_MICRO_PER_KWH
from oracle.plan import plan_of
from scripts.market import ZONE, MarketDay, Prices, Traders
from scripts.market_plots import PricePoint, draw_curves, draw_gains, draw_prices
from scripts.platform import Platform
from scripts.report import svg

_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFigures:
    """What the market came to. Money is in micro-euro; what a side gains is against the tariff."""

    points: Sequence[PricePoint]
    shown_s: UnixSeconds
    lines: Sequence[Line]
    terms: ZoneTerms
    price: int | None
    volume_wh: int
    traded_wh: int
    orders: int
    metered_wh: int
    imbalance_wh: int
    gains_micro: Mapping[str, int]

    @property
    def cleared(self) -> int:
        """In how many auctions anything was traded."""
        return sum(point.price is not None for point in self.points)

    def plots(self, day: date, zone: ZoneInfo) -> dict[str, str]:
        """SVG by name."""
        return {
            "curves": svg(draw_curves(self.lines, self.terms, price=self.price, volume_wh=self.volume_wh)),
            "prices": svg(draw_prices(self.points, day=day, zone=zone)),
            "gains": svg(draw_gains(self.gains_micro)),
        }


def market_figures(at: Platform, day: MarketDay) -> MarketFigures:
    """Read from the platform once all positions are closed. The interval shown is that with most orders."""
    auctions = {one["interval"]: one for one in at.items("/v1/auctions", zone=ZONE, limit=_PAGE)}
    positions = list(at.items("/v1/positions", zone=ZONE, limit=_PAGE))
    shown = max(auctions.values(), key=lambda one: (one["price_micro_per_kwh"] is not None, one["orders"]))
    book = at.get(f"/v1/auctions/{ZONE}/{shown['interval']}/book")
    return MarketFigures(
        points=[
            PricePoint(
                interval_s=UnixSeconds(interval_s),
                price=one["price_micro_per_kwh"],
                charge=day.prices.charge[interval_s],
                discharge=day.prices.discharge[interval_s],
            )
            for interval_s, one in auctions.items()
        ],
        shown_s=UnixSeconds(shown["interval"]),
        lines=_lines(book["chunks"]),
        terms=day.terms,
        price=shown["price_micro_per_kwh"],
        volume_wh=shown["volume_wh"] or 0,
        traded_wh=sum(one["volume_wh"] or 0 for one in auctions.values()),
        orders=sum(one["orders"] for one in auctions.values()),
        metered_wh=sum(one["closed"]["imported_wh"] + one["closed"]["exported_wh"] for one in positions),
        imbalance_wh=sum(_imbalance_wh(one["closed"]) for one in positions if one["account"] != day.traders.grid),
        gains_micro=gains_micro(day.traders, day.prices, positions),
    )


def gains_micro(traders: Traders, prices: Prices, positions: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """What each side pays less, or receives more, than without a market.

    Without it vehicles charge at once at the charge tariff and sell nothing, and photovoltaics are paid the discharge
    tariff. What selling wears off batteries is the vehicles' cost, energy that is lost on the way the grid's, valued
    at the discharge tariff.
    """
    owed: Counter[int] = Counter()
    sun = traders.sun.account if traders.sun else None
    plain_sun = given_wh = taken_wh = 0
    for one in positions:
        owed[one["account"]] += one["net_micro"]
        closed = one["closed"]
        if one["account"] == sun:
            plain_sun += cost_floor(EnergyWh(closed["exported_wh"]), prices.discharge[one["interval"]])
        elif one["account"] in traders.vehicles:
            given_wh += closed["exported_wh"]
            taken_wh += closed["imported_wh"]
    plain_vehicles = sum(plain_micro(session, prices) for session in traders.vehicles.values())
    paid = sum(owed[account] for account in traders.vehicles)
    received = 0 if sun is None else -owed[sun]
    needed_wh = sum(session.delivered_wh for session in traders.vehicles.values())
    lowest = min(prices.discharge.values())
    more = cost_ceil(EnergyWh(max(0, taken_wh - given_wh - needed_wh)), lowest)
    return {
        "vehicles": plain_vehicles - paid - cost_ceil(EnergyWh(given_wh), WEAR_MICRO_PER_KWH),
        "photovoltaics": received - plain_sun,
        "grid": paid - received - (plain_vehicles - plain_sun) - more,
    }


def plain_micro(session: ReplaySession, prices: Prices) -> int:
    """What a session costs by the charge tariff, charged from arrival on."""
    plan, cost = plan_of(session, discharge=False), 0
    first_s = session.arrival_s - session.arrival_s % MARKET_INTERVAL_S
    for begins_s in range(first_s, plan.charge_to_s, MARKET_INTERVAL_S):
        energy_wh = plan.import_at(begins_s + MARKET_INTERVAL_S) - plan.import_at(begins_s)
        cost += cost_ceil(EnergyWh(energy_wh), prices.charge[begins_s])
    return cost


def _imbalance_wh(closed: Mapping[str, int]) -> int:
    return abs(closed["imported_wh"] - closed["bought_wh"]) + abs(closed["exported_wh"] - closed["sold_wh"])


def _lines(chunks: Sequence[str]) -> list[Line]:
    raw = b"".join(parse_hex(chunk, (len(chunk) - 2) // 2) for chunk in chunks)
    return decode_lines(raw)
