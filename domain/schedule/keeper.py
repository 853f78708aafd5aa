"""Keeps a plan and fits newcomers in: for sites where vehicles only charge, and leave when they said.

A newcomer gets the cheapest of the room that the plan leaves. Where it costs no more than if the site were empty, the
plan with it is as cheap as any, and there is nothing to solve. Else a linear program finds what all should do now.
"""

from collections.abc import Callable, Mapping

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.errors import PlanNotFound
from domain.schedule.columns import Floats, Ints
from domain.schedule.moment import Moment
from domain.schedule.problem import UNMET_MICRO_PER_KWH, PriceMicroPerKwh, Vehicle
from domain.schedule.room import Room, Stay, cheapest
from domain.schedule.segments import Segments
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH

_CLOSE_WH = 20
DAY_S = 86_400


class Keeper:
    def __init__(
        self,
        *,
        level_w: Callable[[Moment], int] | None = None,
        unmet_micro_per_kwh: PriceMicroPerKwh = UNMET_MICRO_PER_KWH,
        deadline_s: float = 0.5,
        regret_micro: int = 50_000,
        name: str = "keeper",
    ) -> None:
        self.name = name
        self._level_w = level_w
        self._segments = Segments(unmet_micro_per_kwh=unmet_micro_per_kwh, limit_s=deadline_s)
        self._most_regret_micro = regret_micro
        self._regret_micro = 0.0
        self._stays: dict[str, Stay] = {}
        self._room: Room | None = None
        self._limits: tuple[object, ...] = ()
        self._free_wh = 0
        self.arrivals = self.replans = self.fallbacks = 0

    def powers(self, moment: Moment) -> Mapping[str, int]:
        slot_s = moment.slot_s
        slot = int(moment.now_s) // slot_s
        late = self._follow(moment, slot)
        if late:
            self._fit(moment, slot, late)
        found, per_hour = {}, SECONDS_PER_HOUR / slot_s
        for session, stay in self._stays.items():
            if slot < stay.last:
                wh = int(stay.planned_wh[slot - stay.first])
                stay.missing_wh -= wh
                found[session] = int(wh * per_hour)
        return found

    def _follow(self, moment: Moment, slot: int) -> list[Stay]:
        """Lets go who left; those whom the plan does not know as they are."""
        stays = self._stays
        fresh = []
        if len(stays) > len(moment.vehicles) or any(v.session not in stays for v in moment.vehicles):
            there = {vehicle.session for vehicle in moment.vehicles}
            for session in [session for session in stays if session not in there]:
                self._let_go(stays.pop(session), slot)
        for vehicle in moment.vehicles:
            stay = stays.get(vehicle.session)
            if stay is None or abs(stay.missing_wh - vehicle.need_wh) > _CLOSE_WH or (stay.missing_wh and slot >= stay.last):
                if stay is not None:
                    self._let_go(stay, slot)
                fresh.append(Stay.of(vehicle, slot, moment.slot_s))
        return fresh

    def _let_go(self, stay: Stay, slot: int) -> None:
        if self._room is not None and slot < stay.last:
            self._room.put(stay, slot, np.zeros(stay.last - slot, dtype=np.int64))

    def _fit(self, moment: Moment, slot: int, fresh: list[Stay]) -> None:
        room = self._room_at(moment, slot)
        price = self._price(moment, max(stay.last for stay in [*fresh, *self._stays.values()]) - slot)
        fits = True
        for stay in fresh:
            self.arrivals += 1
            self._stays[stay.vehicle.session] = stay
            room.hold(stay, slot)
            wanted = stay.possible_wh(slot)
            mine = price[: stay.last - slot]
            planned = cheapest(room.left_wh(stay, slot), mine, wanted)
            room.put(stay, slot, planned)
            if planned.sum() < wanted:
                fits = False
                continue
            alone = cheapest(np.full(len(mine), stay.most_wh), mine, wanted)
            self._regret_micro += float(((planned - alone) * mine).sum())
        if not fits or self._regret_micro > self._most_regret_micro:
            self._replan(moment, slot, room, price)

    def _room_at(self, moment: Moment, slot: int) -> Room:
        """Up to the peak that is paid for, or that the plan needs anyway."""
        room = self._room
        if room is None:
            room = self._room = Room(1 + len(moment.circuits_w), slot)
        limit = (moment.import_limit_w, moment.circuits_w)
        hours = moment.slot_s / SECONDS_PER_HOUR
        if moment.demand is None:
            self._free_wh = 10**9
        else:
            level_w = self._level_w(moment) if self._level_w else 0
            self._free_wh = max(self._free_wh, int(max(int(moment.demand.peak_w), level_w) * hours))
        self._limit_wh = 10**9 if moment.import_limit_w is None else int(moment.import_limit_w * hours)
        self._free_wh = min(self._free_wh, self._limit_wh)
        room.most[0] = self._free_wh * WHOLE_BP
        if limit != self._limits:
            self._limits = limit
            room.most[1:, 0] = [int(watts * hours) * WHOLE_BP for watts in moment.circuits_w]
        return room

    def _price(self, moment: Moment, count: int) -> Floats:
        """Micro-euro per Wh by slot from now; beyond what is published, the last day again."""
        price = np.asarray(moment.import_micro_per_kwh[:count], dtype=np.float64) / WH_PER_KWH
        day = DAY_S // moment.slot_s
        while len(price) < count:
            price = np.concatenate((price, price[-day:]))[:count]
        return price

    def _replan(self, moment: Moment, slot: int, room: Room, price: Floats) -> None:
        self.replans += 1
        self._regret_micro = 0.0
        stays = [stay for stay in self._stays.values() if slot < stay.last and stay.missing_wh > 0]
        wanted = np.array([stay.possible_wh(slot) for stay in stays])
        lasts = {stay.last for stay in stays}
        end = max(lasts)
        changes = np.flatnonzero(np.diff(price[: end - slot])) + 1 + slot
        edges = np.unique([slot, *lasts, *changes])
        most = room.most.copy()
        most[0] = self._limit_wh * WHOLE_BP
        peak_price = 0.0
        if moment.demand is not None:
            peak_price = moment.demand.price_micro_per_kw / WH_PER_KWH * SECONDS_PER_HOUR / moment.slot_s
        try:
            energy, above = self._segments.solve(
                stays, wanted, edges, price[edges[:-1] - slot], most, self._free_wh, peak_price
            )
        except PlanNotFound:
            self.fallbacks += 1
            room.most[0] = self._limit_wh * WHOLE_BP
            self._refill(slot, room, price, stays)
            return
        self._free_wh += int(np.ceil(above - 1e-6))
        room.most[0] = self._free_wh * WHOLE_BP
        lengths = np.diff(edges)
        even = np.floor(energy / lengths + 1e-7).astype(np.int64)
        for stay, row in zip(stays, even, strict=True):
            mine = np.repeat(row, lengths)[: stay.last - slot]
            room.put(stay, slot, mine)
        self._refill(slot, room, price, stays)

    def _refill(self, slot: int, room: Room, price: Floats, stays: list[Stay]) -> None:
        """Each gets the cheapest and earliest of its own room and what is left, those first who can wait least."""
        stays.sort(key=lambda stay: stay.last - stay.missing_wh / stay.most_wh)
        for stay in stays:
            before = stay.planned_wh[slot - stay.first :]
            left = np.minimum(room.left_wh(stay, slot) + before, stay.most_wh)
            room.put(stay, slot, cheapest(left, price[: stay.last - slot], stay.possible_wh(slot)))
