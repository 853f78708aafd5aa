"""The way in for readings: many requests, one queue, one commit for all that waits.

A commit to disk takes some milliseconds, however little it holds. So deliveries that come while the one before is
written are taken together. What waits is bounded in bytes; above that, callers are told to come again later.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from backend.application.errors import Overloaded
from backend.application.ports import Clock
from backend.application.readings import Delivery, Outcomes, Readings

WAITING_BYTES = 16 * 1024 * 1024
GROUP_BYTES = 512 * 1024
GROUP_DELIVERIES = 1_000
LONGEST_RETRY_S = 30
STOP_S = 10
_FIRST_RATE_BYTES_PER_S = 500_000.0
_NEWEST_SHARE = 0.2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request's readings, not read yet, and whom to tell what became of them."""

    size_bytes: int
    read: Callable[[], Delivery]
    told: Future[Outcomes]


@dataclass(slots=True)
class Intake:
    """The queue before `Readings` and the one thread that empties it."""

    readings: Readings
    clock: Clock
    waiting_limit_bytes: int = WAITING_BYTES
    _waiting: deque[Waiting] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _rate_bytes_per_s: float = _FIRST_RATE_BYTES_PER_S
    _stopped: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to take in."""
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Takes in what waits, and nothing after it."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def submit(self, size_bytes: int, read: Callable[[], Delivery]) -> Future[Outcomes]:
        """The outcomes to come of a request's readings, durable when they are there; Overloaded.

        `read` makes the delivery of the request's bytes; what it raises is handed on.
        """
        told: Future[Outcomes] = Future()
        with self._changed:
            full = bool(self._waiting) and self._waiting_bytes + size_bytes > self.waiting_limit_bytes
            if full or self._stopped:
                raise Overloaded("readings", self._retry_after_s())
            self._waiting.append(Waiting(size_bytes, read, told))
            self._waiting_bytes += size_bytes
            self._changed.notify()
        return told

    def _retry_after_s(self) -> int:
        """About how long what waits will take."""
        return min(LONGEST_RETRY_S, 1 + int(self._waiting_bytes / self._rate_bytes_per_s))

    def _run(self) -> None:
        while group := self._next_group():
            started_s = self.clock.monotonic_s()
            self._take(group)
            size_bytes = sum(one.size_bytes for one in group)
            rate = size_bytes / max(self.clock.monotonic_s() - started_s, 1e-6)
            with self._changed:
                self._waiting_bytes -= size_bytes
                self._rate_bytes_per_s += _NEWEST_SHARE * (rate - self._rate_bytes_per_s)

    def _next_group(self) -> list[Waiting]:
        """What is taken in together next, when there is something; nothing when all is done and we stop."""
        group: list[Waiting] = []
        size_bytes = 0
        with self._changed:
            while not self._waiting and not self._stopped:
                self._changed.wait()
            while self._waiting and len(group) < GROUP_DELIVERIES:
                size_bytes += self._waiting[0].size_bytes
                if group and size_bytes > GROUP_BYTES:
                    break
                group.append(self._waiting.popleft())
        return group

    def _take(self, group: Sequence[Waiting]) -> None:
        read: list[tuple[Waiting, Delivery]] = []
        for one in group:
            if not one.told.set_running_or_notify_cancel():
                continue  # Whoever sent it is gone and was told nothing.
            try:
                read.append((one, one.read()))
            except Exception as error:
                one.told.set_exception(error)
        try:
            outcomes = self.readings.take([delivery for _, delivery in read])
        except Exception as error:
            log.exception("readings not kept", deliveries=len(read))
            for one, _ in read:
                one.told.set_exception(error)
            return
        for (one, _), outcome in zip(read, outcomes, strict=True):
            one.told.set_result(outcome)
