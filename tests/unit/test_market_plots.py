"""What the market's plots show is what the market did: the drawn numbers are looked at."""

import math
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from domain.auction.book import Book, Line
from domain.auction.clearing import clear
from domain.auction.zone import ZoneTerms
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from scripts.market_plots import PricePoint, curve_of, draw_curves, draw_gains, draw_prices
from scripts.report import svg

TERMS = ZoneTerms(
    zone=1,
    grid=AccountId(4),
    import_limit_wh=EnergyWh(0),
    export_limit_wh=EnergyWh(0),
    fee_micro_per_kwh=PriceMicroPerKwh(10_000),
)
ZONE, DAY = ZoneInfo("America/Los_Angeles"), date(2019, 7, 10)
MIDNIGHT_S = 1_562_742_000


def line(sell: bool, wh: int, limit: int) -> Line:
    return Line(AccountId(20), sell, False, EnergyWh(wh), PriceMicroPerKwh(limit))


LINES = [
    line(False, 2_000, 210_000),
    line(False, 5_000, 310_000),
    line(True, 4_000, 100_000),
    line(True, 4_000, 250_000),
]


def drawn(figure: Figure, label: str) -> tuple[list[float], list[float]]:
    """The points of the line with this label."""
    [axes] = figure.axes
    [found] = [one for one in axes.lines if one.get_label() == label]
    return _numbers(found.get_xdata()), _numbers(found.get_ydata())


def _numbers(values: ArrayLike) -> list[float]:
    return [float(value) for value in np.asarray(values)]


def only_axes(figure: Figure) -> Axes:
    [axes] = figure.axes
    return axes


def test_demand_falls_and_supply_rises_from_the_best_order_on_and_the_fee_is_taken_off() -> None:
    assert curve_of(LINES, TERMS, sell=False) == ([0, 5, 7], [30, 20, 20])
    assert curve_of(LINES, TERMS, sell=True) == ([0, 4, 8], [10, 25, 25])
    assert curve_of([], TERMS, sell=True) == ([], [])


def test_curves_of_an_auction_meet_at_its_clearing() -> None:
    found = clear(Book(1, UnixSeconds(0), tuple(LINES)), TERMS)
    assert found.price_micro_per_kwh is not None
    figure = draw_curves(LINES, TERMS, price=found.price_micro_per_kwh, volume_wh=found.volume_wh)
    assert drawn(figure, "demand") == ([0, 5, 7], [30, 20, 20])
    assert drawn(figure, "supply") == ([0, 4, 8], [10, 25, 25])
    [kwh], [cents] = drawn(figure, "clearing")
    assert (kwh, cents) == (found.volume_wh / 1_000, found.price_micro_per_kwh / 10_000) == (5, 25)
    assert only_axes(figure).get_title(loc="left") == "25.00 ct/kWh, 5.0 kWh"


def test_auction_in_which_nothing_crosses_shows_no_price() -> None:
    figure = draw_curves(LINES[:1], TERMS, price=None, volume_wh=0)
    assert {one.get_label() for one in only_axes(figure).lines} == {"demand", "supply"}
    assert "no price" in only_axes(figure).get_title(loc="left")


def points() -> list[PricePoint]:
    prices = [200_000, None, 300_000]
    return [
        PricePoint(interval_s=UnixSeconds(MIDNIGHT_S + 900 * n), price=price, charge=360_000, discharge=100_000 + n)
        for n, price in enumerate(prices)
    ]


def test_prices_are_drawn_at_local_hours_with_a_gap_where_nothing_was_traded() -> None:
    hours, cents = drawn(draw_prices(points()[::-1], day=DAY, zone=ZONE), "clearing price")
    assert hours == [0, 0.25, 0.5, 0.75]
    assert cents[0] == 20
    assert math.isnan(cents[1])
    assert cents[2:] == [30, 30]


def test_tariffs_are_lines_beside_the_prices() -> None:
    figure = draw_prices(points(), day=DAY, zone=ZONE)
    assert drawn(figure, "charge tariff")[1] == [36] * 4
    assert drawn(figure, "discharge tariff")[1] == pytest.approx([10, 10.0001, 10.0002, 10.0002])


def test_day_after_goes_on_beyond_24_hours() -> None:
    late = PricePoint(interval_s=UnixSeconds(MIDNIGHT_S + 25 * 3_600), price=1, charge=2, discharge=0)
    assert drawn(draw_prices([late], day=DAY, zone=ZONE), "clearing price")[0] == [25, 25.25]


def test_gains_are_bars_with_their_numbers() -> None:
    axes = only_axes(draw_gains({"vehicles": 12_340_000, "grid": -2_000_000}))
    assert [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)] == [12.34, -2]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["vehicles", "grid"]
    assert [text.get_text() for text in axes.texts] == ["+12.34", "-2.00"]


def test_empty_market_is_drawn_empty() -> None:
    for figure in (draw_prices([], day=DAY, zone=ZONE), draw_curves([], TERMS, price=None, volume_wh=0)):
        assert svg(figure).startswith("<svg")
