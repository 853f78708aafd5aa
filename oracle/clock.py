"""The only clock of the oracle, and the switch that stops it."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Time for waiting; readings take theirs from the meter."""

    def unix_s(self) -> int:
        """Whole Unix seconds: an event of a source is handled once its time has come."""

    @property
    def stopped(self) -> bool:
        """Whether somebody asked this process to stop."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Waits, and returns early once stopped."""


class SystemClock:
    """The machine's clock. `stop` may be called from a signal handler."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()

    def unix_s(self) -> int:
        return int(time.time())

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)
