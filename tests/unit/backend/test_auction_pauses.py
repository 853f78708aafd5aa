"""Steps that were refused wait longer each time, but a book is tried again at once: its time is short."""

import pytest

from backend.application import auction_pauses
from backend.application.auction_pauses import LONGEST_PAUSE_S, Pauses
from backend.application.market import Step
from tests.unit.backend.market_world import FakeClock


def waits_s(pauses: Pauses, clock: FakeClock, step: Step) -> int:
    """How long a step waits after one more refusal."""
    pauses.refused((1, 900, step))
    begun_s = clock.time_s
    while pauses.holds((1, 900, step)):
        clock.time_s += 1
    return clock.time_s - begun_s


@pytest.mark.parametrize(("step", "waited"), [(Step.COMMIT, [1, 1, 1, 1]), (Step.SETTLE, [1, 2, 4, 8])])
def test_step_waits_longer_each_time_but_for_the_commitment(step: Step, waited: list[int]) -> None:
    clock = FakeClock()
    pauses = Pauses(clock)
    assert [waits_s(pauses, clock, step) for _ in waited] == waited


def test_wait_is_bounded_and_ends_when_the_step_is_sent() -> None:
    clock = FakeClock()
    pauses = Pauses(clock)
    assert max(waits_s(pauses, clock, Step.CLOSE) for _ in range(12)) == LONGEST_PAUSE_S
    pauses.refused((1, 900, Step.CLOSE))
    pauses.done((1, 900, Step.CLOSE))
    assert not pauses.holds((1, 900, Step.CLOSE))
    assert waits_s(pauses, clock, Step.CLOSE) == 1


def test_pauses_of_auctions_that_are_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auction_pauses, "MAX_PAUSES", 10)
    clock = FakeClock()
    pauses = Pauses(clock)
    for number in range(30):
        pauses.refused((1, 900 * number, Step.SETTLE))
        clock.time_s += 5
    assert len(pauses._until) <= 12
