"""Sites, limits and needs that cannot be are refused."""

from typing import Any

import pytest

from backend.application import errors as app
from backend.application.filters import Page
from backend.application.site_records import MAX_SITE_STATIONS, SiteStation
from domain.errors import (
    FromTheFuture,
    Malformed,
    NeedOutdated,
    NeedRefused,
    UnknownSession,
    UnknownStation,
    WrongSigner,
)
from tests.unit.backend.site_world import OPERATOR, RATED_W, SITE, START_S, World


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"zone": "Mars"}, "zone must be"),
        ({"stations": ()}, "1 to 500 stations"),
        ({"stations": (SiteStation(station=11), SiteStation(station=11))}, "each named once"),
        ({"stations": tuple(SiteStation(station=one) for one in range(1, MAX_SITE_STATIONS + 2))}, "1 to 500"),
        ({"import_limit_w": 0}, "import_limit_w 0 lets nothing flow"),
        ({"import_limit_w": -5}, "import_limit_w -5 lets nothing flow"),
        ({"peak_target_w": 0}, "peak_target_w 0"),
        ({"line_limit_w": (1, 0, 1)}, "line_limit_w"),
        ({"sun_station": 11}, "cannot meter"),
        ({"name": "Yard!"}, "a site's name"),
        ({"stations": (SiteStation(station=11, most_power_w=RATED_W + 1),)}, "rated at 22000 W"),
    ],
)
def test_site_that_cannot_be_is_refused(world: World, terms: dict[str, Any], why: str) -> None:
    with pytest.raises(Malformed, match=why):
        world.define(**terms)


def test_station_belongs_to_one_site(world: World) -> None:
    world.define()
    with pytest.raises(app.StationElsewhere):
        world.define(name="other", stations=(SiteStation(station=13),))
    world.define(stations=(SiteStation(station=11),))
    world.define(name="other", stations=(SiteStation(station=13),))
    with pytest.raises(UnknownStation):
        world.define(stations=(SiteStation(station=99),))


@pytest.mark.parametrize(("from_s", "to_s"), [(10, 10), (10, 5), (-900, -800), (0, 367 * 86_400)])
def test_limit_that_holds_for_no_time_is_refused(world: World, from_s: int, to_s: int) -> None:
    world.define()
    with pytest.raises(Malformed):
        world.limit(100, START_S + from_s, START_S + to_s)
    assert world.scheduling.sites.limits(SITE, Page(0, 10)) == []


def test_unknown_sites_and_sites_without_a_plan_are_told_apart(world: World) -> None:
    with pytest.raises(app.UnknownSite):
        world.scheduling.set_points(SITE)
    world.define()
    with pytest.raises(app.NoSchedule):
        world.scheduling.set_points(SITE)
    assert world.scheduling.schedules(Page(0, 10), None) == []
    world.plan()
    assert len(world.scheduling.schedules(Page(0, 10), None)) == 1
    assert world.scheduling.schedules(Page(1, 10), None) == []


def test_needs_are_refused_as_they_must_be(world: World) -> None:
    world.define()
    session = world.authorise(11, 10_000, hours=2)
    later_s = START_S + 3_600
    world.need(session, 5_000, later_s)
    world.need(session, 5_000, later_s)

    for kind, change in (
        (UnknownSession, {"session": bytes(32)}),
        (WrongSigner, {"account": 22}),
        (NeedRefused, {"wh": 10_001, "time_s": START_S + 1}),
        (NeedRefused, {"departure_s": START_S + 7_201, "time_s": START_S + 1}),
        (FromTheFuture, {"time_s": START_S + 61}),
        (NeedOutdated, {"wh": 6_000}),
        (NeedOutdated, {"time_s": START_S - 1, "departure_s": later_s}),
    ):
        asked: dict[str, Any] = {"session": session, "wh": 5_000, "departure_s": later_s} | change
        with pytest.raises(kind):
            world.need(**asked)
    record = world.needs.get(session)
    assert record is not None
    assert record.need.energy_wh == 5_000
    assert world.station(11).station.payee == OPERATOR
