"""The auction over 100,000 random books: the rulebook's result, the greatest surplus, the check's yes to it alone."""

import random
import time

import pytest

from domain.auction.check import check_claim
from domain.auction.claim import NothingCrosses
from domain.auction.clearing import clear
from domain.errors import ClearingRefused
from tests.property.auction_oracle import assert_follows_the_rulebook, optimal_fills, random_book, surplus, terms_of
from tests.vectors.make_auction_vectors import altered_claims

BOOKS, TOGETHER, LIMIT_S = 100_000, 250, 1_500
SEED = 20_190_710

pytestmark = [pytest.mark.services, pytest.mark.timeout(LIMIT_S)]


def test_every_one_of_100000_random_books_is_cleared_by_the_rulebook() -> None:
    rng = random.Random(SEED)
    ended_s = time.monotonic() + LIMIT_S
    trading = refused = 0
    for _ in range(BOOKS // TOGETHER):
        assert time.monotonic() < ended_s
        found = [
            random_book(rng, terms_of(tick=rng.choice([1, 100, 333]), fee_ticks=rng.randint(0, 3)))
            for _ in range(TOGETHER)
        ]
        for (book, terms), best in zip(found, optimal_fills(found), strict=True):
            result = clear(book, terms)
            assert_follows_the_rulebook(book, terms, result)
            assert surplus(book, terms, result.fills) == surplus(book, terms, best)
            assert check_claim(book.lines, result.claim, terms) == result.fills
            trading += result.price_micro_per_kwh is not None
            for _, claim in altered_claims(book, terms, result):
                with pytest.raises(ClearingRefused):
                    check_claim(book.lines, claim, terms)
                refused += 1
            if isinstance(result.claim, NothingCrosses):
                assert set(result.fills) == {0}
    assert BOOKS // 2 < trading < BOOKS
    assert refused > 10 * trading
