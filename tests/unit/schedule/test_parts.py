"""Plans in parts: what one part did is where the next one begins."""

import pytest

from domain.bidding.stay import Moved
from domain.schedule.check import check
from domain.schedule.metrics import measure
from domain.schedule.optimum import optimum
from domain.schedule.parts import parts_of, planned_in_parts
from domain.schedule.problem import DemandCharge, Problem
from tests.unit.schedule.problems import battery, problem, vehicle

PRICES = (80_000, 300_000, 60_000, 310_000) * 6
COUNT = len(PRICES)


def site(*, demand_micro_per_kw: int = 0) -> Problem:
    """A vehicle that gives back, one that only charges over several parts, and one within a part."""
    pack = battery(wear_micro_per_kwh=13_000)
    charge = DemandCharge(price_micro_per_kw=demand_micro_per_kw, from_slot=0, to_slot=COUNT)
    return problem(
        vehicle("gives", slots=(1, 22), need_wh=6_000, battery=pack, export_power_w=8_000),
        vehicle("stays", slots=(2, 20), need_wh=9_000),
        vehicle("passes", slots=(9, 11), need_wh=1_500),
        prices=PRICES,
        export_micro_per_kwh=tuple(price - 10_000 for price in PRICES),
        import_limit_w=(12_000,) * COUNT,
        demands=(charge,) if demand_micro_per_kw else (),
    )


@pytest.mark.parametrize("slots", [3, 8])
@pytest.mark.parametrize("demand_micro_per_kw", [0, 500_000])
def test_plan_in_parts_meets_needs_and_breaks_nothing(slots: int, demand_micro_per_kw: int) -> None:
    whole, shown = site(demand_micro_per_kw=demand_micro_per_kw), list[int]()

    found = planned_in_parts(whole, optimum, parts_of(whole, slots=slots, ahead=12), shown.append)

    assert check(found) == []
    assert shown == [min(at + slots, COUNT) for at in range(0, COUNT, slots)]
    figures, best = measure(found), measure(optimum(whole))
    assert figures.delivered == best.delivered == 1
    assert best.bill_micro <= figures.bill_micro <= best.bill_micro + 300_000
    assert demand_micro_per_kw or found.sold_wh[0] > 0


def test_battery_after_a_part_holds_what_was_moved() -> None:
    moved = Moved(2_000, 500)
    pack = battery(stored_wh=10_000, efficiency_bp=9_000)

    assert pack.after(moved).stored_wh == 10_000 + 1_800 - 500
    assert pack.missing_wh(6_000, moved) == 6_000 - 2_000 + 556
    assert pack.after(Moved(10**6, 0)).stored_wh == pack.capacity_wh
    assert pack.after(Moved(0, 10**6)).stored_wh == 0
