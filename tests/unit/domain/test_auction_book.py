"""The book: one order of lines, one encoding, and what is refused."""

from dataclasses import replace

import pytest
from eth_hash.auto import keccak

from domain.auction.book import CHUNK_LINES, Book, decode_book, forced_chain, make_book, trim_backstop
from domain.auction.check import check_claim, check_clearing
from domain.auction.clearing import clear
from domain.auction.order import AcceptedOrder, Order
from domain.errors import (
    BackstopFilledPastLimit,
    BackstopPastLimit,
    BookRefused,
    ForcedLinesDiffer,
    Malformed,
    NonceTaken,
    OtherAuction,
    OutOfRange,
)
from domain.units import EnergyWh, UnixSeconds
from tests.vectors.auctions import (
    GRID,
    INTERVAL_S,
    TERMS,
    accepted,
    all_accepted,
    book,
    buy,
    forced,
    order,
    sell,
)


def made(plain: list[Order], sent: list[Order] | None = None) -> tuple[Book, tuple[AcceptedOrder, ...]]:
    found = make_book(
        all_accepted(plain), terms=TERMS, interval_s=INTERVAL_S, forced=[forced(one) for one in sent or []]
    )
    return found.book, found.orders


def test_line_has_the_published_bytes() -> None:
    line = sell(1_000, -100, account=7, forced=True)
    assert line.encode().hex() == "000007" + f"{1 << 31 | 1 << 30 | 1_000:08x}" + f"{(1 << 31) - 100:08x}"
    assert buy(1, 0, account=(1 << 24) - 1).encode().hex() == "ffffff" + "00000001" + "80000000"


def test_forced_orders_come_first_as_they_were_forced_and_the_others_by_hash() -> None:
    plain = [order("buy", 1 + n, 100, account=20 + n) for n in range(9)]
    sent = [order("sell", 1 + n, 100, account=40 - n) for n in range(3)]
    found, orders = made(plain, sent)
    assert [line.quantity_wh for line in found.lines[:3]] == [1, 2, 3]
    assert [line.forced for line in found.lines] == [True] * 3 + [False] * 9
    hashes = [one.order_hash for one in orders[3:]]
    assert hashes == sorted(hashes)
    assert [(x.account, x.quantity_wh) for x in found.lines] == [(o.order.account, o.order.quantity_wh) for o in orders]


def test_digest_chains_the_hashes_of_chunks_of_1024_lines() -> None:
    lines = tuple(buy(1 + n, 100) for n in range(CHUNK_LINES + 1))
    found = book(*lines)
    body = b"".join(line.encode() for line in lines)
    head = b"".join(number.to_bytes(32, "big") for number in (TERMS.zone, INTERVAL_S, len(lines)))
    first = keccak(keccak(head) + keccak(body[: CHUNK_LINES * 11]))
    assert found.digest() == keccak(first + keccak(body[CHUNK_LINES * 11 :]))
    assert [len(chunk) for chunk in found.chunks()] == [CHUNK_LINES * 11, 11]


def test_chain_of_forced_lines_starts_at_zero_and_keeps_their_order() -> None:
    one, two = buy(1, 0, forced=True), sell(2, 100, forced=True)
    assert book(buy(1, 0)).forced_chain(b"") == bytes(32)
    first = bytes(7) + keccak(bytes(32) + one.encode() + b"\x05")[7:]
    second = bytes(7) + keccak(first + two.encode() + b"\x3f")[7:]
    assert book(one, two, buy(9, 0)).forced_chain(b"\x05\x3f") == second
    assert book(one, two).forced_chain(b"\x3f\x05") != second
    assert forced_chain([(two.encode(), 63), (one.encode(), 5)]) != second
    for nonces in (b"", b"\x05", b"\x05\x3f\x00"):
        with pytest.raises(Malformed, match="nonces"):
            book(one, two).forced_chain(nonces)


def test_same_order_twice_or_a_nonce_twice_is_refused() -> None:
    one = order("buy", 1, 100)
    for other in (one, order("sell", 5, 300)):
        with pytest.raises(NonceTaken):
            made([one, other])
        with pytest.raises(NonceTaken):
            made([one], [other])
    made([one, order("sell", 5, 300, nonce=1), order("buy", 1, 100, account=21)])


def test_forced_orders_may_share_a_nonce_because_nobody_may_leave_one_out() -> None:
    sent = [forced(order("buy", 2, 100)), forced(order("sell", 5, 300))]
    both = make_book(all_accepted([order("buy", 1, 100, nonce=1)]), terms=TERMS, interval_s=INTERVAL_S, forced=sent)
    assert both.forced_nonces == bytes(2)
    with pytest.raises(NonceTaken):
        made([order("buy", 1, 100)], [order("buy", 2, 100), order("sell", 5, 300)])


def test_order_of_another_interval_or_terms_that_changed_is_refused() -> None:
    orders = all_accepted([order("buy", 1, 100)])
    with pytest.raises(OtherAuction):
        make_book(orders, terms=TERMS, interval_s=UnixSeconds(INTERVAL_S + 900))
    with pytest.raises(OtherAuction):
        make_book(orders, terms=replace(TERMS, zone=4), interval_s=INTERVAL_S)
    with pytest.raises(Malformed, match="apart"):
        make_book([forced(order("buy", 1, 100))], terms=TERMS, interval_s=INTERVAL_S)
    with pytest.raises(Malformed, match="apart"):
        make_book([], terms=TERMS, interval_s=INTERVAL_S, forced=orders)


def test_book_without_orders_is_none() -> None:
    with pytest.raises(OutOfRange):
        made([])
    with pytest.raises(OutOfRange):
        decode_book([], terms=TERMS, interval_s=INTERVAL_S)


def test_book_has_no_more_than_65535_lines() -> None:
    chunks = [buy(1, 0).encode() * CHUNK_LINES] * 64
    with pytest.raises(OutOfRange):
        decode_book(chunks, terms=TERMS, interval_s=INTERVAL_S)
    found = decode_book([*chunks[:-1], chunks[-1][:-11]], terms=TERMS, interval_s=INTERVAL_S)
    assert len(found.lines) == 65_535


@pytest.mark.parametrize(
    "chunks",
    [
        [b""],
        [bytes(10)],
        [buy(1, 0).encode() + b"\0"],
        [buy(1, 0).encode(), buy(2, 0).encode()],
        [buy(1, 0).encode() * 1_025],
        [buy(1, 0).encode() * 1_024, b""],
    ],
)
def test_book_that_is_cut_otherwise_is_malformed(chunks: list[bytes]) -> None:
    with pytest.raises(Malformed):
        decode_book(chunks, terms=TERMS, interval_s=INTERVAL_S)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (buy(0, 100), "no energy"),
        (buy(1, 150), "multiple"),
        (sell(1, TERMS.floor_micro_per_kwh - 100), "within"),
        (buy(1, TERMS.cap_micro_per_kwh + 100), "within"),
        (buy(1, 100, forced=True), "not forced"),
    ],
)
def test_line_that_the_zone_cannot_have_is_named(wrong: object, reason: str) -> None:
    found = book(sell(1, 100), wrong)  # type: ignore[arg-type] # parametrize knows no types
    with pytest.raises(BookRefused, match=reason) as caught:
        decode_book(found.chunks(), terms=TERMS, interval_s=INTERVAL_S)
    assert caught.value.line == 1


def test_forced_order_that_is_left_out_added_altered_or_moved_is_refused() -> None:
    one, two, plain = sell(5, 100, forced=True), buy(6, 300, forced=True), buy(2, 200)
    right, nonces = book(one, two, plain), b"\x01\x02"
    for lines in (
        (two, plain),
        (one, plain),
        (plain,),
        (one, two, two),
        (two, one, plain),
        (one, buy(7, 300, forced=True)),
    ):
        wrong = book(*lines)
        with pytest.raises(ForcedLinesDiffer):
            check_clearing(
                wrong.chunks(),
                clear(wrong, TERMS).claim,
                terms=TERMS,
                interval_s=INTERVAL_S,
                digest=wrong.digest(),
                forced=right.forced_chain(nonces),
                forced_nonces=nonces[: sum(line.forced for line in lines)],
            )
    for other in (b"\x01", b"\x02\x01", b"\x01\x02\x00"):
        with pytest.raises(ForcedLinesDiffer):
            check_clearing(
                right.chunks(),
                clear(right, TERMS).claim,
                terms=TERMS,
                interval_s=INTERVAL_S,
                digest=right.digest(),
                forced=right.forced_chain(nonces),
                forced_nonces=other,
            )


# --- the backstop ------------------------------------------------------------------------------


def test_backstop_beyond_its_limit_is_refused_and_not_cut_silently() -> None:
    half = TERMS.import_limit_wh // 2
    within = [order("sell", half, 400_000, account=GRID), order("sell", half, 500_000, account=GRID, nonce=1)]
    made(within)
    with pytest.raises(BackstopPastLimit) as caught:
        made([*within, order("sell", 1, 600_000, account=GRID, nonce=2)])
    assert (caught.value.direction, caught.value.asked_wh) == ("import", 2 * half + 1)
    with pytest.raises(BackstopPastLimit):
        made([order("buy", TERMS.export_limit_wh + 1, 0, account=GRID)])


def test_trimming_keeps_the_backstops_best_orders_up_to_its_limit_and_everybody_elses() -> None:
    limits = {"sell": TERMS.import_limit_wh, "buy": TERMS.export_limit_wh}
    plain = [
        order(side, limit // 3, 100 * n, account=GRID, nonce=n + (10 if side == "buy" else 0))
        for side, limit in limits.items()
        for n in range(5)
    ]
    others = [order("sell", 1 << 29, 100, account=21), order("buy", 1 << 29, 200, account=22)]
    kept, left_out = trim_backstop(all_accepted([*plain, *others]), terms=TERMS)
    assert {one.order.nonce for one in left_out} == {3, 4, 10, 11}
    assert {one.order for one in kept} == {*plain, *others} - {one.order for one in left_out}
    make_book(kept, terms=TERMS, interval_s=INTERVAL_S)


def test_trimming_stops_at_the_first_order_that_does_not_fit_and_counts_forced_ones() -> None:
    best = order("sell", TERMS.import_limit_wh - 10, 100, account=GRID, nonce=1)
    too_long = order("sell", 11, 200, account=GRID, nonce=2)
    short = order("sell", 5, 300, account=GRID, nonce=3)
    kept, left_out = trim_backstop(all_accepted([short, too_long, best]), terms=TERMS)
    assert ([one.order for one in kept], [one.order for one in left_out]) == ([best], [too_long, short])
    sent = [forced(order("sell", 11, 500, account=GRID, nonce=9))]
    assert trim_backstop(all_accepted([best]), terms=TERMS, forced=sent)[0] == ()
    over = [forced(order("sell", TERMS.import_limit_wh + 1, 500, account=GRID, nonce=9))]
    assert trim_backstop([accepted(short)], terms=TERMS, forced=over) == ((), (accepted(short),))


@pytest.mark.parametrize(("grid", "other"), [(sell, buy), (buy, sell)])
def test_backstop_that_is_filled_beyond_its_limit_is_refused(grid, other) -> None:  # type: ignore[no-untyped-def] # sides
    terms = replace(TERMS, import_limit_wh=EnergyWh(10), export_limit_wh=EnergyWh(10))
    for wh, refused in ((10, False), (11, True)):
        found = book(grid(wh, 300, account=GRID), other(wh, 300), terms=terms)
        claim = clear(found, terms).claim
        if refused:
            with pytest.raises(BackstopFilledPastLimit):
                check_claim(found.lines, claim, terms)
        else:
            assert check_claim(found.lines, claim, terms) == (10, 10)
