"""The queue before the readings: what waits is taken together, bounded, and whoever waits is told."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

import pytest

from backend.adapters.clock import SystemClock
from backend.application.errors import Overloaded
from backend.application.intake import GROUP_BYTES, GROUP_DELIVERIES, Intake
from backend.application.readings import ACCEPTED, Delivery, Outcomes, Readings
from domain.errors import Malformed

LIMIT_S = 10


@dataclass
class Gate:
    """Stands in for the readings: holds each group until it is let through."""

    groups: list[int] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    open: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    def take(self, deliveries: Sequence[Delivery]) -> list[Outcomes]:
        self.groups.append(len(deliveries))
        self.begun.release()
        assert self.open.wait(LIMIT_S)
        if self.failure is not None:
            raise self.failure
        return [Outcomes(meter=[ACCEPTED], bms=[]) for _ in deliveries]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def intake(gate: Gate) -> Iterator[Intake]:
    made = Intake(cast(Readings, gate), SystemClock(), waiting_limit_bytes=1000)
    made.start()
    yield made
    gate.open.set()
    made.stop()


def submit(intake: Intake, size_bytes: int = 1) -> Future[Outcomes]:
    return intake.submit(size_bytes, Delivery)


def held(intake: Intake, gate: Gate) -> Future[Outcomes]:
    """A first delivery, which is being taken in."""
    first = submit(intake)
    assert gate.begun.acquire(timeout=LIMIT_S)
    return first


def test_what_came_meanwhile_is_taken_together(intake: Intake, gate: Gate) -> None:
    waiting = [held(intake, gate), *(submit(intake) for _ in range(5))]
    gate.open.set()
    assert [one.result(LIMIT_S).only for one in waiting] == [ACCEPTED] * 6
    assert gate.groups == [1, 5]


def test_a_group_is_bounded_in_bytes_and_in_deliveries(gate: Gate) -> None:
    intake = Intake(cast(Readings, gate), SystemClock(), waiting_limit_bytes=1 << 30)
    intake.start()
    sizes = [GROUP_BYTES // 2, GROUP_BYTES // 2, GROUP_BYTES * 3, *[1] * (GROUP_DELIVERIES + 1)]
    waiting = [held(intake, gate), *(submit(intake, size) for size in sizes)]
    gate.open.set()
    for one in waiting:
        one.result(LIMIT_S)
    intake.stop()
    assert gate.groups == [1, 2, 1, GROUP_DELIVERIES, 1]


def test_more_than_may_wait_is_told_when_to_come_again(intake: Intake, gate: Gate) -> None:
    held(intake, gate)
    submit(intake, 999)
    with pytest.raises(Overloaded, match="wait to be taken in") as refused:
        submit(intake, 2)
    assert 1 <= refused.value.retry_after_s <= 30
    gate.open.set()


def test_room_comes_back_when_what_waited_is_taken_in(intake: Intake, gate: Gate) -> None:
    gate.open.set()
    for _ in range(5):
        submit(intake, 900).result(LIMIT_S)


def test_a_delivery_larger_than_what_may_wait_is_taken_alone(intake: Intake, gate: Gate) -> None:
    gate.open.set()
    assert submit(intake, 5000).result(LIMIT_S).only == ACCEPTED


def test_a_delivery_that_cannot_be_read_fails_alone(intake: Intake, gate: Gate) -> None:
    first = held(intake, gate)

    def unreadable() -> Delivery:
        raise Malformed("no readings")

    bad, good = intake.submit(1, unreadable), submit(intake)
    gate.open.set()
    with pytest.raises(Malformed, match="no readings"):
        bad.result(LIMIT_S)
    assert (first.result(LIMIT_S).only, good.result(LIMIT_S).only) == (ACCEPTED, ACCEPTED)


def test_a_store_that_fails_is_told_to_all_and_the_next_are_taken(intake: Intake, gate: Gate) -> None:
    gate.failure = OSError("disk full")
    gate.open.set()
    with pytest.raises(OSError, match="disk full"):
        submit(intake).result(LIMIT_S)
    gate.failure = None
    assert submit(intake).result(LIMIT_S).only == ACCEPTED


def test_whoever_went_away_before_its_turn_is_passed_over(intake: Intake, gate: Gate) -> None:
    first = held(intake, gate)
    gone, still_there = submit(intake), submit(intake)
    assert gone.cancel()
    gate.open.set()
    assert (first.result(LIMIT_S).only, still_there.result(LIMIT_S).only) == (ACCEPTED, ACCEPTED)
    assert gate.groups == [1, 1]


def test_what_waits_is_taken_in_before_it_stops_and_nothing_after(gate: Gate) -> None:
    intake = Intake(cast(Readings, gate), SystemClock())
    intake.start()
    waiting = [held(intake, gate), submit(intake), submit(intake)]
    gate.open.set()
    intake.stop()
    assert [one.result(0).only for one in waiting] == [ACCEPTED] * 3
    with pytest.raises(Overloaded):
        submit(intake)
