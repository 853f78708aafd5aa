"""Photovoltaics at a meter of their own: what is forecast, what comes, and what the meter shows of it."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.units import AccountId, EnergyWh, StationId, UnixSeconds
from oracle.errors import SiteMapInvalid
from oracle.sitemap import read_site_map
from oracle.source import (
    Admission,
    AuthorisationNeeded,
    MetersTogether,
    PluggedIn,
    Sample,
    StatementDue,
    VehiclesTogether,
)
from oracle.sun import ERROR_PERCENT, SHARE_BY_HOUR, Sun, SunMeters, SunOwner

MIDNIGHT_S = 1_562_742_000  # 2019-07-10 00:00 in Los Angeles
DAY_S, HOUR_S, INTERVAL_S = 86_400, 3_600, 900


def sun(*, account: int = 60, station: int = 9, from_hour: int = 0, to_hour: int = 24) -> Sun:
    return Sun(
        account=AccountId(account),
        station=StationId(station),
        wh_a_day=EnergyWh(200_000),
        zone=ZoneInfo("America/Los_Angeles"),
        from_s=UnixSeconds(MIDNIGHT_S + from_hour * HOUR_S),
        to_s=UnixSeconds(MIDNIGHT_S + to_hour * HOUR_S),
    )


def intervals(panel: Sun) -> list[UnixSeconds]:
    return [UnixSeconds(at) for at in range(panel.from_s, panel.to_s, INTERVAL_S)]


def admission(*, discharge: bool = True) -> Admission:
    return Admission(
        max_energy_wh=EnergyWh(1_000),
        discharge=discharge,
        until_s=UnixSeconds(10**10),
        import_wh=EnergyWh(7),
        export_wh=EnergyWh(1_000),
    )


def shown(panel: Sun, given: Admission | None, *, period_s: int = 43_200) -> list[object]:
    meters = SunMeters(panel, statement_period_s=period_s)
    events: list[object] = []
    for event in meters.events(panel.station, -1):
        if isinstance(event, PluggedIn) and given is not None:
            meters.admit(event.key, given)
        events.append(event)
    return events


def test_forecast_of_a_clear_day_is_all_of_its_energy() -> None:
    assert sum(SHARE_BY_HOUR) == 1_000
    panel = sun()
    assert sum(panel.forecast_wh(at) for at in intervals(panel)) == panel.wh_a_day
    assert panel.forecast_wh(UnixSeconds(MIDNIGHT_S)) == 0
    assert panel.forecast_wh(UnixSeconds(MIDNIGHT_S + 12 * HOUR_S)) == 200_000 * 140 // 4_000


def test_what_comes_is_near_the_forecast_and_the_same_each_time() -> None:
    panel = sun()
    errors = set()
    for at in intervals(panel):
        expected, came = panel.forecast_wh(at), panel.generated_wh(at)
        assert came == sun().generated_wh(at)
        assert abs(came - expected) * 100 <= expected * ERROR_PERCENT + 100
        errors.add((came > expected) - (came < expected))
    assert errors == {-1, 0, 1}


def test_meter_shows_what_came_and_is_stated() -> None:
    panel = sun()
    events = shown(panel, admission())
    samples = [event for event in events if isinstance(event, Sample)]
    total = sum(panel.generated_wh(at) for at in intervals(panel))
    assert (samples[0].export_wh, samples[-1].export_wh) == (1_000, 1_000 + total)
    assert {sample.import_wh for sample in samples} == {7}
    assert [sample.time_s for sample in samples] == list(range(panel.from_s, panel.to_s + 1, 300))
    dues = [event.time_s for event in events if isinstance(event, StatementDue)]
    assert dues == [MIDNIGHT_S + 12 * HOUR_S, MIDNIGHT_S + DAY_S]
    noon = next(sample for sample in samples if sample.time_s == MIDNIGHT_S + 12 * HOUR_S + 300)
    assert noon.power_w < 0


@pytest.mark.parametrize("given", [None, admission(discharge=False)])
def test_nothing_flows_without_leave(given: Admission | None) -> None:
    assert [type(event) for event in shown(sun(), given)] == [PluggedIn]


def test_owner_authorises_the_whole_time_once() -> None:
    panel = sun()
    [event] = SunOwner(panel).events({})
    assert isinstance(event, AuthorisationNeeded)
    assert (event.account, event.station, event.key, event.discharge) == (60, 9, panel.key, True)
    assert event.time_s == panel.from_s
    assert event.expiry_s > panel.to_s


def test_sources_together_are_as_one() -> None:
    panels = [sun(station=9, account=60), sun(station=4, account=61, from_hour=6, to_hour=7)]
    meters = MetersTogether([SunMeters(panel, statement_period_s=INTERVAL_S) for panel in panels])
    assert meters.stations == [4, 9]
    events = meters.events(StationId(4), -1)
    first = next(events)
    assert isinstance(first, PluggedIn)
    meters.admit(first.key, admission())
    assert isinstance(next(events), Sample)
    owners = VehiclesTogether([SunOwner(panel) for panel in panels])
    assert owners.accounts == [60, 61]
    assert [event.account for event in owners.events({})] == [60, 61]


@pytest.mark.parametrize(
    "wrong", [[], {}, {"account": 1, "station": 2}, {"account": 1, "station": 0, "wh_a_day": 5}, {"account": "1"}]
)
def test_map_with_no_such_photovoltaics_is_refused(tmp_path: Path, wrong: object) -> None:
    path = tmp_path / "site.json"
    path.write_text(json.dumps({"stations": {}, "sessions": {}, "sun": wrong}))
    with pytest.raises(SiteMapInvalid, match="sun must be an object"):
        read_site_map(path)


def test_map_names_traders_and_photovoltaics(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    site = {"stations": {}, "sessions": {}, "traders": [57, 58], "sun": {"account": 1, "station": 2, "wh_a_day": 3}}
    path.write_text(json.dumps(site))
    found = read_site_map(path)
    assert list(found.traders) == [57, 58]
    assert found.sun is not None
    assert (found.sun.account, found.sun.station, found.sun.wh_a_day) == (1, 2, 3)
    path.write_text(json.dumps(site | {"traders": [57, 57]}))
    with pytest.raises(SiteMapInvalid, match="one of traders is named twice"):
        read_site_map(path)
