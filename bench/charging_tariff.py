"""A time-of-use tariff with a demand charge, in the format of acnportal's tariff files; money in micro-USD.

Prices follow local time, so on the two days when clocks change they begin an hour earlier or later in absolute time.
Public holidays are priced like the weekday they fall on, as acnportal does.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bench.charging_data import ChargingDataInvalid, content
from bench.charging_sessions import LOS_ANGELES
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH, MoneyMicro, PowerW, PriceMicroPerKwh, UnixSeconds

DAYS_OF_WEEK = {"WEEKDAYS": range(5), "WEEKENDS": range(5, 7), "ALL": range(7)}
W_PER_KW = 1_000
MICRO = 1_000_000


class SlotAcrossHours(ValueError):
    """A slot that does not lie within one clock hour, and so may have two prices."""

    def __init__(self, start_s: int, slot_s: int) -> None:
        super().__init__(
            f"slots of {slot_s} s from {start_s} on do not lie within clock hours: their length must divide "
            f"{SECONDS_PER_HOUR} and the first begin at a multiple of it"
        )
        self.start_s, self.slot_s = start_s, slot_s


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPrices:
    """What a day of one kind costs: by local hour, on some days of the week, within some part of the year."""

    name: str
    first_day: tuple[int, int]
    last_day: tuple[int, int]
    """Month and day, both included; the part goes over the new year if the last comes before the first."""
    weekdays: frozenset[int]
    micro_per_kwh: tuple[PriceMicroPerKwh, ...]
    """24 prices."""
    demand_micro_per_kw: int

    def holds(self, local: date) -> bool:
        day = (local.month, local.day)
        if self.first_day <= self.last_day:
            inside = self.first_day <= day <= self.last_day
        else:
            inside = day >= self.first_day or day <= self.last_day
        return inside and local.weekday() in self.weekdays


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a load costs over one billing period, in micro-USD, each part rounded up once."""

    energy_micro: MoneyMicro
    demand_micro: MoneyMicro
    peak_w: PowerW

    @property
    def total_micro(self) -> MoneyMicro:
        return MoneyMicro(self.energy_micro + self.demand_micro)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfUse:
    """A tariff with exactly one price for each moment."""

    name: str
    zone: ZoneInfo
    days: tuple[DayPrices, ...]

    def prices(self, start_s: UnixSeconds, slots: int, slot_s: int) -> tuple[PriceMicroPerKwh, ...]:
        """Micro-USD per kWh of each slot from `start_s` on. SlotAcrossHours."""
        if slot_s <= 0 or SECONDS_PER_HOUR % slot_s or start_s % slot_s:
            raise SlotAcrossHours(start_s, slot_s)
        each_hour: dict[int, PriceMicroPerKwh] = {}
        prices = []
        for time_s in range(start_s, start_s + slots * slot_s, slot_s):
            hour = time_s // SECONDS_PER_HOUR
            if hour not in each_hour:
                each_hour[hour] = self.price(UnixSeconds(time_s))
            prices.append(each_hour[hour])
        return tuple(prices)

    def price(self, time_s: UnixSeconds) -> PriceMicroPerKwh:
        local = datetime.fromtimestamp(time_s, self.zone)
        return self._day(local).micro_per_kwh[local.hour]

    def demand_micro_per_kw(self, time_s: UnixSeconds) -> int:
        """What each kW of the billing period's peak costs, by the tariff of this moment."""
        return self._day(datetime.fromtimestamp(time_s, self.zone)).demand_micro_per_kw

    def bill(self, power_w: Sequence[int], start_s: UnixSeconds, slot_s: int) -> Bill:
        """The bill of a load in slots from `start_s` on, taken as one billing period: its peak is the highest slot."""
        prices = self.prices(start_s, len(power_w), slot_s)
        energy = slot_s * sum(w * price for w, price in zip(power_w, prices, strict=True))
        peak_w = max(power_w, default=0)
        demand = peak_w * self.demand_micro_per_kw(start_s)
        return Bill(
            energy_micro=MoneyMicro(-(-energy // (SECONDS_PER_HOUR * WH_PER_KWH))),
            demand_micro=MoneyMicro(-(-demand // W_PER_KW)),
            peak_w=PowerW(peak_w),
        )

    def _day(self, local: datetime) -> DayPrices:
        return next(day for day in self.days if day.holds(local))


def read_tariff(path: Path, zone: ZoneInfo = LOS_ANGELES) -> TimeOfUse:
    """A tariff file. ChargingDataInvalid, also if a day of the year has no price or two."""
    try:
        document = json.loads(content(path), parse_float=Decimal)
        days = tuple(_day_prices(entry) for entry in document["schedule"])
        tariff = TimeOfUse(name=str(document["name"]), zone=zone, days=days)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise ChargingDataInvalid(path, "content", f"is no tariff: {error!r}") from error
    _check_complete(path, tariff)
    return tariff


def _check_complete(path: Path, tariff: TimeOfUse) -> None:
    """28 years have every date on every weekday."""
    for ordinal in range(date(2000, 1, 1).toordinal(), date(2028, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        names = [entry.name for entry in tariff.days if entry.holds(day)]
        if len(names) != 1:
            raise ChargingDataInvalid(
                path, f"{day:%A, %d %B}", f"has {len(names)} prices: {', '.join(names) or 'none'}"
            )


def _day_prices(entry: Any) -> DayPrices:
    return DayPrices(
        name=str(entry["id"]),
        first_day=_month_day(entry["effective_start"]),
        last_day=_month_day(entry["effective_end"]),
        weekdays=frozenset(DAYS_OF_WEEK[entry["dow_mask"]]),
        micro_per_kwh=_hourly(entry["times"], entry["tariffs"]),
        demand_micro_per_kw=_micro(entry["demand_charge"]),
    )


def _hourly(times: Sequence[Any], prices: Sequence[Any]) -> tuple[PriceMicroPerKwh, ...]:
    """24 prices from the hours at which each begins; the first begins at 0."""
    steps = sorted(zip(times, prices, strict=True))
    hours = [hour for hour, _ in steps]
    if hours[:1] != [0] or any(not isinstance(hour, int) or not 0 <= hour < 24 for hour in hours):
        raise ValueError(f"prices begin at {hours}; they must begin at whole hours, the first at 0")
    return tuple(
        PriceMicroPerKwh(_micro(next(price for start, price in reversed(steps) if start <= hour))) for hour in range(24)
    )


def _month_day(text: str) -> tuple[int, int]:
    month, day = text.split("-")
    return int(month), int(day)


def _micro(value: Any) -> int:
    """USD to micro-USD; it must be exact."""
    micro = Decimal(value) * MICRO
    if not micro.is_finite() or micro != micro.to_integral_value():
        raise ValueError(f"{value} USD is no whole number of micro-USD")
    return int(micro)
