"""Room is what limits leave beside what is planned, by groups of vehicles that count alike; it never counts wrongly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.bidding.stay import WHOLE_BP
from domain.schedule.room import SPAN, Room, Stay, cheapest
from tests.unit.schedule.courses import visit

MOST_WH = 1_000
wh = st.integers(0, MOST_WH)


def room_of(*most_wh: int) -> Room:
    room = Room(len(most_wh), 0)
    room.most[:] = [most * WHOLE_BP for most in most_wh]
    return room


def stay_in(room: Room, slots: int, *parts_bp: int) -> Stay:
    vehicle = visit("v", 0, slots, circuits_bp=parts_bp).vehicle
    return Stay(
        vehicle=vehicle,
        last=slots,
        missing_wh=MOST_WH * slots,
        most_wh=MOST_WH,
        group=room.group_of(vehicle),
        since=0,
        planned_wh=np.zeros(slots),
    )


@given(planned=st.lists(st.tuples(st.integers(0, 2), wh, wh), max_size=6), slot=st.integers(0, 1))
def test_what_is_left_is_what_the_tightest_limit_leaves(planned: list[tuple[int, int, int]], slot: int) -> None:
    room, parts_bp = room_of(3_000, 2_000), [(0,), (5_000,), (10_000,)]
    used_bp = np.zeros((2, 2))
    for group, first_wh, second_wh in planned:
        mine = np.array([first_wh, second_wh], dtype=float)
        room.put(stay_in(room, 2, *parts_bp[group]), 0, mine)
        used_bp += np.outer([WHOLE_BP, *parts_bp[group]], mine)
    mine_bp = np.array([[WHOLE_BP], [7_000]])
    left_wh = ((np.array([[3_000], [2_000]]) * WHOLE_BP - used_bp) // mine_bp).min(axis=0)
    newcomer = stay_in(room, 2, 7_000)
    assert room.left_wh(newcomer, slot).tolist() == np.clip(left_wh, 0, MOST_WH)[slot:].tolist()


def test_plan_for_all_takes_the_place_of_every_other_plan() -> None:
    room = room_of(5_000)
    first, second = stay_in(room, 3), stay_in(room, 2)
    room.put(first, 0, np.array([100.0, 200.0, 300.0]))
    room.put_all([first, second], 1, np.array([[10.0, 20.0], [30.0, 0.0]]))
    other = stay_in(room, 3)
    other.most_wh = 10_000
    assert room.left_wh(other, 0).tolist() == [4_900, 4_960, 4_980]
    assert (first.ahead_wh(1).tolist(), second.ahead_wh(1).tolist()) == ([10, 20], [30])


def test_past_is_forgotten_when_a_stay_needs_more_slots_than_are_held() -> None:
    room = room_of(5_000)
    stay = stay_in(room, 3)
    stay.most_wh = 10_000
    room.put(stay, 0, np.array([100.0, 200.0, 300.0]))
    room.hold(SPAN + 2, 2)
    longer = stay_in(room, SPAN + 2)
    longer.most_wh = 10_000
    assert room.left_wh(longer, 2).tolist() == [4_700, *[5_000] * (SPAN - 1)]


@given(slots=st.lists(st.tuples(wh, st.integers(0, 3)), min_size=1, max_size=12), wanted_wh=st.integers(0, 9_000))
def test_cheapest_is_taken_first_and_the_earlier_of_two(slots: list[tuple[int, int]], wanted_wh: int) -> None:
    room_wh, prices = np.array(slots, dtype=float).T
    expected, missing = [0.0] * len(slots), float(wanted_wh)
    for slot in sorted(range(len(slots)), key=lambda slot: slots[slot][1]):
        expected[slot] = min(missing, room_wh[slot])
        missing -= expected[slot]
    assert cheapest(room_wh, prices, wanted_wh).tolist() == expected
