"""What runs beside a platform: it goes on after what can pass, stops when it is told to, and ends on anything else."""

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from scripts import beside
from scripts.platform import PlatformFailed

LOG = logging.getLogger("beside")


def steps(*outcomes: float | Exception, stopped: threading.Event) -> Callable[[], float]:
    """Steps with these outcomes; with the last one it is time to stop."""
    left: Iterator[float | Exception] = iter(outcomes)
    taken = iter(range(1, len(outcomes) + 1))

    def step() -> float:
        if next(taken) == len(outcomes):
            stopped.set()
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return step


def test_step_that_fails_is_taken_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(beside, "AFTER_FAILURE_S", 0)
    stopped = threading.Event()
    taken = steps(0.0, PlatformFailed("the chain is away"), 600.0, stopped=stopped)
    beside.repeat(taken, stopped, LOG, failures=(PlatformFailed,))
    assert [record.getMessage() for record in caplog.records] == ["not now, again in 0 s: the chain is away"]
    with pytest.raises(StopIteration):
        taken()


def test_failure_that_is_not_expected_ends_it() -> None:
    stopped = threading.Event()
    with pytest.raises(KeyError):
        beside.repeat(steps(KeyError("site"), 0.0, stopped=stopped), stopped, LOG, failures=(PlatformFailed,))
    assert not stopped.is_set()


def test_nothing_is_done_once_it_is_told_to_stop() -> None:
    stopped = threading.Event()
    stopped.set()
    beside.repeat(steps(KeyError("site"), stopped=stopped), stopped, LOG, failures=())
