"""A simulated market: what vehicles, photovoltaics and the grid gain against the tariff, and whether anybody loses.

Recorded sessions of several days, auction by auction, as `bench.market_simulation` plays them.
"""

import os
import platform
import time
from typing import Any

from bench.figures import command_line, show
from bench.market_simulation import SUN, Simulation, gains_micro
from domain.units import MICRO_PER_EURO, WH_PER_KWH
from oracle.acn import read_all_sessions
from scripts.day import EXCERPT, SUN_PERCENT

DAYS = 7


def measure(days: int, sun_percent: int) -> dict[str, Any]:
    """All figures, by their names."""
    sessions = read_all_sessions(EXCERPT)
    first_day = min(session.local_day for session in sessions)
    chosen = [session for session in sessions if (session.local_day - first_day).days < days]
    began_s = time.perf_counter()
    market = Simulation(chosen, sun_percent=sun_percent).run()
    took_s = time.perf_counter() - began_s
    cars = [account for account in market.plain_micro if account != SUN]
    plain_micro = sum(market.plain_micro[account] for account in cars)
    gains = gains_micro(market)
    worst_micro = max(market.paid_micro[one] + market.wear_micro[one] - market.plain_micro[one] for one in cars)
    return {
        "benchmark": "market_day",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "sessions": "recorded (ACN-Data, JPL, July 2019); batteries, powers, photovoltaics, tariffs are MODELLED",
        "days": days,
        "vehicles": len(cars),
        "auctions": len(market.intervals),
        "orders": market.orders,
        "auctions_with_a_price": sum(one.clearing.price_micro_per_kwh is not None for one in market.intervals),
        "unmet_wh": market.unmet_wh,
        "charged_kwh": round(sum(market.imported_wh.values()) / WH_PER_KWH, 1),
        "sold_back_kwh": round(sum(market.exported_wh[account] for account in cars) / WH_PER_KWH, 1),
        "photovoltaics_kwh": round(market.exported_wh[SUN] / WH_PER_KWH, 1),
        "vehicles_at_tariff_eur": round(plain_micro / MICRO_PER_EURO, 2),
        **{f"gain_of_{side}_eur": round(micro / MICRO_PER_EURO, 2) for side, micro in gains.items()},
        "gain_of_vehicles_percent": round(100 * gains["vehicles"] / plain_micro, 2),
        "worst_vehicle_against_tariff_micro": worst_micro,
        "simulated_intervals_per_s": round(len(market.intervals) / took_s, 1),
    }


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = command_line(__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="days of the recording, from its first one on")
    parser.add_argument("--sun-percent", type=int, default=SUN_PERCENT, help="photovoltaics' energy of the sessions'")
    arguments = parser.parse_args()
    figures = measure(arguments.days, arguments.sun_percent)
    show(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
