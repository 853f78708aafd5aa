"""Time series beside the sessions: day-ahead prices, marginal emissions, photovoltaics, an office's load.

Photovoltaics and the office are MODELLED typical years without a leap day, in standard time all year; a benchmark says
so with every figure. Prices of one region laid over sessions of another are composed, which it says too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from bench.charging_data import ChargingDataInvalid, table
from domain.errors import WattledgerError
from domain.units import SECONDS_PER_HOUR, PowerW, PriceMicroPerKwh, UnixSeconds

MICRO_PER_KWH_OF_EUR_PER_MWH = 1_000
MG_PER_KG = 1_000_000
W_PER_KW = 1_000
PACIFIC_STANDARD = timezone(timedelta(hours=-8))
DAY_AHEAD_STEP_S, EMISSIONS_STEP_S, SOLAR_STEP_S, OFFICE_STEP_S = 3_600, 300, 1_800, 3_600

Read = TypeVar("Read")

_LATER_FORMAT = "%d/%m/%Y %H:%M"
_OFFICE_TIME = re.compile(r"(\d\d)/(\d\d) +(\d\d):00:00")
_TYPICAL_YEAR = 2019
"""Any year without a leap day: only month, day and time of typical years count."""


class SeriesGap(WattledgerError):
    """A stretch of time for which a series has no value."""

    def __init__(self, name: str, time_s: int) -> None:
        moment = datetime.fromtimestamp(time_s, UTC)
        super().__init__(f"{name} has no value at {moment:%Y-%m-%d %H:%M} UTC; choose a stretch that it covers")
        self.name, self.time_s = name, time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Values by the Unix second at which their step begins."""

    name: str
    step_s: int
    values: Mapping[int, int]

    def slots(self, start_s: UnixSeconds, slots: int, slot_s: int) -> tuple[int, ...]:
        """The value that holds at the beginning of each slot. SeriesGap."""
        found = []
        for time_s in range(start_s, start_s + slots * slot_s, slot_s):
            value = self.values.get(time_s - time_s % self.step_s)
            if value is None:
                raise SeriesGap(self.name, time_s)
            found.append(value)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypicalYear:
    """Mean power of each step of a modelled year, in W, by (month, day, seconds since midnight, standard time)."""

    name: str
    step_s: int
    values: Mapping[tuple[int, int, int], PowerW]

    def slots(self, start_s: UnixSeconds, slots: int, slot_s: int) -> tuple[PowerW, ...]:
        """The power at the beginning of each slot; the 29th of February is like the 28th. SeriesGap."""
        found = []
        for time_s in range(start_s, start_s + slots * slot_s, slot_s):
            local = datetime.fromtimestamp(time_s, PACIFIC_STANDARD)
            of_day_s = local.hour * SECONDS_PER_HOUR + local.minute * 60
            day = 28 if (local.month, local.day) == (2, 29) else local.day
            value = self.values.get((local.month, day, of_day_s - of_day_s % self.step_s))
            if value is None:
                raise SeriesGap(self.name, time_s)
            found.append(value)
        return tuple(found)


def read_day_ahead(path: Path) -> Series:
    """Hourly day-ahead prices, EUR/MWh, as micro-euro per kWh by UTC hour; they may be negative.

    The file changes its way to write dates: ISO first, day/month/year later, with some months in both. A row without a
    time is left out. ChargingDataInvalid, if the same hour has two prices.
    """
    values: dict[int, int] = {}
    for line, (time, text) in table(path, "Datetime (UTC)", "Price (EUR/MWhe)"):
        if not time:
            continue
        place = f"line {line}"
        moment = _read(path, place, time, _either_format)
        price = PriceMicroPerKwh(_scaled(path, place, text, MICRO_PER_KWH_OF_EUR_PER_MWH))
        if values.setdefault(moment, price) != price:
            raise ChargingDataInvalid(path, place, f"{time} has had another price before")
    return Series(name=path.name, step_s=DAY_AHEAD_STEP_S, values=values)


def read_emissions(path: Path) -> Series:
    """Marginal emissions, kg CO2/kWh every 5 minutes, as mg per kWh by UTC time."""
    values: dict[int, int] = {}
    for line, (time, text) in table(path, "time_utc", "moer_kgco2_per_kwh"):
        moment = _read(path, f"line {line}", time, lambda text: int(datetime.fromisoformat(text).timestamp()))
        values[moment] = _scaled(path, f"line {line}", text, MG_PER_KG)
    return Series(name=path.name, step_s=EMISSIONS_STEP_S, values=values)


def read_solar(path: Path) -> TypicalYear:
    """The MODELLED array's DC power, kW every 30 minutes, in W."""
    values = {}
    for line, (time, text) in table(path, "Time stamp", "Array DC power | (kW)"):
        key = _read(path, f"line {line}", time, _solar_time)
        values[key] = PowerW(_scaled(path, f"line {line}", text, W_PER_KW))
    return TypicalYear(name=path.name, step_s=SOLAR_STEP_S, values=values)


def read_office(path: Path) -> TypicalYear:
    """The MODELLED office's mean electric load of each hour, in W. The file names hours by their end, 1 to 24."""
    values = {}
    for line, (time, text) in table(path, "Date/Time", "Electricity:Facility [kW](Hourly)"):
        key = _read(path, f"line {line}", time, _office_hour)
        values[key] = PowerW(_scaled(path, f"line {line}", text, W_PER_KW))
    return TypicalYear(name=path.name, step_s=OFFICE_STEP_S, values=values)


def _either_format(text: str) -> int:
    moment = datetime.strptime(text, _LATER_FORMAT) if "/" in text else datetime.fromisoformat(text)  # noqa: DTZ007 UTC
    return int(moment.replace(tzinfo=UTC).timestamp())


def _solar_time(text: str) -> tuple[int, int, int]:
    moment = datetime.strptime(f"{_TYPICAL_YEAR} {text}", "%Y %b %d, %I:%M %p").replace(tzinfo=PACIFIC_STANDARD)
    return moment.month, moment.day, moment.hour * SECONDS_PER_HOUR + moment.minute * 60


def _office_hour(text: str) -> tuple[int, int, int]:
    found = _OFFICE_TIME.fullmatch(text)
    if not found:
        raise ValueError("is no month/day and hour")
    month, day, hour = map(int, found.groups())
    datetime(_TYPICAL_YEAR, month, day, hour - 1, tzinfo=PACIFIC_STANDARD)  # it exists
    return month, day, (hour - 1) * SECONDS_PER_HOUR


def _read(path: Path, place: str, text: str, reader: Callable[[str], Read]) -> Read:
    try:
        return reader(text)
    except ValueError as error:
        raise ChargingDataInvalid(path, place, f"{text[:40]!r} is no time: {error}") from None


def _scaled(path: Path, place: str, text: str, factor: int) -> int:
    """A decimal number times `factor`, halves up."""
    try:
        number = Decimal(text)
        if not number.is_finite() or abs(number) > 10**6:
            raise InvalidOperation
    except InvalidOperation:
        raise ChargingDataInvalid(path, place, f"{text[:40]!r} is no number of a sensible size") from None
    return int((number * factor).to_integral_value(ROUND_HALF_UP))
