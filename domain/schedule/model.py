"""The linear program of a charging problem, as a sparse matrix for HiGHS.

Variables, all in Wh but the demand's (W): what each pair takes (x) and gives back (g); what a battery stores after a
pair (s); what of a battery's target is missing (u); what the vehicles draw in a slot, with the sun that is curtailed
(drawn), what the site draws and feeds in (imports, exports); excess over the peak so far and over the target; and what
a vehicle that traded ahead draws over and under what it bought. Costs are micro-euro per Wh.

A kWh that is not charged costs `Aims.unmet_micro_per_kwh`: energy planned for a slot is worth that, times how likely
the vehicle is still there. So nothing is infeasible: what cannot be is left out, the least valuable first.
"""

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.batteries import ask_of_batteries
from domain.schedule.columns import Bools, Columns, Floats, Ints
from domain.schedule.grid import EARLY_MICRO_PER_WH, PLENTY_WH, Grid, intervals
from domain.schedule.problem import LINES, DemandCharge
from domain.schedule.program import INFINITY, Block, Model, ScheduleModel
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH


def build(columns: Columns, *, at_once: bool = False) -> ScheduleModel:
    """The problem's linear program; `at_once` with every limit of every battery (batteries.py)."""
    problem, model, grid = columns.problem, Model(), Grid.of(columns)
    early = grid.early[columns.slot]
    batteries = np.array([v.battery is not None for v in problem.vehicles], dtype=np.bool_)
    with_battery = batteries[columns.vehicle] if len(columns) else np.zeros(0, dtype=np.bool_)
    worth = grid.unmet
    takes = model.variables(
        np.where(with_battery, 0.0, -worth * columns.presence) + early, 0.0, columns.most_wh.astype(float)
    )
    gives = np.flatnonzero(columns.most_export_wh > 0)
    wear = np.array([0 if v.wear or not v.battery else v.battery.wear_micro_per_kwh for v in problem.vehicles])
    given = model.variables(
        wear[columns.vehicle[gives]] / WH_PER_KWH - early[gives], 0.0, columns.most_export_wh[gives].astype(float)
    )
    built = ScheduleModel(columns, model, takes, gives, given, grid)
    _needs(built, batteries)
    ask_of_batteries(built, at_once=at_once)
    _wear(built)
    _site(built)
    return built


def _needs(built: ScheduleModel, batteries: Bools) -> None:
    """A vehicle without a battery in the plan charges its need at most."""
    columns, model = built.columns, built.model
    plain = np.flatnonzero(~batteries)
    rows = np.full(len(batteries), -1, dtype=np.int64)
    rows[plain] = model.new_rows(-INFINITY, columns.need_wh[plain].astype(float), len(plain))
    of_pair = rows[columns.vehicle] if len(columns) else rows[:0]
    mine = np.flatnonzero(of_pair >= 0)
    model.put(of_pair[mine], built.takes.columns[mine], 1.0)


def _wear(built: ScheduleModel) -> None:
    """What a stay gives back fills its bands of wear, the cheapest first, as their prices never fall."""
    columns, model = built.columns, built.model
    for number, vehicle in enumerate(columns.problem.vehicles):
        mine = np.flatnonzero(columns.vehicle[built.gives] == number) if vehicle.wear else built.gives[:0]
        if not len(mine):
            continue
        widths = np.diff([float(band.until_wh) for band in vehicle.wear], prepend=0.0)
        widths[-1] = INFINITY
        prices = np.array([band.micro_per_kwh for band in vehicle.wear], dtype=float)
        bands = model.variables(prices / WH_PER_KWH, 0.0, widths)
        row = model.new_rows(0.0, 0.0, 1)
        model.put(np.repeat(row, len(mine)), built.given.columns[mine], 1.0)
        model.put(np.repeat(row, len(widths)), bands.columns, -1.0)


def _site(built: ScheduleModel) -> None:
    """What the vehicles draw, with the sun that is curtailed, lies between the site's limits."""
    columns, model, problem = built.columns, built.model, built.columns.problem
    grid, count = built.grid, len(problem.slots)
    feeds_in = bool(len(built.gives)) or bool(problem.site.sun_w) or bool(columns.trades.any())
    other_wh = (grid.load_wh - grid.sun_wh).astype(float)
    least = np.where(grid.export_wh < PLENTY_WH, -grid.export_wh - other_wh, -INFINITY)
    most = np.where(grid.import_wh < PLENTY_WH, grid.most_wh.astype(float), INFINITY)
    drawn = model.variables(np.zeros(count) if feeds_in else grid.price, least, most)
    rows = model.new_rows(-grid.sun_wh.astype(float), 0.0, count)
    model.put(rows, drawn.columns, -1.0)
    _put_flows(built, rows[columns.slot], np.ones(len(columns)))
    if feeds_in:
        _money(built, drawn, other_wh)
    for demand in problem.prices.demands:
        _demand(built, drawn, demand, other_wh)
    if problem.aims.peak_target_w is not None:
        _target(built, drawn, other_wh)
    if problem.site.line_limit_w is not None:
        _lines(built, problem.site.line_limit_w)
    _circuits(built, problem.site.circuits_w)


def _put_flows(built: ScheduleModel, rows: Ints, share: Floats) -> None:
    """Puts every pair's net draw, times its share, into the row given for it."""
    built.model.put(rows, built.takes.columns, share)
    built.model.put(rows[built.gives], built.given.columns, -share[built.gives])


def _money(built: ScheduleModel, drawn: Block, other_wh: Floats) -> None:
    """imports - exports = drawn + load - sun; who traded ahead pays for what differs from that instead."""
    columns, model, grid = built.columns, built.model, built.grid
    price, feed_in, count = grid.price, grid.feed_in, len(other_wh)
    imports = model.variables(price, 0.0, INFINITY)
    exports = model.variables(EARLY_MICRO_PER_WH - feed_in, 0.0, INFINITY)
    rows = model.new_rows(other_wh, other_wh, count)
    model.put(rows, imports.columns, 1.0)
    model.put(rows, exports.columns, -1.0)
    model.put(rows, drawn.columns, -1.0)
    trading = np.flatnonzero(columns.trades)
    if not len(trading):
        return
    slot = columns.slot[trading]
    over = model.variables(price[slot], 0.0, INFINITY)
    under = model.variables(EARLY_MICRO_PER_WH - feed_in[slot], 0.0, INFINITY)
    bought = columns.bought_wh[trading].astype(float)
    apart = model.new_rows(bought, bought, len(trading))
    model.put(apart, under.columns, 1.0)
    model.put(apart, over.columns, -1.0)
    place = np.full(len(columns), -1, dtype=np.int64)
    place[trading] = np.arange(len(trading))
    giving = np.flatnonzero(place[built.gives] >= 0)
    for target in (apart, rows[slot]):
        model.put(target, built.takes.columns[trading], 1.0)
        model.put(target[place[built.gives[giving]]], built.given.columns[giving], -1.0)


def _demand(built: ScheduleModel, drawn: Block, demand: DemandCharge, other_wh: Floats) -> None:
    """The mean power of each interval is the peak so far, and what is paid for above it, at most."""
    columns, model = built.columns, built.model
    chosen = np.arange(demand.from_slot, demand.to_slot)
    if not len(chosen):
        return
    row_of, hours, used_wh = intervals(columns, demand)
    above = model.variables(np.array([demand.price_micro_per_kw / WH_PER_KWH]), 0.0, INFINITY)
    other = used_wh.astype(float)
    np.add.at(other, row_of, other_wh[chosen])
    rows = model.new_rows(-INFINITY, demand.peak_w * hours - other, len(hours))
    model.put(rows[row_of], drawn.columns[chosen], 1.0)
    model.put(rows, np.full(len(hours), above.start), -hours)


def _target(built: ScheduleModel, drawn: Block, other_wh: Floats) -> None:
    columns, model, aims = built.columns, built.model, built.columns.problem.aims
    hours = columns.slot_seconds / SECONDS_PER_HOUR
    over = model.variables(np.array([aims.over_micro_per_kw / WH_PER_KWH]), 0.0, INFINITY)
    rows = model.new_rows(-INFINITY, (aims.peak_target_w or 0) * hours - other_wh, len(hours))
    model.put(rows, drawn.columns, 1.0)
    model.put(rows, np.full(len(hours), over.start), -hours)


def _lines(built: ScheduleModel, limit_w: tuple[int, int, int]) -> None:
    columns, model = built.columns, built.model
    hours = columns.slot_seconds / SECONDS_PER_HOUR
    for line in LINES:
        most = limit_w[line] * hours
        rows = model.new_rows(-most, most, len(hours))
        _put_flows(built, rows[columns.slot], columns.line_share[line][columns.vehicle])


def _circuits(built: ScheduleModel, limits_w: tuple[int, ...]) -> None:
    """Only where those who are there could break them, at full power."""
    columns, model = built.columns, built.model
    hours = columns.slot_seconds / SECONDS_PER_HOUR
    fastest = np.maximum(columns.most_wh, columns.most_export_wh)
    for limit_w, parts in zip(limits_w, columns.circuit_bp, strict=True):
        share = parts[columns.vehicle] / WHOLE_BP
        most = limit_w * hours
        tight = np.flatnonzero(np.bincount(columns.slot, fastest * share, len(hours)) > most)
        row_of = np.full(len(hours), -1, dtype=np.int64)
        row_of[tight] = model.new_rows(-most[tight], most[tight], len(tight))
        rows = row_of[columns.slot]
        mine = np.flatnonzero((rows >= 0) & (share > 0))
        model.put(rows[mine], built.takes.columns[mine], share[mine])
        giving = np.flatnonzero((rows[built.gives] >= 0) & (share[built.gives] > 0))
        model.put(rows[built.gives[giving]], built.given.columns[giving], -share[built.gives[giving]])
