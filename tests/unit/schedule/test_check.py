"""The checker names what a schedule breaks: one wrong schedule for each rule."""

from typing import Any

import numpy as np
import pytest

from domain.schedule.check import Violation, check
from domain.schedule.columns import Columns
from domain.schedule.plan import Schedule
from domain.schedule.problem import Vehicle
from tests.unit.schedule.problems import battery, problem, vehicle

PACK = {"capacity_wh": 10_000, "stored_wh": 6_000, "floor_wh": 5_000, "efficiency_bp": 8_000}
V2G = vehicle(export_power_w=8_000, battery=battery(**PACK))


def schedule(
    taken: list[int], given: list[int] | None = None, *, stay: Vehicle | None = None, **changes: Any
) -> Schedule:
    columns = Columns.of(problem(stay or vehicle(), **changes))
    return Schedule(columns, np.array(taken), np.array(given or [0] * len(taken)), "by hand")


@pytest.mark.parametrize(
    ("broken", "rule", "by_wh"),
    [
        (schedule([2_001, 0, 0, 0]), "power", 1),
        (schedule([0, 0, 0, 0], [1, 0, 0, 0]), "power", 1),
        (schedule([-5, 0, 0, 0]), "negative", 5),
        (schedule([2_000, 1_001, 0, 0]), "need", 1),
        (schedule([500, 0, 0, 0], [300, 0, 0, 0], stay=V2G), "both ways", 300),
        (schedule([0, 0, 0, 0], [900, 101, 0, 0], stay=V2G), "floor", 1),
        (schedule([2_000, 2_000, 1_002, 0], stay=V2G), "capacity", 2),
        (schedule([0, 100, 0, 0], stay=vehicle(least_power_w=1_380)), "least power", 245),
        (schedule([0, 2_000, 0, 0], import_limit_w=(9_000, 7_000, 9_000, 9_000)), "import limit", 250),
        (schedule([0, 2_000, 0, 0], import_limit_w=(9_000,) * 4, load_w=(2_000,) * 4), "import limit", 250),
        (schedule([0] * 4, [500, 0, 0, 0], stay=V2G, export_limit_w=(0,) * 4, load_w=(800,) * 4), "export limit", 300),
        (schedule([0, 0, 900, 0], stay=vehicle(lines=(1,)), line_limit_w=(9_000, 2_000, 9_000)), "line limit", 399),
    ],
)
def test_rule_that_is_broken_is_named(broken: Schedule, rule: str, by_wh: int) -> None:
    found = check(broken)
    assert (found[0].rule, found[0].by_wh) == (rule, by_wh)
    assert {one.rule for one in found} == {rule}


def test_power_above_the_taper_is_named() -> None:
    stay = vehicle(battery=battery(capacity_wh=10_000, stored_wh=9_000, efficiency_bp=10_000), taper_bp=8_000)
    assert check(schedule([1_000, 0, 0, 0], stay=stay)) == []
    assert [found.rule for found in check(schedule([0, 0, 0, 1_002], stay=stay))] == ["taper", "capacity"]


def test_energy_outside_the_stay_is_named() -> None:
    columns = Columns.of(problem(vehicle(slots=(0, 2))))
    later = Columns(columns.problem, columns.vehicle, columns.slot + 2, columns.seconds, columns.first)
    found = check(Schedule(later, np.array([10, 0]), np.array([0, 0]), "by hand"))
    assert [one.rule for one in found] == ["window", "power"]


def test_good_schedule_breaks_nothing_and_a_violation_says_where() -> None:
    assert check(schedule([2_000, 1_000, 0, 0])) == []
    assert str(Violation("power", "a in slot 3", 5)) == "power: a in slot 3, by 5 Wh"
