"""Prices and on-site plants of a plan: series in files, and times of use."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from backend.cli.plan_csv import InputInvalid, moment, not_negative, rows_of, scaled
from domain.errors import Malformed
from domain.schedule.problem import Slots
from domain.units import MICRO_PER_EURO, UnixSeconds

MWH_PER_KWH = 1000
LARGEST_PRICE_MICRO = 1_000 * MICRO_PER_EURO
_TIME, _PRICE, _POWER = "time", "price", "power_kw"
_STEP = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])=([0-9]{1,4}(?:\.[0-9]{1,6})?)")
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Series:
    """Values that each hold until the next one; the last holds as long as most do."""

    path: Path
    times_s: Sequence[int]
    values: Sequence[int]
    step_s: int

    @property
    def end_s(self) -> int:
        return self.times_s[-1] + self.step_s

    def by_slot(self, slots: Slots, what: str) -> tuple[int, ...]:
        """Means over the slots, rounded to whole units. Malformed says from when on values are missing."""
        return tuple(self._mean(start_s, end_s, what) for start_s, end_s in pairwise(slots.edges_s))

    def covers(self, slots: Slots) -> bool:
        return self.times_s[0] <= slots.start_s and slots.end_s <= self.end_s

    def mean_or_nothing(self, slots: Slots) -> tuple[int, ...]:
        """Means over the slots, nothing outside of the series."""
        inside = ((max(start_s, self.times_s[0]), min(end_s, self.end_s)) for start_s, end_s in pairwise(slots.edges_s))
        return tuple(
            self._sum(first_s, last_s) // (end_s - start_s) if first_s < last_s else 0
            for (first_s, last_s), (start_s, end_s) in zip(inside, pairwise(slots.edges_s), strict=True)
        )

    def _mean(self, start_s: int, end_s: int, what: str) -> int:
        if start_s < self.times_s[0] or end_s > self.end_s:
            missing_s = start_s if start_s < self.times_s[0] else max(start_s, self.end_s)
            raise Malformed(
                f"{self.path}: no {what} for {_shown(missing_s)}; the file covers {_shown(self.times_s[0])} to "
                f"{_shown(self.end_s)}. Add what is missing, or plan fewer sessions"
            )
        length_s = end_s - start_s
        return (2 * self._sum(start_s, end_s) + length_s) // (2 * length_s)

    def _sum(self, start_s: int, end_s: int) -> int:
        total, at_s = 0, start_s
        place = bisect_right(self.times_s, start_s) - 1
        while at_s < end_s:
            until_s = min(end_s, self.times_s[place + 1]) if place + 1 < len(self.times_s) else end_s
            total += self.values[place] * (until_s - at_s)
            at_s, place = until_s, place + 1
        return total


def read_prices(path: Path, zone: ZoneInfo, *, per_mwh: bool) -> Series:
    """A file with the columns time and price, euro per kWh or MWh, as micro-euro per kWh. Prices may be negative."""
    divisor = MWH_PER_KWH if per_mwh else 1
    return _read(path, zone, _PRICE, lambda text: _price(text, MICRO_PER_EURO // divisor))


def read_power(path: Path, zone: ZoneInfo) -> Series:
    """A file with the columns time and power_kw, as W."""
    return _read(path, zone, _POWER, lambda text: not_negative(text, _POWER, 1000))


@dataclass(frozen=True, slots=True)
class TimesOfUse:
    """Prices by the local time of day, from each step on; those of weekends if they differ. Micro-euro per kWh."""

    weekdays: Sequence[tuple[int, int]]
    weekends: Sequence[tuple[int, int]]
    zone: ZoneInfo

    def by_slot(self, slots: Slots) -> tuple[int, ...]:
        """The price at the start of each slot: on days on which clocks change, by what the clock shows."""
        return tuple(self._at(start_s) for start_s in slots.edges_s[:-1])

    def _at(self, time_s: int) -> int:
        local = datetime.fromtimestamp(time_s, self.zone)
        steps = self.weekends if local.weekday() >= _SATURDAY else self.weekdays
        minute = local.hour * 60 + local.minute
        return steps[bisect_right(steps, minute, key=lambda step: step[0]) - 1][1]


def parse_times_of_use(text: str) -> list[tuple[int, int]]:
    """ "00:00=0.06,08:00=0.09" as minutes of the day and micro-euro per kWh. Malformed says what is wrong."""
    steps = []
    for part in text.split(","):
        found = _STEP.fullmatch(part.strip())
        if found is None:
            raise Malformed(f"{part.strip()[:40]!r} is no time and price such as 08:00=0.0925")
        hour, minute, price = found.groups()
        steps.append((int(hour) * 60 + int(minute), scaled(price, "price", MICRO_PER_EURO)))
    minutes = [minute for minute, _ in steps]
    if minutes[0] != 0 or any(later <= earlier for earlier, later in pairwise(minutes)):
        raise Malformed(f"times of use {text[:80]!r} begin at 00:00, and each is later than the one before it")
    return steps


def _price(text: str, scale: int) -> int:
    value = scaled(text, _PRICE, scale)
    if abs(value) > LARGEST_PRICE_MICRO:
        raise ValueError(f"price {text} is beyond {LARGEST_PRICE_MICRO // MICRO_PER_EURO} euro per kWh")
    return value


def _read(path: Path, zone: ZoneInfo, column: str, value_of: Callable[[str], int]) -> Series:
    times_s, values, lines = list[UnixSeconds](), list[int](), list[int]()
    for line, row in rows_of(path, {_TIME, column}):
        try:
            times_s.append(moment(row[_TIME], _TIME, zone))
            values.append(value_of(row[column]))
        except ValueError as error:
            raise InputInvalid(path, line, str(error)) from None
        if len(times_s) > 1 and times_s[-1] <= times_s[-2]:
            raise InputInvalid(path, line, f"time {row[_TIME]} is not later than the line before it; sort by time")
        lines.append(line)
    if len(times_s) < 2:  # noqa: PLR2004 (two times make a step)
        raise InputInvalid(path, 1, "there are fewer than two times; write a line for each step of time")
    step_s, _ = Counter(later - earlier for earlier, later in pairwise(times_s)).most_common(1)[0]
    for number, (earlier, later) in enumerate(pairwise(times_s), 1):
        if later - earlier > step_s:
            raise InputInvalid(
                path,
                lines[number],
                f"{column} is missing from {_shown(earlier + step_s)} to {_shown(later)}; most lines are {step_s} s "
                "apart. Add the lines",
            )
    return Series(path, times_s, values, step_s)


def _shown(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()
