"""Circuits and conductors of sites: set-points keep to them, also where a power is raised or a meter is silent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from backend.application.market import Amounts
from backend.application.site_records import MAX_SITE_CIRCUITS, SiteCircuit, SiteStation, SiteTerms
from backend.application.site_room import Room
from backend.application.site_situation import SILENT_AFTER_S
from domain.errors import Malformed, PlanNotFound
from domain.schedule.plan import Schedule
from tests.unit.backend.site_world import PRICE, RATED_W, SITE, START_S, STATIONS, World, site_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with site_world(tmp_path) as made:
        yield made


def circuit(limit_w: int, *stations: int) -> SiteCircuit:
    return SiteCircuit(limit_w=limit_w, stations=stations)


def crowded(world: World, wh: int = 80_000, **terms: Any) -> None:
    """A vehicle at each station, each of which takes all that it can get."""
    world.define(**terms)
    for number, station in enumerate(STATIONS):
        world.authorise(station, wh, account=21 + number)


# --- what is planned ---------------------------------------------------------------------------


def test_circuit_is_shared_by_its_stations_alone(world: World) -> None:
    crowded(world, circuits=(circuit(15_000, 11, 12),))
    powers = world.powers()

    assert powers[11] + powers[12] == 15_000
    assert powers[13] == RATED_W
    plan = world.plan()
    by_slot = zip(*(stay.power_w for stay in plan.stays if stay.station in (11, 12)), strict=True)
    assert all(sum(each) <= 15_000 for each in by_slot)


def test_narrowest_of_nested_circuits_counts(world: World) -> None:
    crowded(world, circuits=(circuit(30_000, 11, 12, 13), circuit(9_000, 11, 12), circuit(4_000, 12)))
    powers = world.powers()

    assert powers[12] <= 4_000
    assert powers[11] + powers[12] == 9_000
    assert powers[13] == 30_000 - 9_000


def test_circuit_makes_vehicles_charge_one_after_the_other(world: World) -> None:
    crowded(world, wh=5_000, circuits=(circuit(5_000, 11, 12, 13),))
    plan = world.plan()

    assert not [one for one in plan.problems if "leave" in one]
    assert sum(world.powers().values()) == 5_000


@pytest.mark.parametrize(
    "terms",
    [
        {"circuits": (circuit(10_000, 11, 12, 13),)},
        {"line_limit_w": (10_000, 10_000, 10_000)},
        {"line_limit_w": (10_000, 90_000, 90_000), "circuits": (circuit(9_000, 11, 12),)},
    ],
)
def test_power_that_is_raised_to_its_least_keeps_to_circuits_and_conductors(
    world: World, terms: dict[str, Any]
) -> None:
    stations = tuple(SiteStation(station=one, least_power_w=4_000, lines=(0,)) for one in STATIONS)
    crowded(world, stations=stations, demand_micro_per_kw=15_000_000, **terms)
    for _ in range(3):
        powers = world.powers()
        assert 0 < sum(powers.values()) <= 10_000
        assert all(power == 0 or power >= 4_000 for power in powers.values())
        world.clock.time_s += 900


def test_queue_in_the_place_of_a_late_solver_keeps_to_circuits_and_conductors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> Schedule:
        raise PlanNotFound("Time limit reached", 0.0)

    monkeypatch.setattr("domain.schedule.planner.optimum", late)
    stations = tuple(SiteStation(station=one, lines=(0,)) for one in STATIONS)
    crowded(world, stations=stations, line_limit_w=(25_000, 1, 1), circuits=(circuit(6_000, 11, 12),))
    powers = world.powers()

    assert world.plan().how == "llf"
    assert 0 < powers[11] + powers[12] <= 6_000
    assert sum(powers.values()) == 25_000


def test_what_is_given_back_keeps_to_the_circuit(world: World) -> None:
    world.define(market_zone=1, circuits=(circuit(3_000, 11, 12),))
    with world.store.write() as unit:
        unit.positions.add(1, START_S, 21, Amounts(sold_wh=1_000))
        unit.positions.add(1, START_S + 900, 21, Amounts(bought_wh=700))
    world.authorise(11, 1_500, gives=True)
    world.price(PRICE * 3, START_S, START_S + 900)

    assert world.powers()[11] == -3_000


# --- silent meters -----------------------------------------------------------------------------


def test_silent_station_takes_its_part_of_a_circuit(world: World) -> None:
    world.define(
        stations=tuple(SiteStation(station=one, most_power_w=most) for one, most in ((11, 5_000), (12, None))),
        circuits=(circuit(12_000, 11, 12),),
    )
    session = world.authorise(11, 90_000, hours=10)
    world.plan()
    world.reads(11, 10, session)
    world.authorise(12, 60_000, hours=10, account=22)
    world.plan()
    world.clock.time_s += SILENT_AFTER_S + 1
    world.reads(12, 0, bytes(32))
    powers = world.powers()

    assert powers[11] == 5_000
    assert 6_990 <= powers[12] <= 7_000


def test_silent_stations_are_lowered_together(world: World) -> None:
    crowded(world, stations=tuple(SiteStation(station=one, most_power_w=5_000) for one in STATIONS))
    world.plan()
    world.clock.time_s += SILENT_AFTER_S + 1
    assert sum(world.powers().values()) == 15_000

    assert sum(point.power_w for point in world.limit(6_000).set_points) == 6_000
    world.define(
        stations=tuple(SiteStation(station=one, most_power_w=5_000) for one in STATIONS),
        circuits=(circuit(3_000, 11, 12),),
    )
    powers = world.powers()
    assert powers[11] + powers[12] <= 3_000


# --- room --------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_room_is_never_passed_and_no_power_lies_below_its_least(data: st.DataObject) -> None:
    stations = tuple(
        SiteStation(station=number, lines=data.draw(st.sampled_from([(0,), (1,), (0, 2), (0, 1, 2)])))
        for number in range(1, data.draw(st.integers(2, 6)))
    )
    numbers = [one.station for one in stations]
    members = st.lists(st.sampled_from(numbers), min_size=1, unique=True).map(tuple)
    circuits = tuple(
        circuit(data.draw(st.integers(1, 20_000)), *data.draw(members)) for _ in range(data.draw(st.integers(0, 3)))
    )
    lines = data.draw(st.none() | st.tuples(*[st.integers(1, 20_000)] * 3))
    site_w = data.draw(st.none() | st.integers(0, 40_000))
    terms = SiteTerms(name="x", zone="UTC", stations=stations, line_limit_w=lines, circuits=circuits)
    room, taken = Room(terms, site_w, {}), dict[int, int]()
    for one in stations:
        wanted_w, least_w = data.draw(st.integers(-9_000, 22_000)), data.draw(st.integers(0, 5_000))
        taken[one.station] = room.take(one.station, wanted_w, least_w)
        assert taken[one.station] == 0 or taken[one.station] >= least_w or wanted_w < 0
        assert min(0, wanted_w) <= taken[one.station] <= max(0, wanted_w, least_w if wanted_w > 0 else 0)

    drawn = {number: max(0, power_w) for number, power_w in taken.items()}
    assert site_w is None or sum(drawn.values()) <= site_w
    for way in (drawn, {number: max(0, -power_w) for number, power_w in taken.items()}):
        for each in circuits:
            assert sum(way[number] for number in each.stations) <= each.limit_w
        for line, limit_w in enumerate(lines or ()):
            assert sum(way[one.station] * 6 // len(one.lines) for one in stations if line in one.lines) <= 6 * limit_w


# --- what a site says --------------------------------------------------------------------------


def test_circuits_are_there_after_a_restart_and_sites_from_before_have_none(world: World) -> None:
    world.define(circuits=(circuit(9_000, 11, 12), circuit(5_000, 12)))
    assert world.restarted().scheduling.sites.get(SITE).terms.circuits == (circuit(9_000, 11, 12), circuit(5_000, 12))
    world.define()
    assert world.scheduling.sites.get(SITE).terms.circuits == ()
    with world.store.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE sites SET terms = json_remove(terms, '$.circuits')"))
    assert world.scheduling.sites.get(SITE).terms.circuits == ()


@pytest.mark.parametrize(
    ("circuits", "why"),
    [
        ((circuit(0, 11),), r"circuits\.0: 0 W lets nothing flow"),
        ((circuit(5_000, 11), circuit(-1, 12)), r"circuits\.1: -1 W"),
        ((circuit(5_000),), r"circuits\.0 has one station or more"),
        ((circuit(5_000, 11, 11),), "each named once"),
        ((circuit(5_000, 11, 99),), r"circuits\.0: station 99 is none of this site's stations"),
        ((circuit(3_999, 11),), "less than the 4000 W that station 11 can do at least"),
        ((circuit(5_000, 11),) * (MAX_SITE_CIRCUITS + 1), "at most 50 circuits, not 51"),
    ],
)
def test_circuits_that_cannot_be_are_refused(world: World, circuits: tuple[SiteCircuit, ...], why: str) -> None:
    stations = (SiteStation(station=11, least_power_w=4_000), SiteStation(station=12))
    with pytest.raises(Malformed, match=why):
        world.define(stations=stations, circuits=circuits)


def test_site_can_have_fifty_circuits(world: World) -> None:
    crowded(world, circuits=tuple(circuit(20_000 - number, *STATIONS) for number in range(MAX_SITE_CIRCUITS)))
    narrowest_w = 20_000 - MAX_SITE_CIRCUITS + 1
    assert narrowest_w - 4 <= sum(world.powers().values()) <= narrowest_w
