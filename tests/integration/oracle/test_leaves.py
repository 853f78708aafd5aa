"""Vehicles say that they leave, at their recorded departures, and nothing waits for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from domain.need import ChargingNeed
from oracle import keystore
from oracle.client import BackendClient
from oracle.needs import LEAVE_SAID_FOR_S
from oracle.progress import Progress
from oracle.replay import ReplayVehicles
from oracle.sitemap import read_site_map
from oracle.spool import Spool
from oracle.vehicle_oracle import VehicleOracle
from oracle.visits import RecordedVisits
from tests.integration.oracle.conftest import PASSPHRASE

STEP_S = 900


@dataclass
class SteppingClock:
    """A quarter of an hour passes whenever somebody waits. Stops at `stops_s`."""

    time_s: int
    stops_s: float = float("inf")

    @property
    def stopped(self) -> bool:
        return self.time_s >= self.stops_s

    def unix_s(self) -> int:
        return self.time_s

    def monotonic(self) -> float:
        return float(self.time_s)

    def sleep(self, seconds: float) -> None:
        self.time_s += max(STEP_S, int(seconds))


Serve = Callable[..., None]


@pytest.fixture
def serve(site: Any) -> Serve:
    """Runs the day's vehicles from one time up to another, as a process of its own would."""
    signers = keystore.open_keystore(site.folder / "vehicles", PASSPHRASE)

    def run(from_s: int, to_s: float = float("inf")) -> None:
        clock = SteppingClock(from_s, to_s)
        source = ReplayVehicles(RecordedVisits(site.sessions, read_site_map(site.folder / "map.json")))
        with BackendClient(site.backend.url, clock) as client:
            network = client.network()
            with Spool(site.folder / "vehicles.db", owner="vehicles") as spool:
                VehicleOracle(
                    source=source,
                    signers=signers,
                    network=network,
                    spool=spool,
                    client=client,
                    clock=clock,
                    progress=Progress("vehicles", site.folder / "vehicles.progress", clock),
                ).run()

    return run


def begins_s(site: Any) -> int:
    return int(min(one.arrival_s for one in site.sessions)) - 600


def ends_s(site: Any) -> int:
    return int(max(one.departure_s for one in site.sessions))


def leaves(site: Any) -> list[ChargingNeed]:
    return [need for need in site.backend.needs if need.leaves]


def test_each_vehicle_declares_its_need_and_then_says_that_it_left(site: Any, serve: Serve) -> None:
    serve(begins_s(site))
    declared = {need.session: need for need in site.backend.needs if not need.leaves}
    assert len(declared) == len(site.sessions)
    assert sorted(need.departure_s for need in leaves(site)) == sorted(one.departure_s for one in site.sessions)
    for need in leaves(site):
        assert need.time_s == need.departure_s
        assert need.energy_wh == declared[need.session].energy_wh
    assert len(site.backend.needs) == 2 * len(site.sessions)


def test_vehicles_that_left_while_their_oracle_was_down_say_so_once_it_is_back(site: Any, serve: Serve) -> None:
    left_s = sorted(one.departure_s for one in site.sessions)
    serve(begins_s(site), left_s[1] - 60)
    assert [need.departure_s for need in leaves(site)] == left_s[:1]
    serve(left_s[2] + 1_800, left_s[3] - 60)
    assert [need.departure_s for need in leaves(site)] == left_s[:3]
    serve(left_s[3] + 7_200)
    assert [need.departure_s for need in leaves(site)] == left_s


def test_backend_that_takes_no_needs_gets_everything_else_and_leaves_later(site: Any, serve: Serve) -> None:
    site.backend.need_faults = [503] * 100_000
    serve(begins_s(site))
    assert site.backend.requests["POST /v1/needs"] > len(site.sessions)
    assert site.backend.needs == []
    last_s = {series[-1].time_s for series in site.backend.bms.values()}
    assert last_s == {one.departure_s for one in site.sessions}

    site.backend.need_faults.clear()
    serve(ends_s(site) + 3_600)
    assert sorted(need.departure_s for need in leaves(site)) == sorted(one.departure_s for one in site.sessions)
    assert all(need.leaves for need in site.backend.needs)


def test_replay_of_days_ago_says_no_leave(site: Any, serve: Serve) -> None:
    serve(ends_s(site) + LEAVE_SAID_FOR_S)
    assert len(site.backend.sessions) == len(site.sessions)
    assert site.backend.requests["POST /v1/needs"] == 0
