"""A made-up market: a zone, members with keys, and an auction of any size, told as the contracts tell it."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from domain.auction.book import CHUNK_LINES, LINE_BYTES, OrderBook, make_book
from domain.auction.claim import CLAIM_NAMES, plain_claim
from domain.auction.clearing import Clearing, clear
from domain.auction.order import AcceptedOrder, Order, SignedOrder, accept_order
from domain.auction.zone import ZoneTerms
from domain.audit.auctions import price_of
from domain.audit.market_calls import CLEAR_SELECTOR, SETTLE_SELECTOR
from domain.chain import Call
from domain.signing import SigningDomain, compact, word
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from tests.unit.audit.record import AUCTIONS, DEPLOYED, FIRST_BLOCK_S, Record, enrolled
from tests.vectors.world import OPERATOR, Key

ZONE, GRID = 1, OPERATOR
INTERVAL_S = UnixSeconds((FIRST_BLOCK_S + 100_000) // 900 * 900)
FIRST_MEMBER = 100
DOMAIN = SigningDomain(DEPLOYED.station_domain.chain_id, AUCTIONS)
TERMS = ZoneTerms(zone=ZONE, grid=GRID, import_limit_wh=EnergyWh(10**6), export_limit_wh=EnergyWh(10**6))
CLAIM_TYPE = "(bool,uint64,int32,int32,uint8,uint64,uint64,uint64,uint16)"


@dataclass(slots=True)
class MadeMarket:
    """A record, whose members sign orders; each event comes at a time of its own."""

    record: Record = field(default_factory=enrolled)
    keys: dict[int, Key] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record.event("PositionBook", "ZoneOpened", zone=ZONE, grid=GRID)
        terms: dict[str, Any] = {"feeMicroPerKwh": 0, "importLimitWh": 10**6, "exportLimitWh": 10**6, "from": 0}
        self.record.event("AuctionHouse", "ZoneSet", self.record.events[-1].tx, zone=ZONE, grid=GRID, **terms)

    def members(self, count: int) -> list[int]:
        """So many accounts with keys of their own."""
        new = range(FIRST_MEMBER + len(self.keys), FIRST_MEMBER + len(self.keys) + count)
        for account in new:
            self.keys[account] = key = Key(f"member {account}")
            self.record.event(
                "AccountRegistry", "AccountOpened", account=account, owner=key.address, driverKey=key.address
            )
            self.record.balances[account] = 0
        return list(new)

    def tell(self, contract: str, name: str, time_s: int, tx: bytes | None = None, **args: Any) -> None:
        """An event in a block of this time."""
        self.record.event(contract, name, tx, **args)
        self.record.times[self.record.events[-1].block] = UnixSeconds(time_s)

    def order(self, account: int, nonce: int, wh: int, limit: int, *, sell: bool = False) -> AcceptedOrder:
        order = Order(
            account=AccountId(account),
            zone=ZONE,
            interval_s=INTERVAL_S,
            sell=sell,
            quantity_wh=EnergyWh(wh),
            limit_micro_per_kwh=PriceMicroPerKwh(limit),
            expiry_s=UnixSeconds(INTERVAL_S - 300),
            nonce=nonce,
        )
        key = self.keys[account]
        signed = SignedOrder(order, key.sign(order.order_hash(DOMAIN)))
        return accept_order(signed, driver_key=key.address, terms=TERMS, domain=DOMAIN)

    def commit(self, orders: Sequence[AcceptedOrder]) -> OrderBook:
        made = make_book(orders, terms=TERMS, interval_s=INTERVAL_S)
        committed: dict[str, Any] = {"count": len(orders), "digest": made.book.digest()}
        self.tell("AuctionHouse", "BidsCommitted", INTERVAL_S - 100, zone=ZONE, interval=INTERVAL_S, **committed)
        return made

    def clear(self, made: OrderBook, *, first: int = 0) -> Clearing:
        """Clears the book; in the last of several calls if `first` is not 0."""
        found = clear(made.book, TERMS)
        plain = plain_claim(found.claim)
        claim = astuple(plain)
        lines = b"".join(made.book.chunks())[LINE_BYTES * first :]
        types = ["uint16", "uint40", CLAIM_TYPE, "bytes", "bytes", "uint256", "uint256"]
        data = encode(types, [ZONE, INTERVAL_S, claim, made.forced_nonces, lines, len(made.orders), first])
        tx = self._call(CLEAR_SELECTOR + data)
        price: dict[str, Any] = {
            "priceMicroPerKwh": price_of(plain, TERMS),
            "claim": dict(zip(CLAIM_NAMES, claim, strict=True)),
        }
        self.tell("AuctionHouse", "AuctionCleared", INTERVAL_S + 1, tx, zone=ZONE, interval=INTERVAL_S, **price)
        if found.price_micro_per_kwh is None:
            self._conclude(tx, found, INTERVAL_S + 1)
        return found

    def settle(self, made: OrderBook, found: Clearing) -> None:
        """Settles all chunks of the book."""
        chunks = made.book.chunks()
        claim = astuple(plain_claim(found.claim))
        types = ["uint16", "uint40", "uint256", CLAIM_TYPE, "bytes32[]", "uint256", "bytes", "bytes", "bytes"]
        for number, lines in enumerate(chunks):
            orders = made.orders[number * CHUNK_LINES : (number + 1) * CHUNK_LINES]
            proofs = b"".join(
                compact(one.signature or b"") + one.order.expiry_s.to_bytes(5, "big") + bytes([one.order.nonce])
                for one in orders
            )
            hashes = [keccak(chunk) for chunk in chunks]
            told = [ZONE, INTERVAL_S, len(made.orders), claim, hashes, number, lines, b"", proofs]
            tx = self._call(SETTLE_SELECTOR + encode(types, told))
            place = {"zone": ZONE, "interval": INTERVAL_S, "chunk": number, "chunks": len(chunks)}
            self.tell("AuctionHouse", "BookSettled", INTERVAL_S + 2 + number, tx, **place)
        self._conclude(self.record.events[-1].tx, found, INTERVAL_S + 2 + len(chunks) - 1)

    def _conclude(self, tx: bytes, found: Clearing, time_s: int) -> None:
        crossed = found.price_micro_per_kwh is not None
        end = {"crossed": crossed, "priceMicroPerKwh": found.price_micro_per_kwh or 0, "feeMicroPerKwh": 0}
        self.tell("PositionBook", "Concluded", time_s, tx, zone=ZONE, interval=INTERVAL_S, **end)

    def _call(self, data: bytes) -> bytes:
        tx = keccak(word(len(self.record.calls)) + data)
        self.record.calls[tx] = Call(to=AUCTIONS, data=data)
        return bytes(tx)
