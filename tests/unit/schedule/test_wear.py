"""Wear: a convex price by depth, and what it does to a plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Malformed
from domain.schedule.columns import Columns
from domain.schedule.optimum import optimum, program_value
from domain.schedule.wear import Band, DepthWear, FlatWear, WearModel, cost_micro, depth_bp
from domain.units import EnergyWh, PriceMicroPerKwh
from tests.unit.schedule.problems import battery, problem, vehicle

NEW = PriceMicroPerKwh(100_000_000)


@given(st.integers(500, 8_000), st.floats(1, 2.5), st.integers(1, 20), st.integers(0, 60_000))
def test_bands_are_convex_and_never_below_the_law(cycles: int, exponent: float, steps: int, given_wh: int) -> None:
    wear = DepthWear(capacity_micro_per_kwh=NEW, full_cycles=cycles, exponent=exponent, steps=steps)
    pack = battery(capacity_wh=60_000)
    bands = wear.bands(pack)
    prices = [band.micro_per_kwh for band in bands]
    assert prices == sorted(prices)
    law = wear.lost(given_wh / 60_000) / 0.2 * NEW * 60
    assert law - 1 <= cost_micro(bands, given_wh) <= law + wear.lost(1) / 0.2 * NEW * 60 / steps * exponent + 60


def test_nothing_given_back_wears_nothing_and_a_small_cycle_next_to_nothing() -> None:
    wear = DepthWear(capacity_micro_per_kwh=NEW, full_cycles=3_000, exponent=2.0)
    assert wear.lost(0) == 0
    assert wear.lost(0.01) * 100 < wear.lost(1) / 50
    assert depth_bp(battery(capacity_wh=40_000), 10_000) == 2_500


def test_law_that_cannot_be_is_refused() -> None:
    for changes in ({"full_cycles": 0}, {"exponent": 0.5}, {"steps": 0}, {"capacity_micro_per_kwh": -1}):
        values = {"capacity_micro_per_kwh": NEW, "full_cycles": 100, "exponent": 1.0, "steps": 1, **changes}
        with pytest.raises(Malformed):
            DepthWear(**values)  # type: ignore[arg-type]  # what a caller might pass
    with pytest.raises(Malformed, match="never costs less"):
        vehicle(wear=(Band(EnergyWh(1), PriceMicroPerKwh(5)), Band(EnergyWh(2), PriceMicroPerKwh(4))))


def test_only_as_much_is_given_back_as_pays_for_its_depth() -> None:
    prices = (300_000, 300_000, 100_000, 100_000)
    pack = battery(efficiency_bp=10_000, capacity_wh=40_000, stored_wh=30_000)
    bands = (Band(EnergyWh(1_500), PriceMicroPerKwh(100_000)), Band(EnergyWh(40_000), PriceMicroPerKwh(300_000)))
    one = vehicle(need_wh=0, power_w=16_000, export_power_w=16_000, battery=pack, wear=bands)
    assert int(optimum(problem(one, prices=prices, export_micro_per_kwh=prices)).sold_wh.sum()) == 1_500


def test_one_flat_band_is_the_batterys_price() -> None:
    prices = (300_000, 250_000, 100_000, 120_000)
    model: WearModel = FlatWear(micro_per_kwh=PriceMicroPerKwh(70_000))
    by_price = vehicle(export_power_w=8_000, battery=battery(wear_micro_per_kwh=70_000))
    by_band = vehicle(export_power_w=8_000, battery=battery(), wear=model.bands(battery()))
    values = [
        program_value(Columns.of(problem(one, prices=prices, export_micro_per_kwh=prices)))
        for one in (by_price, by_band)
    ]
    assert values[0] == pytest.approx(values[1])
