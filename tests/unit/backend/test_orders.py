"""Orders: each reason to refuse one, and what is kept of those that are taken."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.application import errors as app
from backend.application import order_checks
from backend.application.filters import OrderFilter, Page
from backend.application.market import Amounts, Cleared, OrderState
from backend.application.order_rate import BURST, PER_S
from domain import errors as domain
from domain.auction.forced import ForcedOrder
from domain.auction.order import SignedOrder
from domain.signing import CURVE_ORDER
from domain.units import AccountId
from tests.unit.backend.listed import debt
from tests.unit.backend.market_world import (
    ALICE,
    BOB,
    DOMAIN,
    FEE,
    GATE_S,
    GRID,
    INTERVAL_S,
    NOW_S,
    STRANGER,
    ZONE,
    World,
    cancellation,
    market_world,
    order,
)
from tests.vectors.world import Key


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with market_world(tmp_path) as made:
        yield made


def forced(*, sell: bool = False, limit: int = 0, nonce: int = 5) -> ForcedOrder:
    return ForcedOrder(
        zone=ZONE,
        interval_s=INTERVAL_S,
        account=ALICE,
        sell=sell,
        quantity_wh=1,
        limit_micro_per_kwh=limit,
        nonce=nonce,
    )


def refusal(world: World, signed: SignedOrder, kind: type[Exception]) -> Exception:
    with pytest.raises(kind) as caught:
        world.orders.place(signed)
    assert type(caught.value) is kind
    with world.store.read() as unit:
        assert unit.orders.find(signed.order.order_hash(DOMAIN)) is None
    return caught.value


# --- what is taken -----------------------------------------------------------------------------


def test_order_is_kept_and_told(world: World) -> None:
    record, is_new = world.orders.place(order())

    assert (record.state, is_new) == (OrderState.OPEN, True)
    found = world.orders.get(record.order_hash)
    assert replace(found, serial=0) == record
    with world.store.read() as unit:
        [told] = unit.feed.after(0, "orders", ZONE, 10)
    assert told.kind == "open"


def test_same_order_again_is_answered_alike_even_after_the_gate(world: World) -> None:
    first, _ = world.orders.place(order())
    world.clock.time_s = GATE_S + 1

    again, is_new = world.orders.place(order())

    assert (replace(again, serial=0), is_new) == (first, False)


def test_same_order_with_a_signature_of_somebody_else_is_refused(world: World) -> None:
    world.orders.place(order())

    with pytest.raises(domain.WrongSigner):
        world.orders.place(order(key=Key("somebody")))


def test_several_orders_are_judged_one_by_one(world: World) -> None:
    good, late, other = order(), order(interval_s=NOW_S - NOW_S % 900, nonce=1), order(BOB, sell=True)

    verdicts = world.orders.place_many([good, late, other, good])

    assert [(one.record is not None, one.is_new) for one in verdicts] == [
        (True, True),
        (False, False),
        (True, True),
        (True, False),
    ]
    assert isinstance(verdicts[1].refusal, app.GateClosed)


def test_no_order_or_too_many_at_once_are_refused(world: World) -> None:
    for number in (0, 501):
        with pytest.raises(domain.OutOfRange):
            world.orders.place_many([order()] * number)


def test_grid_account_orders_without_having_joined_and_without_money(world: World) -> None:
    world.balances.free_micro[GRID] = 0

    assert world.place(order(GRID)) == "open"


def test_orders_are_listed_by_account_zone_interval_and_state(world: World) -> None:
    for account, nonce in ((ALICE, 0), (BOB, 0), (ALICE, 1)):
        world.orders.place(order(account, nonce=nonce))

    found = [
        [one.order.account for one in world.orders.page(Page(0, 10), wanted)]
        for wanted in (
            OrderFilter(account=ALICE),
            OrderFilter(zone=ZONE, interval_s=INTERVAL_S),
            OrderFilter(state=OrderState.CANCELLED),
            OrderFilter(zone=2),
        )
    ]

    assert found == [[ALICE, ALICE], [ALICE, BOB, ALICE], [], []]


# --- what is refused ---------------------------------------------------------------------------


def test_signature_that_is_none_is_refused(world: World) -> None:
    refusal(world, replace(order(), signature=bytes(64) + b"\x1b"), domain.BadSignature)


def test_high_s_twin_of_a_signature_is_refused(world: World) -> None:
    signed = order()
    s = CURVE_ORDER - int.from_bytes(signed.signature[32:64], "big")
    twin = signed.signature[:32] + s.to_bytes(32, "big") + bytes([55 - signed.signature[64]])

    refusal(world, replace(signed, signature=twin), domain.HighS)


def test_order_of_another_key_is_refused(world: World) -> None:
    refusal(world, order(key=Key("somebody")), domain.WrongSigner)


def test_unknown_account_is_refused(world: World) -> None:
    refusal(world, order(99, key=Key("x")), domain.UnknownAccount)


def test_closed_account_is_refused(world: World) -> None:
    with world.store.write() as unit:
        unit.accounts.closed(ALICE, closed=True)
    refusal(world, order(), app.MemberClosed)


def test_account_without_a_driver_key_is_refused(world: World) -> None:
    with world.store.write() as unit:
        unit.accounts.driver_key_set(ALICE, None)
    refusal(world, order(), app.NoDriverKey)


def test_account_that_did_not_join_is_refused(world: World) -> None:
    refusal(world, order(STRANGER), app.NotJoined)


def test_unknown_zone_is_refused(world: World) -> None:
    refusal(world, order(zone=2), app.UnknownZone)


def test_order_after_the_gate_is_refused(world: World) -> None:
    world.clock.time_s = GATE_S - 1
    assert world.place(order()) == "open"
    world.clock.time_s = GATE_S
    refusal(world, order(nonce=1), app.GateClosed)


def test_order_too_far_ahead_is_refused(world: World) -> None:
    horizon_s = NOW_S + order_checks.MAX_AHEAD_S
    assert world.place(order(interval_s=horizon_s - horizon_s % 900)) == "open"
    refusal(world, order(interval_s=horizon_s - horizon_s % 900 + 900), app.TooFarAhead)


def test_order_that_expires_before_the_gate_is_refused(world: World) -> None:
    refusal(world, order(expiry_s=GATE_S - 1), domain.ExpiresBeforeGate)


def test_limit_off_the_tick_is_refused(world: World) -> None:
    refusal(world, order(limit_micro_per_kwh=300_050), domain.OffTick)


@pytest.mark.parametrize("limit", [4_000_100, -500_100])
def test_limit_beyond_cap_or_floor_is_refused(world: World, limit: int) -> None:
    refusal(world, order(limit_micro_per_kwh=limit), domain.OutOfRange)


@pytest.mark.parametrize("quantity_wh", [0, 1 << 30])
def test_no_order_is_made_of_nothing_or_too_much(quantity_wh: int) -> None:
    with pytest.raises(domain.OutOfRange):
        order(quantity_wh=quantity_wh)


def test_nonce_of_another_order_is_refused(world: World) -> None:
    world.orders.place(order())
    refusal(world, order(quantity_wh=2_000), app.NonceUsed)
    assert world.place(order(quantity_wh=2_000, interval_s=INTERVAL_S + 900)) == "open"


def test_nonce_of_a_cancelled_order_is_refused(world: World) -> None:
    world.orders.place(order())
    world.orders.cancel(*cancellation(order()))
    refusal(world, order(quantity_wh=2_000), app.NonceUsed)


def test_nonce_that_was_forced_or_cancelled_on_chain_is_refused(world: World) -> None:
    with world.store.write() as unit:
        unit.zones.force(forced(nonce=5), 1)
        unit.zones.cancel(ZONE, INTERVAL_S, ALICE, 6)
    refusal(world, order(nonce=5), app.NonceUsed)
    refusal(world, order(nonce=6), app.NonceUsed)
    assert world.place(order(BOB, nonce=6)) == "open"


def test_account_has_64_orders_in_an_interval_at_most(world: World) -> None:
    many = [order(nonce=nonce, quantity_wh=1) for nonce in range(64)]
    assert all(one.is_new for one in world.orders.place_many(many))
    refusal(world, order(nonce=63), app.NonceUsed)
    with pytest.raises(domain.OutOfRange):
        order(nonce=64)


def test_full_book_takes_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_checks, "MAX_BOOK_ORDERS", 2)
    for nonce in range(2):
        world.orders.place(order(nonce=nonce))
    refusal(world, order(BOB), app.BookFull)
    assert world.place(order(BOB, interval_s=INTERVAL_S + 900)) == "open"


# --- trading with oneself ----------------------------------------------------------------------


def test_own_orders_that_would_cross_are_refused(world: World) -> None:
    world.orders.place(order(limit_micro_per_kwh=300_000))
    at_net = 300_000 - FEE
    refusal(world, order(sell=True, limit_micro_per_kwh=at_net, nonce=1), app.WouldSelfTrade)
    assert world.place(order(sell=True, limit_micro_per_kwh=at_net + 100, nonce=1)) == "open"


def test_order_that_would_cross_an_own_forced_one_is_refused(world: World) -> None:
    with world.store.write() as unit:
        unit.zones.force(forced(sell=True, limit=200_000), 1)
    refusal(world, order(limit_micro_per_kwh=200_000 + FEE), app.WouldSelfTrade)


def test_cancelled_order_crosses_nothing(world: World) -> None:
    world.orders.place(order())
    world.orders.cancel(*cancellation(order()))
    assert world.place(order(sell=True, limit_micro_per_kwh=0, nonce=1)) == "open"


# --- money -------------------------------------------------------------------------------------


def owed(world: World) -> app.BalanceTooLow:
    """The refusal of an order for 300,000 micro-euro."""
    found = refusal(world, order(nonce=9), app.BalanceTooLow)
    assert isinstance(found, app.BalanceTooLow)
    return found


def test_order_that_the_balance_just_covers_is_taken(world: World) -> None:
    world.balances.free_micro[ALICE] = 299_999
    assert owed(world).order_micro == 300_000
    world.balances.free_micro[ALICE] = 300_000
    assert world.place(order(nonce=9)) == "open"


def test_open_orders_count_together(world: World) -> None:
    world.balances.free_micro[ALICE] = 599_999
    world.orders.place(order(interval_s=INTERVAL_S + 900))
    assert owed(world).bound_micro == 300_000


def test_cancelled_orders_bind_no_money(world: World) -> None:
    world.balances.free_micro[ALICE] = 300_000
    world.orders.place(order())
    world.orders.cancel(*cancellation(order()))
    assert world.place(order(nonce=9)) == "open"


def test_orders_of_one_request_count_together(world: World) -> None:
    world.balances.free_micro[ALICE] = 500_000
    first, second = world.orders.place_many([order(), order(nonce=1)])
    assert first.is_new
    assert isinstance(second.refusal, app.BalanceTooLow)


def test_debts_count(world: World) -> None:
    world.balances.free_micro[ALICE] = 300_000
    with world.store.write() as unit:
        unit.debts.recorded(replace(debt(0), debtor=AccountId(ALICE), owed_micro=7))
    assert owed(world).bound_micro == 7


def test_open_positions_count_at_their_price(world: World) -> None:
    world.balances.free_micro[ALICE] = 300_000
    interval_s = INTERVAL_S - 1_800
    with world.store.write() as unit:
        unit.positions.add(ZONE, interval_s, ALICE, Amounts(bought_wh=1_001, sold_wh=1))
        unit.auctions.committed(ZONE, interval_s, count=1, digest=bytes(32), place=1, transaction=bytes(32))
        unit.auctions.cleared(
            ZONE,
            interval_s,
            Cleared(price_micro_per_kwh=100_000, volume_wh=1, lo_micro_per_kwh=0, hi_micro_per_kwh=0),
        )
        unit.auctions.concluded(ZONE, interval_s, FEE)
    assert owed(world).bound_micro == (1_001 * 120_000 - 1 * 100_000 + 999) // 1_000


def test_seller_at_a_negative_limit_can_owe(world: World) -> None:
    world.balances.free_micro[ALICE] = 99
    selling = order(sell=True, limit_micro_per_kwh=-100)
    refusal(world, selling, app.BalanceTooLow)
    world.balances.free_micro[ALICE] = 0
    assert world.place(order(sell=True, limit_micro_per_kwh=0, nonce=1)) == "open"


# --- how fast ----------------------------------------------------------------------------------


def test_ten_thousand_tiny_orders_are_refused_before_their_signatures_are_read(world: World) -> None:
    taken, refused = 0, 0
    intervals = [INTERVAL_S + 900 * number for number in range(80)]
    for number in range(BURST):
        world.orders.place(order(interval_s=intervals[number // 64], nonce=number % 64, quantity_wh=1))
        taken += 1
    unsigned = SignedOrder(order(interval_s=intervals[70]).order, b"\1" * 64 + b"\x1b")
    for _ in range(10_000 - BURST):
        with pytest.raises(app.TooManyOrders):
            world.orders.place(unsigned)
        refused += 1

    assert (taken, refused) == (BURST, 10_000 - BURST)
    world.clock.time_s += 1
    assert world.place(order(interval_s=intervals[60])) == "open"
    assert world.place(order(BOB)) == "open"


def test_orders_that_others_sign_use_up_nobodys_rate(world: World) -> None:
    for number in range(BURST + 10):
        with pytest.raises(domain.WrongSigner):
            world.orders.place(order(key=Key("somebody"), nonce=number % 64))
    assert world.place(order()) == "open"


def test_refusal_says_when_to_come_again(world: World) -> None:
    for _ in range(BURST):
        world.orders.rate.take(ALICE)
    with pytest.raises(app.TooManyOrders) as caught:
        world.orders.place(order())
    assert 1 <= caught.value.retry_after_s <= 1 + 1 // PER_S


# --- cancelling --------------------------------------------------------------------------------


def test_driver_cancels_an_order_once_and_for_all(world: World) -> None:
    world.orders.place(order())
    first = world.orders.cancel(*cancellation(order()))
    again = world.orders.cancel(*cancellation(order()))

    assert first.state == again.state == OrderState.CANCELLED
    with world.store.read() as unit:
        assert [one.kind for one in unit.feed.after(0, "orders", ZONE, 10)] == ["open", "cancelled"]


def test_nobody_else_cancels_it(world: World) -> None:
    world.orders.place(order())
    with pytest.raises(domain.WrongSigner):
        world.orders.cancel(*cancellation(order(), Key("somebody")))
    with pytest.raises(domain.WrongSigner):
        world.orders.cancel(order().order.order_hash(DOMAIN), order().signature)


def test_key_that_came_later_cancels_it_and_the_former_one_does_not(world: World) -> None:
    world.orders.place(order())
    with world.store.write() as unit:
        unit.accounts.driver_key_set(ALICE, Key("new").address)
    with pytest.raises(domain.WrongSigner):
        world.orders.cancel(*cancellation(order()))
    assert world.orders.cancel(*cancellation(order(), Key("new"))).state == OrderState.CANCELLED


def test_order_is_not_cancelled_after_the_gate(world: World) -> None:
    world.orders.place(order())
    world.clock.time_s = GATE_S
    with pytest.raises(app.GateClosed):
        world.orders.cancel(*cancellation(order()))


def booked(world: World) -> None:
    with world.store.write() as unit:
        unit.orders.mark([order().order.order_hash(DOMAIN)], OrderState.BOOKED)


@pytest.mark.parametrize(("before", "kind"), [(None, app.UnknownOrder), (booked, app.OrderNotOpen)])
def test_only_open_orders_are_cancelled(
    world: World, before: Callable[[World], None] | None, kind: type[Exception]
) -> None:
    if before is not None:
        world.orders.place(order())
        before(world)
    with pytest.raises(kind):
        world.orders.cancel(*cancellation(order()))
