"""The schedule's part of the demo's report: the day uncontrolled, as computed, beside the day as it was settled."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from domain.units import (
    HOUSE_ACCOUNT,
    MARKET_INTERVAL_S,
    MICRO_PER_EURO,
    SECONDS_PER_HOUR,
    WH_PER_KWH,
    AccountId,
    EnergyWh,
    cost_ceil,
)
from oracle.acn import ReplaySession
from oracle.bidding import PERCENT_EACH_WAY, WEAR_MICRO_PER_KWH
from oracle.plan import plan_of
from scripts.market import Prices
from scripts.market_report import plain_micro
from scripts.report import CHARGED, DARK, GAS, HOURS, SOLD, plot, svg
from scripts.site_day import DEMAND_MICRO_PER_KW

W_PER_KW = 1_000
ENOUGH_PERCENT = 99
_WIDTH = 9.5

Rows = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way through the day. `drawn_wh` is what all vehicles drew by market interval, less what they gave.

    `energy_micro` is what drivers paid for energy, less what they got for it; `wear_micro` what selling wore off packs.
    """

    drawn_wh: Mapping[int, int]
    energy_micro: int
    wear_micro: int
    satisfied: int

    @property
    def peak_w(self) -> int:
        return max(self.drawn_wh.values(), default=0) * SECONDS_PER_HOUR // MARKET_INTERVAL_S

    @property
    def demand_micro(self) -> int:
        return -(-self.peak_w * DEMAND_MICRO_PER_KW // W_PER_KW)

    @property
    def cost_micro(self) -> int:
        return self.energy_micro + self.wear_micro + self.demand_micro

    def renewable(self, sun_wh: Mapping[int, int]) -> float:
        """Which part of what vehicles drew came from the site's photovoltaics in the same interval."""
        drawn = {interval_s: wh for interval_s, wh in self.drawn_wh.items() if wh > 0}
        used_wh = sum(min(wh, sun_wh.get(interval_s, 0)) for interval_s, wh in drawn.items())
        return used_wh / max(1, sum(drawn.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFigures:
    """Both arms of the day, and the photovoltaics that were metered."""

    sessions: int
    uncontrolled: Arm
    scheduled: Arm
    sun_wh: Mapping[int, int]

    def table(self) -> list[tuple[str, str, str]]:
        """What it is, uncontrolled, scheduled."""
        arms = (self.uncontrolled, self.scheduled)
        rows = {
            "peak of the vehicles": [f"{arm.peak_w / W_PER_KW:,.1f} kW" for arm in arms],
            "paid for energy": [_euro(arm.energy_micro) for arm in arms],
            "battery wear": [_euro(arm.wear_micro) for arm in arms],
            "demand charge": [_euro(arm.demand_micro) for arm in arms],
            "cost": [_euro(arm.cost_micro) for arm in arms],
            "renewable share": [f"{arm.renewable(self.sun_wh):.1%}" for arm in arms],
            "sessions satisfied": [f"{arm.satisfied / max(1, self.sessions):.1%}" for arm in arms],
        }
        return [(name, first, second) for name, (first, second) in rows.items()]

    def plot(self, day: date, zone: ZoneInfo) -> str:
        """Both loads over the day, with the photovoltaics, as SVG."""
        figure, axes = plot(_WIDTH, 3.0)
        series = (self.uncontrolled.drawn_wh, self.scheduled.drawn_wh, self.sun_wh)
        known = [interval_s for values in series for interval_s in values]
        intervals = range(min(known, default=0), max(known, default=0) + MARKET_INTERVAL_S, MARKET_INTERVAL_S)
        hours = [_local_hour(interval_s, day, zone) for interval_s in intervals]
        plain, planned, sun = ([_kw(values.get(at, 0)) for at in intervals] for values in series)
        axes.fill_between(hours, plain, step="post", color=SOLD, alpha=0.35, linewidth=0, label="uncontrolled")
        axes.step(hours, planned, where="post", color=CHARGED, linewidth=1.6, label="scheduled, as metered")
        axes.step(hours, sun, where="post", color=GAS, linewidth=1.0, linestyle="--", label="photovoltaics")
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.set_xlabel(f"local time, hours ({zone.key})")
        axes.set_ylabel("kW, mean of 15 minutes")
        axes.set_xticks(range(0, max(HOURS, int(max(hours, default=0)) + 2), 2))
        axes.legend(frameon=False, loc="upper left")
        return svg(figure)


def schedule_figures(
    drivers: Mapping[AccountId, ReplaySession],
    prices: Prices,
    *,
    rows: Rows,
    positions: Sequence[Mapping[str, Any]],
    sun_account: int | None,
) -> ScheduleFigures:
    """From the statements' settled rows and the closed positions; `prices` are the market's tariffs by interval."""
    moved = [(row, row["start"] - row["start"] % MARKET_INTERVAL_S) for row in rows]
    sun = Counter[int]()
    for row, interval_s in moved:
        if row["account"] == sun_account and row["direction"] == "discharge":
            sun[interval_s] += row["energy_wh"]
    mine = [(row, interval_s) for row, interval_s in moved if row["account"] in drivers]
    return ScheduleFigures(
        sessions=len(drivers),
        uncontrolled=_uncontrolled(drivers.values(), prices),
        scheduled=_scheduled(drivers, mine, positions),
        sun_wh=sun,
    )


def _uncontrolled(sessions: Collection[ReplaySession], prices: Prices) -> Arm:
    """Everybody charges from arrival on, pays the charge tariff, and sells nothing."""
    drawn, cost = Counter[int](), 0
    for session in sessions:
        plan = plan_of(session, discharge=False)
        cost += plain_micro(session, prices)
        first_s = session.arrival_s - session.arrival_s % MARKET_INTERVAL_S
        for begins_s in range(first_s, plan.charge_to_s, MARKET_INTERVAL_S):
            drawn[begins_s] += plan.import_at(begins_s + MARKET_INTERVAL_S) - plan.import_at(begins_s)
    return Arm(drawn_wh=drawn, energy_micro=cost, wear_micro=0, satisfied=len(sessions))


def _scheduled(
    drivers: Mapping[AccountId, ReplaySession],
    rows: Sequence[tuple[Mapping[str, Any], int]],
    positions: Sequence[Mapping[str, Any]],
) -> Arm:
    """What was metered, signed and settled: by row, or with what was traded by position."""
    drawn, taken, given = Counter[int](), Counter[int](), Counter[int]()
    paid = sum(one["net_micro"] for one in positions if one["account"] in drivers)
    for row, interval_s in rows:
        charges = row["direction"] == "charge"
        drawn[interval_s] += row["energy_wh"] if charges else -row["energy_wh"]
        (taken if charges else given)[row["account"]] += row["energy_wh"]
        if row["payer"] is not None and row["payer"] != HOUSE_ACCOUNT:
            paid += row["owed_micro"] if row["payer"] == row["account"] else -row["received_micro"]
    satisfied = sum(
        (taken[account] - given[account] * 10_000 // PERCENT_EACH_WAY**2) * 100 >= session.delivered_wh * ENOUGH_PERCENT
        for account, session in drivers.items()
    )
    wear = cost_ceil(EnergyWh(given.total()), WEAR_MICRO_PER_KWH)
    return Arm(drawn_wh=drawn, energy_micro=paid, wear_micro=wear, satisfied=satisfied)


def _local_hour(time_s: int, day: date, zone: ZoneInfo) -> float:
    moment = datetime.fromtimestamp(time_s, zone)
    return (moment.date() - day).days * HOURS + moment.hour + moment.minute / 60


def _kw(energy_wh: int) -> float:
    return energy_wh * SECONDS_PER_HOUR / MARKET_INTERVAL_S / WH_PER_KWH


def _euro(micro: int) -> str:
    return f"{micro / MICRO_PER_EURO:,.2f} €"
