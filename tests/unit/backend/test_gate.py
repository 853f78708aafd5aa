"""Books at the gate: what cannot be settled is left out with its reason, and what is left clears as it is checked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from backend.application.gate import PAST_LIMIT, Gate, build, select
from backend.application.market import OrderRecord, OrderState
from domain.auction.book import CHUNK_LINES, decode_lines
from domain.auction.check import check_claim
from domain.auction.claim import CrossingClaim, NothingCrosses
from domain.auction.columns import Shares
from domain.auction.forced import ForcedOrder
from tests.unit.backend.market_world import ALICE, BOB, DOMAIN, GATE_S, GRID, INTERVAL_S, KEYS, ZONE, order, terms

FOREVER = (1 << 40) - 1


def taken(account: int = ALICE, serial: int = 1, **numbers: Any) -> OrderRecord:
    signed = order(account, **numbers)
    return OrderRecord(
        order_hash=signed.order.order_hash(DOMAIN),
        order=signed.order,
        signature=signed.signature,
        signer=KEYS[account].address,
        state=OrderState.OPEN,
        taken_at_s=0,
        serial=serial,
    )


def forced(
    account: int = ALICE, *, sell: bool = False, wh: int = 1_000, limit: int = 100_000, nonce: int = 9
) -> ForcedOrder:
    return ForcedOrder(
        zone=ZONE,
        interval_s=INTERVAL_S,
        account=account,
        sell=sell,
        quantity_wh=wh,
        limit_micro_per_kwh=limit,
        nonce=nonce,
    )


def gate(**changes: Any) -> Gate:
    whole = Gate(
        terms=terms(),
        interval_s=INTERVAL_S,
        forced=(),
        cancelled=set(),
        keys_until_s={(account, key.address): FOREVER for account, key in KEYS.items()},
        spare_micro=dict.fromkeys(KEYS, 10**9),
    )
    return replace(whole, **changes)


def left_out(orders: Sequence[OrderRecord], at: Gate) -> dict[int, str]:
    """Reasons by the orders' serials."""
    chosen = select(orders, at)
    by_hash = {one.order_hash: one.serial for one in orders}
    assert {one.order_hash for one in chosen.kept} | set(chosen.left_out) == set(by_hash)
    return {by_hash[order_hash]: reason for order_hash, reason in chosen.left_out.items()}


def test_orders_that_can_be_settled_are_kept() -> None:
    assert left_out([taken(), taken(BOB, 2), taken(GRID, 3, sell=True)], gate()) == {}


def test_order_whose_nonce_was_cancelled_on_chain_is_left_out() -> None:
    [reason] = left_out([taken(nonce=3)], gate(cancelled={(ALICE, 3)})).values()
    assert "cancelled" in reason
    assert left_out([taken(BOB, nonce=3)], gate(cancelled={(ALICE, 3)})) == {}


def test_order_whose_nonce_was_forced_is_left_out() -> None:
    [reason] = left_out([taken(nonce=9)], gate(forced=[forced(nonce=9)])).values()
    assert "forced" in reason


@pytest.mark.parametrize(("until_s", "out"), [(0, True), (GATE_S - 1, True), (GATE_S, False), (FOREVER, False)])
def test_key_counts_if_it_is_valid_at_the_gate(until_s: int, out: bool) -> None:
    found = left_out([taken()], gate(keys_until_s={(ALICE, KEYS[ALICE].address): until_s}))
    assert bool(found) == out


def test_later_order_gives_way_where_the_balance_fell() -> None:
    orders = [taken(serial=1), taken(serial=2, nonce=1), taken(serial=3, nonce=2, quantity_wh=300)]
    found = left_out(orders, gate(spare_micro={ALICE: 400_000}))
    assert list(found) == [2]
    assert "400000" in found[2]


def test_grid_account_needs_no_balance() -> None:
    assert left_out([taken(GRID)], gate(spare_micro={GRID: 0})) == {}


def test_signed_order_that_crosses_a_forced_one_is_left_out() -> None:
    found = left_out([taken(limit_micro_per_kwh=120_000)], gate(forced=[forced(sell=True, limit=100_000)]))
    assert "trades with itself" in found[1]


def test_account_whose_forced_orders_cross_has_no_signed_one_in_the_book() -> None:
    both = [forced(sell=True, limit=100_000), forced(limit=900_000, nonce=8)]
    assert list(left_out([taken(limit_micro_per_kwh=0), taken(BOB, 2)], gate(forced=both))) == [1]


def test_later_one_of_two_signed_orders_that_cross_is_left_out() -> None:
    orders = [taken(serial=1), taken(serial=2, nonce=1, sell=True, limit_micro_per_kwh=100_000)]
    assert list(left_out(orders, gate())) == [2]


def test_backstop_is_trimmed_to_the_zones_connection() -> None:
    orders = [
        taken(GRID, 1, sell=True, quantity_wh=8_000, limit_micro_per_kwh=500_000),
        taken(GRID, 2, sell=True, quantity_wh=8_000, limit_micro_per_kwh=400_000, nonce=1),
    ]
    assert left_out(orders, gate()) == {1: PAST_LIMIT}


# --- the book ----------------------------------------------------------------------------------


def claim_of(claim: dict[str, int]) -> CrossingClaim | NothingCrosses:
    """The domain's claim of the contract's fields."""
    if not claim["crosses"]:
        return NothingCrosses(claim["lo"])
    shares = Shares(claim["rationed"] == 2, claim["atWh"], claim["shareWh"], claim["remainder"], claim["line"])
    return CrossingClaim(claim["volumeWh"], claim["lo"], claim["hi"], shares if claim["rationed"] else None)


BOOKS = {
    "crossing": ([taken(), taken(BOB, 2, sell=True, limit_micro_per_kwh=100_000)], []),
    "rationed": (
        [taken(nonce=n, serial=n, quantity_wh=700 + n) for n in range(5)]
        + [taken(BOB, 7, sell=True, quantity_wh=1_001, limit_micro_per_kwh=0)],
        [],
    ),
    "nothing crosses": ([taken(limit_micro_per_kwh=0), taken(BOB, 2, sell=True)], []),
    "forced alone": ([], [forced()]),
    "a nonce forced twice": ([taken(BOB, sell=True, limit_micro_per_kwh=0)], [forced(), forced(wh=5)]),
}


@pytest.mark.parametrize("name", BOOKS)
def test_book_clears_as_the_contract_checks_it(name: str) -> None:
    orders, own = BOOKS[name]
    book = build(orders, gate(forced=own))

    assert check_claim(decode_lines(book.lines), claim_of(dict(book.claim)), terms()) == book.fills
    assert book.lines.startswith(b"".join(one.line.encode() for one in own))
    assert list(book.hashes) == sorted(one.order_hash for one in orders)
    assert book.forced_nonces == bytes(one.nonce for one in own)


def test_large_book_is_cut_into_chunks() -> None:
    many = [forced(wh=1 + n, nonce=0) for n in range(CHUNK_LINES + 1)]
    book = build([taken(BOB)], gate(forced=many))
    assert len(book.fills) == CHUNK_LINES + 2
