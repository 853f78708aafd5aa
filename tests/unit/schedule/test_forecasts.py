"""Forecasts: vehicles to come, departures, prices, load and sun, each from the past only."""

import numpy as np
import pytest

from domain.schedule.departures import Declared, Departures, declared_of
from domain.schedule.forecast import WEEK_S, Record, Stayed, phantoms
from domain.schedule.moment import Moment
from domain.schedule.outlook import Daily, published
from domain.schedule.problem import Slots, Vehicle
from domain.schedule.simulation import simulate
from domain.units import UnixSeconds
from tests.unit.schedule.courses import SLOT_S, START_S, Fixed, at, course, visit

DAY = 96


def moment(slot: int = 0, **changes: object) -> Moment:
    values = {"vehicles": (), "import_micro_per_kwh": (), "slot_s": SLOT_S, **changes}
    return Moment(now_s=at(slot), ends_s=at(slot + 1), **values)  # type: ignore[arg-type]  # by name


def test_the_record_learns_who_came_and_left() -> None:
    class Watching(Fixed):
        record = Record()

        def powers(self, moment: Moment) -> dict[str, int]:
            self.record.watch(moment)
            return dict(super().powers(moment))

    policy = Watching(a=8_000)
    simulate(course([visit("a", 1, 4, 3_000), visit("b", 2, 9, 500)]), policy)
    assert policy.record.stays == [Stayed(at(1), at(4), 3_000, 8_000), Stayed(at(2), at(9), 500, 8_000)]


def test_last_week_is_expected_to_come_again_from_the_next_slot_on() -> None:
    past = [Stayed(at(slot) - WEEK_S, at(slot + 4) - WEEK_S, 3_000, 8_000) for slot in (-1, 0, 1, 5, 50)]
    found = phantoms(Record(past), moment(0), int(at(20)), weeks=(1,), grain_s=SLOT_S)
    assert [(v.arrival_s, v.departure_s, v.need_wh) for v in found] == [
        (at(1), at(5), 3_000),
        (at(5), at(9), 3_000),
    ]


def test_of_several_weeks_the_mean_is_expected_and_like_stays_are_joined() -> None:
    past = [Stayed(at(4) - week * WEEK_S, at(8) - week * WEEK_S, 3_000, 8_000) for week in (1, 1, 2)]
    (found,) = phantoms(Record(past), moment(0), int(at(20)), weeks=(1, 2), grain_s=4 * SLOT_S)
    assert (found.need_wh, found.power_w) == (4_500, 12_000)


def test_published_prices_are_means_over_longer_slots_and_go_on_like_the_last_day() -> None:
    slots = Slots((*range(START_S, START_S + 2 * SLOT_S + 1, SLOT_S), START_S + 4 * SLOT_S))
    assert published((10, 20, 30, 50), moment(0), slots) == (10, 20, 40)
    days = tuple(range(DAY)) * 2
    far = Slots.even(int(at(0)) + 0, SLOT_S, 3 * DAY)
    assert published(days, moment(0), far)[2 * DAY :] == tuple(range(DAY))
    assert published((), moment(0), slots) == ()


def test_sun_is_expected_as_on_the_last_days_scaled_by_today() -> None:
    """The 1st of July 2019, at 10:00 in Los Angeles, was a Monday; half of the usual sun came since eight."""
    usual = [4_000 * (32 <= slot < 64) for slot in range(DAY)]
    past = usual * 3
    today = [watts // 2 for watts in usual[:40]]
    monday_s = START_S - START_S % 86_400 + 7 * 3_600
    now = Moment(
        now_s=UnixSeconds(monday_s + 40 * SLOT_S),
        ends_s=UnixSeconds(monday_s + 41 * SLOT_S),
        slot_s=SLOT_S,
        vehicles=(),
        import_micro_per_kwh=(),
    )
    slots = Slots.even(now.now_s, SLOT_S, DAY)
    daily = Daily(past[-DAY * 3 :], utc_offset_s=-7 * 3_600, days=9)
    found = daily.expected(today, now, slots)
    assert found[0] == 2_000
    assert found[0] < found[20] < 4_000
    assert found[30] == 0


def test_without_a_past_the_last_value_stays_and_without_any_there_is_none() -> None:
    slots = Slots.even(int(at(3)), SLOT_S, 4)
    assert Daily().expected((100, 200, 300), moment(3), slots) == (300,) * 4
    assert Daily().expected((), moment(3), slots) == (0,) * 4


def stays(*hours: float) -> list[Declared]:
    """Each came at eight, declared eight hours, and stayed so long."""
    return [
        Declared(day * 86_400 + 28_800, day * 86_400 + 57_600, day * 86_400 + 28_800 + int(h * 3_600))
        for day, h in enumerate(hours, 4)
    ]


def vehicle(day: int = 11) -> Vehicle:
    arrival = day * 86_400 + 28_800
    return Vehicle(session="a", arrival_s=arrival, departure_s=arrival + 28_800, need_wh=1, power_w=1)  # type: ignore[arg-type]


def test_presence_is_the_share_of_alike_stays_that_lasted_longer() -> None:
    known = Departures(stays(4, 6, 8, 10))
    told = vehicle()
    slots = Slots.even(told.arrival_s, 7_200, 6)
    assert [round(p, -2) for p in known.presence_bp(told, told.arrival_s, slots)] == [
        10_000,
        10_000,
        7_500,
        5_000,
        2_500,
        0,
    ]


def test_who_is_still_there_may_stay_even_past_what_was_declared() -> None:
    known = Departures(stays(4, 6, 9, 10))
    told = vehicle()
    now_s = told.departure_s + 1_800
    shares = known.presence_bp(told, now_s, Slots.even(now_s, 1_800, 4))
    assert shares[0] == pytest.approx(10_000, abs=1) or shares[0] == pytest.approx(5_000, abs=1)
    assert shares[-1] == 0
    assert list(shares) == sorted(shares, reverse=True)


def test_who_stays_longer_than_anybody_is_half_as_likely_there_each_hour() -> None:
    told = vehicle()
    now_s = told.departure_s + 20_000
    assert Departures(stays(4, 6)).presence_bp(told, now_s, Slots.even(now_s, 3_600, 2)) == (5_000, 2_500)
    assert Departures([]).presence_bp(told, told.arrival_s, Slots.even(told.arrival_s, 28_800, 1)) == (10_000,)


def test_stays_alike_in_hour_and_length_count_most() -> None:
    nights = [Declared(d * 86_400 + 72_000, d * 86_400 + 79_200, d * 86_400 + 79_200) for d in range(4, 9)]
    known = Departures([*stays(8, 8, 8), *nights])
    told = vehicle()
    late = Slots.even(told.arrival_s, 27_000, 1)
    assert known.presence_bp(told, told.arrival_s, late)[0] > 9_990


def test_presence_never_rises_and_the_plan_ends_where_it_is_nearly_gone() -> None:
    generator = np.random.default_rng(7)
    known = Departures(stays(*generator.uniform(1, 12, 60)))
    told = vehicle()
    latest_s = known.latest_s(told, told.arrival_s, told.arrival_s + 86_400, 900)
    assert told.arrival_s + 11 * 3_600 < latest_s <= told.arrival_s + 12.5 * 3_600
    shares = known.presence_bp(told, told.arrival_s, Slots.even(told.arrival_s, 900, 60))
    assert list(shares) == sorted(shares, reverse=True)


def test_only_stays_that_can_be_are_learned_from() -> None:
    assert declared_of([(10, 20, 15), (10, 5, 20), (10, 20, 10)]) == [Declared(10, 20, 15)]
