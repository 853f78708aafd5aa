"""What a plan comes to, beside charging at once and other rules; its CSV and its plot."""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import numpy as np
from rich.table import Table

from domain.schedule.metrics import Metrics
from domain.schedule.plan import Schedule
from domain.units import MICRO_PER_EURO, SECONDS_PER_HOUR, WH_PER_KWH

W_PER_KW = 1000
DRAWN, PLANNED, PRICE, SUN = "#9aa4ad", "#2a6f97", "#e07a2f", "#5b8c5a"


def comparison(arms: Sequence[tuple[str, Metrics]], currency: str, *, sun: bool) -> Table:
    """The arms beside each other, the first as that with which the others are compared."""
    table = Table(title="What it comes to", title_justify="left")
    table.add_column("")
    for name, _ in arms:
        table.add_column(name, justify="right")
    base = arms[0][1]
    rows = {
        "peak": [f"{m.peak_w / W_PER_KW:,.1f} kW{_change(m.peak_w, base.peak_w)}" for _, m in arms],
        "energy cost": [_money(m.energy_micro, currency) for _, m in arms],
        "demand charge": [_money(m.demand_micro, currency) for _, m in arms],
        "battery wear": [_money(m.wear_micro, currency) for _, m in arms],
        "cost": [f"{_money(m.bill_micro, currency)}{_change(m.bill_micro, base.bill_micro)}" for _, m in arms],
        "charged": [f"{m.charged_wh / WH_PER_KWH:,.1f} kWh" for _, m in arms],
        "sold back": [f"{m.sold_wh / WH_PER_KWH:,.1f} kWh" for _, m in arms],
        "delivered": [f"{m.delivered:.2%}" for _, m in arms],
        "served in full": [f"{m.served:.1%}" for _, m in arms],
        "worst tenth": [f"{m.worst_decile:.1%}" for _, m in arms],
        "renewable share": [f"{m.renewable_share:.1%}" for _, m in arms],
    }
    dropped = {"battery wear": any(m.wear_micro for _, m in arms), "sold back": any(m.sold_wh for _, m in arms)}
    dropped |= {"demand charge": any(m.demand_micro for _, m in arms), "renewable share": sun}
    for name, values in rows.items():
        if dropped.get(name, True):
            table.add_row(name, *values)
    return table


def write_schedule(schedule: Schedule, path: Path, zone: ZoneInfo) -> int:
    """A line for each session and slot of its stay: power is what flows while it is there. The number of lines."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8", newline="") as file:
        count = _write_lines(schedule, file, zone)
    beside.replace(path)
    return count


def draw(schedule: Schedule, base: Schedule, path: Path, zone: ZoneInfo, currency: str) -> None:
    """The site's load with `base` and as planned, with the price of energy below it, as a PNG."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415  # Half a second, for one command.
    from matplotlib.figure import Figure  # noqa: PLC0415  # Likewise.

    edges_s = schedule.problem.slots.edges_s
    times = [datetime.fromtimestamp(edge_s, zone) for edge_s in edges_s]
    figure = Figure(figsize=(11, 6), layout="constrained")
    load, price = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    load.fill_between(times, _held(_load_kw(base)), step="post", color=DRAWN, alpha=0.6, linewidth=0, label=base.how)
    load.step(times, _held(_load_kw(schedule)), where="post", color=PLANNED, linewidth=1.3, label="planned")
    if schedule.problem.site.sun_w:
        sun = [watts / W_PER_KW for watts in schedule.problem.site.sun_w]
        load.step(times, _held(sun), where="post", color=SUN, linewidth=1.0, label="on-site plants")
    load.set_ylabel("kW, mean of a slot")
    load.legend(frameon=False, loc="upper left")
    prices = [micro / MICRO_PER_EURO for micro in schedule.problem.prices.import_micro_per_kwh]
    price.step(times, _held(prices), where="post", color=PRICE, linewidth=1.2)
    price.set_ylabel(f"{currency}/kWh")
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]  # matplotlib has no annotations
    price.xaxis.set_major_locator(locator)
    price.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]  # likewise
    price.set_xlabel(f"local time ({zone.key})")
    for axes in (load, price):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    figure.savefig(path, format="png", dpi=130, metadata={"Software": None})


def _write_lines(schedule: Schedule, file: TextIO, zone: ZoneInfo) -> int:
    columns = schedule.columns
    starts = [datetime.fromtimestamp(at_s, zone).isoformat() for at_s in columns.problem.slots.edges_s[:-1]]
    net_wh = schedule.import_wh - schedule.export_wh
    power_w = np.sign(net_wh) * (np.abs(net_wh) * SECONDS_PER_HOUR // np.maximum(1, columns.seconds))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["session", "slot_start", "power_w", "energy_wh"])
    vehicles = columns.problem.vehicles
    for vehicle, slot, power, energy in zip(
        columns.vehicle.tolist(), columns.slot.tolist(), power_w.tolist(), net_wh.tolist(), strict=True
    ):
        writer.writerow([vehicles[vehicle].session, starts[slot], power, energy])
    return len(columns)


def _load_kw(schedule: Schedule) -> list[float]:
    seconds = schedule.columns.slot_seconds
    load: list[float] = (schedule.net_wh * SECONDS_PER_HOUR / seconds / W_PER_KW).tolist()
    return load


def _held(values: Sequence[float]) -> list[float]:
    """With the last value up to the end of its slot."""
    return [*values, *values[-1:]]


def _money(micro: int, currency: str) -> str:
    return f"{micro / MICRO_PER_EURO:,.2f} {currency}"


def _change(value: int, base: int) -> str:
    return "" if value == base or base <= 0 else f" ({value / base - 1:+.1%})"
