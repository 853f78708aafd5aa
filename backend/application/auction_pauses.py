"""When a step of an auction that the contracts refused is tried again."""

from dataclasses import dataclass, field

from backend.application.market import Step
from backend.application.ports import Clock

MAX_PAUSES = 10_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0

Item = tuple[int, int, Step]
"""A zone, an interval, and what is to be sent for its auction."""


@dataclass(slots=True)
class Pauses:
    """Steps that the contracts refused wait before they are tried again, each time twice as long."""

    clock: Clock
    _until: dict[Item, tuple[float, float]] = field(default_factory=dict)

    def holds(self, item: Item) -> bool:
        """Whether the step has to wait."""
        return item in self._until and self.clock.monotonic_s() < self._until[item][0]

    def refused(self, item: Item) -> None:
        """It waits longer than last time."""
        now_s, before = self.clock.monotonic_s(), self._until.get(item, (0.0, 0.0))[1]
        if len(self._until) > MAX_PAUSES:
            self._until = {one: until for one, until in self._until.items() if until[0] > now_s}
        longest_s = FIRST_PAUSE_S if item[2] == Step.COMMIT else LONGEST_PAUSE_S
        pause_s = min(max(2 * before, FIRST_PAUSE_S), longest_s)
        self._until[item] = (now_s + pause_s, pause_s)

    def done(self, item: Item) -> None:
        """It went on."""
        self._until.pop(item, None)
