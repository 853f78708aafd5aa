"""What is bid where the right answer can be worked out by hand."""

import doctest

import pytest

from domain.auction.zone import ZoneTerms
from domain.bidding import forecast, stay
from domain.bidding.forecast import PriceForecast
from domain.bidding.stay import Battery, Moved, Slot, Stay, slots_of
from domain.bidding.supply import back_up, offer_generation
from domain.bidding.vehicle import decide
from domain.errors import Malformed
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds

NOON_S = UnixSeconds(1_562_760_000)
TERMS = ZoneTerms(zone=3, grid=AccountId(9), import_limit_wh=EnergyWh(50_000), export_limit_wh=EnergyWh(20_000))
WITH_FEE = ZoneTerms(
    zone=3,
    grid=AccountId(9),
    import_limit_wh=EnergyWh(50_000),
    export_limit_wh=EnergyWh(20_000),
    fee_micro_per_kwh=PriceMicroPerKwh(20_000),
)
BATTERY = Battery(
    capacity_wh=EnergyWh(50_000),
    stored_wh=EnergyWh(30_000),
    floor_wh=EnergyWh(20_000),
    efficiency_bp=8_000,
    wear_micro_per_kwh=PriceMicroPerKwh(13_000),
)


def stay_of(need_wh: int, *, intervals: int = 4, export_power_w: int = 0, reserve_s: int = 0) -> Stay:
    return Stay(
        arrival_s=NOON_S,
        departure_s=UnixSeconds(NOON_S + 900 * intervals),
        need_wh=EnergyWh(need_wh),
        power_w=PowerW(4_000),
        export_power_w=PowerW(export_power_w),
        battery=BATTERY,
        reserve_s=reserve_s,
    )


def bids_of(one: Stay, charge: list[int], expected: list[int], terms: ZoneTerms = TERMS) -> list[tuple[str, int, int]]:
    """The bids for the first interval: side, Wh, limit; the must-run energy before them."""
    slots = slots_of(
        one,
        one.arrival_s,
        charge_at=lambda s: PriceMicroPerKwh(charge[(s - NOON_S) // 900]),
        expected_at=lambda s: PriceMicroPerKwh(expected[(s - NOON_S) // 900]),
    )
    found = decide(one, Moved(), slots, terms)
    bids = [("sell" if b.sell else "buy", int(b.quantity_wh), int(b.limit_micro_per_kwh)) for b in found.bids]
    return [("must run", int(found.must_run_wh), 0), *bids]


def test_energy_that_can_wait_is_bid_for_at_what_the_forecast_says_it_costs_later() -> None:
    found = bids_of(stay_of(1_500), [300_000] * 4, [300_000, 250_000, 200_000, 280_000])
    # 1,000 Wh at 200,000 and 500 Wh at 250,000 are planned; the dearest of them are replaced first.
    assert found == [("must run", 0, 0), ("buy", 500, 250_000), ("buy", 500, 200_000)]


def test_energy_for_which_there_is_no_later_time_must_run_at_the_charge_price() -> None:
    assert bids_of(stay_of(3_400), [300_000] * 4, [200_000] * 4) == [
        ("must run", 400, 0),
        ("buy", 400, 300_000),
        ("buy", 600, 200_000),
    ]


def test_energy_of_the_interval_with_the_least_charge_price_must_run() -> None:
    found = bids_of(stay_of(1_200), [280_000, 360_000, 490_000, 360_000], [200_000] * 4)
    assert found[:2] == [("must run", 1_000, 0), ("buy", 1_000, 280_000)]
    assert found[2:] == []


def test_bid_never_exceeds_the_charge_price_of_its_interval() -> None:
    assert bids_of(stay_of(500), [100_000, 100_000, 90_000, 490_000], [300_000] * 4)[1] == ("buy", 500, 90_000)
    assert bids_of(stay_of(3_500), [100_000, 490_000, 490_000, 490_000], [300_000] * 4)[1:] == [("buy", 1_000, 100_000)]


def test_reserve_before_departure_is_planned_for_last() -> None:
    found = bids_of(stay_of(2_500, reserve_s=1_800), [300_000, 300_000, 100_000, 100_000], [300_000] * 4)
    assert found[0] == ("must run", 1_000, 0)


def test_sale_costs_wear_and_what_is_bought_again_with_its_losses() -> None:
    # 280,000 / 0.8 + 13,000 for 800 Wh of an interval at 280,000, and 360,000 / 0.8 + 13,000 beyond it.
    found = bids_of(stay_of(0, export_power_w=4_000), [490_000, 280_000, 360_000, 490_000], [490_000] * 4)
    assert found == [("must run", 0, 0), ("sell", 800, 363_000), ("sell", 200, 463_000)]


def test_sale_counts_what_must_be_charged_anyway_first() -> None:
    found = bids_of(stay_of(1_000, export_power_w=800), [490_000, 280_000, 360_000, 490_000], [490_000] * 4)
    assert found[-1] == ("sell", 200, 463_000)


def test_battery_at_its_floor_sells_nothing() -> None:
    at_floor = Moved(imported_wh=0, exported_wh=10_000)
    one = stay_of(0, intervals=16, export_power_w=4_000)
    slots = slots_of(
        one, NOON_S, charge_at=lambda _: PriceMicroPerKwh(100_000), expected_at=lambda _: PriceMicroPerKwh(100_000)
    )
    assert [bid.sell for bid in decide(one, Moved(), slots, TERMS).bids] == [True]
    assert not any(bid.sell for bid in decide(one, at_floor, slots, TERMS).bids)


def test_what_was_metered_otherwise_than_traded_is_planned_for_again() -> None:
    one = stay_of(2_000)
    assert (one.missing_wh(Moved(1_500)), one.missing_wh(Moved(2_500)), one.missing_wh(Moved(0, 800))) == (
        500,
        0,
        3_000,
    )


def test_slots_are_cut_at_arrival_and_departure() -> None:
    one = Stay(
        arrival_s=UnixSeconds(NOON_S + 450),
        departure_s=UnixSeconds(NOON_S + 1_000),
        need_wh=EnergyWh(1),
        power_w=PowerW(3_600),
        export_power_w=PowerW(0),
        battery=BATTERY,
        reserve_s=100,
    )
    price = PriceMicroPerKwh(1)
    slots = slots_of(one, UnixSeconds(0), charge_at=lambda _: price, expected_at=lambda _: price)
    assert [(s.interval_s - NOON_S, s.import_wh, s.late) for s in slots] == [(0, 450, False), (900, 100, True)]


def test_interval_that_arrival_ends_at_departure_on_an_edge_is_the_last_one() -> None:
    price = PriceMicroPerKwh(1)
    slots = slots_of(stay_of(0), NOON_S, charge_at=lambda _: price, expected_at=lambda _: price)
    assert [slot.import_wh for slot in slots] == [1_000] * 4
    after = UnixSeconds(NOON_S + 3_600)
    assert slots_of(stay_of(0), after, charge_at=lambda _: price, expected_at=lambda _: price) == ()


@pytest.mark.parametrize("change", [{"efficiency_bp": 0}, {"efficiency_bp": 10_001}, {"stored_wh": 50_001}])
def test_battery_that_cannot_be_is_refused(change: dict[str, int]) -> None:
    fields = {"capacity_wh": 50_000, "stored_wh": 0, "floor_wh": 0, "efficiency_bp": 1, "wear_micro_per_kwh": 0}
    with pytest.raises(Malformed):
        Battery(**fields | change)  # type: ignore[arg-type] # plain integers


def test_forecast_is_the_median_of_the_last_seven_days_of_that_interval() -> None:
    known, fallback = PriceForecast(), PriceMicroPerKwh(7)
    for day, price in enumerate([900, 10, 20, 30, 40, 50, 60, 5_000]):
        known.note(UnixSeconds(NOON_S + 86_400 * day), PriceMicroPerKwh(price))
    known.note(UnixSeconds(NOON_S + 86_400 * 8), None)
    assert known.expected(UnixSeconds(NOON_S + 86_400 * 9), fallback) == 40
    assert known.expected(UnixSeconds(NOON_S + 900), fallback) == fallback


def test_generation_is_offered_at_the_export_tariff_or_at_nothing() -> None:
    [at_tariff] = offer_generation(EnergyWh(700), TERMS, export_price=PriceMicroPerKwh(220_050))
    [at_nothing] = offer_generation(EnergyWh(700), TERMS)
    assert (at_tariff.sell, at_tariff.quantity_wh, at_tariff.limit_micro_per_kwh) == (True, 700, 220_100)
    assert at_nothing.limit_micro_per_kwh == 0
    assert offer_generation(EnergyWh(0), TERMS) == ()


def test_grid_sells_at_the_import_tariff_with_the_fee_in_it_and_buys_at_the_export_tariff() -> None:
    sale, purchase = back_up(WITH_FEE, import_price=PriceMicroPerKwh(360_000), export_price=PriceMicroPerKwh(220_000))
    assert (sale.sell, sale.quantity_wh, sale.limit_micro_per_kwh) == (True, 50_000, 340_000)
    assert (purchase.sell, purchase.quantity_wh, purchase.limit_micro_per_kwh) == (False, 20_000, 240_000)
    assert WITH_FEE.net(sell=False, limit=purchase.limit_micro_per_kwh) == 220_000


def test_grid_never_buys_at_what_it_sells_at() -> None:
    sale, purchase = back_up(WITH_FEE, import_price=PriceMicroPerKwh(360_000), export_price=PriceMicroPerKwh(420_000))
    assert WITH_FEE.net(sell=False, limit=purchase.limit_micro_per_kwh) < sale.limit_micro_per_kwh


def test_limits_stay_between_the_zones_floor_and_cap() -> None:
    dear = bids_of(stay_of(4_000, intervals=4), [5_000_000] * 4, [5_000_000] * 4)
    assert dear == [("must run", 1_000, 0), ("buy", 1_000, 4_000_000)]
    cheap = bids_of(stay_of(4_000, intervals=4), [-600_000] * 4, [-600_000] * 4)
    assert cheap == [("must run", 1_000, 0)]


def test_examples_of_the_docstrings_hold() -> None:
    for module in (forecast, stay):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0


def test_no_interval_no_bid() -> None:
    slots: tuple[Slot, ...] = ()
    found = decide(stay_of(1_000), Moved(), slots, TERMS)
    assert (found.must_run_wh, found.bids) == (0, ())
