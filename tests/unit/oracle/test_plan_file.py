"""Plans in a file: read on as lines come, and refused if a line is none."""

from pathlib import Path

import pytest

from domain.units import AccountId, EnergyWh, UnixSeconds
from oracle.course import Planned
from oracle.errors import PlanInvalid
from oracle.plan_file import PlanFile, add_plan

FIRST, SECOND = UnixSeconds(900), UnixSeconds(1_800)
CAR, OTHER = AccountId(57), AccountId(58)


def planned(import_wh: int, export_wh: int = 0) -> Planned:
    return Planned(EnergyWh(import_wh), EnergyWh(export_wh))


def of(plans: PlanFile, account: AccountId, start_s: UnixSeconds) -> Planned | None:
    """What is planned for an account that is there to the end of the step."""
    return plans.of(account, start_s, UnixSeconds(start_s + plans.step_s))


def test_lines_are_read_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "plans"
    plans = PlanFile(path, [CAR, OTHER])
    assert of(plans, CAR, FIRST) is None
    add_plan(path, FIRST, {CAR: planned(1_650), OTHER: planned(0, 700)})
    assert of(plans, CAR, FIRST) == planned(1_650)
    assert of(plans, CAR, SECOND) is None
    add_plan(path, SECOND, {CAR: planned(5)})
    assert (of(plans, OTHER, FIRST), of(plans, CAR, SECOND), of(plans, OTHER, SECOND)) == (
        planned(0, 700),
        planned(5),
        None,
    )


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "plans"
    add_plan(path, FIRST, {CAR: planned(1)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    plans = PlanFile(path, [CAR])
    assert of(plans, CAR, FIRST) is None
    path.write_bytes(whole)
    assert of(plans, CAR, FIRST) == planned(1)


def test_only_traders_take_part(tmp_path: Path) -> None:
    plans = PlanFile(tmp_path / "plans", [CAR])
    assert plans.takes_part(CAR)
    assert not plans.takes_part(OTHER)


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"interval": 901, "moves": {}}' + "x",
        '{"interval": 901, "moves": {"57": [1, 0]}}',
        '{"interval": 900}',
        '{"interval": 900, "moves": {"57": [1]}}',
        '{"interval": 900, "moves": {"57": [-1, 0]}}',
        '{"interval": 900, "moves": {"57": [1.5, 0]}}',
        '{"interval": 900, "moves": {"57": [1073741824, 0]}}',
        '{"interval": 900, "moves": {"car": [1, 0]}}',
    ],
)
def test_a_line_that_is_no_plan_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "plans"
    add_plan(path, FIRST, {CAR: planned(1)})
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(PlanInvalid, match="line 2"):
        of(PlanFile(path, [CAR]), CAR, SECOND)
