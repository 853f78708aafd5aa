"""What goes into a book when its gate is closed: all that can be settled. The rest is left out, each with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.application.errors import WouldSelfTrade
from backend.application.market import BookRecord, OrderRecord
from backend.application.order_checks import check_sides
from domain.auction.book import Line, chunks_of, decode_book, trim_backstop
from domain.auction.claim import plain_claim
from domain.auction.clearing import clear
from domain.auction.forced import ForcedOrder
from domain.auction.zone import ZoneTerms
from domain.errors import OrderRefused, OutOfRange
from domain.units import PriceMicroPerKwh, UnixSeconds

PAST_LIMIT = "the grid account offers more than the zone's connection carries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What holds at the gate of one auction.

    `forced` are in the order in which they were forced, `cancelled` accounts and nonces cancelled on chain,
    `keys_until_s` until when keys count, `spare_micro` what each account has left for this auction.
    """

    terms: ZoneTerms
    interval_s: UnixSeconds
    forced: Sequence[ForcedOrder]
    cancelled: set[tuple[int, int]]
    keys_until_s: Mapping[tuple[int, bytes], int]
    spare_micro: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The orders of a book, and why others are in none, by hash."""

    kept: Sequence[OrderRecord]
    left_out: Mapping[bytes, str]


def select(orders: Sequence[OrderRecord], gate: Gate) -> Selection:
    """Those that the contract would settle. The earlier order comes first where two exclude each other."""
    sides = _Sides(gate)
    forced = {(one.account, one.nonce) for one in gate.forced}
    left_out: dict[bytes, str] = {}
    kept: list[OrderRecord] = []
    spent_micro: dict[int, int] = {}
    for record in orders:
        account, needed = record.order.account, record.order.most_owed_micro
        spent = spent_micro.get(account, 0)
        reason = _alone(record, gate, forced) or sides.refusal(record)
        if reason is None and needed and account != gate.terms.grid and spent + needed > gate.spare_micro[account]:
            reason = f"its account has {gate.spare_micro[account]} micro-euro to spare, its orders could take more"
        if reason is not None:
            left_out[record.order_hash] = reason
            continue
        spent_micro[account] = spent + needed
        sides.take(record)
        kept.append(record)
    fitting, over = trim_backstop([one.accepted for one in kept], terms=gate.terms)
    left_out |= {one.order_hash: PAST_LIMIT for one in over}
    hashes = {one.order_hash for one in fitting}
    return Selection(kept=[one for one in kept if one.order_hash in hashes], left_out=left_out)


def build(kept: Sequence[OrderRecord], gate: Gate) -> BookRecord:
    """The book of these orders and the forced ones, cleared; at least one line."""
    signed = sorted(kept, key=lambda one: one.order_hash)
    lines = b"".join(one.encode() for one in (*(one.line for one in gate.forced), *map(_signed_line, signed)))
    book = decode_book(chunks_of(lines), terms=gate.terms, interval_s=gate.interval_s)
    cleared = clear(book, gate.terms)
    return BookRecord(
        zone=gate.terms.zone,
        interval_s=gate.interval_s,
        digest=book.digest(),
        lines=lines,
        forced_nonces=bytes(one.nonce for one in gate.forced),
        hashes=tuple(one.order_hash for one in signed),
        fills=cleared.fills,
        claim=plain_claim(cleared.claim).named(),
    )


def _alone(record: OrderRecord, gate: Gate, forced: set[tuple[int, int]]) -> str | None:
    """Why an order cannot be in the book, whatever other signed ones are."""
    order, closes_s = record.order, gate.terms.closes_s(gate.interval_s)
    try:
        order.check_terms(gate.terms)
    except (OrderRefused, OutOfRange) as error:
        return str(error)
    if (order.account, order.nonce) in gate.cancelled:
        return "its owner cancelled its nonce on chain"
    if (order.account, order.nonce) in forced:
        return "its owner forced another order with its nonce"
    if gate.keys_until_s.get((order.account, record.signer), 0) < closes_s:
        return "the key that signed it was replaced or revoked before the gate"
    return None


class _Sides:
    """At which limits each account buys and sells so far."""

    def __init__(self, gate: Gate) -> None:
        self._terms = gate.terms
        self._limits: dict[int, list[tuple[bool, PriceMicroPerKwh]]] = {}
        for one in gate.forced:
            limit = PriceMicroPerKwh(one.limit_micro_per_kwh)
            self._limits.setdefault(one.account, []).append((one.sell, limit))

    def refusal(self, record: OrderRecord) -> str | None:
        """Why an order could trade with another one of its account; None if it could not."""
        order = record.order
        limits = [*self._limits.get(order.account, ()), (order.sell, order.limit_micro_per_kwh)]
        try:
            check_sides(order.account, limits, self._terms)
        except WouldSelfTrade as error:
            return str(error)
        return None

    def take(self, record: OrderRecord) -> None:
        """Counts an order."""
        order = record.order
        self._limits.setdefault(order.account, []).append((order.sell, order.limit_micro_per_kwh))


def _signed_line(record: OrderRecord) -> Line:
    order = record.order
    return Line(order.account, order.sell, False, order.quantity_wh, order.limit_micro_per_kwh)
