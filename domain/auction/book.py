"""The book of an auction: its orders as lines of 11 bytes, in the one order that they have.

Forced orders come first, in the order in which they were forced, then all others by ascending order hash. What is
committed is a chain of hashes over chunks of 1,024 lines.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from domain.auction.order import AcceptedOrder
from domain.auction.zone import ZoneTerms
from domain.errors import (
    BackstopPastLimit,
    BookRefused,
    Malformed,
    NonceTaken,
    OffTick,
    OtherAuction,
    OutOfRange,
)
from domain.keccak import keccak
from domain.signing import word
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds

LINE_BYTES = 11
CHUNK_LINES = 1_024
MAX_LINES = (1 << 16) - 1
NOTHING_FORCED = bytes(32)
"""The chain of forced lines of an interval in which nobody forced one."""
_CUT_BYTES = 7
"""What a link of that chain has less than a hash: it keeps the low 200 bits."""

_SELL, _FORCED, _QUANTITY = 1 << 31, 1 << 30, (1 << 30) - 1
_LIMIT_OFFSET = 1 << 31


@dataclass(frozen=True, slots=True)
class Line:
    """What the book says of one order."""

    account: AccountId
    sell: bool
    forced: bool
    quantity_wh: EnergyWh
    limit_micro_per_kwh: PriceMicroPerKwh

    def encode(self) -> bytes:
        """11 bytes: account u24, side, forced and quantity u32, limit + 2^31 u32."""
        amount = self.sell * _SELL | self.forced * _FORCED | self.quantity_wh
        limit = self.limit_micro_per_kwh + _LIMIT_OFFSET
        return (self.account << 64 | amount << 32 | limit).to_bytes(LINE_BYTES, "big")


@dataclass(frozen=True, slots=True)
class Book:
    """The lines of one auction, 1 to 65,535. Made by `make_book` and `decode_book`."""

    zone: int
    interval_s: UnixSeconds
    lines: tuple[Line, ...]

    def chunks(self) -> tuple[bytes, ...]:
        """The lines' bytes; all chunks but the last have 1,024 lines."""
        return tuple(chunks_of(b"".join(line.encode() for line in self.lines)))

    def digest(self) -> bytes:
        """What the operator commits."""
        return book_digest(self.zone, self.interval_s, len(self.lines), self.chunks())

    def forced_chain(self, nonces: bytes) -> bytes:
        """The chain over the forced lines and their nonces, a byte for each, as the contract keeps it.

        Malformed unless there are as many nonces as forced lines.
        """
        forced = [line.encode() for line in self.lines if line.forced]
        if len(forced) != len(nonces):
            raise Malformed(f"{len(nonces)} nonces for {len(forced)} forced lines")
        return forced_chain(zip(forced, nonces, strict=True))


@dataclass(frozen=True, slots=True)
class OrderBook:
    """A book and the orders that its lines stand for, line by line."""

    book: Book
    orders: tuple[AcceptedOrder, ...]

    @property
    def forced_nonces(self) -> bytes:
        """The nonces of the forced orders, a byte for each, as the contract takes them."""
        return bytes(one.order.nonce for one in self.orders if one.forced)


def make_book(
    orders: Iterable[AcceptedOrder],
    *,
    terms: ZoneTerms,
    interval_s: UnixSeconds,
    forced: Sequence[AcceptedOrder] = (),
) -> OrderBook:
    """The book of these orders, whatever order they come in; `forced` are in the order in which they were forced.

    An order that was forced must not be among the others as well. Forced ones may share a nonce: the chain has them,
    and nobody may leave one out. Raises OtherAuction, NonceTaken, and BackstopPastLimit (see `trim_backstop`);
    OutOfRange for no line or too many; what `Order.check_terms` raises.
    """
    arranged = (*forced, *sorted(orders, key=lambda one: one.order_hash))
    if not 1 <= len(arranged) <= MAX_LINES:
        raise OutOfRange("orders in a book", len(arranged), 1, MAX_LINES)
    taken = set()
    for number, accepted in enumerate(arranged):
        order = accepted.order
        order.check_terms(terms)
        if order.interval_s != interval_s:
            raise OtherAuction("interval", interval_s, order.interval_s)
        if accepted.forced != (number < len(forced)):
            raise Malformed(f"forced orders come apart from the others: nonce {order.nonce} of {order.account}")
        if not accepted.forced and (order.account, order.nonce) in taken:
            raise NonceTaken(order.account, order.nonce)
        taken.add((order.account, order.nonce))
    _check_backstop(arranged, terms)
    return OrderBook(Book(terms.zone, interval_s, tuple(map(_line_of, arranged))), arranged)


def trim_backstop(
    orders: Iterable[AcceptedOrder], *, terms: ZoneTerms, forced: Sequence[AcceptedOrder] = ()
) -> tuple[tuple[AcceptedOrder, ...], tuple[AcceptedOrder, ...]]:
    """Orders to make a book of, and those of the grid account that were left out because of the zone's limits.

    On each side the grid account's orders are kept from the best price on, at the same price by hash, up to the first
    that does not fit as a whole; what it forced takes its place before them. An order is never cut: it is signed.
    """
    kept: list[AcceptedOrder] = []
    left_out: list[AcceptedOrder] = []
    backstop: dict[bool, list[AcceptedOrder]] = {True: [], False: []}
    for one in orders:
        (backstop[one.order.sell] if one.order.account == terms.grid else kept).append(one)
    for sell, own in backstop.items():
        own.sort(key=lambda one: (one.order.limit_micro_per_kwh * (1 if one.order.sell else -1), one.order_hash))
        used_wh = accumulate((one.order.quantity_wh for one in own), initial=_backstop_wh(forced, terms, sell=sell))
        fitting = sum(wh <= _limit_wh(terms, sell=sell) for wh in used_wh) - 1
        kept += own[: max(fitting, 0)]
        left_out += own[max(fitting, 0) :]
    return tuple(kept), tuple(left_out)


def decode_book(chunks: Sequence[bytes], *, terms: ZoneTerms, interval_s: UnixSeconds) -> Book:
    """The book in these chunks.

    Raises Malformed if they are not cut as a book is, and BookRefused for the first line that the zone cannot have.
    That lines are in the order of their hashes cannot be seen here: compare with the book that the orders make.
    """
    for number, chunk in enumerate(chunks):
        count, rest = divmod(len(chunk), LINE_BYTES)
        full = number < len(chunks) - 1
        if rest or not (CHUNK_LINES if full else 1) <= count <= CHUNK_LINES:
            raise Malformed(f"chunk {number} has {len(chunk)} bytes; all but the last have 1,024 lines of 11 bytes")
    body = b"".join(chunks)
    if not LINE_BYTES <= len(body) <= MAX_LINES * LINE_BYTES:
        raise OutOfRange("lines in a book", len(body) // LINE_BYTES, 1, MAX_LINES)
    lines = decode_lines(body)
    forced_before = True
    for number, line in enumerate(lines):
        check_line(number, line, terms, forced_before=forced_before)
        forced_before = line.forced
    return Book(terms.zone, interval_s, tuple(lines))


def chunks_of(lines: bytes) -> list[bytes]:
    """The lines of a book, cut into its chunks."""
    step = CHUNK_LINES * LINE_BYTES
    return [lines[at : at + step] for at in range(0, len(lines), step)]


def decode_lines(lines: bytes) -> list[Line]:
    """The lines in these bytes, one after the other."""
    return [decode_line(lines[at : at + LINE_BYTES]) for at in range(0, len(lines), LINE_BYTES)]


def decode_line(data: bytes) -> Line:
    """The line in these 11 bytes, of which all are read."""
    number = int.from_bytes(data, "big")
    amount = number >> 32
    return Line(
        AccountId(number >> 64),
        bool(amount & _SELL),
        bool(amount & _FORCED),
        EnergyWh(amount & _QUANTITY),
        PriceMicroPerKwh((number & (1 << 32) - 1) - _LIMIT_OFFSET),
    )


def check_line(number: int, line: Line, terms: ZoneTerms, *, forced_before: bool) -> None:
    """BookRefused unless this line may stand at this place, after one that was or was not forced."""
    if line.quantity_wh == 0:
        raise BookRefused(number, "it has no energy")
    if line.forced and not forced_before:
        raise BookRefused(number, "a forced order comes after one that is not forced")
    try:
        terms.check_limit(line.limit_micro_per_kwh)
    except (OutOfRange, OffTick) as error:
        raise BookRefused(number, str(error)) from error


def book_digest(zone: int, interval_s: UnixSeconds, count: int, chunks: Iterable[bytes]) -> bytes:
    """keccak(zone ‖ interval ‖ count) as words, then for each chunk keccak(digest ‖ keccak(chunk))."""
    digest = keccak(word(zone) + word(interval_s) + word(count))
    for chunk in chunks:
        digest = keccak(digest + keccak(chunk))
    return digest


def forced_chain(forced: Iterable[tuple[bytes, int]]) -> bytes:
    """The chain of forced lines with their nonces: from zero on, the low 200 bits of keccak(chain ‖ line ‖ nonce).

    As a word of 32 bytes, which is also how it is hashed.
    """
    chain = NOTHING_FORCED
    for line, nonce in forced:
        chain = bytes(_CUT_BYTES) + keccak(chain + line + bytes([nonce]))[_CUT_BYTES:]
    return chain


def _line_of(accepted: AcceptedOrder) -> Line:
    order = accepted.order
    return Line(order.account, order.sell, accepted.forced, order.quantity_wh, order.limit_micro_per_kwh)


def _check_backstop(orders: Sequence[AcceptedOrder], terms: ZoneTerms) -> None:
    for sell in (True, False):
        limit_wh, asked_wh = _limit_wh(terms, sell=sell), _backstop_wh(orders, terms, sell=sell)
        if asked_wh > limit_wh:
            raise BackstopPastLimit("import" if sell else "export", limit_wh, asked_wh)


def _backstop_wh(orders: Iterable[AcceptedOrder], terms: ZoneTerms, *, sell: bool) -> int:
    own = (one.order for one in orders if one.order.account == terms.grid)
    return sum(order.quantity_wh for order in own if order.sell == sell)


def _limit_wh(terms: ZoneTerms, *, sell: bool) -> int:
    return terms.import_limit_wh if sell else terms.export_limit_wh
