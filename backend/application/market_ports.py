"""What the use cases of the market need of the world, beside what is in `ports`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from backend.application.filters import AuctionFilter, OrderFilter, Page, PositionFilter
from backend.application.market import (
    Amounts,
    AuctionRecord,
    AuctionState,
    BookRecord,
    Cleared,
    FeedEntry,
    OrderRecord,
    OrderState,
    PositionRecord,
    Step,
    ZoneSetting,
)
from domain.auction.forced import ForcedOrder
from domain.chain import Call


class OrderTable(Protocol):
    def find(self, order_hash: bytes) -> OrderRecord | None: ...
    def named(self, hashes: Iterable[bytes]) -> list[OrderRecord]: ...
    def page(self, page: Page, wanted: OrderFilter) -> list[OrderRecord]: ...
    def book(self, zone: int, interval_s: int, state: OrderState) -> list[OrderRecord]:
        """An interval's orders in one state, in the order in which they came."""

    def of_account(self, zone: int, interval_s: int, account: int) -> list[OrderRecord]: ...
    def count(self, zone: int, interval_s: int) -> int:
        """How many orders came for an interval."""

    def bound_micro(self, account: int, *states: OrderState) -> int:
        """What an account's orders in these states can come to owe together."""

    def unfinished(self, until_s: int, state: OrderState, limit: int) -> list[tuple[int, int]]:
        """Zones and intervals up to a time that have orders in a state, the earliest first."""

    def add(self, record: OrderRecord) -> None: ...
    def mark(self, hashes: Iterable[bytes], state: OrderState, reason: str | None = None) -> None: ...
    def settled(self, fills: Mapping[bytes, int]) -> None: ...
    def cancelled_on_chain(self, zone: int, interval_s: int, account: int, nonce: int) -> OrderRecord | None:
        """Cancels the open order with this nonce, if there is one; the order as it was."""


class ZoneTable(Protocol):
    """Zones, their members, and what owners sent to the chain themselves."""

    def all(self) -> list[int]: ...
    def setting(self, zone: int, interval_s: int) -> ZoneSetting | None: ...
    def of_grid(self, grid: int) -> int | None: ...
    def terms_set(self, setting: ZoneSetting, now_s: int) -> None: ...
    def joined(self, zone: int, account: int, place: int) -> None: ...
    def has_joined(self, zone: int, account: int) -> bool: ...
    def force(self, order: ForcedOrder, place: int) -> None: ...
    def forced(self, zone: int, interval_s: int, account: int | None = None) -> list[ForcedOrder]:
        """An interval's forced orders, in the order in which they were forced."""

    def given_back(self, zone: int, interval_s: int) -> None:
        """The money of an interval's forced orders is not held any more."""

    def held(self, until_s: int, limit: int) -> list[tuple[int, int]]:
        """Zones and intervals up to a time with forced orders whose money is held, the earliest first."""

    def cancel(self, zone: int, interval_s: int, account: int, nonce: int) -> None: ...
    def cancelled(self, zone: int, interval_s: int) -> set[tuple[int, int]]: ...
    def seal(self, zone: int, interval_s: int, account: int, commitment: bytes, place: int) -> None: ...
    def sealed(self, zone: int, interval_s: int) -> int: ...


class AuctionTable(Protocol):
    """Auctions as the chain tells them."""

    def find(self, zone: int, interval_s: int) -> AuctionRecord | None: ...
    def page(self, page: Page, wanted: AuctionFilter) -> list[AuctionRecord]: ...
    def due(self, state: AuctionState, since_s: int, limit: int) -> list[AuctionRecord]:
        """Auctions in a state, of intervals from a time on, the earliest first."""

    def committed(
        self, zone: int, interval_s: int, *, count: int, digest: bytes, place: int, transaction: bytes
    ) -> None: ...
    def cleared(self, zone: int, interval_s: int, cleared: Cleared) -> None: ...
    def chunk_settled(self, zone: int, interval_s: int, chunk: int) -> None: ...
    def concluded(self, zone: int, interval_s: int, fee_micro_per_kwh: int) -> None: ...
    def voided(self, zone: int, interval_s: int) -> None: ...


class BookTable(Protocol):
    """Books that were built here, and the transactions that carry them through."""

    def find(self, zone: int, interval_s: int) -> BookRecord | None: ...
    def keep(self, book: BookRecord) -> None: ...
    def sent(self, zone: int, interval_s: int, step: Step, place: int) -> bytes | None: ...
    def last_place(self, zone: int, interval_s: int, step: Step) -> int | None: ...
    def note(self, zone: int, interval_s: int, step: Step, place: int, transaction: bytes) -> None: ...
    def transactions(self, zone: int, interval_s: int) -> Sequence[tuple[Step, int, bytes]]: ...


class PositionTable(Protocol):
    def page(self, page: Page, wanted: PositionFilter) -> list[PositionRecord]: ...
    def open_of(self, account: int) -> list[PositionRecord]: ...
    def to_close(self, until_s: int, limit: int) -> list[tuple[int, int]]: ...
    def open_accounts(self, zone: int, interval_s: int, limit: int) -> list[int]: ...
    def add(self, zone: int, interval_s: int, account: int, amounts: Amounts) -> None: ...
    def closed(
        self, zone: int, interval_s: int, account: int, amounts: Amounts, *, net_micro: int, set_aside: bool
    ) -> None: ...


class FeedTable(Protocol):
    """What changed, for those who follow it."""

    def newest(self) -> int: ...
    def oldest(self) -> int: ...
    def after(self, serial: int, topic: str, zone: int, limit: int) -> Sequence[FeedEntry]: ...
    def mute(self) -> None:
        """Nothing is told in this unit of work any more."""

    def tell(self, topic: str, zone: int, kind: str, data: str) -> None: ...


class AuctionChain(Protocol):
    """The contracts AuctionHouse and PositionBook: what they are asked, and how they are told."""

    def keys_valid_until(self, keys: Sequence[tuple[int, bytes]], block: int) -> dict[tuple[int, bytes], int]:
        """Until when each account's key counts, after a block; 0 for one that never did."""

    def settle_within_s(self) -> int:
        """How long after an interval's end its auction can be settled."""

    def close_after_s(self) -> int:
        """How long after an interval's end the positions of a concluded auction stay open."""

    def forced(self, zone: int, interval_s: int) -> tuple[int, bytes]:
        """How many orders the chain says were forced for an interval, and the end of their chain."""

    def commit(self, book: BookRecord) -> Call: ...
    def clear(self, book: BookRecord) -> Call: ...
    def settle(self, book: BookRecord, chunk: int, proofs: Sequence[bytes]) -> Call:
        """Settles one chunk; `proofs` are of its signed lines."""

    def void(self, zone: int, interval_s: int, lines: bytes, nonces: bytes) -> Call:
        """Gives back what is held for forced orders; `lines` are theirs."""

    def close(self, zone: int, interval_s: int, accounts: Sequence[int], tariffs: tuple[int, int]) -> Call: ...
