"""Lists of the market: each filter finds what it asks for, by an index; and what subscribers are told stays bounded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from backend.adapters.sql import positions
from backend.adapters.sql.database import SqlStore
from backend.application import filters as f
from backend.application.errors import Overloaded
from backend.application.feed import MAX_SUBSCRIBERS, Feed
from backend.application.filters import Page
from backend.application.market import (
    Amounts,
    AuctionState,
    Cleared,
    OrderRecord,
    OrderState,
    ZoneSetting,
)
from backend.application.ports import UnitOfWork
from domain.units import AccountId
from tests.unit.backend.market_world import DOMAIN, INTERVAL_S, KEYS, FakeClock, order
from tests.unit.backend.stores import new_store
from tests.unit.backend.test_lists import plans_of

ALL = Page(-1, 500)
ACCOUNTS = (6, 7)


def filled(unit: UnitOfWork) -> None:
    """Two zones, two intervals, two accounts: eight of each."""
    for number in range(8):
        zone, interval_s, account = 1 + number % 2, INTERVAL_S + 900 * (number // 2 % 2), ACCOUNTS[number // 4]
        signed = order(account, zone=zone, interval_s=interval_s, nonce=number)
        record = OrderRecord(
            order_hash=signed.order.order_hash(DOMAIN),
            order=signed.order,
            signature=signed.signature,
            signer=KEYS[account].address,
            state=OrderState.OPEN,
            taken_at_s=0,
        )
        unit.orders.add(record)
        if number % 2:
            unit.orders.mark([record.order_hash], OrderState.BOOKED)
        unit.positions.add(zone, interval_s, account, Amounts(bought_wh=number))
        unit.positions.add(zone, interval_s + 9_000 * account, account, Amounts(imported_wh=1))
        place = zone, interval_s + 1_800 * (number // 4)
        unit.auctions.committed(*place, count=number, digest=bytes(32), place=number, transaction=bytes(32))
    cleared = Cleared(price_micro_per_kwh=1, volume_wh=1, lo_micro_per_kwh=1, hi_micro_per_kwh=1)
    unit.auctions.cleared(1, INTERVAL_S, cleared)
    unit.positions.closed(2, INTERVAL_S, 6, Amounts(bought_wh=1), net_micro=-5, set_aside=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    opened = new_store(tmp_path_factory.mktemp("market") / "wattledger.sqlite")
    with opened.write() as unit:
        filled(unit)
    yield opened
    opened.close()


def listed(unit: UnitOfWork, wanted: Any, page: Page = ALL) -> list[tuple[int, int]]:
    """The cursor of each item, and its number."""
    if isinstance(wanted, f.OrderFilter):
        return [(one.serial, one.order.nonce) for one in unit.orders.page(page, wanted)]
    if isinstance(wanted, f.AuctionFilter):
        return [(one.place, one.count) for one in unit.auctions.page(page, wanted)]
    return [(one.serial, one.open.bought_wh) for one in unit.positions.page(page, wanted) if not one.open.imported_wh]


CASES: list[tuple[Any, list[int]]] = [
    (f.OrderFilter(account=6), [0, 1, 2, 3]),
    (f.OrderFilter(zone=2), [1, 3, 5, 7]),
    (f.OrderFilter(interval_s=INTERVAL_S), [0, 1, 4, 5]),
    (f.OrderFilter(state=OrderState.BOOKED), [1, 3, 5, 7]),
    (f.OrderFilter(account=7, zone=1, interval_s=INTERVAL_S), [4]),
    (f.AuctionFilter(zone=1), [0, 2, 4, 6]),
    (f.AuctionFilter(interval_s=INTERVAL_S), [0, 1]),
    (f.AuctionFilter(state=AuctionState.CLEARED), [0]),
    (f.PositionFilter(account=7), [4, 5, 6, 7]),
    (f.PositionFilter(zone=2), [0, 3, 5, 7]),
    (f.PositionFilter(interval_s=INTERVAL_S), [0, 0, 4, 5]),
    (f.PositionFilter(open=False), [0, 0]),
]


@pytest.mark.parametrize(("wanted", "found"), CASES)
def test_filter_finds_what_it_asks_for_by_an_index(store: SqlStore, wanted: Any, found: list[int]) -> None:
    with store.read() as unit:
        assert [name for _, name in listed(unit, wanted)] == found
    plans = plans_of(store, lambda unit: listed(unit, wanted))
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN") or "INTEGER PRIMARY KEY" in plan], plans


@pytest.mark.parametrize("wanted", [f.OrderFilter(), f.AuctionFilter(), f.PositionFilter()])
def test_pages_of_two_are_the_whole_and_nothing_is_sorted(store: SqlStore, wanted: Any) -> None:
    if isinstance(wanted, f.PositionFilter):
        wanted = f.PositionFilter(account=7)
    numbers, after = [], -1
    with store.read() as unit:
        whole = [name for _, name in listed(unit, wanted)]
        while page := listed(unit, wanted, Page(after, 2)):
            numbers += [name for _, name in page]
            after = page[-1][0]
    assert numbers == whole
    assert not [plan for plan in plans_of(store, lambda unit: listed(unit, wanted)) if "TEMP B-TREE" in plan]


def test_work_that_is_due_is_found_by_an_index(store: SqlStore) -> None:
    plans = plans_of(
        store,
        lambda unit: (
            unit.orders.unfinished(INTERVAL_S, OrderState.OPEN, 9),
            unit.auctions.due(AuctionState.COMMITTED, 0, 9),
            unit.zones.held(INTERVAL_S, 9),
            unit.orders.count(1, INTERVAL_S),
            unit.orders.of_account(1, INTERVAL_S, 6),
            unit.positions.open_of(6),
            unit.positions.closable(INTERVAL_S, 0),
            unit.tariffs.of_market(4, INTERVAL_S, INTERVAL_S + 900),
            unit.zones.members_among(1, [AccountId(6)]),
        ),
    )
    assert not [plan for plan in plans if plan.startswith("SCAN")], plans


# --- zones and forced orders -------------------------------------------------------------------


def setting(from_s: int, fee: int) -> ZoneSetting:
    return ZoneSetting(
        zone=9, grid=AccountId(4), fee_micro_per_kwh=fee, import_limit_wh=1, export_limit_wh=1, from_s=from_s
    )


def test_terms_hold_from_their_time_and_pending_ones_are_replaced(tmp_path: Path) -> None:
    store = new_store(tmp_path / "wattledger.sqlite")
    with store.write() as unit:
        unit.zones.terms_set(setting(100, 0), 100)
        unit.zones.terms_set(setting(1_000, 100), 200)
        unit.zones.terms_set(setting(2_000, 200), 300)
        found = [unit.zones.setting(9, at) for at in (99, 100, 1_500, 2_000)]
    store.close()
    assert [one.fee_micro_per_kwh if one else None for one in found] == [None, 0, 0, 200]


# --- the feed ----------------------------------------------------------------------------------


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    opened = new_store(tmp_path / "wattledger.sqlite")
    yield Feed(opened, FakeClock())
    opened.close()


def test_only_the_latest_entries_are_kept_and_a_gap_is_noticed(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "FEED_KEPT", 100)
    with feed.store.write() as unit:
        for _ in range(500):
            unit.feed.tell("orders", 1, "open", "{}")

    assert (feed.newest(), len(feed.page(0, "orders", 1))) == (500, 100)
    assert [feed.has_gap(after) for after in (0, 399, 400, 500, 501)] == [True, True, False, False, True]
    assert feed.page(0, "orders", 2) == []


def test_nothing_is_told_of_events_that_are_read_again(feed: Feed) -> None:
    with feed.store.write() as unit:
        unit.feed.mute()
        unit.feed.tell("orders", 1, "open", "{}")
    assert feed.newest() == 0


def test_store_is_asked_once_for_all_subscribers(feed: Feed) -> None:
    assert feed.newest() == 0
    with feed.store.write() as unit:
        unit.feed.tell("orders", 1, "open", "{}")
    assert feed.newest() == 0
    cast(FakeClock, feed.clock).time_s += 1
    assert feed.newest() == 1


def test_places_of_subscribers_are_bounded_and_given_back(feed: Feed) -> None:
    for _ in range(MAX_SUBSCRIBERS):
        feed.subscribe()
    with pytest.raises(Overloaded):
        feed.subscribe()
    feed.leave()
    feed.subscribe()
