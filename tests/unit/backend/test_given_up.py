"""Auctions that had orders and no book end, say why, and are listed beside those that the chain tells."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from backend.adapters.sql import tables as t
from backend.application.errors import NoImbalancePrice
from backend.application.filters import AuctionFilter, Page
from backend.application.given_up import MISSED, skip, without_book
from backend.application.imbalance_prices import imbalance_tariffs
from backend.application.market import AuctionState, OrderState
from domain.auction.forced import ForcedOrder
from domain.chain import LOG_INDEX_BITS, BlockRef
from domain.tariff import Direction
from domain.units import TariffId, UnixSeconds
from tests.unit.backend.market_world import ALICE, GRID, INTERVAL_S, NOW_S, ZONE, World, market_world, order, terms
from tests.vectors.world import tariff

PLACE = (ZONE, int(INTERVAL_S))
NEXT = (ZONE, INTERVAL_S + 900)
BEGUN_S, OVER_S = INTERVAL_S, UnixSeconds(INTERVAL_S + 900)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with market_world(tmp_path) as made:
        with made.store.write() as unit:
            unit.blocks.add(
                [BlockRef(number=7, block_hash=bytes(32), parent_hash=bytes(32), time_s=UnixSeconds(NOW_S))], []
            )
        yield made


def unpublish(world: World) -> None:
    with world.store.engine.begin() as connection:
        connection.execute(delete(t.tariffs))


def bookless(world: World, now_s: int) -> dict[tuple[int, int], str]:
    with world.store.read() as unit:
        return without_book(unit, UnixSeconds(now_s))


def force(world: World) -> None:
    with world.store.write() as unit:
        forced = ForcedOrder(
            zone=ZONE,
            interval_s=INTERVAL_S,
            account=ALICE,
            sell=False,
            quantity_wh=1,
            limit_micro_per_kwh=0,
            nonce=5,
        )
        unit.zones.force(forced, 1)


# --- prices ------------------------------------------------------------------------------------


def test_order_for_an_interval_without_both_prices_is_refused_and_names_what_to_publish(world: World) -> None:
    unpublish(world)
    with pytest.raises(NoImbalancePrice, match=f"account {GRID}, the grid .* no market_charge and market_discharge"):
        world.orders.place(order())
    with world.store.write() as unit:
        unit.tariffs.published(tariff(8, GRID, Direction.MARKET_CHARGE, 1, INTERVAL_S, days=1))
        unit.tariffs.published(tariff(9, GRID, Direction.MARKET_DISCHARGE, 1, INTERVAL_S + 1, days=1))
    with pytest.raises(NoImbalancePrice, match="no market_discharge tariff over all of the interval"):
        world.orders.place(order())
    assert world.place(order(interval_s=UnixSeconds(INTERVAL_S + 900))) == "open"


def test_prices_are_those_of_the_grid_account_over_the_whole_interval(world: World) -> None:
    unpublish(world)
    with world.store.write() as unit:
        for number, direction in enumerate((Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE), 10):
            unit.tariffs.published(tariff(number, GRID, direction, 1, INTERVAL_S - 86_400, days=1))
            unit.tariffs.published(tariff(number + 10, GRID, direction, 1, INTERVAL_S, days=1))
            unit.tariffs.published(tariff(number + 20, ALICE, direction, 1, INTERVAL_S, days=1))
            unit.tariffs.published(tariff(number + 30, GRID, direction.flow, 1, INTERVAL_S, days=1))
        assert imbalance_tariffs(unit, terms(), INTERVAL_S) == (TariffId(20), TariffId(21))


# --- what has no book --------------------------------------------------------------------------


def test_auction_without_prices_ends_when_its_interval_begins_and_others_when_it_is_over(world: World) -> None:
    world.place(order())
    assert bookless(world, BEGUN_S) == {}
    assert bookless(world, OVER_S - 1) == {}
    assert bookless(world, OVER_S) == {PLACE: MISSED}
    unpublish(world)
    assert bookless(world, BEGUN_S - 1) == {}
    [reason] = bookless(world, BEGUN_S).values()
    assert "no market_charge and market_discharge tariff" in reason


def test_auction_of_forced_orders_alone_ends_as_well(world: World) -> None:
    force(world)
    assert bookless(world, OVER_S - 1) == {}
    assert bookless(world, OVER_S) == {PLACE: MISSED}


def test_auction_with_a_book_is_not_skipped(world: World) -> None:
    force(world)
    with world.store.write() as unit:
        unit.auctions.committed(*PLACE, count=1, digest=bytes(32), place=9, transaction=bytes(32))
    assert bookless(world, OVER_S) == {}


def test_skipped_auction_is_listed_with_its_reason_and_its_orders_are_left_out(world: World) -> None:
    record, _ = world.orders.place(order())
    force(world)
    with world.store.write() as unit:
        skip(unit, PLACE, "because")
        skip(unit, NEXT, "because of that")
    assert bookless(world, OVER_S) == {}
    found = world.orders.get(record.order_hash)
    assert (found.state, found.reason) == (OrderState.LEFT_OUT, "because")
    with world.store.read() as unit:
        first, second = unit.auctions.page(Page(0, 10), AuctionFilter(state=AuctionState.SKIPPED))
        assert (first.count, first.reason, first.digest, first.transaction) == (2, "because", None, None)
        assert 7 << LOG_INDEX_BITS < first.place < second.place < 8 << LOG_INDEX_BITS
        [told, _] = unit.feed.after(0, "auctions", ZONE, 10)
    assert told.kind == "skipped"


def test_skipped_auction_outlives_a_reorganisation_and_gives_way_to_a_book(world: World) -> None:
    with world.store.write() as unit:
        skip(unit, PLACE, "because")
        unit.auctions.committed(*NEXT, count=1, digest=bytes(32), place=9, transaction=bytes(32))
        unit.auctions.voided(*PLACE, "not settled")
        unit.clear_projections()
        kept, gone = unit.auctions.find(*PLACE), unit.auctions.find(*NEXT)
        assert kept is not None
        assert (kept.state, gone) == (AuctionState.SKIPPED, None)
        unit.auctions.committed(*PLACE, count=3, digest=b"\x01" * 32, place=9, transaction=bytes(32))
        found = unit.auctions.find(*PLACE)
    assert found is not None
    assert (found.state, found.count, found.reason) == (AuctionState.COMMITTED, 3, None)


def test_auction_that_was_not_settled_says_so(world: World) -> None:
    with world.store.write() as unit:
        unit.auctions.committed(*PLACE, count=1, digest=bytes(32), place=9, transaction=bytes(32))
        unit.auctions.voided(*PLACE, "not settled")
        found = unit.auctions.find(*PLACE)
    assert found is not None
    assert (found.state, found.reason) == (AuctionState.VOID, "not settled")
