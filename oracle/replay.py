"""Recorded sessions as meters and vehicles: the same file, map and limits always give the same events.

The stay and the delivered energy of each session are recorded; their course (`oracle.plan`) and the battery
(`oracle.pack`) are MODELLED. Who comes when is told by `oracle.visits`.
"""

import hashlib
import heapq
import logging
from collections.abc import Iterator, Mapping, Sequence

from domain.units import (
    MARKET_INTERVAL_S,
    SECONDS_PER_HOUR,
    AccountId,
    BasisPoints,
    EnergyWh,
    PowerW,
    StationId,
    UnixSeconds,
)
from oracle.acn import RATED_POWER_W, ReplaySession, read_all_sessions, read_sessions
from oracle.course import Limits, PlannedCourse, Plans
from oracle.pack import Battery, battery_of
from oracle.plan import Plan, plan_of
from oracle.source import (
    Admission,
    AuthorisationNeeded,
    BatterySample,
    MeterEvent,
    PluggedIn,
    Sample,
    Span,
    StatementDue,
    Unplugged,
    VehicleEvent,
)
from oracle.visits import Visit, Visits

__all__ = [
    "RATED_POWER_W",
    "STATEMENT_PERIOD_S",
    "Plan",
    "ReplayMeters",
    "ReplaySession",
    "ReplayVehicles",
    "plan_of",
    "read_all_sessions",
    "read_sessions",
]

STATEMENT_PERIOD_S = 4 * SECONDS_PER_HOUR
HEAD_ROOM_PERCENT = 25
HEAD_ROOM_WH = 1_000

_NONCE_BITS = 53  # the largest integers that every JSON reader keeps exact
_log = logging.getLogger(__name__)


class ReplayMeters:
    """`oracle.source.MeterSource` over visits. A session that is not admitted moves nothing.

    With `plans`, the sessions of accounts that take part in the market take and give what they planned.
    """

    def __init__(
        self, visits: Visits, *, statement_period_s: int = STATEMENT_PERIOD_S, plans: Plans | None = None
    ) -> None:
        if statement_period_s <= 0 or statement_period_s % MARKET_INTERVAL_S:
            raise ValueError(f"the statement period must be a positive multiple of {MARKET_INTERVAL_S} s")
        self._visits = visits
        self._plans = plans
        self._period_s = statement_period_s
        self._admissions: dict[str, Admission] = {}

    @property
    def stations(self) -> Sequence[StationId]:
        return self._visits.stations

    def admit(self, key: str, admission: Admission) -> None:
        self._admissions[key] = admission

    def events(self, station: StationId, since_s: int) -> Iterator[MeterEvent]:
        for visit in self._visits.at(station, since_s):
            session = visit.session
            yield self._plugged_in(visit)
            admission = self._admissions.pop(session.session_id, None)
            if admission is not None:
                yield from self._metered(station, session, self._course_of(visit, admission), admission)

    def _plugged_in(self, visit: Visit) -> PluggedIn:
        session = visit.session
        if _trading(visit, self._plans) is not None:
            stay = Span(start_s=session.arrival_s, end_s=session.departure_s)
            return PluggedIn(
                station=visit.station,
                key=session.session_id,
                time_s=session.arrival_s,
                account=visit.account,
                charge=stay,
                discharge=stay,
            )
        plan = plan_of(session, rated_power_w=self._visits.rated_power_w)
        sells = plan.discharged_wh > 0
        return PluggedIn(
            station=visit.station,
            key=session.session_id,
            time_s=session.arrival_s,
            account=visit.account,
            charge=Span(start_s=session.arrival_s, end_s=plan.charge_to_s),
            discharge=Span(start_s=plan.discharge_from_s, end_s=plan.discharge_to_s) if sells else None,
        )

    def _course_of(self, visit: Visit, admission: Admission) -> Plan | PlannedCourse:
        session, rated_power_w = visit.session, self._visits.rated_power_w
        trading = _trading(visit, self._plans)
        if trading is not None:
            limits = Limits(
                max_energy_wh=admission.max_energy_wh, discharge=admission.discharge, until_s=admission.until_s
            )
            return PlannedCourse(session, *trading, limits=limits, rated_power_w=rated_power_w)
        plan = plan_of(
            session,
            max_energy_wh=admission.max_energy_wh,
            discharge=admission.discharge,
            until_s=admission.until_s,
            rated_power_w=rated_power_w,
        )
        if plan.charged_wh < session.delivered_wh:
            _log.warning(
                "station %d: the driver's limits end session %s at %d of %d Wh",
                visit.station,
                session.session_id,
                plan.charged_wh,
                session.delivered_wh,
            )
        return plan

    def _metered(
        self, station: StationId, session: ReplaySession, plan: Plan | PlannedCourse, admission: Admission
    ) -> Iterator[MeterEvent]:
        before_s = plan.arrival_s
        for time_s in plan.reading_times():
            yield Sample(
                station=station,
                time_s=time_s,
                import_wh=EnergyWh(admission.import_wh + plan.import_at(time_s)),
                export_wh=EnergyWh(admission.export_wh + plan.export_at(time_s)),
                power_w=_mean_power_w(plan, before_s, time_s),
                key=session.session_id,
            )
            if time_s == plan.departure_s or self._statement_due(plan, time_s):
                yield StatementDue(station=station, time_s=time_s)
            before_s = time_s

    def _statement_due(self, plan: Plan | PlannedCourse, time_s: int) -> bool:
        """At every statement period, counted from the first market interval's edge of the stay."""
        first_s = -(-plan.arrival_s // MARKET_INTERVAL_S) * MARKET_INTERVAL_S
        return time_s > first_s and (time_s - first_s) % self._period_s == 0


class ReplayVehicles:
    """`oracle.source.VehicleSource` over visits."""

    def __init__(self, visits: Visits, *, discharge: bool = True, plans: Plans | None = None) -> None:
        """`plans` as for `ReplayMeters`."""
        self._visits = visits
        self._plans = plans
        self._discharge = discharge
        self.accounts: Sequence[AccountId] = visits.accounts

    def events(self, since_s: Mapping[AccountId, int]) -> Iterator[VehicleEvent]:
        running: list[tuple[int, int, VehicleEvent, Iterator[VehicleEvent]]] = []
        for number, visit in enumerate(self._visits.everywhere(since_s)):
            yield from _events_before(running, visit.session.arrival_s)
            if visit.account is not None:
                events = self._events_of(visit, visit.account)
                first = next(events)
                heapq.heappush(running, (first.time_s, number, first, events))
        yield from _events_before(running, None)

    def _events_of(self, visit: Visit, account: AccountId) -> Iterator[VehicleEvent]:
        session, rated_power_w = visit.session, self._visits.rated_power_w
        trading = _trading(visit, self._plans)
        plan: Plan | PlannedCourse
        if trading is None:
            plan = plan_of(session, discharge=self._discharge, rated_power_w=rated_power_w)
            sells = plan.discharged_wh > 0
        else:
            limits = Limits(max_energy_wh=energy_cap_wh(session), discharge=self._discharge)
            plan = PlannedCourse(session, *trading, limits=limits, rated_power_w=rated_power_w)
            sells = self._discharge
        yield AuthorisationNeeded(
            account=account,
            station=visit.station,
            key=session.session_id,
            time_s=session.arrival_s,
            max_energy_wh=energy_cap_wh(session),
            discharge=sells,
            expiry_s=_expiry_s(session),
            nonce=nonce_of(session.session_id),
            need_wh=max(session.requested_wh, EnergyWh(1)),
            leaves_s=max(session.estimated_departure_s, UnixSeconds(session.arrival_s + MARKET_INTERVAL_S)),
        )
        battery = battery_of(session)
        before_s = plan.arrival_s
        for time_s in plan.reading_times():
            yield _battery_sample(account, session.session_id, battery, plan, before_s=before_s, time_s=time_s)
            before_s = time_s
        yield Unplugged(account=account, key=session.session_id, time_s=session.departure_s)


def _trading(visit: Visit, plans: Plans | None) -> tuple[AccountId, Plans] | None:
    """Who trades the visit's energy, and who knows the plan; None if it is not traded."""
    if plans is None or visit.account is None or not plans.takes_part(visit.account):
        return None
    return visit.account, plans


def _events_before(
    running: list[tuple[int, int, VehicleEvent, Iterator[VehicleEvent]]], time_s: int | None
) -> Iterator[VehicleEvent]:
    """Takes the events before `time_s` out of running sessions, in order; all of them if it is None."""
    while running and (time_s is None or running[0][0] < time_s):
        _, number, event, events = running[0]
        following = next(events, None)
        if following is None:
            heapq.heappop(running)
        else:
            heapq.heapreplace(running, (following.time_s, number, following, events))
        yield event


def energy_cap_wh(session: ReplaySession) -> EnergyWh:
    """What the driver allows: a quarter and 1 kWh above what was asked for.

    Some recorded sessions took more than the driver had asked for; those drivers are taken to have allowed it.
    """
    wanted_wh = max(session.requested_wh, session.delivered_wh)
    return EnergyWh(wanted_wh + wanted_wh * HEAD_ROOM_PERCENT // 100 + HEAD_ROOM_WH)


def nonce_of(session_id: str) -> int:
    """The authorisation's nonce: the same for the same recorded session."""
    digest = hashlib.sha256(b"wattledger/nonce/" + session_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _NONCE_BITS)


def _expiry_s(session: ReplaySession) -> UnixSeconds:
    """The end of the market interval after the later of declared and recorded departure."""
    latest_s = max(session.departure_s, session.estimated_departure_s)
    return UnixSeconds((latest_s // MARKET_INTERVAL_S + 2) * MARKET_INTERVAL_S)


def _mean_power_w(plan: Plan | PlannedCourse, before_s: int, time_s: int) -> PowerW:
    """Mean power since `before_s`, towards zero; 0 at arrival."""
    if time_s == before_s:
        return PowerW(0)
    import_wh = plan.import_at(time_s) - plan.import_at(before_s)
    export_wh = plan.export_at(time_s) - plan.export_at(before_s)
    duration_s = time_s - before_s
    return PowerW(import_wh * SECONDS_PER_HOUR // duration_s - export_wh * SECONDS_PER_HOUR // duration_s)


def _battery_sample(
    account: AccountId, key: str, battery: Battery, plan: Plan | PlannedCourse, *, before_s: int, time_s: UnixSeconds
) -> BatterySample:
    import_wh, export_wh = plan.import_at(time_s), plan.export_at(time_s)
    charge_bp = battery.charge_bp(import_wh, export_wh)
    millivolt = battery.millivolt(charge_bp)
    return BatterySample(
        account=account,
        key=key,
        time_s=time_s,
        state_of_charge_bp=charge_bp,
        state_of_health_bp=BasisPoints(battery.health_bp),
        temperature_deci_c=battery.temperature_deci_c(import_wh + export_wh),
        pack_millivolt=millivolt,
        pack_milliampere=battery.milliampere(_mean_power_w(plan, before_s, time_s), millivolt),
    )
