"""Auctions that are stuck and positions that could be closed are counted from their very second on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.application.given_up import skip
from backend.application.market import Amounts, Cleared, OrderState
from backend.application.market_standing import LATE_S, MarketStanding, Waits, market_standing
from domain.chain import BlockRef
from domain.units import UnixSeconds
from tests.unit.backend.market_world import ALICE, BOB, GATE_S, INTERVAL_S, NOW_S, ZONE, World, market_world, order

PLACE = (ZONE, int(INTERVAL_S))
WAITS = Waits(settle_within_s=21_600, close_after_s=900)
CLOSABLE_S = INTERVAL_S + 1_800
LOST_S = INTERVAL_S + 900 + 21_600 + 1
"""From when on an auction that was never concluded traded nothing."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with market_world(tmp_path) as made:
        with made.store.write() as unit:
            last = BlockRef(number=7, block_hash=bytes(32), parent_hash=bytes(32), time_s=UnixSeconds(NOW_S))
            unit.blocks.add([last], [])
        yield made


def at(world: World, time_s: int) -> MarketStanding:
    world.clock.time_s = time_s
    with world.store.read() as unit:
        return market_standing(unit, world.clock, WAITS)


def commit(world: World) -> None:
    with world.store.write() as unit:
        unit.orders.mark([one.order_hash for one in unit.orders.book(*PLACE, OrderState.OPEN)], OrderState.BOOKED)
        unit.auctions.committed(*PLACE, count=1, digest=bytes(32), place=9, transaction=bytes(32))


def test_auction_with_orders_is_stuck_from_its_gate_until_it_has_a_book_or_an_end(world: World) -> None:
    world.place(order())
    assert at(world, GATE_S - 1).without_book == 0
    found = at(world, GATE_S)
    assert (found.without_book, found.unsettled, found.oldest_auction_s) == (1, 0, INTERVAL_S)
    with world.store.write() as unit:
        skip(unit, PLACE, "because")
    found = at(world, GATE_S)
    assert (found.without_book, found.oldest_auction_s) == (0, None)


def test_book_is_unsettled_until_it_is_concluded_or_can_no_longer_be(world: World) -> None:
    world.place(order())
    commit(world)
    assert (at(world, GATE_S).without_book, at(world, GATE_S).unsettled) == (0, 1)
    with world.store.write() as unit:
        cleared = Cleared(price_micro_per_kwh=1, volume_wh=1, lo_micro_per_kwh=1, hi_micro_per_kwh=1)
        unit.auctions.cleared(*PLACE, cleared)
    assert at(world, LOST_S - 1).unsettled == 1
    assert at(world, LOST_S).unsettled == 0
    with world.store.write() as unit:
        unit.auctions.concluded(*PLACE, 0)
    assert at(world, GATE_S).unsettled == 0


def test_stuck_auction_needs_attention_once_its_interval_is_over(world: World) -> None:
    world.place(order())
    assert at(world, INTERVAL_S + 899).attention == []
    [sentence] = at(world, INTERVAL_S + 900).attention
    assert sentence.startswith(f"1 auctions are not over, the oldest that of {INTERVAL_S}")


@pytest.mark.parametrize("concluded", [True, False])
def test_positions_are_closable_when_their_auction_is_over_and_not_before(world: World, concluded: bool) -> None:
    commit(world)
    with world.store.write() as unit:
        for account in (ALICE, BOB):
            unit.positions.add(*PLACE, account, Amounts(imported_wh=1))
        if concluded:
            unit.auctions.concluded(*PLACE, 0)
    first_s = CLOSABLE_S if concluded else LOST_S
    assert (at(world, first_s - 1).closable, at(world, first_s - 1).oldest_closable_s) == (0, None)
    assert (at(world, first_s).closable, at(world, first_s).oldest_closable_s) == (2, INTERVAL_S)
    assert not [one for one in at(world, CLOSABLE_S + LATE_S).attention if "positions" in one]
    late_s = max(first_s, CLOSABLE_S + LATE_S + 1)
    [sentence] = [one for one in at(world, late_s).attention if "positions" in one]
    assert sentence.startswith(f"2 positions are open although they can be closed, the oldest of {INTERVAL_S}")
