"""The columns' limits: the largest book there can be, and what is no book."""

import numpy as np
import pytest

from domain.auction.columns import MAX_ORDERS, Columns, crossing, ration
from domain.auction.order import MAX_QUANTITY_WH
from domain.errors import Malformed, OutOfRange


def columns(sell: list[bool], quantity_wh: list[int], net: list[int]) -> Columns:
    return Columns(np.array(sell, bool), np.array(quantity_wh, np.int64), np.array(net, np.int64))


def test_largest_book_is_shared_without_overflow() -> None:
    wanted = np.full(MAX_ORDERS, MAX_QUANTITY_WH, dtype=np.int64)
    at_wh = MAX_ORDERS * MAX_QUANTITY_WH
    shares, remainder, last = ration(wanted, at_wh - 1, at_wh)
    # Each gets ⌊q − q/M⌋ = q − 1 with the same remainder M − q, and all but the last one Wh more.
    assert (shares[:-1] == MAX_QUANTITY_WH).all()
    assert (int(shares[-1]), remainder, last) == (MAX_QUANTITY_WH - 1, at_wh - MAX_QUANTITY_WH, MAX_ORDERS - 2)


@pytest.mark.parametrize(
    ("quantity_wh", "net"),
    [([0], [0]), ([1 << 30], [0]), ([-1], [0]), ([1], [1 << 32]), ([1], [-(1 << 32)])],
)
def test_number_that_no_order_has_is_out_of_range(quantity_wh: list[int], net: list[int]) -> None:
    with pytest.raises(OutOfRange):
        columns([True], quantity_wh, net)


def test_columns_of_several_lengths_or_of_floats_are_malformed() -> None:
    with pytest.raises(Malformed):
        columns([True, False], [1], [0, 0])
    with pytest.raises(Malformed):
        Columns(np.array([True]), np.array([1.0]), np.array([0]))


def test_more_orders_than_fit_without_overflow_are_refused() -> None:
    count = MAX_ORDERS + 1
    with pytest.raises(OutOfRange):
        Columns(np.zeros(count, bool), np.ones(count, np.int64), np.zeros(count, np.int64))


def test_book_of_one_side_or_of_nobody_crosses_nowhere() -> None:
    assert crossing(columns([], [], [])) is None
    assert crossing(columns([True], [5], [0])) is None
    assert crossing(columns([False], [5], [0])) is None
