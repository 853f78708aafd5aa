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
