"""The truthful modes on small books whose results are easily computed by hand."""

import pytest

from domain.auction.book import Book
from domain.auction.truthful import clear_mcafee, clear_muda, clear_sbba
from domain.errors import QuantitiesDiffer
from tests.vectors.auctions import TERMS, book, buy, sell

NOTHING = book(buy(10, 100), sell(10, 200))


def units(bids: list[int], offers: list[int]) -> Book:
    """Orders of 10 Wh each."""
    return book(*(buy(10, limit) for limit in bids), *(sell(10, limit) for limit in offers))


def test_mcafees_middle_of_the_next_pair_is_the_price_if_all_agree_to_it() -> None:
    result = clear_mcafee(units([900, 800, 400], [100, 300, 600]), TERMS)
    # Two pairs trade, (400 + 600) / 2 = 500 lies between 300 and 800.
    assert result.fills == (10, 10, 0, 10, 10, 0)
    assert result.prices == (500, 500, None, 500, 500, None)


def test_mcafees_last_pair_stays_out_and_sets_both_prices_if_it_does_not_agree() -> None:
    result = clear_mcafee(units([900, 800, 200], [100, 700, 800]), TERMS)
    # (200 + 800) / 2 = 500 is below 700.
    assert result.fills == (10, 0, 0, 10, 0, 0)
    assert result.prices == (800, None, None, 700, None, None)


def test_mcafees_orders_of_several_quantities_lose_those_that_hold_the_last_wh() -> None:
    found = book(buy(30, 900), buy(20, 800), buy(10, 100), sell(12, 100), sell(8, 200), sell(40, 300))
    result = clear_mcafee(found, TERMS)
    # 50 Wh would trade; the bid at 800 and the offer at 300 hold the last one. 30 Wh are wanted, 20 offered.
    assert result.fills == (20, 0, 0, 12, 8, 0)
    assert result.prices == (800, None, None, 300, 300, None)


def test_sbba_takes_the_next_offers_price_if_the_last_bid_pays_it() -> None:
    result = clear_sbba(units([900, 800, 200], [100, 300, 600]), TERMS)
    assert result.fills == (10, 10, 0, 10, 10, 0)
    assert set(result.prices) == {600, None}


def test_sbba_takes_the_last_bids_price_and_leaves_it_out_if_that_is_lower() -> None:
    result = clear_sbba(units([900, 800, 500], [100, 200, 300, 700]), TERMS)
    # min(500, 700): the first two buy, the three offers share 20 Wh, the Wh that are left go to the first.
    assert result.fills == (10, 10, 0, 7, 7, 6, 0)
    assert set(result.prices) == {500, None}


def test_sbba_refuses_orders_of_several_quantities() -> None:
    with pytest.raises(QuantitiesDiffer) as caught:
        clear_sbba(book(buy(10, 500), sell(11, 100)), TERMS)
    assert (caught.value.least_wh, caught.value.most_wh) == (10, 11)


def test_muda_trades_each_half_at_the_price_of_the_other() -> None:
    accounts = range(20, 60)
    lines = [
        (buy if account % 2 else sell)(100 + account, 300 + account % 3 * 100, account=account) for account in accounts
    ]
    result = clear_muda(book(*lines), TERMS, b"a block's hash")
    assert len({price for price in result.prices if price is not None}) <= 2
    assert sum(wh if x.sell else -wh for x, wh in zip(lines, result.fills, strict=True)) == 0
    assert sum(result.fills) > 0
    assert result != clear_muda(book(*lines), TERMS, b"another block's")


def test_muda_half_whose_other_half_has_no_price_trades_nothing() -> None:
    # Both orders are of one account, so they are in one half.
    result = clear_muda(book(buy(10, 900), sell(10, 100)), TERMS, b"a block's hash")
    assert (result.fills, result.prices) == ((0, 0), (None, None))


@pytest.mark.parametrize("mode", [clear_mcafee, clear_sbba])
def test_nothing_is_traded_at_no_price_where_nothing_crosses(mode) -> None:  # type: ignore[no-untyped-def] # a mode
    assert (mode(NOTHING, TERMS).fills, mode(NOTHING, TERMS).prices) == ((0, 0), (None, None))
