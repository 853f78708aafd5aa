"""The site's planner over a recorded day: before each interval, what agents traded becomes set-points for all vehicles.

What a vehicle's agent means to take and give is a commitment: the planner keeps to it unless the site's peak is worth
more than what differing costs. Vehicles that do not trade are planned by the charge tariff. The planner knows who is
there and what was moved so far; departures are known as the agents know them (ADR 25).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from domain.bidding.stay import Moved, Stay
from domain.errors import PlanNotFound
from domain.schedule.metrics import measure
from domain.schedule.optimum import optimum
from domain.schedule.plan import Schedule
from domain.schedule.problem import DemandCharge, Prices, Problem, Site, Slots, Vehicle
from domain.units import MARKET_INTERVAL_S, SECONDS_PER_HOUR, AccountId, EnergyWh, PowerW, UnixSeconds
from oracle.acn import ReplaySession
from oracle.bidding import TariffPort, stay_of
from oracle.course import Planned

DEMAND_MICRO_PER_KW = 500_000
"""A day's share of 15 euro per kW and month; the demo's own price, on the highest quarter of an hour."""
SOLVER_LIMIT_S = 5.0
DAY_S = 86_400


class SiteDay:
    """`level_w` is the peak that a day like this needs in any case: up to it, power is as good as paid."""

    def __init__(
        self, stays: Mapping[AccountId, Stay], traders: Collection[AccountId], tariffs: TariffPort, *, level_w: int = 0
    ) -> None:
        self._stays, self._traders, self._tariffs = stays, frozenset(traders), tariffs
        self._peak_w = level_w
        self._moved: dict[AccountId, Moved] = dict.fromkeys(stays, Moved())

    def set_points(self, interval_s: UnixSeconds, commitments: Mapping[AccountId, Planned]) -> dict[AccountId, Planned]:
        """What each vehicle takes and gives in an interval, given what the agents mean to do in it."""
        ends_s = interval_s + MARKET_INTERVAL_S
        present = {
            account: stay
            for account, stay in self._stays.items()
            if stay.arrival_s < ends_s and interval_s < stay.departure_s
        }
        found = self._planned(interval_s, present, commitments) if present else {}
        for account, planned in found.items():
            before = self._moved[account]
            self._moved[account] = Moved(before.imported_wh + planned.import_wh, before.exported_wh + planned.export_wh)
        drawn_wh = sum(planned.import_wh - planned.export_wh for planned in found.values())
        self._peak_w = max(self._peak_w, drawn_wh * SECONDS_PER_HOUR // MARKET_INTERVAL_S)
        return found

    def moved(self, account: AccountId) -> Moved:
        """What a vehicle was told to move so far."""
        return self._moved[account]

    def _planned(
        self, interval_s: UnixSeconds, present: Mapping[AccountId, Stay], commitments: Mapping[AccountId, Planned]
    ) -> dict[AccountId, Planned]:
        last_s = max(stay.departure_s for stay in present.values())
        slots = Slots.even(interval_s, MARKET_INTERVAL_S, -(-(last_s - interval_s) // MARKET_INTERVAL_S))
        vehicles = tuple(
            self._vehicle(account, stay, commitments.get(account), len(slots)) for account, stay in present.items()
        )
        problem = problem_of(slots, vehicles, self._tariffs, peak_w=self._peak_w)
        try:
            schedule = optimum(problem, limit_s=SOLVER_LIMIT_S)
        except PlanNotFound:
            return {account: commitments[account] for account in present if account in commitments}
        return _first_slot(schedule)

    def _vehicle(self, account: AccountId, stay: Stay, commitment: Planned | None, count: int) -> Vehicle:
        vehicle = Vehicle(
            session=str(account),
            arrival_s=stay.arrival_s,
            departure_s=stay.departure_s,
            need_wh=stay.need_wh,
            power_w=stay.power_w,
        )
        if account in self._traders:
            bought_wh = commitment.import_wh - commitment.export_wh if commitment else 0
            vehicle = replace(
                vehicle,
                export_power_w=stay.export_power_w,
                battery=stay.battery,
                bought_wh=(bought_wh, *(0,) * (count - 1)),
            )
        return vehicle.after(self._moved[account])


def stays_of(sessions: Mapping[AccountId, ReplaySession], traders: Collection[AccountId]) -> dict[AccountId, Stay]:
    """Recorded sessions as stays; those who do not trade sell nothing."""
    return {account: stay_of(session, sells=account in traders) for account, session in sessions.items()}


def usual_peak_w(sessions: Sequence[ReplaySession], shift_s: int, tariffs: TariffPort, span: tuple[int, int]) -> int:
    """The peak of the best plan for a past day's sessions, moved into today's span, W; nothing for no sessions."""
    first_s, last_s = span
    vehicles = tuple(
        Vehicle(
            session=session.session_id,
            arrival_s=UnixSeconds(max(first_s, session.arrival_s + shift_s)),
            departure_s=UnixSeconds(min(last_s, session.departure_s + shift_s)),
            need_wh=session.delivered_wh,
            power_w=stay_of(session).power_w,
        )
        for session in sessions
        if max(first_s, session.arrival_s + shift_s) < min(last_s, session.departure_s + shift_s)
    )
    slots = Slots.even(first_s, MARKET_INTERVAL_S, (last_s - first_s) // MARKET_INTERVAL_S)
    try:
        return measure(optimum(problem_of(slots, vehicles, tariffs, peak_w=0), limit_s=SOLVER_LIMIT_S)).peak_w
    except PlanNotFound:
        return 0


def problem_of(slots: Slots, vehicles: tuple[Vehicle, ...], tariffs: TariffPort, *, peak_w: int) -> Problem:
    """The site without limits, at the market's tariffs and the day's demand charge."""
    charge = tuple(int(tariffs.charge_at(UnixSeconds(start_s))) for start_s in slots.edges_s[:-1])
    discharge = tuple(int(tariffs.discharge_at(UnixSeconds(start_s))) for start_s in slots.edges_s[:-1])
    demand = DemandCharge(
        price_micro_per_kw=DEMAND_MICRO_PER_KW, from_slot=0, to_slot=len(slots), peak_w=PowerW(peak_w)
    )
    trades = any(vehicle.bought_wh for vehicle in vehicles)
    prices = Prices(
        import_micro_per_kwh=charge,
        export_micro_per_kwh=tuple(map(min, charge, discharge)) if trades else (),
        demands=(demand,),
    )
    return Problem(slots=slots, vehicles=vehicles, site=Site(), prices=prices)


def _first_slot(schedule: Schedule) -> dict[AccountId, Planned]:
    columns = schedule.columns
    taken, given = Counter[int](), Counter[int]()
    for pair in np.flatnonzero(columns.slot == 0).tolist():
        taken[int(columns.vehicle[pair])] = int(schedule.import_wh[pair])
        given[int(columns.vehicle[pair])] = int(schedule.export_wh[pair])
    return {
        AccountId(int(schedule.problem.vehicles[number].session)): Planned(
            EnergyWh(max(0, taken[number] - given[number])), EnergyWh(max(0, given[number] - taken[number]))
        )
        for number in taken
    }
