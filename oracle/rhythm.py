"""When an oracle sends what it has made, and says how far it is."""

from collections.abc import Callable, Mapping

from oracle.clock import Clock
from oracle.outbox import Outbox
from oracle.progress import Progress

FLUSH_EVENTS = 500
FLUSH_PERIOD_S = 1.0


class Rhythm:
    """Sends after 500 events at the latest, or after a second if there was any. `counts` is what progress tells."""

    def __init__(
        self, outbox: Outbox, progress: Progress, clock: Clock, counts: Callable[[], Mapping[str, int]]
    ) -> None:
        self._outbox, self._progress, self._clock, self._counts = outbox, progress, clock, counts
        self._events, self._flushed_s = 0, clock.monotonic()

    def after_event(self) -> None:
        """Counts an event."""
        self._events += 1

    def flush_if_due(self) -> None:
        """BackendUnavailable leaves the rest for later."""
        late = self._clock.monotonic() - self._flushed_s >= FLUSH_PERIOD_S
        if self._events >= FLUSH_EVENTS or (late and self._events):
            self.flush()

    def flush(self) -> None:
        """BackendUnavailable leaves the rest for later."""
        self._outbox.flush()
        self._events, self._flushed_s = 0, self._clock.monotonic()
        if self._progress.due():
            self._progress.tell(self._counts())
