"""Case E: vehicles that give back, JPL in July 2019 on composed day-ahead prices, at three prices of wear.

Packs are MODELLED, as no recording has them: 60 kWh, or 100 kWh where more than 45 kWh is needed; 80 % is stored at
departure, 10 % at least in between; 90 % of what is charged comes back; 6.6 kW both ways. Energy fed in earns the
price at which it is drawn. Nothing limits the site: what is given back must be charged again, and under a limit, who
comes meanwhile may need that room. Charge-only is the same planner for the same vehicles, which then give nothing back.
"""

from concurrent.futures import Executor
from dataclasses import replace

from bench.schedule_day_ahead import on_dutch_prices
from bench.schedule_jpl import DEADLINE_S, YEAR
from bench.schedule_site import (
    SLOT_S,
    Arm,
    Case,
    digest_of,
    figures_of,
    month_course,
    offline,
    play,
    rewarded,
    table_of,
)
from domain.bidding.stay import WHOLE_BP, Battery
from domain.schedule.baselines import Uncontrolled
from domain.schedule.horizon import Tuning
from domain.schedule.planner import Planner
from domain.schedule.problem import Vehicle
from domain.schedule.simulation import Course
from domain.units import EnergyWh, PowerW, PriceMicroPerKwh

MONTH = 7
WEAR_MICRO_PER_KWH = (0, 50_000, 100_000)
PACK_WH, LARGE_PACK_WH, LARGE_FROM_WH = 60_000, 100_000, 45_000
LEAVES_PERCENT, FLOOR_PERCENT, EFFICIENCY_BP = 80, 10, 9_000


def run(pool: Executor) -> Case:
    """Charge-only and giving back at each price of wear."""
    jobs = [pool.submit(_uncontrolled), pool.submit(_charge_only), pool.submit(_charge_only_optimum)]
    jobs += [pool.submit(_gives_back, wear) for wear in WEAR_MICRO_PER_KWH]
    arms = [job.result() for job in jobs]
    found = rewarded(arms, arms[0])
    only, giving = found[1].metrics, found[3:]
    ratios = [arm.metrics.bill_micro / only.bill_micro for arm in giving]
    figures = {
        "cost_ratio_to_charge_only": round(max(ratios), 4),
        "by_wear_micro_per_kwh": {
            wear: {
                "cost_ratio_to_charge_only": round(ratio, 4),
                "sold_kwh": round(arm.metrics.sold_wh / 1e3, 1),
                "wear_paid_eur": round(arm.metrics.wear_micro / 1e6, 2),
                "delivered": round(arm.metrics.delivered, 5),
            }
            for wear, ratio, arm in zip(WEAR_MICRO_PER_KWH, ratios, giving, strict=True)
        },
        "inputs_sha256": [digest_of(course_of(wear)) for wear in WEAR_MICRO_PER_KWH],
        "arms": figures_of(found),
    }
    notes = [
        "EUR. COMPOSED prices as in case C, without its cap.",
        "Packs MODELLED: 60 or 100 kWh, 80 % at departure, 90 % round trip.",
        "Wear is paid for each kWh given back. Bills have it in them.",
    ]
    title = "E: JPL July 2019, vehicles that give back"
    return Case(figures=figures, table=table_of(title, found, found[2], notes))


def charge_only_course() -> Course:
    """July on composed prices; nothing limits the site."""
    return on_dutch_prices(month_course(YEAR, MONTH))


def course_of(wear_micro_per_kwh: int) -> Course:
    """The same, each vehicle with a pack."""
    course = charge_only_course()
    visits = tuple(replace(visit, vehicle=with_pack(visit.vehicle, wear_micro_per_kwh)) for visit in course.visits)
    return replace(course, visits=visits)


def with_pack(vehicle: Vehicle, wear_micro_per_kwh: int) -> Vehicle:
    """The vehicle with a pack that holds what it must at departure once its need is met."""
    capacity_wh = LARGE_PACK_WH if vehicle.need_wh > LARGE_FROM_WH else PACK_WH
    gained_wh = vehicle.need_wh * EFFICIENCY_BP // WHOLE_BP
    stored_wh = max(capacity_wh * FLOOR_PERCENT // 100, capacity_wh * LEAVES_PERCENT // 100 - gained_wh)
    battery = Battery(
        capacity_wh=EnergyWh(capacity_wh),
        stored_wh=EnergyWh(stored_wh),
        floor_wh=EnergyWh(capacity_wh * FLOOR_PERCENT // 100),
        efficiency_bp=EFFICIENCY_BP,
        wear_micro_per_kwh=PriceMicroPerKwh(wear_micro_per_kwh),
    )
    return replace(vehicle, battery=battery, export_power_w=PowerW(vehicle.power_w))


def _uncontrolled() -> Arm:
    return play(charge_only_course(), Uncontrolled())


def _charge_only() -> Arm:
    return play(charge_only_course(), _planner(), "planner, charge-only")


def _charge_only_optimum() -> Arm:
    return offline(charge_only_course(), "optimum, charge-only")


def _gives_back(wear_micro_per_kwh: int) -> Arm:
    name = f"planner, V2G, wear {wear_micro_per_kwh / 1e6:.2f} EUR/kWh"
    return play(course_of(wear_micro_per_kwh), _planner(), name)


def _planner() -> Planner:
    return Planner(Tuning(weeks=(), deadline_s=DEADLINE_S, stale_s=SLOT_S * 96))
