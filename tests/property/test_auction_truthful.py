"""In the truthful modes no order gains by another limit than its value: every limit of every order is tried."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.auction.book import Book, Line
from domain.auction.truthful import TruthfulClearing, clear_mcafee, clear_muda, clear_sbba
from domain.auction.zone import ZoneTerms
from domain.units import EnergyWh, PriceMicroPerKwh
from tests.property.auction_oracle import net, random_book, terms_of


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 40), st.booleans())
def test_no_other_limit_than_its_value_gains_anything_in_a_truthful_auction(seed: int, one_quantity: bool) -> None:
    rng = random.Random(seed)
    book, terms = random_book(rng, terms_of(tick=1, floor_ticks=0, cap_ticks=6), most_lines=7)
    wh = EnergyWh(60) if one_quantity else None
    lines = tuple(replace(x, quantity_wh=wh or EnergyWh(rng.randint(1, 4) * 60)) for x in book.lines)
    modes: list[Callable[[Book, ZoneTerms], TruthfulClearing]] = [clear_mcafee, _muda]
    for mode in [*modes, clear_sbba] if one_quantity else modes:
        honest = mode(Book(book.zone, book.interval_s, lines), terms)
        assert_is_a_market(lines, honest, terms)
        for number, own in enumerate(lines):
            for limit in range(7):
                bent = replace(own, limit_micro_per_kwh=PriceMicroPerKwh(limit))
                other = mode(Book(book.zone, book.interval_s, (*lines[:number], bent, *lines[number + 1 :])), terms)
                # Rounding may move a Wh, which is worth at most the whole range of prices.
                assert gain(own, number, other, terms) <= gain(own, number, honest, terms) + 6, (mode, number, limit)


def assert_is_a_market(lines: Sequence[Line], result: TruthfulClearing, terms: ZoneTerms) -> None:
    """Nobody loses, nothing is traded that is not there, and buyers pay at least what sellers receive."""
    traded = [
        (x, wh, price) for x, wh, price in zip(lines, result.fills, result.prices, strict=True) if price is not None
    ]
    assert sum(wh if x.sell else -wh for x, wh, _ in traded) == 0
    assert sum(-wh * price if x.sell else wh * price for x, wh, price in traded) >= 0
    for x, wh, price in traded:
        assert 0 < wh <= x.quantity_wh
        assert price >= net(x, terms) if x.sell else price <= net(x, terms)


def gain(own: Line, number: int, result: TruthfulClearing, terms: ZoneTerms) -> int:
    price = result.prices[number]
    return 0 if price is None else result.fills[number] * (net(own, terms) - price) * (-1 if own.sell else 1)


def _muda(book: Book, terms: ZoneTerms) -> TruthfulClearing:
    return clear_muda(book, terms, b"lot")
