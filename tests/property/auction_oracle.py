"""A second, plain implementation of the market's rules, slow and obvious, to hold the fast one against.

Also the strategy that draws books: few prices and quantities, so that orders meet at the margin, at caps and at
each other's limits all the time.
"""

import random
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_array

from domain.auction.book import Book, Line
from domain.auction.clearing import Clearing
from domain.auction.order import most_owed_micro
from domain.auction.zone import ZoneTerms
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh
from tests.vectors.auctions import INTERVAL_S


def terms_of(*, tick: int = 100, fee_ticks: int = 0, floor_ticks: int = -4, cap_ticks: int = 6) -> ZoneTerms:
    """A zone with few prices. The grid account takes no part."""
    return ZoneTerms(
        zone=3,
        grid=AccountId(9),
        import_limit_wh=EnergyWh(0),
        export_limit_wh=EnergyWh(0),
        tick_micro_per_kwh=PriceMicroPerKwh(tick),
        floor_micro_per_kwh=PriceMicroPerKwh(floor_ticks * tick),
        cap_micro_per_kwh=PriceMicroPerKwh(cap_ticks * tick),
        fee_micro_per_kwh=PriceMicroPerKwh(fee_ticks * tick),
    )


ZONES = st.builds(terms_of, tick=st.sampled_from([1, 100, 333]), fee_ticks=st.integers(0, 3))


@st.composite
def books(draw: st.DrawFn, zones: st.SearchStrategy[ZoneTerms] = ZONES) -> tuple[Book, ZoneTerms]:
    """A zone and a book of 1 to 12 lines of it."""
    return random_book(random.Random(draw(st.integers(0, 1 << 40))), draw(zones))


def random_book(rng: random.Random, terms: ZoneTerms, *, most_lines: int = 12) -> tuple[Book, ZoneTerms]:
    """A book whose few limits, quantities and sides collide often; every tenth has quantities near 2^30."""
    tick = terms.tick_micro_per_kwh
    limits = range(terms.floor_micro_per_kwh // tick, terms.cap_micro_per_kwh // tick + 1)
    top_wh = (1 << 30) - 1 if rng.random() < 0.1 else rng.choice([1, 5, 50, 20_000])
    count = rng.randint(1, most_lines)
    lines = [
        Line(
            AccountId(20 + number),
            rng.random() < 0.5,
            False,
            EnergyWh(rng.randint(1, top_wh)),
            PriceMicroPerKwh(rng.choice(limits) * tick),
        )
        for number in range(count)
    ]
    return Book(terms.zone, INTERVAL_S, tuple(lines)), terms


def net(line: Line, terms: ZoneTerms) -> int:
    return line.limit_micro_per_kwh - (0 if line.sell else terms.fee_micro_per_kwh)


def demand(book: Book, terms: ZoneTerms, price: int, *, strict: bool = False) -> int:
    """D≥ at the price, or D>."""
    return sum(x.quantity_wh for x in book.lines if not x.sell and net(x, terms) >= price + strict)


def supply(book: Book, terms: ZoneTerms, price: int, *, strict: bool = False) -> int:
    """S≤ at the price, or S<."""
    return sum(x.quantity_wh for x in book.lines if x.sell and net(x, terms) <= price - strict)


def prices(terms: ZoneTerms) -> range:
    """All prices of the zone, ascending."""
    return range(terms.lowest_net, terms.cap_micro_per_kwh + 1, terms.tick_micro_per_kwh)


def greatest_volume(book: Book, terms: ZoneTerms) -> int:
    return max(min(demand(book, terms, p), supply(book, terms, p)) for p in prices(terms))


def clearing_prices(book: Book, terms: ZoneTerms, volume_wh: int) -> list[int]:
    """All prices at which demand and supply meet in this volume."""
    return [
        p
        for p in prices(terms)
        if demand(book, terms, p, strict=True) <= volume_wh <= demand(book, terms, p)
        and supply(book, terms, p, strict=True) <= volume_wh <= supply(book, terms, p)
    ]


def surplus(book: Book, terms: ZoneTerms, fills: Sequence[int]) -> int:
    """What the trades are worth to buyers and sellers together, in thousandths of a micro-euro."""
    pairs = zip(book.lines, fills, strict=True)
    return sum(wh * net(x, terms) * (-1 if x.sell else 1) for x, wh in pairs)


def optimal_fills(found: Sequence[tuple[Book, ZoneTerms]]) -> list[list[int]]:
    """Fills of greatest surplus for each book, by one linear programme (HiGHS) with a block for each book.

    Such a programme has whole-numbered corners. The solver's floats are rounded, and it is checked that the whole
    numbers balance, so that the surplus is exact.
    """
    lines = [(row, x, terms) for row, (book, terms) in enumerate(found) for x in book.lines]
    sign = [-1 if x.sell else 1 for _, x, _ in lines]
    places = ([row for row, _, _ in lines], range(len(lines)))
    solved = linprog(
        c=[-s * net(x, terms) / terms.tick_micro_per_kwh for s, (_, x, terms) in zip(sign, lines, strict=True)],
        A_eq=coo_array((sign, places), shape=(len(found), len(lines))).tocsr(),
        b_eq=np.zeros(len(found)),
        bounds=[(0, x.quantity_wh) for _, x, _ in lines],
        method="highs-ds",
    )
    assert solved.status == 0
    assert np.abs(solved.x - np.rint(solved.x)).max() < 1e-3
    whole = [int(wh) for wh in np.rint(solved.x)]
    fills: list[list[int]] = [[] for _ in found]
    for wh, (row, x, _) in zip(whole, lines, strict=True):
        assert 0 <= wh <= x.quantity_wh
        fills[row].append(wh)
    for (book, _), own in zip(found, fills, strict=True):
        assert sum(wh * (-1 if x.sell else 1) for x, wh in zip(book.lines, own, strict=True)) == 0
    return fills


def assert_follows_the_rulebook(book: Book, terms: ZoneTerms, result: Clearing) -> None:
    """Volume, price, fills and money of a clearing, by the plain rules above; the surplus is compared elsewhere."""
    volume_wh = greatest_volume(book, terms)
    assert result.volume_wh == volume_wh
    if volume_wh == 0:
        assert (result.price_micro_per_kwh, result.trades, set(result.fills)) == (None, (), {0})
        return
    possible = clearing_prices(book, terms, volume_wh)
    assert possible == list(range(possible[0], possible[-1] + 1, terms.tick_micro_per_kwh))
    middle = (possible[0] + possible[-1]) // 2
    price = result.price_micro_per_kwh
    assert price == middle - middle % terms.tick_micro_per_kwh
    _assert_fills(book, terms, result.fills, price, volume_wh)
    _assert_money(book, terms, result, price)


def _assert_fills(book: Book, terms: ZoneTerms, fills: Sequence[int], price: int, volume_wh: int) -> None:
    for side in (False, True):
        own = [(x, wh) for x, wh in zip(book.lines, fills, strict=True) if x.sell == side]
        assert sum(wh for _, wh in own) == volume_wh
        at = [(x.quantity_wh, wh) for x, wh in own if net(x, terms) == price]
        at_wh, share_wh = sum(q for q, _ in at), sum(wh for _, wh in at)
        for x, wh in own:
            if net(x, terms) != price:
                eager = (net(x, terms) < price) == side
                assert wh == (x.quantity_wh if eager else 0)
        order = sorted(range(len(at)), key=lambda k: (-(at[k][0] * share_wh % at_wh), k))
        left = share_wh - sum(q * share_wh // at_wh for q, _ in at)
        for place, k in enumerate(order):
            wanted, got = at[k]
            assert got == wanted * share_wh // at_wh + (place < left)
            assert abs(got * at_wh - wanted * share_wh) < at_wh


def _assert_money(book: Book, terms: ZoneTerms, result: Clearing, price: int) -> None:
    paid = received = 0
    for trade in result.trades:
        limit, wh = book.lines[trade.line].limit_micro_per_kwh, trade.energy_wh
        assert wh == result.fills[trade.line] > 0
        if trade.sell:
            received += trade.amount_micro
            assert 0 <= wh * price - 1_000 * trade.amount_micro < 1_000
            assert -trade.amount_micro <= most_owed_micro(wh, limit, sell=True)
            assert trade.amount_micro >= wh * limit // 1_000
        else:
            paid += trade.amount_micro
            assert 0 <= 1_000 * trade.amount_micro - wh * (price + terms.fee_micro_per_kwh) < 1_000
            assert trade.amount_micro <= -(-wh * limit // 1_000) <= most_owed_micro(wh, limit, sell=False)
    assert paid == received + result.fees_micro
    assert 0 <= 1_000 * result.fees_micro - result.volume_wh * terms.fee_micro_per_kwh < 1_000 * len(result.trades)
