"""Orders that are sent to the chain: their word, whatever it holds, and the money that is held for them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.auction.book import decode_line, make_book
from domain.auction.forced import LEAST_HELD_MICRO, ForcedOrder, decode_forced, forced_of, held_micro
from domain.errors import OutOfRange
from domain.units import EnergyWh, PriceMicroPerKwh
from tests.vectors.auctions import INTERVAL_S, TERMS, forced, order

LARGEST = ForcedOrder(
    account=6,
    zone=65_535,
    interval_s=(1 << 40) - 1,
    sell=True,
    quantity_wh=(1 << 30) - 1,
    limit_micro_per_kwh=-500_000,
    nonce=63,
)


def test_word_of_a_forced_order_is_read_as_it_is_written() -> None:
    word = LARGEST.encode()
    assert (len(word), word[16:]) == (32, bytes(16))
    assert decode_forced(word, 6) == LARGEST


def test_forced_order_is_a_line_with_its_bit_set() -> None:
    word = 1 << 240 | 900 << 200 | (1 << 31 | 500) << 168 | ((1 << 31) - 200) << 136 | 63 << 128
    sent = decode_forced(word.to_bytes(32, "big"), 9)
    line = sent.line
    assert (sent.zone, sent.interval_s, sent.nonce) == (1, 900, 63)
    assert (line.account, line.sell, line.forced, line.quantity_wh, line.limit_micro_per_kwh) == (
        9,
        True,
        True,
        500,
        -200,
    )
    assert line.encode().hex() == "000009" + "c00001f4" + "7fffff38"
    assert held_micro(line) == held_micro(replace(line, sell=False)) == LEAST_HELD_MICRO
    large = replace(line, quantity_wh=EnergyWh(500_001))
    assert held_micro(large) == 100_001  # 500,001 Wh at -200, rounded up
    assert held_micro(replace(large, sell=False)) == LEAST_HELD_MICRO
    assert held_micro(replace(large, sell=False, limit_micro_per_kwh=PriceMicroPerKwh(201))) == 100_501


@given(st.binary(min_size=32, max_size=32), st.integers(0, (1 << 24) - 1))
def test_word_may_hold_anything(word: bytes, account: int) -> None:
    sent = decode_forced(word, account)
    assert decode_line(sent.line.encode()) == sent.line
    assert held_micro(sent.line) >= LEAST_HELD_MICRO
    passed_over = int.from_bytes(word[7:8], "big") & ~0x40
    assert sent.encode() == word[:7] + bytes([passed_over]) + word[8:16] + bytes(16)


@pytest.mark.parametrize(
    "changes",
    [
        {"zone": 1 << 16},
        {"interval_s": 1 << 40},
        {"quantity_wh": 1 << 30},
        {"limit_micro_per_kwh": 1 << 31},
        {"limit_micro_per_kwh": -(1 << 31) - 1},
        {"nonce": 256},
        {"nonce": -1},
    ],
)
def test_number_that_has_no_place_in_the_word_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(OutOfRange):
        replace(LARGEST, **changes).encode()


def test_order_has_one_line_however_it_is_sent() -> None:
    plain = order("sell", 1_500, -300_000, nonce=7)
    [line] = make_book([], terms=TERMS, interval_s=INTERVAL_S, forced=[forced(plain)]).book.lines
    assert decode_forced(forced_of(plain).encode(), plain.account) == forced_of(plain)
    assert forced_of(plain).line == line
