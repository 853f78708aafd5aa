"""Set-points as they are written down and followed: once for each step, and never for one that has begun."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domain.units import AccountId, EnergyWh, PowerW, UnixSeconds
from oracle.acn import ReplaySession
from oracle.course import Planned, PlannedCourse
from oracle.errors import BackendUnavailable
from oracle.set_points import LEAD_S, STEP_S, Recorder, SetPointFile

CAR, OTHER = AccountId(57), AccountId(58)
STEP = UnixSeconds(1_800_000_000)


@dataclass
class Clock:
    """Moves when somebody waits, and stops at a time."""

    time_s: float
    stops_s: float
    waits: list[float] = field(default_factory=list)

    @property
    def stopped(self) -> bool:
        return self.time_s >= self.stops_s

    def unix_s(self) -> int:
        return int(self.time_s)

    def monotonic(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time_s += seconds


@dataclass
class Schedule:
    """A backend that plans, after a while if it is slow."""

    clock: Clock
    powers: Mapping[AccountId, PowerW]
    takes_s: float = 0
    fails: bool = False
    asked: list[int] = field(default_factory=list)

    def planned_powers(self, site: str, time_s: int) -> Mapping[AccountId, PowerW]:
        assert site == "yard"
        self.asked.append(time_s)
        self.clock.time_s += self.takes_s
        if self.fails:
            raise BackendUnavailable("http://127.0.0.1", 1, "nobody there")
        return self.powers


def recorded(path: Path, *, takes_s: float = 0, fails: bool = False) -> Schedule:
    """What happens in a little more than two steps."""
    clock = Clock(STEP - 100, STEP + STEP_S + 50)
    schedule = Schedule(clock, {CAR: PowerW(6_600), OTHER: PowerW(-3_600)}, takes_s, fails)
    Recorder(schedule, "yard", path, clock).run()
    return schedule


def test_powers_are_written_down_just_before_each_step(tmp_path: Path) -> None:
    schedule = recorded(tmp_path / "points")
    followed = SetPointFile(tmp_path / "points", [CAR, OTHER])

    assert schedule.asked == [STEP, STEP + STEP_S]
    assert schedule.clock.waits[0] == 100 - LEAD_S
    for step_s in schedule.asked:
        start_s, end_s = UnixSeconds(step_s), UnixSeconds(step_s + STEP_S)
        assert followed.of(CAR, start_s, end_s) == Planned(EnergyWh(550), EnergyWh(0))
        assert followed.of(OTHER, start_s, end_s) == Planned(EnergyWh(0), EnergyWh(300))
    assert followed.of(AccountId(59), STEP, UnixSeconds(STEP + 1)) is None


@pytest.mark.parametrize(("takes_s", "fails"), [(LEAD_S + 1, False), (0, True)])
def test_step_that_has_begun_or_that_nobody_planned_is_not_written(tmp_path: Path, takes_s: float, fails: bool) -> None:
    schedule = recorded(tmp_path / "points", takes_s=takes_s, fails=fails)

    assert len(schedule.asked) == 2
    assert not (tmp_path / "points").exists()


def test_vehicle_follows_the_power_from_the_moment_it_arrives(tmp_path: Path) -> None:
    recorded(tmp_path / "points")
    arrival_s = UnixSeconds(STEP + 100)
    session = ReplaySession(
        session_id="s",
        station_name="A",
        arrival_s=arrival_s,
        departure_s=UnixSeconds(STEP + 7_200),
        estimated_departure_s=UnixSeconds(STEP + 7_200),
        requested_wh=EnergyWh(5_000),
        delivered_wh=EnergyWh(5_000),
        utc_offset_s=0,
    )
    course = PlannedCourse(session, CAR, SetPointFile(tmp_path / "points", [CAR]))

    assert course.import_at(STEP + STEP_S) == 6_600 * 200 // 3_600
    assert course.import_at(STEP + 2 * STEP_S) == 6_600 * 200 // 3_600 + 550
    assert course.import_at(STEP + 3 * STEP_S) == 6_600 * 200 // 3_600 + 550
