"""What a schedule comes to: money, peak, and how drivers fared. Money is micro-euro, or micro of what prices are in."""

from dataclasses import dataclass

import numpy as np

from domain.schedule.columns import Columns, Floats, Ints
from domain.schedule.fairness import jain, worst_decile
from domain.schedule.plan import Schedule
from domain.schedule.problem import DemandCharge
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH

W_PER_KW = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """`bill` = energy + demand + wear. `delivered` is the part of the needs, each clipped to what its stay allows.

    What the sun gives is taken for vehicles before it is fed in. `jain` and the worst decile are of the delivered
    shares of the sessions (Jain, Chiu, Hawe, DEC-TR-301, 1984).
    """

    sessions: int
    energy_micro: int
    demand_micro: int
    wear_micro: int
    peak_w: int
    charged_wh: int
    sold_wh: int
    possible_wh: int
    delivered: float
    served: float
    worst_decile: float
    jain: float
    renewable_share: float

    @property
    def bill_micro(self) -> int:
        return self.energy_micro + self.demand_micro + self.wear_micro

    @property
    def micro_per_kwh(self) -> float:
        """The bill by the energy that stayed in vehicles' needs."""
        return self.bill_micro * WH_PER_KWH / max(1, self.charged_wh - self.sold_wh)


def measure(schedule: Schedule) -> Metrics:
    """The metrics of a schedule, or of a run's."""
    columns, problem = schedule.columns, schedule.problem
    sun_wh, net_wh = columns.wh_of(problem.site.sun_w), schedule.net_wh
    grid_wh = net_wh + columns.wh_of(problem.site.load_w) - sun_wh
    demands = [peak_of(columns, demand, grid_wh) for demand in problem.prices.demands]
    everything = DemandCharge(price_micro_per_kw=0, from_slot=0, to_slot=len(problem.slots))
    shares = delivered_shares(schedule)
    charged = int(schedule.import_wh.sum())
    possible_wh = columns.possible_wh
    return Metrics(
        sessions=len(problem.vehicles),
        energy_micro=_energy_micro(schedule, grid_wh),
        demand_micro=sum(
            -(-peak * demand.price_micro_per_kw // W_PER_KW)
            for peak, demand in zip(demands, problem.prices.demands, strict=True)
        ),
        wear_micro=_wear_micro(schedule),
        peak_w=max(demands) if demands else peak_of(columns, everything, grid_wh),
        charged_wh=charged,
        sold_wh=int(schedule.export_wh.sum()),
        possible_wh=int(possible_wh.sum()),
        delivered=float((shares * possible_wh).sum() / max(1, possible_wh.sum())),
        served=float((shares >= 1).mean()) if len(shares) else 1.0,
        worst_decile=worst_decile(shares),
        jain=jain(shares),
        renewable_share=float(np.minimum(np.maximum(net_wh, 0), sun_wh).sum() / max(1, np.maximum(net_wh, 0).sum())),
    )


def delivered_shares(schedule: Schedule) -> Floats:
    """By vehicle, what of its possible need it got, 0 to 1. What was sold counts with the losses of its way back."""
    columns = schedule.columns
    efficiency = np.array([v.battery.efficiency_bp / 10_000 if v.battery else 1.0 for v in schedule.problem.vehicles])
    kept_wh = schedule.charged_wh - schedule.sold_wh / efficiency if len(efficiency) else schedule.charged_wh
    possible = columns.possible_wh
    full = kept_wh >= possible - 1
    return np.where(full, 1.0, np.clip(kept_wh / np.maximum(1, possible), 0.0, 1.0))


def peak_of(columns: Columns, demand: DemandCharge, grid_wh: Ints) -> int:
    """The highest mean of the charge's intervals, W rounded up, and at least the peak from before."""
    starts_s = np.array(columns.problem.slots.edges_s[:-1], dtype=np.int64)[demand.from_slot : demand.to_slot]
    if not len(starts_s):
        return int(demand.peak_w)
    _, row = np.unique(starts_s // demand.interval_s, return_inverse=True)
    sums = np.zeros(row.max() + 1, dtype=np.int64)
    np.add.at(sums, row, grid_wh[demand.from_slot : demand.to_slot])
    return max(int(demand.peak_w), int(-(-sums.max() * SECONDS_PER_HOUR // demand.interval_s)))


def _energy_micro(schedule: Schedule, grid_wh: Ints) -> int:
    """Imports at their prices less what was fed in at its own, rounded up once."""
    prices = schedule.problem.prices
    imported = np.maximum(grid_wh, 0) * np.array(prices.import_micro_per_kwh, dtype=np.int64)
    cost = int(imported.sum())
    if prices.export_micro_per_kwh:
        cost -= int((np.maximum(-grid_wh, 0) * np.array(prices.export_micro_per_kwh, dtype=np.int64)).sum())
    return -(-cost // WH_PER_KWH)


def _wear_micro(schedule: Schedule) -> int:
    wear = [v.battery.wear_micro_per_kwh if v.battery else 0 for v in schedule.problem.vehicles]
    return -(-int((schedule.sold_wh * np.array(wear, dtype=np.int64)).sum()) // WH_PER_KWH) if wear else 0
