"""Sites are planned at the same time, in processes that may die."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children

import pytest

from backend.adapters.planner import PooledPlanner, SolverPlanner
from backend.application.site_ports import Learned, Planner
from backend.application.site_records import SiteStation
from domain.schedule.departures import Declared, Departures
from domain.schedule.moment import Moment
from domain.schedule.planner import Decision
from domain.schedule.simulation import simulate
from tests.unit.backend.site_world import RATED_W, World
from tests.unit.schedule.courses import Fixed, at, course, visit

DEADLINE_S = 5.0
LIMIT_S = 60
LEARNED = Learned(
    level_w=lambda _: 9_000, departures=Departures([Declared(at(0), at(6), at(9))] * 5), utc_offset_s=3_600
)


@pytest.fixture
def pooled() -> Iterator[PooledPlanner]:
    planner = PooledPlanner(DEADLINE_S, processes=1)
    yield planner
    planner.close()
    assert active_children() == []


def moment() -> Moment:
    """The first one of a day with a limit that binds and a demand charge."""
    visits = [visit(f"v{n}", 0, 8, 9_000) for n in range(4)]
    policy = Fixed()
    simulate(course(visits, limit_w=20_000, demand_micro_per_kw=1_000_000), policy)
    return policy.moments[0]


def elsewhere(planner: PooledPlanner, asked: Moment, learned: Learned) -> Decision:
    """What is decided while another site is planned here."""
    with planner._here:
        return planner.decide(asked, learned)


@pytest.mark.parametrize("learned", [Learned(), LEARNED], ids=["nothing", "a past"])
def test_a_process_decides_what_would_be_decided_here(pooled: PooledPlanner, learned: Learned) -> None:
    here = SolverPlanner(DEADLINE_S).decide(moment(), learned)
    there = elsewhere(pooled, moment(), learned)
    assert len(active_children()) == 1
    assert there.powers == here.powers
    assert there.schedule.import_wh.tolist() == here.schedule.import_wh.tolist()


def test_one_site_alone_needs_no_process(pooled: PooledPlanner) -> None:
    pooled.decide(moment(), Learned())
    assert active_children() == []


def test_a_process_that_dies_costs_no_plan(pooled: PooledPlanner) -> None:
    first = elsewhere(pooled, moment(), Learned())
    [child] = active_children()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(LIMIT_S)
    assert elsewhere(pooled, moment(), Learned()).powers == first.powers
    assert elsewhere(pooled, moment(), Learned()).powers == first.powers
    assert len(active_children()) == 1


def test_all_sites_get_a_plan_at_once(world: World, pooled: PooledPlanner) -> None:
    world.scheduling.planner = pooled
    for number, station in enumerate((11, 12, 13)):
        world.define(name=f"yard-{station}", stations=(SiteStation(station=station),))
        world.authorise(station, 90_000, account=21 + number)

    assert world.scheduling.advance() == 3
    for station in (11, 12, 13):
        [point] = world.scheduling.set_points(f"yard-{station}")[1].set_points
        assert (point.station, point.power_w) == (station, RATED_W)
    assert world.scheduling.advance() == 0


def test_a_limit_waits_for_its_own_site_alone(world: World) -> None:
    """While one site takes long, another one's limit is planned."""
    world.define(stations=(SiteStation(station=11),))
    world.define(name="other", stations=(SiteStation(station=12),))
    world.authorise(12, 50_000)
    world.scheduling.advance()
    world.authorise(12, 50_000, account=22)
    slow = _Slow(world.scheduling.planner)
    world.scheduling.planner = slow
    with ThreadPoolExecutor(1) as threads:
        looking = threads.submit(world.scheduling.advance)
        try:
            assert slow.asked.wait(LIMIT_S)
            slow.fast = True
            assert {one.power_w for one in world.limit(0).set_points} == {0}
            assert not looking.done()
        finally:
            slow.go.set()
        assert looking.result(LIMIT_S) >= 1


class _Slow:
    """Takes as long as it is told, until it is told to be fast."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self.asked, self.go, self.fast = threading.Event(), threading.Event(), False

    def decide(self, moment: Moment, learned: Learned) -> Decision:
        if not self.fast:
            self.asked.set()
            self.go.wait(LIMIT_S)
        return self._planner.decide(moment, learned)
