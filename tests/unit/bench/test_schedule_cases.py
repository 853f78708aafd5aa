"""The schedule benchmark runs the cases it is asked for, and its last line is one JSON object with all of them."""

import json
import sys
from concurrent.futures import Executor

import pytest

from bench import schedule, schedule_day_ahead
from bench.schedule_site import Case
from domain.schedule.problem import Slots

WEEK_S = 7 * 86_400


def _first(pool: Executor) -> Case:
    return Case(figures={"sum": pool.submit(sum, (1, 2)).result()}, table="the first")


def test_cases_share_workers_and_come_out_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schedule, "CASES", {"f": _first, "a": _first})
    monkeypatch.setattr(schedule, "ALONE", {"g": lambda: Case(figures={"ms": 3}, table="the last")})
    monkeypatch.setattr(sys, "argv", ["schedule", "--json", "--cases", "gfa", "--workers", "1"])
    schedule.main()
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert [name for name in found if len(name) == 1] == ["a", "f", "g"]
    assert (found["a"], found["g"]) == ({"sum": 3}, {"ms": 3})


@pytest.mark.parametrize("by_clock", [False, True])
def test_dutch_days_keep_weekday_and_hour_and_come_again_after_four_weeks(by_clock: bool) -> None:
    monday_s = 1_562_050_800
    moved_s = schedule_day_ahead.dutch_time_s(monday_s, by_clock=by_clock)
    apart_s = 8 * 3_600 if by_clock else 0
    assert (monday_s - apart_s - moved_s) % WEEK_S == 0
    assert 1_730_415_600 <= moved_s < 1_730_415_600 + 4 * WEEK_S
    assert schedule_day_ahead.dutch_time_s(monday_s + 4 * WEEK_S, by_clock=by_clock) == moved_s


def test_prices_of_the_next_dutch_day_are_known_from_one_in_the_afternoon_there() -> None:
    """From 5:00 in Los Angeles on, which is 13:00 by winter time in the Netherlands."""
    slots = Slots.even(1_562_050_800, 900, 2 * 96)
    known = schedule_day_ahead.published(slots)
    noon = next(t for t, start_s in enumerate(slots.edges_s) if (start_s + 3_600) % 86_400 == 13 * 3_600)
    assert known[noon] - known[noon - 1] in (96, len(slots) - known[noon - 1])
    assert all(to_slot > slot for slot, to_slot in enumerate(known))
