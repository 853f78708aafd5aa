"""A time-of-use tariff: prices follow local time, also on the days when clocks change, and bills are exact."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.charging_data import ChargingDataInvalid
from bench.charging_sessions import LOS_ANGELES, local_midnight_s
from bench.charging_tariff import SlotAcrossHours, TimeOfUse, read_tariff
from domain.units import UnixSeconds

NIGHT, DAY, WEEKEND, SUMMER = 100_000, 200_500, 50_000, 300_000


def entry(name: str, first: str, last: str, days: str, times: list[int], prices: list[float]) -> dict[str, Any]:
    return {
        "id": name,
        "effective_start": first,
        "effective_end": last,
        "dow_mask": days,
        "times": times,
        "tariffs": prices,
        "demand_charge": 12.25,
    }


WINTER_DAYS = entry("winter", "10-01", "05-31", "WEEKDAYS", [0, 8, 20], [0.1, 0.2005, 0.1])
WINTER_ENDS = entry("winter weekend", "10-01", "05-31", "WEEKENDS", [0, 8], [0.1, 0.05])
SUMMER_ALL = entry("summer", "06-01", "09-30", "ALL", [0], [0.3])


def tariff(folder: Path, *entries: dict[str, Any]) -> TimeOfUse:
    path = folder / "tariff.json"
    path.write_text(json.dumps({"name": "made up", "schedule": entries or (WINTER_DAYS, WINTER_ENDS, SUMMER_ALL)}))
    return read_tariff(path)


def moment(text: str) -> UnixSeconds:
    return UnixSeconds(int(datetime.fromisoformat(text).timestamp()))


@pytest.mark.parametrize(
    ("time", "price"),
    [
        ("2019-03-08T07:59:59-08:00", NIGHT),
        ("2019-03-08T08:00:00-08:00", DAY),
        ("2019-03-08T19:59:59-08:00", DAY),
        ("2019-03-08T20:00:00-08:00", NIGHT),
        ("2019-03-09T08:00:00-08:00", WEEKEND),
        ("2019-03-11T08:00:00-07:00", DAY),
        ("2019-03-11T07:59:59-07:00", NIGHT),
        ("2019-05-31T23:59:59-07:00", NIGHT),
        ("2019-06-01T00:00:00-07:00", SUMMER),
        ("2019-09-30T23:59:59-07:00", SUMMER),
        ("2019-10-01T00:00:00-07:00", NIGHT),
        ("2019-12-31T12:00:00-08:00", DAY),
        ("2020-01-01T12:00:00-08:00", DAY),
        ("2020-02-29T12:00:00-08:00", WEEKEND),
    ],
)
def test_price_follows_hour_weekday_and_season_of_local_time(time: str, price: int, tmp_path: Path) -> None:
    assert tariff(tmp_path).price(moment(time)) == price


@pytest.mark.parametrize(("day", "hours", "early"), [(9, 24, 8), (10, 23, 7)])
def test_day_on_which_clocks_go_forward_has_an_hour_less_at_the_early_price(
    day: int, hours: int, early: int, tmp_path: Path
) -> None:
    start_s = local_midnight_s(date(2019, 3, day), LOS_ANGELES)
    prices = tariff(tmp_path).prices(start_s, hours, 3_600)
    assert prices == (NIGHT,) * early + (WEEKEND,) * (hours - early)
    assert start_s + hours * 3_600 == local_midnight_s(date(2019, 3, day + 1), LOS_ANGELES)


def test_day_on_which_clocks_go_back_has_an_hour_more_at_the_early_price(tmp_path: Path) -> None:
    prices = tariff(tmp_path).prices(local_midnight_s(date(2019, 11, 3), LOS_ANGELES), 25 * 12, 300)
    assert prices == (NIGHT,) * 9 * 12 + (WEEKEND,) * 16 * 12


def test_slots_of_any_range_have_the_price_of_their_moment(tmp_path: Path) -> None:
    held = tariff(tmp_path)
    start_s = moment("2019-03-08T07:45:00-08:00")
    assert held.prices(start_s, 3, 900) == (NIGHT, DAY, DAY)
    assert held.prices(start_s, 0, 900) == ()


@pytest.mark.parametrize(("shift_s", "slot_s"), [(0, 7_200), (0, 7), (60, 900), (0, 0), (0, -900)])
def test_slots_that_may_span_two_prices_are_refused(shift_s: int, slot_s: int, tmp_path: Path) -> None:
    start_s = UnixSeconds(local_midnight_s(date(2019, 3, 8), LOS_ANGELES) + shift_s)
    with pytest.raises(SlotAcrossHours):
        tariff(tmp_path).prices(start_s, 2, slot_s)


def test_bill_is_energy_at_each_slots_price_and_the_highest_slot(tmp_path: Path) -> None:
    bill = tariff(tmp_path).bill((0, 1_001, 4_000, 3), moment("2019-03-08T07:45:00-08:00"), 900)
    assert bill.energy_micro == -(-(1_001 * DAY + 4_000 * DAY + 3 * DAY) * 900 // 3_600_000)
    assert bill.demand_micro == 4 * 12_250_000
    assert bill.peak_w == 4_000
    assert bill.total_micro == bill.energy_micro + bill.demand_micro


def test_nothing_drawn_costs_nothing(tmp_path: Path) -> None:
    assert tariff(tmp_path).bill((), moment("2019-03-08T08:00:00-08:00"), 900).total_micro == 0


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ((WINTER_DAYS, WINTER_ENDS), "01 June.* has 0 prices"),
        ((WINTER_DAYS, WINTER_ENDS, SUMMER_ALL, SUMMER_ALL), "has 2 prices: summer, summer"),
        ((WINTER_DAYS | {"times": [1, 8, 20]}, WINTER_ENDS, SUMMER_ALL), "the first at 0"),
        ((WINTER_DAYS | {"times": [0, 8, 24]}, WINTER_ENDS, SUMMER_ALL), "whole hours"),
        ((WINTER_DAYS | {"times": [0, 8]}, WINTER_ENDS, SUMMER_ALL), "is no tariff"),
        ((WINTER_DAYS | {"tariffs": [0.1, 0.00000001, 0.1]}, WINTER_ENDS, SUMMER_ALL), "no whole number of micro-USD"),
        ((WINTER_DAYS | {"tariffs": [0.1, float("nan"), 0.1]}, WINTER_ENDS, SUMMER_ALL), "is no tariff"),
        ((WINTER_DAYS | {"dow_mask": "SOMETIMES"}, WINTER_ENDS, SUMMER_ALL), "is no tariff"),
    ],
)
def test_tariff_without_exactly_one_price_for_each_moment_is_refused(
    entries: tuple[dict[str, Any], ...], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ChargingDataInvalid, match=reason):
        tariff(tmp_path, *entries)
