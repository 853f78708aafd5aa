"""Keeps processes running: what ends is started again, after a pause that grows while it keeps ending."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.anvil import ROOT

STOP_LIMIT_S = 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60
"""Who ran so long has recovered: the next pause is short again."""

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(slots=True)
class Service:
    """A process to keep running. `command` is asked for at each start; `wait` returns once it is of use, or raises."""

    name: str
    command: Callable[[], Sequence[str]]
    environment: Callable[[], Mapping[str, str]] = dict
    wait: Callable[[subprocess.Popen[bytes]], None] = lambda _: None
    before_stop: Callable[[], object] = lambda: None
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    since_s: float = 0.0
    _pause_s: float = FIRST_PAUSE_S
    _next_s: float = 0.0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, logs: Path) -> None:
        """Raises what `wait` raises; the process is ended then."""
        self.since_s = time.time()
        with (logs / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=os.environ | dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # So that Ctrl-C reaches us alone, and everything ends in its order.
                start_new_session=True,
                # One thread only runs here, so nothing can hold a lock that the child would wait for.
                preexec_fn=_end_with_parent,  # noqa: PLW1509
            )
        self.starts += 1
        try:
            self.wait(self.process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Asks it to end, and ends it if it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=STOP_LIMIT_S)

    def pause(self) -> float:
        """How long to wait before the next start, seconds; decided once for each end."""
        now_s = time.time()
        if self._next_s <= self.since_s:
            self._pause_s = (
                FIRST_PAUSE_S if now_s - self.since_s > STEADY_S else min(2 * self._pause_s, LONGEST_PAUSE_S)
            )
            self._next_s = now_s + self._pause_s
        return max(0.0, self._next_s - now_s)


@dataclass(slots=True)
class Supervisor:
    """Services in the order in which they lean on each other."""

    logs: Path
    say: Callable[[str], None]
    errors: tuple[type[Exception], ...]
    services: list[Service] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def start(self, service: Service) -> None:
        """Starts it and keeps it running from now on. Raises if it does not come up this first time."""
        self.services.append(service)
        service.start(self.logs)

    def watch(self) -> None:
        """One look at all of them; starts again what ended, the first in line only while that is down."""
        for service in self.services:
            if service.running:
                continue
            self._tell(service)
            if service.pause() > 0:
                return
            try:
                service.start(self.logs)
            except self.errors as error:
                self.say(f"{service.name} did not come up: {error}")
                return
            self._told.discard(service.name)
            self.say(f"{service.name} runs again")

    def stop(self) -> None:
        """Ends all of them, the last one first."""
        while self.services:
            service = self.services.pop()
            if service.running:
                service.before_stop()
            service.stop()

    def _tell(self, service: Service) -> None:
        if service.name in self._told or service.process is None:
            return
        self._told.add(service.name)
        status = service.process.poll()
        how = f"was killed ({signal.Signals(-status).name})" if status and status < 0 else f"ended with status {status}"
        self.say(f"{service.name} {how}; it is started again · {self.logs / (service.name + '.log')}")


def _end_with_parent() -> None:
    """On Linux, a killed parent takes its children with it. Elsewhere they find that their port is taken."""
    if _LIBC is not None:
        _LIBC.prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
