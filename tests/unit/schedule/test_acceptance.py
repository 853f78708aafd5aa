"""Acceptance: less power in cold, in heat and near a full battery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Malformed
from domain.schedule.acceptance import Derating, taper_w
from tests.unit.schedule.problems import battery, vehicle

TABLE = Derating(((-100, 0), (0, 2_000), (150, 10_000), (450, 10_000), (550, 0)))


@given(st.integers(-600, 900))
def test_share_lies_between_nothing_and_all(decidegrees: int) -> None:
    assert 0 <= TABLE.share_bp(decidegrees) <= 10_000


def test_cold_battery_takes_and_gives_less_and_below_its_least_nothing() -> None:
    one = vehicle(power_w=10_000, export_power_w=4_000, battery=battery(), least_power_w=1_500)
    cold = TABLE.derated(one, 0)
    assert cold is not None
    assert (cold.power_w, cold.export_power_w) == (2_000, 800)
    assert TABLE.derated(one, 200) == one
    assert TABLE.derated(one, -50) is None
    assert TABLE.derated(vehicle(), -100) is None


def test_table_that_cannot_be_is_refused() -> None:
    for points in ((), ((0, 5), (0, 6)), ((0, -1),), ((0, 10_001),)):
        with pytest.raises(Malformed):
            Derating(points)


def test_power_falls_in_a_straight_line_from_the_taper_on() -> None:
    one = vehicle(power_w=10_000, battery=battery(capacity_wh=40_000), taper_bp=8_000)
    powers = [taper_w(one, stored) for stored in (0, 32_000, 36_000, 39_000, 40_000, 41_000)]
    assert powers == [10_000, 10_000, 5_000, 1_250, 0, 0]
    assert taper_w(vehicle(power_w=10_000), 50_000) == 10_000
