"""Droop: power follows frequency, within what vehicles can do, and is paid by the published rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Malformed
from domain.schedule.droop import Droop, Offer, ServiceTariff, respond
from domain.units import PowerW, PriceMicroPerKwh
from tests.unit.schedule.problems import battery

TARIFF = ServiceTariff(ready_micro_per_kw_hour=PriceMicroPerKwh(20_000), given_micro_per_kwh=PriceMicroPerKwh(150_000))


def offer(power_w: int = 10_000, **pack: Any) -> Offer:
    return Offer(session="a", power_w=PowerW(power_w), battery=battery(**pack))


@given(
    st.lists(st.integers(49_000, 51_000), max_size=60),
    st.integers(0, 20_000),
    st.integers(1, 900),
    st.integers(0, 40_000),
    st.integers(0, 40_000),
    st.integers(5_000, 10_000),
)
def test_no_answer_passes_power_floor_or_capacity(
    series: list[int], power_w: int, step_s: int, stored: int, floor: int, efficiency: int
) -> None:
    one = offer(power_w, stored_wh=stored, floor_wh=floor, efficiency_bp=efficiency)
    (answer,) = respond([one], series, step_s, Droop())
    assert all(abs(power) <= power_w for power in answer.power_w)
    assert all(power * (mhz - 50_000) >= 0 for power, mhz in zip(answer.power_w, series, strict=True))
    assert min(stored, floor) <= answer.stored_wh <= 40_000
    gained = answer.charged_wh * efficiency / 10_000 - answer.given_wh
    assert answer.stored_wh == pytest.approx(stored + gained, abs=2)
    assert 0 <= answer.able_s <= step_s * len(series)


@given(st.integers(49_000, 51_000))
def test_line_is_odd_and_flat_in_the_dead_band(mhz: int) -> None:
    droop = Droop(dead_band_mhz=20, full_mhz=200)
    assert droop.share_bp(mhz) == -droop.share_bp(100_000 - mhz)
    assert (droop.share_bp(mhz) == 0) == (abs(mhz - 50_000) <= 20)


def test_low_frequency_draws_from_the_battery_until_its_floor() -> None:
    (answer,) = respond([offer(stored_wh=6_000, floor_wh=5_000)], [49_800] * 4, 300, Droop())
    assert answer.power_w == (-10_000, -2_000, 0, 0)
    assert (answer.given_wh, answer.stored_wh, answer.able_s) == (1_000, 5_000, 300)


def test_high_frequency_charges_until_the_battery_is_full() -> None:
    (answer,) = respond([offer(capacity_wh=10_000, stored_wh=9_100)], [50_200] * 3, 300, Droop())
    assert answer.power_w == (10_000, 2_000, 0)
    assert (answer.charged_wh, answer.stored_wh) == (1_000, 10_000)


def test_pay_is_readiness_and_energy_given() -> None:
    one = offer(stored_wh=20_000)
    (answer,) = respond([one], [50_000] * 2 + [49_800] * 2, 900, Droop())
    assert (answer.able_s, answer.given_wh) == (3_600, 5_000)
    assert TARIFF.pay(one, answer) == 10 * 20_000 + 5 * 150_000


def test_vehicle_that_cannot_answer_both_ways_is_not_paid_for_being_ready() -> None:
    one = offer(capacity_wh=40_000, stored_wh=40_000)
    (answer,) = respond([one], [50_000] * 4, 900, Droop())
    assert (answer.able_s, TARIFF.pay(one, answer)) == (0, 0)


def test_droop_that_cannot_be_is_refused() -> None:
    with pytest.raises(Malformed):
        Droop(dead_band_mhz=200, full_mhz=200)
    with pytest.raises(Malformed):
        offer(-1)
    with pytest.raises(Malformed):
        respond([offer()], [50_000], 0, Droop())
