"""The auction's clearing: right for 100,000 random books, and how long 10,000 and 1,000,000 orders take.

Right: each book is cleared, and a plain second computation over every price of the zone counts the books whose price
is no equilibrium (an order that wants to trade at the price does not, or the sides do not balance) and those that
trade less than the greatest volume. Few prices and quantities, so that orders collide at limits and caps.

Speed: from columns of order hashes, sides, quantities and limits in memory, in any order, to the fills: put in the
order of hashes, cross the curves, fill pro rata at the margin. Signatures, hashing and reading are not included: they
are done when an order arrives. The raw limit of the same run is one `np.argsort` of the prices of the same orders.
"""

import math
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.figures import command_line, show
from domain.auction.book import Book, Line
from domain.auction.clearing import clear
from domain.auction.columns import Columns, Integers, crossing, fill, hash_order
from domain.auction.zone import ZoneTerms
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds

BOOKS, SMALL, LARGE, RUNS = 100_000, 10_000, 1_000_000, 7
MOST_LINES, MOST_WH = 12, 20_000
TICK = 100
SEED = 20_190_710
TERMS = ZoneTerms(
    zone=1,
    grid=AccountId(4),
    import_limit_wh=EnergyWh(0),
    export_limit_wh=EnergyWh(0),
    floor_micro_per_kwh=PriceMicroPerKwh(-5 * TICK),
    cap_micro_per_kwh=PriceMicroPerKwh(10 * TICK),
)


def count_faults(books: int) -> dict[str, int]:
    """How many of so many random books are cleared wrongly, and how many trade at all."""
    rng = random.Random(SEED)
    counts = {"books": books, "books_that_trade": 0, "equilibrium_violations": 0, "below_max_volume": 0}
    for _ in range(books):
        book = _random_book(rng)
        result = clear(book, TERMS)
        counts["books_that_trade"] += result.volume_wh > 0
        counts["equilibrium_violations"] += not _is_equilibrium(book, result.fills, result.price_micro_per_kwh)
        counts["below_max_volume"] += sum(_side(book, result.fills, sell=True)) < _greatest_volume(book)
    return counts


def _random_book(rng: random.Random) -> Book:
    most_wh = rng.choice((1, 5, 50, MOST_WH))
    lines = (
        Line(
            AccountId(20 + number),
            rng.random() < 0.5,
            False,
            EnergyWh(rng.randint(1, most_wh)),
            PriceMicroPerKwh(TICK * rng.randint(-5, 10)),
        )
        for number in range(rng.randint(1, MOST_LINES))
    )
    return Book(TERMS.zone, UnixSeconds(0), tuple(lines))


def _is_equilibrium(book: Book, fills: tuple[int, ...], price: int | None) -> bool:
    """Who wants to trade at the price does so in full, who does not want to does not, and the sides balance."""
    if price is None:
        return not any(fills) and _greatest_volume(book) == 0
    for line, wh in zip(book.lines, fills, strict=True):
        better = (price - line.limit_micro_per_kwh) * (1 if line.sell else -1)
        if (better > 0 and wh != line.quantity_wh) or (better < 0 and wh) or not 0 <= wh <= line.quantity_wh:
            return False
    return sum(_side(book, fills, sell=True)) == sum(_side(book, fills, sell=False)) > 0


def _greatest_volume(book: Book) -> int:
    prices = range(TERMS.floor_micro_per_kwh, TERMS.cap_micro_per_kwh + 1, TICK)
    return max(min(_willing_wh(book, price, sell=False), _willing_wh(book, price, sell=True)) for price in prices)


def _willing_wh(book: Book, price: int, *, sell: bool) -> int:
    own = (line for line in book.lines if line.sell == sell)
    return sum(x.quantity_wh for x in own if (x.limit_micro_per_kwh - price) * (1 if sell else -1) <= 0)


def _side(book: Book, fills: tuple[int, ...], *, sell: bool) -> list[int]:
    return [wh for line, wh in zip(book.lines, fills, strict=True) if line.sell == sell]


class Orders:
    """Order columns in memory, as they came in: hashes of 32 bytes, sides, quantities, net limits on the tick."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(SEED)
        self.hashes = rng.integers(0, 256, (count, 32), dtype=np.uint8)
        self.sell = rng.random(count) < 0.5
        self.quantity_wh = rng.integers(1, MOST_WH, count, dtype=np.int64)
        self.net: Integers = rng.integers(-5_000, 40_001, count, dtype=np.int64) * TICK

    def clear(self) -> int:
        """The Wh that are traded."""
        order = hash_order(self.hashes)
        columns = Columns(self.sell[order], self.quantity_wh[order], self.net[order])
        found = crossing(columns)
        if found is None:
            raise ValueError("these orders cross by the way they are drawn")
        fills, _ = fill(columns, found.volume_wh, (found.lo + found.hi) // 2 // TICK * TICK)
        if int(fills.sum()) != 2 * found.volume_wh:
            raise ValueError("the fills do not add up to the volume")
        return found.volume_wh

    def sort_prices(self) -> int:
        """The raw limit: nothing but one sort of the prices."""
        return int(np.argsort(self.net)[0])


def median_s(work: Callable[[], int], runs: int) -> float:
    """The median time of so many runs, after one that warms up."""
    work()
    times_s = []
    for _ in range(runs):
        began_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - began_s)
    return statistics.median(times_s)


def measure(books: int, small: int, large: int, runs: int) -> dict[str, Any]:
    """All figures, by their names. `growth_to_n_log_n` is below 1 if time grows more slowly than n log n."""
    few, many = Orders(small), Orders(large)
    small_s, large_s = median_s(few.clear, runs), median_s(many.clear, runs)
    raw_small_s, raw_large_s = median_s(few.sort_prices, runs), median_s(many.sort_prices, runs)
    growth = large_s / small_s
    allowed = large * math.log(large) / (small * math.log(small))
    return {
        "benchmark": "auction",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "includes": "hash order, crossing, pro-rata fills; no signatures, no hashing, no bytes",
        **count_faults(books),
        "runs": runs,
        "small_orders": small,
        "large_orders": large,
        "clear_10k_orders_ms": round(small_s * 1_000, 3),
        "clear_1m_orders_s": round(large_s, 4),
        "growth": round(growth, 1),
        "n_log_n_growth": round(allowed, 1),
        "growth_to_n_log_n": round(growth / allowed, 3),
        "raw_argsort_10k_ms": round(raw_small_s * 1_000, 3),
        "raw_argsort_1m_s": round(raw_large_s, 4),
        "ratio_to_raw_limit": round(large_s / raw_large_s, 2),
    }


def main() -> None:
    """Runs the benchmark; the last line is one JSON object."""
    parser = command_line(__doc__)
    parser.add_argument("--books", type=int, default=BOOKS, help="random books to clear and check")
    parser.add_argument("--small", type=int, default=SMALL, help="orders of the small book, for clear_10k_orders_ms")
    parser.add_argument("--large", type=int, default=LARGE, help="orders of the large book, for clear_1m_orders_s")
    parser.add_argument("--runs", type=int, default=RUNS, help="timed runs of each")
    arguments = parser.parse_args()
    figures = measure(arguments.books, arguments.small, arguments.large, arguments.runs)
    show(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
