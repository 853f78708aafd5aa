"""What subscribers are told of the market: changes of orders, and how auctions go on.

An entry is kept in the very unit of work that makes the change, so that nobody is told what did not happen, and
whoever was away finds out. Only the latest entries are kept.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.application.errors import Overloaded
from backend.application.market import AuctionRecord, FeedEntry, OrderRecord
from backend.application.ports import Clock, Store, UnitOfWork
from domain.auction.order import SignedOrder
from domain.text import hex_text
from domain.wire import Json, order_to_json

ORDERS, AUCTIONS, SITES = "orders", "auctions", "sites"
MAX_SUBSCRIBERS = 64
PAGE = 200
LOOK_EVERY_S = 0.2
_RETRY_AFTER_S = 10


def order_view(record: OrderRecord) -> Json:
    """An order as everybody may see it."""
    return order_to_json(SignedOrder(record.order, record.signature)) | {
        "order": hex_text(record.order_hash),
        "state": record.state.value,
        "reason": record.reason,
        "filled_wh": record.filled_wh,
        "taken_at": record.taken_at_s,
    }


def auction_view(record: AuctionRecord) -> Json:
    """An auction as everybody may see it. What the chain did not tell yet is null."""
    cleared = record.cleared
    return {
        "zone": record.zone,
        "interval": record.interval_s,
        "state": record.state.value,
        "orders": record.count,
        "digest": hex_text(record.digest) if record.digest else None,
        "price_micro_per_kwh": cleared.price_micro_per_kwh if cleared else None,
        "volume_wh": cleared.volume_wh if cleared else None,
        "fee_micro_per_kwh": record.fee_micro_per_kwh,
        "chunks_settled": record.chunks_settled,
        "tx": hex_text(record.transaction) if record.transaction else None,
        "reason": record.reason,
    }


def tell_order(unit: UnitOfWork, record: OrderRecord) -> None:
    """An order is new, or its state is."""
    unit.feed.tell(ORDERS, record.order.zone, record.state.value, json.dumps(order_view(record)))


def tell_auction(unit: UnitOfWork, zone: int, interval_s: int, kind: str) -> None:
    """The auction went on."""
    record = unit.auctions.find(zone, interval_s)
    if record is not None:
        unit.feed.tell(AUCTIONS, zone, kind, json.dumps(auction_view(record)))


@dataclass(slots=True)
class Feed:
    """Lets a bounded number of subscribers read on. None of them holds more than one page."""

    store: Store
    clock: Clock
    stopping: threading.Event = field(default_factory=threading.Event)
    _subscribers: int = 0
    _newest: int = 0
    _looked_s: float = -1.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def subscribe(self) -> None:
        """Overloaded if there are too many. Each one that came must `leave`."""
        with self._lock:
            if self._subscribers >= MAX_SUBSCRIBERS:
                raise Overloaded("subscribers", _RETRY_AFTER_S)
            self._subscribers += 1

    def leave(self) -> None:
        """One subscriber less."""
        with self._lock:
            self._subscribers -= 1

    def newest(self) -> int:
        """The serial of the latest entry; the store is asked at most every LOOK_EVERY_S, however many subscribe."""
        with self._lock:
            now_s = self.clock.monotonic_s()
            if now_s - self._looked_s >= LOOK_EVERY_S:
                with self.store.read() as unit:
                    self._newest = unit.feed.newest()
                self._looked_s = now_s
            return self._newest

    def has_gap(self, after: int) -> bool:
        """Whether entries behind a serial are kept no longer, or the serial was never given."""
        with self.store.read() as unit:
            oldest, newest = unit.feed.oldest(), unit.feed.newest()
        return after > newest or after + 1 < oldest

    def page(self, after: int, topic: str, zone: int) -> Sequence[FeedEntry]:
        """The next entries of a topic and zone behind a serial."""
        with self.store.read() as unit:
            return unit.feed.after(after, topic, zone, PAGE)

    def stop(self) -> None:
        """Ends all subscriptions."""
        self.stopping.set()
