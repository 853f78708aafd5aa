"""Units: rounding is named and done once."""

import doctest

import pytest

from domain import units
from domain.units import (
    EnergyWh,
    PowerW,
    PriceMicroPerKwh,
    UnixSeconds,
    cost_ceil,
    cost_floor,
    energy_limit_wh,
    interval_of,
)


def test_examples_in_the_documentation_run() -> None:
    result = doctest.testmod(units)
    assert result.failed == 0
    assert result.attempted >= 4


@pytest.mark.parametrize(
    ("energy_wh", "price", "ceil", "floor"),
    [
        (0, 300_000, 0, 0),
        (1, 1, 1, 0),
        (999, 1, 1, 0),
        (1_000, 1, 1, 1),
        (1_001, 1, 2, 1),
        (1, -1, 0, -1),
        (1_000, -1, -1, -1),
        ((1 << 32) - 1, (1 << 31) - 1, 9_223_372_030_412_325, 9_223_372_030_412_324),
    ],
)
def test_cost_is_rounded_up_for_buyers_and_down_for_sellers(energy_wh: int, price: int, ceil: int, floor: int) -> None:
    assert cost_ceil(EnergyWh(energy_wh), PriceMicroPerKwh(price)) == ceil
    assert cost_floor(EnergyWh(energy_wh), PriceMicroPerKwh(price)) == floor


@pytest.mark.parametrize(
    ("power_w", "duration_s", "limit_wh"), [(0, 900, 1), (1, 1, 2), (22_000, 900, 5_501), (22_000, 1, 8)]
)
def test_energy_limit_is_rounded_up_plus_the_registers_resolution(power_w: int, duration_s: int, limit_wh: int) -> None:
    assert energy_limit_wh(PowerW(power_w), duration_s) == limit_wh


@pytest.mark.parametrize(("time_s", "interval"), [(0, 0), (899, 0), (900, 1), (1_699_999_200, 1_888_888)])
def test_interval_starts_at_each_multiple_of_900_s(time_s: int, interval: int) -> None:
    assert interval_of(UnixSeconds(time_s)) == interval
