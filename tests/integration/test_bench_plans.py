"""The benchmarks of books and plans run: auctions, schedules, a market's day."""

import pytest

from tests.integration.figures import figures_of

pytestmark = pytest.mark.timeout(200)


def test_auction_of_a_few_books_clears_each_rightly() -> None:
    sizes = ("--books", "300", "--small", "1000", "--large", "5000", "--runs", "1")
    found = figures_of("bench.auction", *sizes)
    assert (found["books"], found["equilibrium_violations"], found["below_max_volume"]) == (300, 0, 0)
    assert 100 < found["books_that_trade"] < 300
    assert (found["small_orders"], found["large_orders"], found["runs"]) == (1_000, 5_000, 1)
    for name in ("clear_10k_orders_ms", "clear_1m_orders_s", "growth_to_n_log_n", "raw_argsort_1m_s"):
        assert found[name] > 0, name


def test_plans_of_a_small_car_park_are_as_good_as_the_linear_program() -> None:
    found = figures_of("bench.schedule_speed", "--small", "--runs", "1", "--replans", "20")
    assert (found["sessions_1k_vehicles"], found["sessions_10k_vehicles"], found["replans"]) == (100, 1_000, 20)
    for name in ("sessions_1k", "sessions_1k_demand", "sessions_10k", "sessions_10k_demand"):
        assert -1e-9 < found[f"{name}_above_bound"] < 1e-5, name
        assert found[f"{name}_delivered"] > 0.99, name
    assert found["sessions_10k_full_slots"] > 5
    for name in ("replan_p99_ms", "sessions_1k_s", "sessions_10k_s", "v2g_1k_s", "v2g_1k_highs_s"):
        assert found[name] > 0, name


def test_market_of_one_day_meets_every_need_and_costs_no_vehicle_more_than_the_tariff() -> None:
    found = figures_of("bench.market_day", "--days", "1")
    assert (found["days"], found["unmet_wh"]) == (1, 0)
    assert found["vehicles"] > 50
    assert found["auctions_with_a_price"] > 0
    assert found["worst_vehicle_against_tariff_micro"] <= 0
    assert found["gain_of_vehicles_eur"] > 0
    assert found["gain_of_photovoltaics_eur"] > 0
    # What vehicles and photovoltaics gain, the grid does not earn; wear and losses are all that is lost beside it.
    assert -5 < sum(found[f"gain_of_{side}_eur"] for side in ("vehicles", "photovoltaics", "grid")) <= 0
