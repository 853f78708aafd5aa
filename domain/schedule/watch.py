"""Set-points that stay safe when devices, drivers or policies do not do what they should, and reports that say so.

What a meter reads is set against what its vehicle was told. A vehicle that takes more than told, or whose meter is
silent, is taken out of the plan, and the site's limit is lowered by what it draws. One that takes less is planned with
what it takes, and asked again after `RETRY_S`. A policy that fails is replaced by least laxity first for that slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.errors import WattledgerError
from domain.schedule.baselines import laxity_s, least_laxity, room_w, wanted_w
from domain.schedule.moment import Moment, Policy, Report
from domain.schedule.problem import Vehicle
from domain.units import SECONDS_PER_HOUR, PowerW

RETRY_S = 3_600
TOLERANCE_W = 200
"""Meters and cars are not more exact: less than 1 A at 230 V."""


@dataclass
class _Known:
    """What is known of a vehicle: what it was told for the slot before, and what is wrong with it."""

    told_w: int
    wanted_w: int
    fault: str = ""
    draws_w: int = 0
    since_s: int = 0


class Watched:
    """A policy whose powers are safe. `reports` grows by one for each thing that goes wrong, when it begins."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: dict[str, _Known] = {}
        self._before_s = 0
        self._fallback = least_laxity()
        self.reports: list[Report] = []

    @property
    def name(self) -> str:
        return self._policy.name

    def powers(self, moment: Moment) -> Mapping[str, int]:
        there = {vehicle.session: vehicle for vehicle in moment.vehicles}
        self._known = {session: known for session, known in self._known.items() if session in there}
        flowing_w = self._read(moment)
        room = room_w(moment)
        if room is not None and flowing_w > room:
            self._report(moment, "", f"{flowing_w} W flow, the limit is {room} W now: set-points go down at once")
        apart = {s: known for s, known in self._known.items() if known.fault in ("more", "silent")}
        plannable = self._plannable(moment, apart)
        found = dict(self._decide(plannable)) if plannable.vehicles else {}
        found |= {session: self._held_w(known, there[session]) for session, known in apart.items()}
        self._fit(found, moment, {s: known.draws_w for s, known in apart.items() if known.fault == "more"})
        for vehicle in moment.vehicles:
            known = self._known.setdefault(vehicle.session, _Known(0, 0))
            known.told_w = found.get(vehicle.session, 0)
            known.wanted_w = wanted_w(vehicle, moment)
        self._before_s = int(moment.now_s)
        return found

    def _read(self, moment: Moment) -> int:
        """Sets readings against what was told; what flowed in all, silent meters by what they were told."""
        flowing_w = 0
        seconds = max(1, moment.now_s - self._before_s)
        for session, known in self._known.items():
            if session not in moment.read_wh:
                self._fault(moment, session, known, "silent", known.told_w)
                flowing_w += known.told_w
                continue
            drew_w = moment.read_wh[session] * SECONDS_PER_HOUR // seconds
            flowing_w += drew_w
            if drew_w > max(0, known.told_w) + TOLERANCE_W:
                self._fault(moment, session, known, "more", drew_w)
            elif known.fault != "silent" and 0 < drew_w + TOLERANCE_W < min(known.told_w, known.wanted_w):
                self._fault(moment, session, known, "less", drew_w)
            elif known.fault in ("more", "silent") or moment.now_s - known.since_s >= RETRY_S:
                known.fault = ""
        return flowing_w

    def _fault(self, moment: Moment, session: str, known: _Known, fault: str, draws_w: int) -> None:
        if known.fault != fault:
            known.since_s = int(moment.now_s)
            self._report(moment, session, _TEXTS[fault].format(told=known.told_w, draws=draws_w))
        known.fault, known.draws_w = fault, draws_w

    def _plannable(self, moment: Moment, apart: Mapping[str, _Known]) -> Moment:
        """The moment without those who do not follow, under the limit that they leave."""
        vehicles = []
        for vehicle in moment.vehicles:
            known = self._known.get(vehicle.session)
            if vehicle.session in apart:
                continue
            if known is not None and known.fault == "less":
                if moment.now_s - known.since_s < RETRY_S:
                    vehicles += _weakened(vehicle, known.draws_w)
                    continue
                known.fault = ""
            vehicles.append(vehicle)
        drawn_w, limit_w = sum(max(0, known.draws_w) for known in apart.values()), moment.import_limit_w
        return replace(
            moment,
            vehicles=tuple(vehicles),
            import_limit_w=None if limit_w is None else PowerW(max(0, limit_w - drawn_w)),
            limits=tuple(one._replace(import_limit_w=max(0, one.import_limit_w - drawn_w)) for one in moment.limits),
        )

    def _decide(self, moment: Moment) -> Mapping[str, int]:
        try:
            return self._policy.powers(moment)
        except WattledgerError as error:
            self._report(moment, "", f"{self._policy.name} has no plan ({error}): least laxity first decides")
            return self._fallback.powers(moment)

    def _held_w(self, known: _Known, vehicle: Vehicle) -> int:
        """A silent one keeps what it was told; who takes more than told is told to stop."""
        return min(max(0, known.told_w), vehicle.power_w) if known.fault == "silent" else 0

    def _fit(self, found: dict[str, int], moment: Moment, beside_w: Mapping[str, int]) -> None:
        """Brings powers to what each vehicle can do, and cuts those who can wait the longest to the site's limit."""
        for vehicle in moment.vehicles:
            power_w = found.get(vehicle.session, 0)
            power_w = max(-vehicle.export_power_w, min(power_w, vehicle.power_w))
            found[vehicle.session] = 0 if 0 < power_w < vehicle.least_power_w else power_w
        for session in set(found) - {vehicle.session for vehicle in moment.vehicles}:
            del found[session]
        limit_w = room_w(moment)
        if limit_w is None:
            return
        sun_w = int(moment.sun_w[-1]) if len(moment.sun_w) else 0
        over_w = sum(found.values()) + sum(beside_w.values()) - limit_w - sun_w
        for vehicle in sorted(moment.vehicles, key=lambda v: -laxity_s(v, moment.now_s)):
            cut_w = max(0, min(over_w, found[vehicle.session]))
            if cut_w and found[vehicle.session] - cut_w < vehicle.least_power_w:
                cut_w = found[vehicle.session]
            found[vehicle.session] -= cut_w
            over_w -= cut_w

    def _report(self, moment: Moment, session: str, text: str) -> None:
        self.reports.append(Report(int(moment.now_s), session, text))


_TEXTS = {
    "silent": "its meter is silent: it keeps {told} W, which are taken off the site's limit",
    "more": "draws {draws} W, was told {told} W: it is told to stop, and what it draws is taken off the site's limit",
    "less": "draws {draws} W, was told {told} W: it is planned with what it draws, and asked again in an hour",
}


def _weakened(vehicle: Vehicle, draws_w: int) -> list[Vehicle]:
    """The vehicle with the power that it takes; nobody plans with one that takes none."""
    if draws_w < max(1, vehicle.least_power_w):
        return []
    return [replace(vehicle, power_w=PowerW(min(draws_w, vehicle.power_w)))]
