"""Recorded weeks over and over: when sessions begin, who comes, and that nothing overlaps."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.units import AccountId, EnergyWh, StationId, UnixSeconds
from oracle.acn import ReplaySession, read_all_sessions
from oracle.errors import RecordingUnfit, SiteMapInvalid
from oracle.replay import ReplayMeters, ReplayVehicles, nonce_of
from oracle.sitemap import SiteMap
from oracle.source import Admission, PluggedIn, Sample, Unplugged
from oracle.visits import EndlessVisits, Visit
from scripts.day import EXCERPT

BERLIN = ZoneInfo("Europe/Berlin")
PACIFIC_OFFSET_S = -7 * 3600
MONDAY = datetime(2026, 11, 23, tzinfo=BERLIN)
ALL = read_all_sessions(EXCERPT)


def session(key: str, station: str, start: str, hours: float) -> ReplaySession:
    arrival_s = int(datetime.fromisoformat(f"2019-07-{start}-07:00").timestamp())
    departure_s = UnixSeconds(arrival_s + int(hours * 3600))
    return ReplaySession(
        session_id=key,
        station_name=station,
        arrival_s=UnixSeconds(arrival_s),
        departure_s=departure_s,
        estimated_departure_s=departure_s,
        requested_wh=EnergyWh(5_000),
        delivered_wh=EnergyWh(4_000),
        utc_offset_s=PACIFIC_OFFSET_S,
    )


def endless(
    sessions: Sequence[ReplaySession], since: datetime = MONDAY, zone: ZoneInfo = BERLIN, drivers: int | None = None
) -> EndlessVisits:
    names = sorted({s.station_name for s in sessions})
    site = SiteMap(
        stations={name: StationId(n) for n, name in enumerate(names, 1)},
        accounts={},
        drivers=[AccountId(n) for n in range(100, 100 + (len(names) if drivers is None else drivers))],
    )
    return EndlessVisits(sessions, site, from_s=UnixSeconds(int(since.timestamp())), zone=zone)


def first(visits: EndlessVisits, count: int) -> list[Visit]:
    return list(itertools.islice(visits.everywhere({}), count))


def local(visit: Visit, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromtimestamp(visit.session.arrival_s, zone)


def test_session_begins_at_its_local_time_and_weekday_and_lasts_as_long() -> None:
    recorded = session("a", "A", "10T08:15:30", 3.5)  # a Wednesday
    visits = first(endless([recorded]), 3)
    assert [local(v).isoformat() for v in visits] == [
        f"2026-{day}T08:15:30+01:00" for day in ("11-25", "12-02", "12-09")
    ]
    assert {v.session.departure_s - v.session.arrival_s for v in visits} == {12_600}
    assert {v.session.estimated_departure_s - v.session.arrival_s for v in visits} == {12_600}


def test_local_time_stays_when_the_clocks_change() -> None:
    visits = first(endless([session("a", "A", "10T08:15:30", 1)], datetime(2026, 3, 20, tzinfo=BERLIN)), 2)
    assert [local(v).isoformat() for v in visits] == ["2026-03-25T08:15:30+01:00", "2026-04-01T08:15:30+02:00"]
    assert [v.session.utc_offset_s for v in visits] == [3_600, 7_200]


def test_two_recorded_weeks_come_again_after_two_weeks() -> None:
    visits = first(endless(ALL), 3 * len(ALL))
    assert local(visits[0]) >= MONDAY
    recorded = [v.session.session_id.split("@")[0] for v in visits]
    again = {key: [local(v) for v, k in zip(visits, recorded, strict=True) if k == key] for key in recorded[:50]}
    assert all(b - a == timedelta(days=14) for times in again.values() for a, b in itertools.pairwise(times))
    weekdays = {s.session_id: s.local_day.weekday() for s in ALL}
    assert all(local(v).weekday() == weekdays[k] for v, k in zip(visits, recorded, strict=True))


def test_no_station_and_no_driver_is_taken_twice_at_a_time_in_a_year() -> None:
    visits = first(endless(ALL), 20_000)
    assert visits[-1].session.arrival_s - visits[0].session.arrival_s > 250 * 86_400
    assert [v.session.arrival_s for v in visits] == sorted(v.session.arrival_s for v in visits)
    for taken in ("station", "account"):
        until: dict[object, int] = {}
        for visit in visits:
            key = getattr(visit, taken)
            assert visit.session.arrival_s > until.get(key, 0)
            until[key] = visit.session.departure_s
    assert (
        len({v.session.session_id for v in visits}) == len({nonce_of(v.session.session_id) for v in visits}) == 20_000
    )


def test_drivers_come_in_turn() -> None:
    visits = first(endless([session(str(n), "A", f"10T{n:02}:00:00", 0.5) for n in range(1, 6)], drivers=3), 10)
    assert [v.account for v in visits] == [100, 101, 102, 100, 101, 102, 100, 101, 102, 100]


def test_session_whose_station_is_still_taken_is_left_out() -> None:
    over_the_edge = [session("early", "A", "08T01:00:00", 2), session("late", "A", "14T23:00:00", 4)]
    visits = first(endless(over_the_edge), 4)
    assert [v.session.session_id for v in visits] == [
        *("early@2026-11-23", "late@2026-11-29", "late@2026-12-06", "late@2026-12-13")
    ]


def test_each_moment_gives_the_same_visits_from_then_on() -> None:
    assert first(endless(ALL), 500) == first(endless(ALL), 500)
    later = first(endless(ALL, MONDAY + timedelta(days=3)), 100)
    assert [v.session for v in first(endless(ALL), 1_000) if local(v) >= MONDAY + timedelta(days=3)][:100] == [
        v.session for v in later
    ]


def test_stations_have_the_visits_of_the_whole() -> None:
    whole = first(endless(ALL), 1_000)
    visits = endless(ALL)
    for station in visits.stations:
        there = [v for v in whole if v.station == station]
        assert list(itertools.islice(visits.at(station, -1), len(there))) == there


@pytest.mark.parametrize("since", [datetime(2026, 11, 23, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)])
def test_first_visit_comes_within_a_week_of_the_moment(since: datetime) -> None:
    (visit,) = first(endless([session("a", "A", "10T08:15:30", 1)], since, ZoneInfo("Asia/Tokyo")), 1)
    assert 0 <= visit.session.arrival_s - since.timestamp() <= 7 * 86_400


def test_too_few_drivers_and_endless_stays_are_refused() -> None:
    with pytest.raises(RecordingUnfit, match="2 stations need as many drivers; the map names 1"):
        endless([session("a", "A", "10T08:00:00", 1), session("b", "B", "10T08:00:00", 1)], drivers=1)
    with pytest.raises(RecordingUnfit, match="lasts longer"):
        endless([session("a", "A", "10T08:00:00", 7 * 24)])
    with pytest.raises(SiteMapInvalid, match="no station for 'A'"):
        EndlessVisits(
            [session("a", "A", "10T08:00:00", 1)], SiteMap(stations={}, accounts={}), from_s=UnixSeconds(0), zone=BERLIN
        )


def test_meters_go_on_with_the_session_that_was_running() -> None:
    visits = [v for v in first(endless(ALL), 1_000) if v.station == 1]
    running = visits[3].session
    middle_s = (running.arrival_s + running.departure_s) // 2
    meters = ReplayMeters(endless(ALL))
    events = meters.events(StationId(1), middle_s)
    plugged_in = next(events)
    assert isinstance(plugged_in, PluggedIn)
    assert (plugged_in.key, plugged_in.account) == (running.session_id, visits[3].account)
    meters.admit(
        plugged_in.key,
        Admission(
            max_energy_wh=EnergyWh(10**6),
            discharge=False,
            until_s=UnixSeconds(1 << 40),
            import_wh=EnergyWh(0),
            export_wh=EnergyWh(0),
        ),
    )
    sample = next(events)
    assert isinstance(sample, Sample)
    assert sample.time_s == running.arrival_s


def test_vehicles_go_on_after_what_each_of_them_had_signed() -> None:
    whole = list(itertools.islice(ReplayVehicles(endless(ALL)).events({}), 20_000))
    assert [e.time_s for e in whole] == sorted(e.time_s for e in whole)
    cut_s = whole[10_000].time_s
    since_s = {
        account: max((e.time_s for e in whole if e.account == account and e.time_s <= cut_s), default=-1)
        for account in {e.account for e in whole}
    }
    again = list(itertools.islice(ReplayVehicles(endless(ALL)).events(since_s), 12_000))
    expected, found = ([e for e in events if e.time_s > cut_s] for events in (whole, again))
    length = min(len(expected), len(found))
    assert length > 5_000
    assert found[:length] == expected[:length]
    assert min(e.time_s for e in again) > cut_s - 3 * 86_400


def test_vehicle_whose_last_sample_was_signed_still_says_that_it_left() -> None:
    visits = [endless([session("a", "A", "10T08:00:00", 2)]) for _ in range(3)]
    [visit] = first(visits[0], 1)
    assert visit.account is not None
    left_s = visit.session.departure_s
    again, later = (
        next(e for e in ReplayVehicles(one).events({visit.account: since_s}) if isinstance(e, Unplugged))
        for one, since_s in zip(visits[1:], (left_s, left_s + 1), strict=True)
    )
    assert (again.account, again.time_s) == (visit.account, left_s)
    assert later.time_s > left_s
