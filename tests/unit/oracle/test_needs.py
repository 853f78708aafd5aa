"""Needs and leaves: kept before they are said, said once and in order, and tried again for a bounded time."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domain.session import SessionAuthorisation
from domain.signing import SigningDomain
from domain.units import AccountId, EnergyWh, MoneyMicro, PriceMicroPerKwh, StationId, UnixSeconds
from oracle import needs
from oracle.errors import BackendAnswerInvalid, BackendRefused, BackendUnavailable
from oracle.keystore import KeySigner
from oracle.needs import LEAVE_SAID_FOR_S, PAUSE_S, Needs, Stay
from oracle.spool import Spool

DOMAIN = SigningDomain(31_337, b"\xac" * 20)
SIGNER = KeySigner(b"\x07" * 32)
START_S = 1_700_000_000


@dataclass
class FakeClock:
    """Moved by the test alone."""

    time_s: float = START_S + 100
    stopped: bool = False

    def unix_s(self) -> int:
        return int(self.time_s)

    def monotonic(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds


@dataclass
class FakeClient:
    """Takes needs; raises `faults` before, in turn."""

    faults: list[Exception] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    def post_need(self, body: str) -> None:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(json.loads(body))


@dataclass
class World:
    """Needs over a spool on disk that can be opened again."""

    path: Path
    clock: FakeClock = field(default_factory=FakeClock)
    client: FakeClient = field(default_factory=FakeClient)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.path, owner="vehicles on chain 1")
        client: Any = self.client
        self.needs = Needs(self.spool, client, self.clock, DOMAIN)

    def restart(self) -> None:
        """After everything that was committed; what was not is gone."""
        self.spool.close()
        self.open()

    def departures(self) -> list[int]:
        return [one["departure"] for one in self.client.taken]


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World(tmp_path / "spool.db")
    yield made
    made.spool.close()


def stay(number: int = 1, need_wh: int | None = 8_000) -> Stay:
    limits = SessionAuthorisation(
        account=AccountId(21),
        station=StationId(11),
        max_energy_wh=EnergyWh(10_000),
        max_price_micro_per_kwh=PriceMicroPerKwh(900_000),
        max_cost_micro=MoneyMicro(10**9),
        discharge_allowed=False,
        not_before_s=UnixSeconds(START_S),
        expiry_s=UnixSeconds(START_S + 7_200),
        nonce=number,
    )
    leaves_s = None if need_wh is None else UnixSeconds(START_S + 3_600)
    return Stay(
        session=limits.session_id(DOMAIN),
        limits=limits,
        need_wh=None if need_wh is None else EnergyWh(need_wh),
        leaves_s=leaves_s,
    )


def at(seconds: int) -> UnixSeconds:
    return UnixSeconds(START_S + seconds)


def test_need_and_leave_are_said_once_and_in_order_over_a_restart(world: World) -> None:
    one = stay()
    world.needs.declare(one, at(0), SIGNER)
    world.needs.leave(one, at(1_800), SIGNER)
    world.spool.commit()
    world.restart()
    world.needs.say_all()
    assert [(need["departure"], need["time"]) for need in world.client.taken] == [
        (START_S + 3_600, START_S),
        (START_S + 1_800, START_S + 1_800),
    ]
    assert {need["energy_wh"] for need in world.client.taken} == {8_000}

    world.restart()
    world.needs.leave(one, at(1_800), SIGNER)
    world.needs.say_all()
    assert world.client.asked == 2


def test_leave_of_who_declared_nothing_names_what_was_authorised(world: World) -> None:
    one = stay(need_wh=None)
    world.needs.declare(one, at(0), SIGNER)
    world.needs.leave(one, at(60), SIGNER)
    world.needs.say_all()
    assert [(need["departure"], need["energy_wh"]) for need in world.client.taken] == [(START_S + 60, 10_000)]


@pytest.mark.parametrize(
    "fault",
    [
        BackendUnavailable("http://x/needs", 1, "refused"),
        BackendAnswerInvalid("/needs", "no JSON object"),
        BackendRefused("/needs", 500, "internal", "an error"),
    ],
)
def test_leave_that_could_not_be_said_is_said_after_a_pause(world: World, fault: Exception) -> None:
    world.client.faults = [fault]
    world.needs.leave(stay(), at(60), SIGNER)
    world.needs.leave(stay(2), at(61), SIGNER)
    world.needs.say_all()
    world.needs.say_all()
    assert (world.client.asked, world.client.taken) == (1, [])
    world.clock.time_s += PAUSE_S
    world.needs.say_all()
    assert world.departures() == [START_S + 60, START_S + 61]


def test_leave_that_the_backend_refuses_is_not_said_again(world: World) -> None:
    world.client.faults = [BackendRefused("/needs", 404, "unknown-session", "no such session")]
    world.needs.leave(stay(), at(60), SIGNER)
    world.needs.leave(stay(2), at(61), SIGNER)
    world.needs.say_all()
    world.restart()
    world.needs.say_all()
    assert (world.client.asked, world.departures()) == (2, [START_S + 61])


def test_leave_is_tried_for_a_day_and_then_forgotten(world: World) -> None:
    world.needs.leave(stay(), at(60), SIGNER)
    for hour in range(1, 24):
        world.client.faults = [BackendUnavailable("http://x/needs", 1, "away")]
        world.clock.time_s = START_S + 60 + hour * 3_600
        world.needs.say_all()
    assert world.client.asked == 23
    world.client.faults.clear()
    world.clock.time_s = START_S + 60 + LEAVE_SAID_FOR_S
    world.needs.say_all()
    assert world.client.asked == 23


class CountingSigner:
    """Knows how often it signed."""

    address = SIGNER.address
    count = 0

    def sign(self, digest: bytes) -> bytes:
        self.count += 1
        return SIGNER.sign(digest)


def test_leaves_of_days_ago_are_neither_signed_nor_said(world: World) -> None:
    world.clock.time_s = START_S + 60 + LEAVE_SAID_FOR_S
    signer = CountingSigner()
    for number in range(3):
        world.needs.leave(stay(number), at(59 + number), signer)
    world.needs.say_all()
    assert world.departures() == [START_S + 61]
    assert signer.count == 1


def test_need_of_a_session_that_is_over_is_not_said(world: World) -> None:
    world.clock.time_s = START_S + 7_200
    world.needs.declare(stay(), at(0), SIGNER)
    world.needs.say_all()
    assert world.client.asked == 0


@pytest.mark.parametrize("seconds", [-1, 7_201])
def test_leave_outside_its_authorisation_says_nothing(world: World, seconds: int) -> None:
    world.clock.time_s = START_S + 10_000
    world.needs.leave(stay(), at(seconds), SIGNER)
    world.needs.say_all()
    assert world.client.asked == 0


def test_many_leaves_are_said_by_turns_and_all_of_them_at_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "MOST_AT_ONCE", 3)
    for number in range(7):
        world.needs.leave(stay(number), at(60), SIGNER)
    assert world.needs.say()
    assert len(world.client.taken) == 3
    world.needs.say_all()
    assert len(world.client.taken) == 7
