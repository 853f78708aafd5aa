"""The clearing is the rulebook's for any book, and the check takes it and nothing else."""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.auction.book import Book, decode_book, make_book
from domain.auction.check import check_claim, check_clearing
from domain.auction.claim import CrossingClaim, NothingCrosses
from domain.auction.clearing import clear
from domain.auction.columns import hash_order, ration
from domain.auction.order import Order, most_owed_micro
from domain.auction.zone import ZoneTerms
from domain.errors import ClearingRefused, ForcedLinesDiffer, Malformed, OtherBook
from domain.text import address_text
from domain.units import EnergyWh, PriceMicroPerKwh
from tests.property.auction_alterations import altered_claims, altered_lines
from tests.property.auction_oracle import (
    assert_follows_the_rulebook,
    books,
    net,
    optimal_fills,
    surplus,
)
from tests.property.strategies import signed as signed_integers
from tests.property.strategies import unsigned
from tests.vectors.auctions import AUCTION_DOMAIN, INTERVAL_S, TERMS, all_accepted, order

Drawn = tuple[Book, ZoneTerms]
ORDERS = st.builds(
    Order,
    account=unsigned(24),
    zone=unsigned(16),
    interval_s=unsigned(30).map(lambda number: number * 900),
    sell=st.booleans(),
    quantity_wh=st.integers(1, (1 << 30) - 1),
    limit_micro_per_kwh=signed_integers(32),
    expiry_s=unsigned(40),
    nonce=st.integers(0, 63),
)


@settings(max_examples=60, deadline=None)
@given(ORDERS)
def test_hash_of_an_order_is_that_of_eth_account(plain: Order) -> None:
    fields = [
        ("uint24", "account", plain.account),
        ("uint16", "zone", plain.zone),
        ("uint40", "interval", plain.interval_s),
        ("bool", "sell", plain.sell),
        ("uint32", "quantityWh", plain.quantity_wh),
        ("int32", "limitMicroPerKwh", plain.limit_micro_per_kwh),
        ("uint40", "expiry", plain.expiry_s),
        ("uint8", "nonce", plain.nonce),
    ]
    signable = encode_typed_data(
        domain_data={
            "name": "Wattledger",
            "version": "1",
            "chainId": AUCTION_DOMAIN.chain_id,
            "verifyingContract": address_text(AUCTION_DOMAIN.contract),
        },
        message_types={"Order": [{"name": name, "type": kind} for kind, name, _ in fields]},
        message_data={name: value for _, name, value in fields},
    )
    assert plain.order_hash(AUCTION_DOMAIN) == keccak(b"\x19" + signable.version + signable.header + signable.body)


@settings(max_examples=300, deadline=None)
@given(books())
def test_clearing_is_the_rulebooks_and_the_check_takes_it(drawn: Drawn) -> None:
    book, terms = drawn
    result = clear(book, terms)
    assert_follows_the_rulebook(book, terms, result)
    assert check_claim(book.lines, result.claim, terms) == result.fills


@settings(max_examples=20, deadline=None)
@given(st.lists(books(), min_size=1, max_size=20))
def test_surplus_is_that_of_a_linear_programme(found: list[Drawn]) -> None:
    for (book, terms), best in zip(found, optimal_fills(found), strict=True):
        assert surplus(book, terms, clear(book, terms).fills) == surplus(book, terms, best)


@settings(max_examples=200, deadline=None)
@given(books(), st.data())
def test_check_takes_the_claim_of_the_clearing_and_no_other(drawn: Drawn, data: st.DataObject) -> None:
    book, terms = drawn
    right = clear(book, terms).claim
    claim = data.draw(altered_claims(right, terms))
    if isinstance(claim, CrossingClaim) and claim != right:
        with pytest.raises(ClearingRefused):
            check_claim(book.lines, claim, terms)
    elif isinstance(claim, NothingCrosses):
        crosses = any(net(x, terms) <= claim.price if x.sell else net(x, terms) > claim.price for x in book.lines)
        assert refuses(lambda: check_claim(book.lines, claim, terms)) == crosses


@settings(max_examples=200, deadline=None)
@given(books(), st.data())
def test_claim_of_one_book_holds_for_another_only_if_that_clears_alike(drawn: Drawn, data: st.DataObject) -> None:
    book, terms = drawn
    other = Book(book.zone, book.interval_s, data.draw(altered_lines(book.lines, terms)))
    result, true = clear(book, terms), clear(other, terms)
    if isinstance(result.claim, CrossingClaim) and result.claim != true.claim:
        with pytest.raises(ClearingRefused):
            check_claim(other.lines, result.claim, terms)


@settings(max_examples=100, deadline=None)
@given(books(), st.data())
def test_altered_book_is_not_the_committed_one(drawn: Drawn, data: st.DataObject) -> None:
    book, terms = drawn
    forced = data.draw(st.integers(0, len(book.lines)))
    lines = tuple(replace(x, forced=number < forced) for number, x in enumerate(book.lines))
    book = Book(book.zone, book.interval_s, lines)
    claim = clear(book, terms).claim
    nonces = bytes(data.draw(st.lists(st.integers(0, 63), min_size=forced, max_size=forced)))
    given_ = {"terms": terms, "interval_s": INTERVAL_S, "digest": book.digest()}
    given_ |= {"forced": book.forced_chain(nonces), "forced_nonces": nonces}
    assert check_clearing(book.chunks(), claim, **given_) == clear(book, terms).fills  # type: ignore[arg-type] # by name
    other = Book(book.zone, book.interval_s, data.draw(altered_lines(lines, terms)))
    if other != book:
        with pytest.raises((OtherBook, Malformed)):
            check_clearing(other.chunks(), claim, **given_)  # type: ignore[arg-type] # by name
        if [x for x in other.lines if x.forced] != [x for x in lines if x.forced]:
            recommitted = given_ | {"digest": other.digest()}
            with pytest.raises((ForcedLinesDiffer, Malformed)):
                check_clearing(other.chunks(), clear(other, terms).claim, **recommitted)  # type: ignore[arg-type] # by name


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_result_does_not_depend_on_the_order_in_which_orders_come(rng: random.Random, count: int) -> None:
    plain = [
        order(rng.choice(["buy", "sell"]), rng.randint(1, 9), 100 * rng.randint(-3, 3), account=20 + n)
        for n in range(count)
    ]
    orders = all_accepted(plain)
    one = make_book(orders, terms=TERMS, interval_s=INTERVAL_S)
    rng.shuffle(orders)
    other = make_book(orders, terms=TERMS, interval_s=INTERVAL_S)
    assert one == other
    assert list(one.orders) == sorted(orders, key=lambda found: found.order_hash)
    assert clear(one.book, TERMS) == clear(other.book, TERMS)


@settings(max_examples=100, deadline=None)
@given(books())
def test_volume_price_and_surplus_do_not_depend_on_the_order_of_lines(drawn: Drawn) -> None:
    book, terms = drawn
    turned = Book(book.zone, book.interval_s, book.lines[::-1])
    one, other = clear(book, terms), clear(turned, terms)
    assert (one.volume_wh, one.price_micro_per_kwh) == (other.volume_wh, other.price_micro_per_kwh)
    assert surplus(book, terms, one.fills) == surplus(turned, terms, other.fills)


@settings(max_examples=100, deadline=None)
@given(books())
def test_book_is_read_back_from_its_chunks(drawn: Drawn) -> None:
    book, terms = drawn
    assert decode_book(book.chunks(), terms=terms, interval_s=INTERVAL_S) == book


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=3))
def test_any_bytes_are_malformed_or_are_the_one_encoding_of_a_book(chunks: list[bytes]) -> None:
    try:
        found = decode_book(chunks, terms=TERMS, interval_s=INTERVAL_S)
    except Malformed:
        return
    assert list(found.chunks()) == chunks


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, (1 << 30) - 1), min_size=1, max_size=300), st.data())
def test_shares_are_exact_where_64_bits_would_overflow(wanted: list[int], data: st.DataObject) -> None:
    at_wh = sum(wanted)
    share_wh = data.draw(st.integers(0, at_wh - 1))
    shares, remainder, last = ration(np.array(wanted, dtype=np.int64), share_wh, at_wh)
    by_remainder = sorted(range(len(wanted)), key=lambda k: (-(wanted[k] * share_wh % at_wh), k))
    left = share_wh - sum(q * share_wh // at_wh for q in wanted)
    expected = [q * share_wh // at_wh for q in wanted]
    for k in by_remainder[:left]:
        expected[k] += 1
    assert shares.tolist() == expected
    if left:
        assert (last, remainder) == (by_remainder[left - 1], wanted[last] * share_wh % at_wh)
    else:
        assert (last, remainder) == (0, at_wh)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(min_size=32, max_size=32) | st.binary(max_size=2).map(lambda x: x.rjust(32, b"\7")), min_size=1)
)
def test_hashes_are_put_in_the_order_of_their_bytes(hashes: list[bytes]) -> None:
    column = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 32)
    assert [hashes[place] for place in hash_order(column)] == sorted(hashes)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, (1 << 30) - 1), st.integers(-4, 6), st.integers(-7, 6), st.integers(0, 3))
def test_buyer_owes_no_more_than_its_limit_allows(wh: int, limit: int, price: int, fee: int) -> None:
    most = most_owed_micro(EnergyWh(wh), PriceMicroPerKwh(limit * 333), sell=False)
    owed = -(-wh * (price + fee) * 333 // 1000)
    if price <= limit - fee:
        assert owed <= most == max(0, -(-wh * limit * 333 // 1000))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, (1 << 30) - 1), st.integers(-6, 6), st.integers(-6, 6))
def test_seller_owes_no_more_than_its_limit_allows(wh: int, limit: int, price: int) -> None:
    most = most_owed_micro(EnergyWh(wh), PriceMicroPerKwh(limit * 333), sell=True)
    if price >= limit:
        assert -(wh * price * 333 // 1000) <= most == max(0, -(wh * limit * 333 // 1000))


def refuses(check: Callable[[], object]) -> bool:
    try:
        check()
    except ClearingRefused:
        return True
    return False
