"""The system's clock. Nothing else in the backend reads the time."""

import time

from domain.units import UnixSeconds


class SystemClock:
    """The time of the machine."""

    def now_s(self) -> UnixSeconds:
        """Unix time."""
        return UnixSeconds(int(time.time()))

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


class BlockClock(SystemClock):
    """Knows no time of its own, so that the market goes by the chain's blocks alone.

    For recorded days that are played again: there the machine's time is long past every gate.
    """

    def now_s(self) -> UnixSeconds:
        """Before every block."""
        return UnixSeconds(0)
