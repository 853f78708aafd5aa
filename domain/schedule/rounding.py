"""A plan in whole Wh.

What a vehicle took and gave so far is rounded down, slot after slot, so that neither ever differs by a whole Wh. Where
that passes a limit of battery or site, Wh are taken back, and what a vehicle then lacks it gets where there is room.
"""

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Bools, Columns, Floats, Ints
from domain.schedule.grid import Grid
from domain.schedule.problem import LINES
from domain.units import SECONDS_PER_HOUR

_CLOSE = 1e-6


def whole(columns: Columns, taken: Floats, given: Floats) -> tuple[Ints, Ints]:
    """Whole Wh by pair, taken and given. No limit of vehicle or site is passed; a need that was met is met, if the
    limits leave room for whole Wh. Nobody charges and gives back in one slot: what remains of both is stored alike."""
    taken, given = _one_way(columns, taken, given)
    rounding = _Rounding(columns, _floor_of_sums(columns, taken), _floor_of_sums(columns, given))
    wanted = np.floor(_sums(columns, taken) + _CLOSE).astype(np.int64)
    rounding.keep_limits()
    rounding.give_back(wanted)
    return rounding.taken_wh, rounding.given_wh


def _one_way(columns: Columns, taken: Floats, given: Floats) -> tuple[Floats, Floats]:
    if not given.any():
        return taken, given
    batteries = [vehicle.battery for vehicle in columns.problem.vehicles]
    efficiency = np.array([b.efficiency_bp / WHOLE_BP if b else 1.0 for b in batteries])[columns.vehicle]
    both = (taken > 0) & (given > 0)
    stored = taken * efficiency - given
    return np.where(both, np.maximum(0, stored) / efficiency, taken), np.where(both, np.maximum(0, -stored), given)


def _sums(columns: Columns, values: Floats) -> Floats:
    """By vehicle."""
    running = np.concatenate(([0.0], np.cumsum(values)))
    sums: Floats = running[columns.first[1:]] - running[columns.first[:-1]]
    return sums


def _floor_of_sums(columns: Columns, values: Floats) -> Ints:
    running = np.cumsum(values)
    before = np.concatenate(([0.0], running))[columns.first[:-1]][columns.vehicle]
    until = np.floor(running - before + _CLOSE).astype(np.int64)
    steps = np.diff(until, prepend=0)
    begins = columns.first[:-1][np.diff(columns.first) > 0]
    steps[begins] = until[begins]
    return np.maximum(0, steps)


class _Rounding:
    def __init__(self, columns: Columns, taken_wh: Ints, given_wh: Ints) -> None:
        self.columns = columns
        self.taken_wh = np.minimum(taken_wh, columns.most_wh)
        self.given_wh = np.minimum(given_wh, columns.most_export_wh)
        grid = Grid.of(columns)
        self._most_wh = grid.most_wh
        self._least_wh = -(grid.export_wh + grid.load_wh)

    def keep_limits(self) -> None:
        """Takes Wh back, charged or given, until nothing is passed: both only fall, so this ends."""
        while self._keep_batteries() or self._keep_site() or self._keep_lines() or self._keep_circuits():
            pass

    def give_back(self, wanted_wh: Ints) -> None:
        """Gives vehicles without a battery in the plan what rounding took, where limits leave room."""
        columns, site = self.columns, self.columns.problem.site
        parts = site.line_limit_w is not None or bool(site.circuits_w)
        lost = wanted_wh - columns.of_vehicle(self.taken_wh)
        room = self._most_wh - columns.by_slot(self.taken_wh - self.given_wh)
        for number in np.flatnonzero(lost > 0):
            if parts or columns.problem.vehicles[number].battery is not None:
                continue
            for pair in range(columns.first[number], columns.first[number + 1]):
                more = min(lost[number], room[columns.slot[pair]], columns.most_wh[pair] - self.taken_wh[pair])
                if more > 0:
                    self.taken_wh[pair] += more
                    room[columns.slot[pair]] -= more
                    lost[number] -= more

    def _keep_batteries(self) -> bool:
        columns = self.columns
        batteries = [v.battery for v in columns.problem.vehicles]
        if not len(columns) or not any(batteries):
            return False
        parts = np.array([b.efficiency_bp if b else 0 for b in batteries])[columns.vehicle]
        most = np.array([(b.capacity_wh - b.stored_wh) * WHOLE_BP if b else 0 for b in batteries])[columns.vehicle]
        least = np.array([min(0, b.floor_wh - b.stored_wh) * WHOLE_BP if b else 0 for b in batteries])[columns.vehicle]
        has = np.array([b is not None for b in batteries])[columns.vehicle]
        gained = np.cumsum(np.where(has, self.taken_wh * parts - self.given_wh * WHOLE_BP, 0))
        gained -= np.concatenate(([0], gained))[columns.first[:-1]][columns.vehicle]
        full, empty = self._firsts(gained > most), self._firsts(gained < least)
        self.taken_wh[full] -= -(-(gained - most)[full] // parts[full])
        self.given_wh[empty] -= -(-(least - gained)[empty] // WHOLE_BP)
        return bool(len(full) or len(empty))

    def _firsts(self, broken: Bools) -> Ints:
        """The first of each vehicle's pairs that are broken."""
        pairs = np.flatnonzero(broken)
        _, first = np.unique(self.columns.vehicle[pairs], return_index=True)
        return pairs[first]

    def _keep_site(self) -> bool:
        net = self.columns.by_slot(self.taken_wh - self.given_wh)
        over, under = net - self._most_wh, self._least_wh - net
        for slot in np.flatnonzero(over > 0):
            self._take_back(self.taken_wh, self.columns.slot == slot, int(over[slot]))
        for slot in np.flatnonzero(under > 0):
            self._take_back(self.given_wh, self.columns.slot == slot, int(under[slot]))
        return bool((over > 0).any() or (under > 0).any())

    def _keep_lines(self) -> bool:
        columns, limit_w = self.columns, self.columns.problem.site.line_limit_w
        if limit_w is None:
            return False
        found = False
        for line in LINES:
            share = columns.line_share[line][columns.vehicle]
            most = limit_w[line] * columns.slot_seconds // SECONDS_PER_HOUR
            flow = np.bincount(columns.slot, (self.taken_wh - self.given_wh) * share, len(most))
            for slot in np.flatnonzero(np.abs(flow) > most + 1 - _CLOSE):
                values = self.taken_wh if flow[slot] > 0 else self.given_wh
                over = int(np.ceil(abs(flow[slot]) - most[slot]))
                self._take_back(values, (columns.slot == slot) & (share > 0), over)
                found = True
        return found

    def _keep_circuits(self) -> bool:
        columns, found = self.columns, False
        for limit_w, parts in zip(columns.problem.site.circuits_w, columns.circuit_bp, strict=True):
            part = parts[columns.vehicle]
            most = limit_w * columns.slot_seconds // SECONDS_PER_HOUR * WHOLE_BP
            flow = columns.by_slot((self.taken_wh - self.given_wh) * part)
            for slot in np.flatnonzero(np.abs(flow) > most):
                values, over = self.taken_wh if flow[slot] > 0 else self.given_wh, int(abs(flow[slot]) - most[slot])
                chosen = (columns.slot == slot) & (part > 0)
                self._take_back(values, chosen, -(-over // int(part[chosen & (values > 0)].max())))
                found = True
        return found

    @staticmethod
    def _take_back(values: Ints, chosen: Bools, amount: int) -> None:
        """A Wh from each of the chosen in turn, the largest first."""
        pairs = np.flatnonzero(chosen & (values > 0))
        pairs = pairs[np.argsort(-values[pairs], kind="stable")]
        while amount > 0 and len(pairs):
            some = pairs[:amount]
            values[some] -= 1
            amount -= len(some)
            pairs = pairs[values[pairs] > 0]
