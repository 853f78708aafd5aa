"""What the store holds of the market, as use cases see it. Times are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.auction.order import AcceptedOrder, Order
from domain.units import AccountId, UnixSeconds


class OrderState(StrEnum):
    """`left_out` is an order that is in no book, `void` one whose book was never settled; `reason` says why."""

    OPEN = "open"
    CANCELLED = "cancelled"
    LEFT_OUT = "left_out"
    BOOKED = "booked"
    SETTLED = "settled"
    VOID = "void"


class AuctionState(StrEnum):
    """`concluded` is one that was settled whole, or in which nothing crossed."""

    COMMITTED = "committed"
    CLEARED = "cleared"
    CONCLUDED = "concluded"
    VOID = "void"


class Step(StrEnum):
    """What the operator sends for an auction, in this order. A place is the number of a chunk, or of an attempt."""

    COMMIT = "commit"
    CLEAR = "clear"
    SETTLE = "settle"
    VOID = "void"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """An order that was taken. `filled_wh` is None until its chunk is settled on chain."""

    order_hash: bytes
    order: Order
    signature: bytes
    signer: bytes
    state: OrderState
    taken_at_s: int
    reason: str | None = None
    filled_wh: int | None = None
    serial: int = 0

    @property
    def accepted(self) -> AcceptedOrder:
        """As the book takes it."""
        return AcceptedOrder(self.order_hash, self.order, self.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSetting:
    """Terms of a zone for intervals from `from_s` on. The rest is the same in all zones."""

    zone: int
    grid: AccountId
    fee_micro_per_kwh: int
    import_limit_wh: int
    export_limit_wh: int
    from_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What the chain said of a clearing; `price_micro_per_kwh` is None if nothing was traded."""

    price_micro_per_kwh: int | None
    volume_wh: int
    lo_micro_per_kwh: int
    hi_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionRecord:
    """An auction as the chain tells it. `place` is that of the event that committed its book."""

    zone: int
    interval_s: int
    state: AuctionState
    count: int
    digest: bytes
    place: int
    transaction: bytes
    cleared: Cleared | None = None
    fee_micro_per_kwh: int | None = None
    chunks_settled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRecord:
    """A book that was built here: its lines, the hashes of its signed orders, what is claimed, and each line's fill.

    `claim` has the fields of the contract's struct, by name. It is kept for good.
    """

    zone: int
    interval_s: UnixSeconds
    digest: bytes
    lines: bytes
    forced_nonces: bytes
    hashes: tuple[bytes, ...]
    fills: tuple[int, ...]
    claim: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Energy of a position, Wh."""

    bought_wh: int = 0
    sold_wh: int = 0
    imported_wh: int = 0
    exported_wh: int = 0

    def __bool__(self) -> bool:
        return bool(self.bought_wh or self.sold_wh or self.imported_wh or self.exported_wh)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRecord:
    """A position: what is open of it, what was closed, and the money that closed it.

    `net_micro` is what the account paid (above zero, in full or as a debt) or received (below zero) in all closings.
    """

    zone: int
    interval_s: int
    account: int
    open: Amounts
    closed: Amounts
    net_micro: int
    set_aside: bool
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One thing that subscribers are told. Serials only grow."""

    serial: int
    kind: str
    data: str
