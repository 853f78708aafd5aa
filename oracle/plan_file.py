"""What bidding agents or a schedule plan, in a file that oracles follow: one line for each interval.

A line is {"interval": 1562772600, "moves": {"57": [1650, 0]}}: Wh that each account takes and gives in it. Lines are
only ever added, so a reader goes on where it was.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, UnixSeconds
from oracle.course import Planned
from oracle.errors import PlanInvalid

_MOST_WH = 1 << 30
_LONGEST_LINE = 1 << 22


class PlanFile:
    """`oracle.course.Plans` in a file, which may not be there yet. `traders` are the accounts that take part."""

    def __init__(self, path: Path, traders: Collection[AccountId], *, step_s: int = MARKET_INTERVAL_S) -> None:
        self.step_s = step_s
        self._path = path
        self._traders = frozenset(traders)
        self._at = 0
        self._lines = 0
        self._planned: dict[tuple[int, int], Planned] = {}

    def takes_part(self, account: AccountId) -> bool:
        return account in self._traders

    def of(self, account: AccountId, start_s: UnixSeconds, end_s: UnixSeconds) -> Planned | None:  # noqa: ARG002 (all of it)
        """All that is planned for the step in which the time lies. PlanInvalid if the file has a line that is none."""
        key = (account, start_s - start_s % self.step_s)
        if key not in self._planned:
            self._read_on()
        return self._planned.get(key)

    def _read_on(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                while (line := file.readline(_LONGEST_LINE)).endswith(b"\n"):
                    self._at += len(line)
                    self._lines += 1
                    self._take(line)
        except FileNotFoundError:
            return
        if len(line) == _LONGEST_LINE:
            raise PlanInvalid(self._path, self._lines + 1)

    def _take(self, line: bytes) -> None:
        try:
            value = json.loads(line)
            interval_s, moves = value["interval"], value["moves"]
            for account, (import_wh, export_wh) in moves.items():
                if not _possible(interval_s, self.step_s, import_wh, export_wh):
                    raise ValueError
                self._planned[int(account), interval_s] = Planned(EnergyWh(import_wh), EnergyWh(export_wh))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise PlanInvalid(self._path, self._lines) from None


def add_plan(path: Path, interval_s: UnixSeconds, moves: Mapping[AccountId, Planned]) -> None:
    """Writes down what is planned for an interval."""
    line = {"interval": interval_s, "moves": {str(a): [one.import_wh, one.export_wh] for a, one in moves.items()}}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _possible(interval_s: object, step_s: int, *energies_wh: object) -> bool:
    on_time = type(interval_s) is int and interval_s >= 0 and interval_s % step_s == 0
    return on_time and all(type(wh) is int and 0 <= wh < _MOST_WH for wh in energies_wh)
