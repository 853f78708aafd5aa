"""The modelled course of recorded sessions, and the events made of it."""

import itertools
import os
from pathlib import Path

import pytest

from domain.units import AccountId, EnergyWh, PowerW, StationId, UnixSeconds, energy_limit_wh
from oracle.pack import FLOOR_BP, battery_of
from oracle.replay import (
    ReplayMeters,
    ReplaySession,
    ReplayVehicles,
    energy_cap_wh,
    nonce_of,
    plan_of,
    read_all_sessions,
)
from oracle.sitemap import SiteMap
from oracle.source import Admission, AuthorisationNeeded, BatterySample, PluggedIn, Sample, StatementDue, Unplugged
from oracle.visits import RecordedVisits

DATA = Path(os.environ.get("WATTLEDGER_CHARGING_DATA", Path(__file__).parents[4] / "shared" / "data" / "charging"))
RECORDED = DATA / "acn_jpl_2019-05-01_2019-08-31.csv.gz"
MIDNIGHT_S = 1_562_742_000  # 2019-07-10 00:00 at UTC-7
HOUR_S = 3600


def stay(start_h: float, end_h: float, delivered_wh: int, *, name: str = "s1", station: str = "A") -> ReplaySession:
    arrival_s, departure_s = (UnixSeconds(MIDNIGHT_S + int(h * HOUR_S)) for h in (start_h, end_h))
    return ReplaySession(
        session_id=name,
        station_name=station,
        arrival_s=arrival_s,
        departure_s=departure_s,
        estimated_departure_s=departure_s,
        requested_wh=EnergyWh(delivered_wh),
        delivered_wh=EnergyWh(delivered_wh),
        utc_offset_s=-7 * HOUR_S,
    )


def site_of(*sessions: ReplaySession) -> SiteMap:
    names = sorted({s.station_name for s in sessions})
    return SiteMap(
        stations={name: StationId(n) for n, name in enumerate(names, 1)},
        accounts={s.session_id: AccountId(n) for n, s in enumerate(sessions, 100)},
    )


def admission(**changes: object) -> Admission:
    values: dict[str, object] = {"max_energy_wh": 10**6, "discharge": True, "until_s": 10**10}
    return Admission(**{**values, "import_wh": 500, "export_wh": 20, **changes})  # type: ignore[arg-type]


def samples(session: ReplaySession, given: Admission) -> list[Sample]:
    meters = ReplayMeters(RecordedVisits([session], site_of(session)))
    found = []
    for event in meters.events(StationId(1), -1):
        if isinstance(event, PluggedIn):
            meters.admit(event.key, given)
        elif isinstance(event, Sample):
            found.append(event)
    return found


def test_charging_runs_at_6600_w_until_the_delivered_energy_is_reached() -> None:
    plan = plan_of(stay(8, 12, 13_200))
    assert (plan.charge_power_w, plan.charge_to_s - plan.arrival_s) == (6_600, 2 * HOUR_S)
    assert plan.import_at(plan.arrival_s) == 0
    assert plan.import_at(plan.arrival_s + HOUR_S) == 6_600
    assert plan.import_at(plan.departure_s) == 13_200


def test_a_stay_too_short_for_6600_w_still_takes_all_of_its_energy() -> None:
    plan = plan_of(stay(8, 9, 20_001))
    assert plan.charge_power_w == 20_001
    assert plan.import_at(plan.departure_s) == 20_001


def test_a_long_stay_sells_at_most_30_percent_late_between_15_and_22_h() -> None:
    for number in range(200):
        session = stay(7, 18, 20_000, name=f"s{number}")
        plan = plan_of(session)
        assert plan.discharged_wh <= 6_000
        if plan.discharged_wh == 0:
            continue
        assert MIDNIGHT_S + 15 * HOUR_S <= plan.discharge_from_s < plan.discharge_to_s <= plan.departure_s
        assert plan.departure_s - plan.discharge_to_s < 900
        assert plan.export_at(plan.departure_s) == plan.discharged_wh
        assert battery_of(session).charge_bp(plan.charged_wh, plan.discharged_wh) >= FLOOR_BP


def test_an_overnight_stay_sells_nothing_after_22_h() -> None:
    plans = [plan_of(stay(16, 32, 20_000, name=f"s{n}")) for n in range(50)]
    sold = [p for p in plans if p.discharged_wh]
    assert sold
    assert all(p.discharge_to_s <= MIDNIGHT_S + 22 * HOUR_S for p in sold)


@pytest.mark.parametrize(("start_h", "end_h"), [(12, 17.9), (7, 14.9)])
def test_a_stay_that_is_short_or_ends_before_15_h_sells_nothing(start_h: float, end_h: float) -> None:
    assert all(plan_of(stay(start_h, end_h, 20_000, name=f"s{n}")).discharged_wh == 0 for n in range(50))


def test_limits_end_the_energy_and_nothing_else() -> None:
    session = stay(8.01, 18, 20_000)
    whole, capped = samples(session, admission()), samples(session, admission(max_energy_wh=5_000, discharge=False))
    assert [s.time_s for s in whole] == [s.time_s for s in capped]
    assert (capped[-1].import_wh, capped[-1].export_wh) == (5_500, 20)


def test_nothing_flows_in_a_pair_of_readings_that_ends_after_the_expiry() -> None:
    session = stay(8.01, 18, 20_000)
    expiry_s = session.arrival_s + 4_000
    shown = samples(session, admission(until_s=expiry_s, discharge=False))
    for before, after in itertools.pairwise(shown):
        if after.time_s > expiry_s:
            assert after.import_wh == before.import_wh
    assert shown[-1].import_wh > 500


def test_the_first_sample_carries_the_registers_of_before() -> None:
    first = samples(stay(8.01, 18, 20_000), admission())[0]
    assert (first.import_wh, first.export_wh, first.power_w) == (500, 20, 0)


def test_samples_lie_on_arrival_departure_and_each_300_s() -> None:
    session = stay(8.01, 9.99, 5_000)
    times = [s.time_s for s in samples(session, admission())]
    assert (times[0], times[-1]) == (session.arrival_s, session.departure_s)
    assert all(t % 300 == 0 for t in times[1:-1])
    assert all(b - a <= 300 for a, b in itertools.pairwise(times))


def test_statements_are_due_at_departure_and_every_four_hours() -> None:
    session = stay(8.01, 18, 20_000)
    meters = ReplayMeters(RecordedVisits([session], site_of(session)))
    meters.admit("s1", admission())
    due = [e.time_s for e in meters.events(StationId(1), -1) if isinstance(e, StatementDue)]
    first_edge_s = MIDNIGHT_S + int(8.25 * HOUR_S)
    assert due == [first_edge_s + 4 * HOUR_S, first_edge_s + 8 * HOUR_S, session.departure_s]


def test_a_session_that_is_not_admitted_moves_nothing() -> None:
    first, second = stay(8, 9, 1_000), stay(10, 11, 1_000, name="s2")
    meters = ReplayMeters(RecordedVisits([second, first], site_of(first, second)))
    events = list(meters.events(StationId(1), -1))
    assert [type(e) for e in events] == [PluggedIn, PluggedIn]
    assert [e.time_s for e in events] == [first.arrival_s, second.arrival_s]


def test_mean_power_is_positive_towards_the_vehicle() -> None:
    session = next(s for s in (stay(7, 18, 20_000, name=f"s{n}") for n in range(50)) if plan_of(s).discharged_wh)
    powers = {s.power_w for s in samples(session, admission())}
    assert {6_600, -6_600, 0} <= powers
    assert all(-6_600 <= p <= 6_612 for p in powers)


def test_vehicle_events_come_in_order_with_authorisations_first() -> None:
    sessions = [stay(8, 12, 9_000, name="s1"), stay(8, 10, 3_000, name="s2", station="B"), stay(13, 20, 100, name="s3")]
    events = list(ReplayVehicles(RecordedVisits(sessions, site_of(*sessions))).events({}))
    assert [e.time_s for e in events] == sorted(e.time_s for e in events)
    seen: set[str] = set()
    for event in events:
        if isinstance(event, AuthorisationNeeded):
            assert event.max_energy_wh >= 1_000
            assert event.expiry_s > event.time_s
            assert event.expiry_s % 900 == 0
            seen.add(event.key)
        else:
            assert isinstance(event, BatterySample | Unplugged)
            assert event.key in seen
    assert seen == {"s1", "s2", "s3"}


def test_vehicle_unplugs_at_its_recorded_departure_behind_its_last_sample() -> None:
    sessions = [stay(8, 12, 9_000, name="s1"), stay(8, 10, 3_000, name="s2", station="B"), stay(13, 20, 100, name="s3")]
    events = list(ReplayVehicles(RecordedVisits(sessions, site_of(*sessions))).events({}))
    for session, account in zip(sessions, (100, 101, 102), strict=True):
        *_, last, left = (event for event in events if event.key == session.session_id)
        assert isinstance(last, BatterySample)
        assert left == Unplugged(account=AccountId(account), key=session.session_id, time_s=session.departure_s)


def test_batteries_nonces_and_plans_follow_from_the_session_alone() -> None:
    assert battery_of(stay(8, 12, 9_000)) == battery_of(stay(8, 12, 9_000))
    assert nonce_of("s1") == nonce_of("s1") != nonce_of("s2")
    assert all(0 <= nonce_of(f"s{n}") < 2**53 for n in range(100))
    assert energy_cap_wh(stay(8, 12, 8_000)) == 11_000


def test_a_rated_power_below_6600_w_is_kept() -> None:
    plan = plan_of(stay(8, 18, 20_000), rated_power_w=PowerW(3_700))
    assert plan.charge_power_w == plan.discharge_power_w == 3_700


@pytest.mark.skipif(not RECORDED.exists(), reason="WATTLEDGER_CHARGING_DATA names no folder with the recorded sessions")
def test_every_session_of_july_2019_gets_exactly_what_was_delivered() -> None:
    sessions = [s for s in read_all_sessions(RECORDED) if (s.local_day.year, s.local_day.month) == (2019, 7)]
    assert len(sessions) == 1_489
    sold = 0
    for session in sessions:
        plan, battery = plan_of(session), battery_of(session)
        times = plan.reading_times()
        assert len(set(times)) == len(times)
        steps = [
            (plan.import_at(b) - plan.import_at(a), plan.export_at(b) - plan.export_at(a), b - a)
            for a, b in itertools.pairwise(times)
        ]
        assert sum(step[0] for step in steps) == session.delivered_wh
        assert sum(step[1] for step in steps) == plan.discharged_wh
        assert all(min(i, e) == 0 and i + e <= energy_limit_wh(PowerW(22_000), s) for i, e, s in steps)
        assert all(a // 900 == (b - 1) // 900 for a, b in itertools.pairwise(times))
        assert 0 <= battery.arrival_bp <= battery.charge_bp(plan.charged_wh, 0) <= 10_000
        sold += plan.discharged_wh
    assert 0 < sold < sum(s.delivered_wh for s in sessions) * 30 // 100
