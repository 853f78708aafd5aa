"""Keeps a plan and fits newcomers in: for sites where vehicles only charge, and leave when they said.

A newcomer gets the cheapest of the room that the plan leaves. Where that costs no more than it would if nobody else
were there, the plan with it is as cheap as any, and nothing is solved. Else a linear program over long segments of time
says what all should do now, and at which peak.

Whoever comes next will need the circuits that are in demand already. So a Wh that could use one costs more the longer
it waits: `haste` times the square of the hours that those who are there would keep the circuit busy, up to three times
as much for who could not wait at all as for who could wait for ever. That chooses among plans; no bill shows it.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from domain.bidding.stay import WHOLE_BP
from domain.errors import PlanNotFound
from domain.schedule.columns import Floats
from domain.schedule.moment import Moment
from domain.schedule.problem import UNMET_MICRO_PER_KWH, Vehicle
from domain.schedule.room import Room, Stay, cheapest
from domain.schedule.segments import Asked, Segments
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH, PriceMicroPerKwh

CLOSE_WH = 20
"""A need that differs by no more than this is what was planned."""
DAY_S = 86_400
PLENTY_WH = 10**9
HASTE_MICRO_PER_KWH_H = 500
_AT_LEAST = 0.5
LOSS_MICRO = 50_000
"""Five cents."""


class Keeper:
    """A policy (moment.py). It looks at no sun, no other load, no battery and no least power, and takes told
    departures as true.

    Plans are made anew when newcomers do not fit, or may cost `loss_micro` more in all than the best plan. `level_w`
    tells what peak to expect of the billing period: power up to it is free. A metered interval that is longer than a
    slot is planned as if each of its slots counted.
    """

    def __init__(
        self,
        *,
        level_w: Callable[[Moment], int] | None = None,
        haste_micro_per_kwh_h: int = HASTE_MICRO_PER_KWH_H,
        loss_micro: int = LOSS_MICRO,
        unmet_micro_per_kwh: PriceMicroPerKwh = UNMET_MICRO_PER_KWH,
        deadline_s: float = 0.5,
        name: str = "keeper",
    ) -> None:
        self.name = name
        self._level_w = level_w
        self._haste = haste_micro_per_kwh_h / WH_PER_KWH
        self._most_loss_micro = loss_micro
        self._segments = Segments(unmet_micro_per_kwh=unmet_micro_per_kwh, limit_s=deadline_s)
        self._stays: dict[str, Stay] = {}
        self._room = Room(1, 0)
        self._limits: tuple[object, ...] = ()
        self._free_wh = self._limit_wh = 0
        self._until_s = 0
        self._loss_micro = 0.0
        self.arrivals = self.replans = self.fallbacks = 0

    def powers(self, moment: Moment) -> Mapping[str, int]:
        slot, slot_s = int(moment.now_s) // moment.slot_s, moment.slot_s
        fresh = self._follow(moment, slot)
        if fresh:
            self._fit(moment, slot, fresh)
        found = {}
        for session, stay in self._stays.items():
            if stay.missing_wh and slot < stay.last and (wh := int(stay.planned_wh[slot - stay.since])):
                stay.missing_wh -= wh
                found[session] = wh * SECONDS_PER_HOUR // slot_s
        return found

    def _follow(self, moment: Moment, slot: int) -> list[Stay]:
        """Lets go who left. Returns those who are not as the plan knows them: new, or with another need."""
        limits = (moment.slot_s, moment.limit_w, moment.circuits_w)
        if limits != self._limits:
            self._limits, self._room, self._stays, self._free_wh = limits, _empty(moment, slot), {}, 0
        room, stays, fresh = self._room, self._stays, []
        for vehicle in moment.vehicles:
            stay = stays.get(vehicle.session)
            if stay is None or _differs(stay, vehicle, slot):
                fresh.append(Stay.of(vehicle, slot, moment.slot_s, room.group_of(vehicle)))
        if fresh or len(stays) > len(moment.vehicles):
            kept = {vehicle.session for vehicle in moment.vehicles} - {stay.vehicle.session for stay in fresh}
            for session in [session for session in stays if session not in kept]:
                stay = stays.pop(session)
                if slot < stay.last:
                    room.put(stay, slot, np.zeros(stay.last - slot))
        return fresh

    def _fit(self, moment: Moment, slot: int, fresh: Sequence[Stay]) -> None:
        room = self._room_at(moment)
        self._stays.update((stay.vehicle.session, stay) for stay in fresh)
        stays = [stay for stay in self._stays.values() if stay.possible_wh(slot)]
        if not stays:
            return
        self.arrivals += len(fresh)
        last = max(stay.last for stay in stays)
        room.hold(last, slot)
        room.look(stays)
        price = _price(moment, last - slot)
        self._hurry(moment, slot, stays)
        all_fit = [self._fits(stay, slot, price) for stay in fresh if stay.possible_wh(slot)]
        if not all(all_fit) or self._loss_micro > self._most_loss_micro:
            self._replan(moment, slot, price, stays)

    def _room_at(self, moment: Moment) -> Room:
        """With room up to the peak that is paid for, expected, or planned anyway."""
        room, hours = self._room, moment.slot_s / SECONDS_PER_HOUR
        limit_w, demand = moment.limit_w, moment.demand
        self._limit_wh = PLENTY_WH if limit_w is None else int(limit_w * hours)
        if demand is None:
            self._free_wh = PLENTY_WH
        else:
            planned_wh = self._free_wh if demand.until_s == self._until_s else 0
            level_w = max(int(demand.peak_w), self._level_w(moment) if self._level_w else 0)
            self._until_s = int(demand.until_s)
            self._free_wh = max(planned_wh, int(level_w * hours))
        self._free_wh = min(self._free_wh, self._limit_wh)
        room.most[0] = self._free_wh * WHOLE_BP
        return room

    def _hurry(self, moment: Moment, slot: int, stays: Sequence[Stay]) -> None:
        """Sets the haste of each stay."""
        parts, most = self._room.parts[1:], self._room.most[1:]
        hours = moment.slot_s / SECONDS_PER_HOUR
        wanted = [stay.possible_wh(slot) for stay in stays]
        busy_h = parts @ self._room.by_group(stays, wanted) / np.maximum(WHOLE_BP, most) * hours
        busy = (parts * busy_h[:, None] ** 2).max(axis=0, initial=0.0) / WHOLE_BP * self._haste * hours
        for stay, wanted_wh, most_haste in zip(
            stays, wanted, busy[[stay.group for stay in stays]].tolist(), strict=True
        ):
            stay.haste = most_haste * (_AT_LEAST + wanted_wh / (stay.most_wh * (stay.last - slot)))

    def _fits(self, stay: Stay, slot: int, price: Floats) -> bool:
        """Plans the cheapest room that is left for the stay; whether it is enough."""
        wanted = stay.possible_wh(slot)
        mine = _own(stay, slot, price)
        left = self._room.left_wh(stay, slot)
        planned = cheapest(left, mine, wanted)
        self._room.put(stay, slot, planned)
        if left.min() < stay.most_wh:
            alone = cheapest(np.full(len(mine), float(stay.most_wh)), mine, wanted)
            self._loss_micro += float((planned - alone) @ mine)
        return bool(planned.sum() >= wanted)

    def _replan(self, moment: Moment, slot: int, price: Floats, stays: Sequence[Stay]) -> None:
        room = self._room
        self.replans += 1
        self._loss_micro = 0.0
        changes = np.flatnonzero(np.diff(price)) + 1 + slot
        edges = np.unique([slot, *(stay.last for stay in stays), *changes])
        most = room.most.copy()
        most[0] = self._limit_wh * WHOLE_BP
        kw_price = moment.demand.price_micro_per_kw if moment.demand else 0
        asked = Asked(
            stays=stays,
            edges=edges,
            price=price[edges[:-1] - slot],
            most=most,
            parts=room.parts,
            free_wh=self._free_wh,
            peak_price=kw_price / WH_PER_KWH * SECONDS_PER_HOUR / moment.slot_s,
        )
        try:
            energy_wh, above_wh = self._segments.solve(asked)
        except PlanNotFound:
            self.fallbacks += 1
            room.most[0] = self._limit_wh * WHOLE_BP
        else:
            self._free_wh += int(np.ceil(above_wh - 1e-6))
            room.most[0] = self._free_wh * WHOLE_BP
            lengths = np.diff(edges)
            even_wh = np.floor(energy_wh / lengths + 1e-7)
            room.put_all(stays, slot, np.repeat(even_wh, lengths, axis=1))
        room.look(stays)
        _refill(slot, room, price, stays)


def _empty(moment: Moment, slot: int) -> Room:
    """The site's room with the limits of its circuits."""
    hours = moment.slot_s / SECONDS_PER_HOUR
    room = Room(1 + len(moment.circuits_w), slot)
    room.most[1:] = [int(watts * hours) * WHOLE_BP for watts in moment.circuits_w]
    return room


def _differs(stay: Stay, vehicle: Vehicle, slot: int) -> bool:
    """Whether the vehicle is not as planned, or stays on with something missing."""
    if stay.vehicle.departure_s != vehicle.departure_s or abs(stay.missing_wh - vehicle.need_wh) > CLOSE_WH:
        return True
    return stay.last <= slot and stay.missing_wh > 0


def _refill(slot: int, room: Room, price: Floats, stays: Sequence[Stay]) -> None:
    """Each gets the cheapest and earliest of what it has and what is left, those first who can wait least.

    Nobody's plan gets dearer or smaller, so an optimum stays one: it only comes earlier.
    """
    for stay in sorted(stays, key=lambda stay: stay.last - stay.missing_wh / stay.most_wh):
        left = np.minimum(room.left_wh(stay, slot) + stay.ahead_wh(slot), stay.most_wh)
        room.put(stay, slot, cheapest(left, _own(stay, slot, price), stay.possible_wh(slot)))


def _own(stay: Stay, slot: int, price: Floats) -> Floats:
    """The price for a stay in its slots from this one on."""
    count = stay.last - slot
    own: Floats = price[:count] + stay.haste * np.arange(count)
    return own


def _price(moment: Moment, count: int) -> Floats:
    """Micro-euro per Wh by slot from now; beyond what is published, the last day again."""
    price = np.asarray(moment.import_micro_per_kwh[:count], dtype=np.float64) / WH_PER_KWH
    if len(moment.carbon_micro_per_kwh):
        price = price + np.asarray(moment.carbon_micro_per_kwh[:count], dtype=np.float64) / WH_PER_KWH
    if len(price) < count:
        price = np.concatenate((price, np.resize(price[-(DAY_S // moment.slot_s) :], count - len(price))))
    return price
