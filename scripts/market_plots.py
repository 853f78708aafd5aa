"""The market's plots for the report: curves of one auction, prices over the day, gains against the tariff.

Prices are drawn in cents per kWh, energy in kWh, money in euro.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import accumulate
from zoneinfo import ZoneInfo

from matplotlib.figure import Figure

from domain.auction.book import Line
from domain.auction.zone import ZoneTerms
from domain.units import MARKET_INTERVAL_S, MICRO_PER_EURO, WH_PER_KWH, UnixSeconds
from scripts.report import CHARGED, DARK, GAS, HOURS, SOLD, plot

MICRO_PER_CENT = MICRO_PER_EURO // 100
_WIDTH = 9.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """One interval's clearing price, None if nothing was traded, and its tariffs; micro-euro per kWh."""

    interval_s: UnixSeconds
    price: int | None
    charge: int
    discharge: int


def draw_curves(lines: Sequence[Line], terms: ZoneTerms, *, price: int | None, volume_wh: int) -> Figure:
    """Supply and demand of a book, a buyer's limit without the fee, and where they meet."""
    figure, axes = plot(_WIDTH, 3.2)
    for sell, colour, label in ((False, CHARGED, "demand"), (True, SOLD, "supply")):
        energy, prices = curve_of(lines, terms, sell=sell)
        axes.step(energy, prices, where="post", color=colour, linewidth=1.6, label=label)
    if price is not None:
        axes.axhline(price / MICRO_PER_CENT, color=DARK, linewidth=0.8, linestyle="--")
        axes.plot([volume_wh / WH_PER_KWH], [price / MICRO_PER_CENT], "o", color=DARK, label="clearing")
        text = f"{price / MICRO_PER_CENT:.2f} ct/kWh, {volume_wh / WH_PER_KWH:,.1f} kWh"
    else:
        text = "nothing crosses: no price"
    axes.set_title(text, fontsize=9, loc="left")
    axes.set_xlabel("kWh")
    axes.set_ylabel("ct/kWh")
    axes.legend(frameon=False, loc="upper right")
    return figure


def curve_of(lines: Sequence[Line], terms: ZoneTerms, *, sell: bool) -> tuple[list[float], list[float]]:
    """A side's steps from its best order on: up to which kWh which price in cents holds; the first point is at 0.

    The steps of a side without orders are none.
    """
    own = [
        (int(terms.net(sell=sell, limit=line.limit_micro_per_kwh)), int(line.quantity_wh))
        for line in lines
        if line.sell == sell
    ]
    own.sort(key=lambda step: step[0] if sell else -step[0])
    if not own:
        return [], []
    energy = [wh / WH_PER_KWH for wh in accumulate((wh for _, wh in own), initial=0)]
    prices = [price / MICRO_PER_CENT for price, _ in own]
    return energy, [*prices, prices[-1]]


def draw_prices(points: Sequence[PricePoint], *, day: date, zone: ZoneInfo) -> Figure:
    """Clearing prices over the day, a gap where nothing was traded, between the tariffs as lines."""
    figure, axes = plot(_WIDTH, 2.9)
    points = sorted(points, key=lambda point: point.interval_s)
    edges = [_local_hour(point.interval_s, day, zone) for point in points]
    if points:
        edges.append(_local_hour(points[-1].interval_s + MARKET_INTERVAL_S, day, zone))
    for name, colour, values in (
        ("charge tariff", CHARGED, [point.charge for point in points]),
        ("discharge tariff", SOLD, [point.discharge for point in points]),
    ):
        axes.step(edges, _held(values), where="post", color=colour, linewidth=1.0, linestyle="--", label=name)
    cleared = _held([point.price for point in points])
    axes.step(edges, cleared, where="post", color=DARK, linewidth=1.6, label="clearing price")
    axes.set_xlabel(f"local time, hours ({zone.key})")
    axes.set_ylabel("ct/kWh")
    axes.set_xticks(range(0, max(HOURS, int(max(edges, default=0)) + 2), 2))
    axes.legend(frameon=False, loc="upper left")
    return figure


def draw_gains(gains_micro: Mapping[str, int]) -> Figure:
    """What each side gains against the tariff, as bars; below the line it loses."""
    figure, axes = plot(_WIDTH, 2.6)
    euro = [micro / MICRO_PER_EURO for micro in gains_micro.values()]
    bars = axes.bar(list(gains_micro), euro, color=[GAS if one >= 0 else SOLD for one in euro], width=0.6)
    axes.bar_label(bars, labels=[f"{one:+,.2f}" for one in euro], padding=2)
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.margins(y=0.2)
    axes.set_ylabel("euro against the tariff")
    return figure


def _held(values: Sequence[int | None]) -> list[float]:
    """Cents, the last one held up to the end of its interval; no number where there is none."""
    cents = [float("nan") if value is None else value / MICRO_PER_CENT for value in values]
    return [*cents, *cents[-1:]]


def _local_hour(time_s: int, day: date, zone: ZoneInfo) -> float:
    moment = datetime.fromtimestamp(time_s, zone)
    return (moment.date() - day).days * HOURS + moment.hour + moment.minute / 60
