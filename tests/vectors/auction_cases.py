"""The auctions of `auction.json`: each is there for one rule."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from domain.auction.book import Book, OrderBook, make_book
from domain.auction.order import AcceptedOrder, Order
from domain.auction.zone import ZoneTerms
from domain.units import EnergyWh, PriceMicroPerKwh
from tests.vectors.auctions import GRID, INTERVAL_S, TERMS, accepted, book, buy, forced, order, sell

FEE = replace(TERMS, fee_micro_per_kwh=PriceMicroPerKwh(70_700))
LOWEST, HIGHEST = TERMS.floor_micro_per_kwh, TERMS.cap_micro_per_kwh
MAX_WH = (1 << 30) - 1


@dataclass(frozen=True)
class Case:
    """A book; `orders` are those its lines stand for, or nothing where only lines are given."""

    name: str
    terms: ZoneTerms
    book: Book
    orders: tuple[AcceptedOrder, ...] = ()


def cases() -> tuple[Case, ...]:
    return (*_signed(), *_prices(), *_margins(), *_nothing_crosses(), *_large())


def _signed() -> Iterable[Case]:
    """Books of signed and forced orders."""
    plain = [order("buy", 1_500, 300_100, account=20), order("sell", 2_000, 99_900, account=21)]
    rationed = [
        order("buy", 5_001, 300_000, account=20),
        order("buy", 7_003, 300_000, account=21),
        order("buy", 11_000, 300_000, account=22, nonce=63),
        order("sell", 10_000, -20_000, account=23),
        order("sell", 3_333, 150_000, account=23, nonce=1),
    ]
    yield _of_orders("a bid and an offer", TERMS, plain)
    yield _of_orders("buyers share at their limit", TERMS, rationed)
    yield _of_orders("the same, two of them forced", TERMS, rationed[1:4], [rationed[4], rationed[0]])
    yield _of_orders("all are forced", TERMS, [], plain)
    yield _of_orders("a fee between both limits", FEE, [*plain, order("buy", 777, 150_000, account=22, nonce=5)])
    grid = [
        order("sell", TERMS.import_limit_wh, 400_000, account=GRID),
        order("buy", TERMS.export_limit_wh, 50_000, account=GRID, nonce=1),
    ]
    yield _of_orders("the backstop up to its limit", TERMS, [*grid, order("buy", 2_000_000, 500_000)])


def _prices() -> Iterable[Case]:
    """Books whose price is easily got wrong."""
    yield Case("gsy's book", TERMS, book(buy(5, 3_000), buy(10, 2_000), sell(5, 1_000), sell(5, 2_500)))
    yield Case("a negative middle is rounded down", TERMS, book(buy(1_001, -100), sell(1_001, -400)))
    yield Case("a middle of zero", TERMS, book(buy(1_001, 400), sell(1_001, -300)))
    yield Case("limits that meet in one price", TERMS, book(buy(10, 500), sell(10, 500)))
    yield Case("the floor's offers, too many", TERMS, book(buy(10, 300), sell(7, LOWEST), sell(8, LOWEST)))
    yield Case("the cap's bids, too many", TERMS, book(buy(7, HIGHEST), buy(8, HIGHEST), sell(10, HIGHEST)))
    yield Case("both at the caps", TERMS, book(buy(7, HIGHEST), sell(8, LOWEST)))
    yield Case("both at the caps, with a fee", FEE, book(buy(7, HIGHEST), buy(9, HIGHEST), sell(8, LOWEST)))
    yield Case("the best bid that is left over is lo", TERMS, book(buy(5, 900), buy(5, 400), sell(5, 100)))
    yield Case("the best offer that is left over is hi", TERMS, book(buy(5, 900), sell(5, 100), sell(5, 400)))
    yield Case("bids at the price get nothing", TERMS, book(buy(5, 500), buy(5, 400), sell(5, 100)))


def _margins() -> Iterable[Case]:
    """Books with rationed orders."""
    thirds = [buy(1, 500), buy(1, 500), buy(1, 500)]
    yield Case("equal remainders go by line", TERMS, book(*thirds, sell(2, 100)))
    yield Case("rounding leaves nothing", TERMS, book(buy(4, 500), buy(6, 500), sell(5, 500)))
    uneven = [sell(10, 200), sell(3, 200), sell(7, 200), sell(1, 200)]
    yield Case("the larger remainder comes first", TERMS, book(*uneven, buy(11, 200), sell(2, 100)))
    yield Case(
        "a forced order is rationed like others", TERMS, book(buy(5, 500, forced=True), buy(5, 500), sell(7, 100))
    )
    yield Case("nobody gets a Wh but the better ones", TERMS, book(buy(5, 600), buy(9, 500), sell(5, 500)))


def _nothing_crosses() -> Iterable[Case]:
    yield Case("limits that miss each other", TERMS, book(buy(10, 400), sell(10, 500)))
    yield Case("limits that the fee keeps apart", FEE, book(buy(10, 70_000), sell(10, 0)))
    yield Case("only bids", TERMS, book(buy(10, 400), buy(1, HIGHEST)))
    yield Case("only offers", TERMS, book(sell(10, 400), sell(1, LOWEST)))


def _large() -> Iterable[Case]:
    """Numbers near their limits, and a book of two chunks."""
    yield Case(
        "quantities times shares are longer than 64 bits",
        TERMS,
        book(
            *(buy(MAX_WH - n, 500, account=20 + n) for n in range(40)), *(sell(MAX_WH - 7 * n, 100) for n in range(33))
        ),
    )
    many = [
        (sell if n % 3 else buy)(1 + n * n % 977, 100 * (n * 7 % 41), account=20 + n % 200, forced=n < 3)
        for n in range(1_030)
    ]
    yield Case("two chunks", TERMS, book(*many))


def _of_orders(name: str, terms: ZoneTerms, plain: Iterable[Order], sent: Iterable[Order] = ()) -> Case:
    made: OrderBook = make_book(
        [accepted(one, terms) for one in plain],
        terms=terms,
        interval_s=INTERVAL_S,
        forced=[forced(one, terms) for one in sent],
    )
    return Case(name, terms, made.book, made.orders)


def refused_books() -> tuple[tuple[str, Book], ...]:
    """Books that no contract takes, and why."""
    whole = buy(10, 500)
    return (
        ("no energy", book(whole, replace(whole, quantity_wh=EnergyWh(0)))),
        ("off the tick", book(whole, sell(10, 501))),
        ("above the cap", book(buy(10, HIGHEST + 100))),
        ("below the floor", book(sell(10, LOWEST - 100))),
        ("a forced line behind another", book(whole, buy(10, 500, forced=True))),
    )
