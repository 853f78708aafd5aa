"""Prices, emissions, sun and load by time: formats, gaps, and the days when clocks change."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bench.charging_data import ChargingDataInvalid
from bench.charging_series import SeriesGap, read_day_ahead, read_emissions, read_office, read_solar
from bench.charging_sessions import LOS_ANGELES, local_midnight_s
from domain.units import UnixSeconds

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
PRICE_HEADER = "Country,Datetime (UTC),Datetime (Local),Price (EUR/MWhe)"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "series.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def moment(text: str) -> UnixSeconds:
    return UnixSeconds(int(datetime.fromisoformat(text).timestamp()))


def price_lines(first: str, prices: list[str]) -> list[str]:
    """One line for each hour from `first` (UTC) on, ISO dates."""
    start_s = moment(first)
    times = (datetime.fromtimestamp(start_s + 3_600 * n, ZoneInfo("UTC")) for n in range(len(prices)))
    return [f"X,{time:%Y-%m-%d %H:%M:%S},,{price}" for time, price in zip(times, prices, strict=True)]


def test_both_ways_to_write_dates_are_read(tmp_path: Path) -> None:
    lines = ("X,2022-12-31 22:00:00,2022-12-31 23:00:00,12.34", "X,,,0.0", "X,31/12/2022 23:00,01/01/2023 00:00,-3.6")
    series = read_day_ahead(written(tmp_path, PRICE_HEADER, *lines))
    assert series.slots(moment("2022-12-31T22:00:00+00:00"), 3, 2_400) == (12_340, 12_340, -3_600)


def test_day_comes_before_month_in_the_later_format(tmp_path: Path) -> None:
    series = read_day_ahead(written(tmp_path, PRICE_HEADER, "X,02/01/2023 00:00,02/01/2023 01:00,1"))
    assert list(series.values) == [moment("2023-01-02T00:00:00+00:00")]


def test_hour_that_is_there_twice_must_have_one_price(tmp_path: Path) -> None:
    same = ("X,2023-01-02 00:00:00,,5.5", "X,02/01/2023 00:00,,5.50")
    assert list(read_day_ahead(written(tmp_path, PRICE_HEADER, *same)).values.values()) == [5_500]
    with pytest.raises(ChargingDataInvalid, match=r"line 3: .*another price"):
        read_day_ahead(written(tmp_path, PRICE_HEADER, same[0], "X,02/01/2023 00:00,,5.51"))


@pytest.mark.parametrize(
    ("day", "first_utc", "hours"), [((3, 31), "2019-03-30T23:00", 23), ((10, 27), "2019-10-26T22:00", 25)]
)
def test_dutch_days_on_which_clocks_change_have_their_hours(
    day: tuple[int, int], first_utc: str, hours: int, tmp_path: Path
) -> None:
    prices = [str(n) for n in range(hours)]
    series = read_day_ahead(written(tmp_path, PRICE_HEADER, *price_lines(f"{first_utc}:00+00:00", prices)))
    start_s = local_midnight_s(date(2019, *day), AMSTERDAM)
    assert series.slots(start_s, hours, 3_600) == tuple(1_000 * n for n in range(hours))
    assert local_midnight_s(date(2019, *day) + timedelta(days=1), AMSTERDAM) == start_s + 3_600 * hours


def test_hour_without_a_price_is_named(tmp_path: Path) -> None:
    lines = price_lines("2019-07-01T00:00:00+00:00", ["1", "2"]) + price_lines("2019-07-01T03:00:00+00:00", ["4"])
    series = read_day_ahead(written(tmp_path, PRICE_HEADER, *lines))
    with pytest.raises(SeriesGap, match="2019-07-01 02:00 UTC"):
        series.slots(moment("2019-07-01T00:00:00+00:00"), 16, 900)


@pytest.mark.parametrize("price", ["", "nan", "Infinity", "1e99", "n/a"])
def test_price_that_is_no_number_is_refused(price: str, tmp_path: Path) -> None:
    with pytest.raises(ChargingDataInvalid, match=r"line 2: .*no number"):
        read_day_ahead(written(tmp_path, PRICE_HEADER, f"X,2019-07-01 00:00:00,,{price}"))


@pytest.mark.parametrize("time", ["2019-02-30 00:00:00", "30/02/2023 00:00", "01/13/2023 00:00", "today"])
def test_time_that_does_not_exist_is_refused(time: str, tmp_path: Path) -> None:
    with pytest.raises(ChargingDataInvalid, match=r"line 2: .*no time"):
        read_day_ahead(written(tmp_path, PRICE_HEADER, f"X,{time},,1.0"))


def test_emissions_are_in_mg_per_kwh(tmp_path: Path) -> None:
    lines = ("time_utc,moer_kgco2_per_kwh", "2019-06-01 00:00:00+00:00,0.25001", "2019-06-01 00:05:00+00:00,0.3")
    series = read_emissions(written(tmp_path, *lines))
    assert series.slots(moment("2019-06-01T00:00:00+00:00"), 10, 60) == (250_010,) * 5 + (300_000,) * 5


SOLAR_HEADER = '"Time stamp","Array DC power | (kW)"'


def test_modelled_sun_keeps_standard_time_in_summer(tmp_path: Path) -> None:
    lines = ('"Jul 1, 11:30 am",90.5', '"Jul 1, 12:00 pm",100.0', '"Jul 1, 12:00 am",0', '"Jan 1, 12:00 pm",60')
    year = read_solar(written(tmp_path, SOLAR_HEADER, *lines))
    assert year.slots(moment("2019-07-01T13:00:00-07:00"), 2, 900) == (100_000, 100_000)
    assert year.slots(moment("2019-07-01T12:45:00-07:00"), 2, 900) == (90_500, 100_000)
    assert year.slots(moment("2021-07-01T01:00:00-07:00"), 1, 900) == (0,)
    assert year.slots(moment("2019-01-01T12:00:00-08:00"), 1, 900) == (60_000,)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2019, 3, 10), [1_000 + hour for hour in range(23)]),
        (date(2019, 11, 3), [223, *(300 + hour for hour in range(24))]),
    ],
)
def test_modelled_sun_covers_the_hours_of_days_on_which_clocks_change(
    day: date, expected: list[int], tmp_path: Path
) -> None:
    lines = [
        f'"{day:%b} {number}, {hour % 12 or 12:02}:{minute} {"am" if hour < 12 else "pm"}",{100 * number + hour}'
        for number in (day.day - 1, day.day)
        for hour in range(24)
        for minute in ("00", "30")
    ]
    year = read_solar(written(tmp_path, SOLAR_HEADER, *lines))
    start_s = local_midnight_s(day, LOS_ANGELES)
    assert year.slots(start_s, len(expected), 3_600) == tuple(1_000 * kw for kw in expected)
    assert start_s + 3_600 * len(expected) == local_midnight_s(day + timedelta(days=1), LOS_ANGELES)


def test_leap_day_is_like_the_day_before(tmp_path: Path) -> None:
    year = read_solar(written(tmp_path, SOLAR_HEADER, '"Feb 28, 12:00 pm",50'))
    assert year.slots(moment("2020-02-29T12:00:00-08:00"), 1, 900) == (50_000,)


OFFICE_HEADER = "Date/Time,Electricity:Facility [kW](Hourly),Fans:Electricity [kW](Hourly)"


def test_offices_hours_are_named_by_their_end(tmp_path: Path) -> None:
    lines = (" 07/01  01:00:00,30.5,0", " 07/01  24:00:00,20.0,0", " 07/02  01:00:00,31,0")
    year = read_office(written(tmp_path, OFFICE_HEADER, *lines))
    assert year.slots(moment("2019-07-01T00:00:00-08:00"), 4, 900) == (30_500,) * 4
    assert year.slots(moment("2019-07-01T23:00:00-08:00"), 2, 3_600) == (20_000, 31_000)
    with pytest.raises(SeriesGap):
        year.slots(moment("2019-07-01T01:00:00-08:00"), 1, 900)


@pytest.mark.parametrize("time", ["07/01  00:00:00", "07/01  25:00:00", "02/29  01:00:00", "07/01 1:30", ""])
def test_office_hour_that_does_not_exist_is_refused(time: str, tmp_path: Path) -> None:
    with pytest.raises(ChargingDataInvalid, match=r"line 2: .*no time"):
        read_office(written(tmp_path, OFFICE_HEADER, f"{time},30.5,0"))
