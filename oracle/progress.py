"""How far an oracle is: one line of JSON on standard error, or in a file that always holds the latest line."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from oracle.clock import Clock

PERIOD_S = 2.0


class Progress:
    """Tells at most every two seconds, and at the end."""

    def __init__(self, service: str, file: Path | None, clock: Clock) -> None:
        self._service = service
        self._file = file
        self._clock = clock
        self._told_s = clock.monotonic()

    def due(self) -> bool:
        return self._clock.monotonic() - self._told_s >= PERIOD_S

    def tell(self, counts: Mapping[str, int], *, state: str = "running") -> None:
        """`state` is running, done, stopped or failed."""
        self._told_s = self._clock.monotonic()
        line = json.dumps({"service": self._service, "state": state, **counts}) + "\n"
        if self._file is None:
            sys.stderr.write(line)
            sys.stderr.flush()
            return
        beside = self._file.with_name(self._file.name + ".new")
        beside.write_text(line, encoding="ascii")
        beside.replace(self._file)
