"""A zone whose auctions are held on a fresh chain: what the benchmarks commit, clear, settle and force."""

import random
from dataclasses import astuple, dataclass, field
from typing import Any

from web3.contract import Contract
from web3.types import RPCEndpoint

from bench.consortium import (
    CLOSE_AFTER_S,
    MODULE_DELAY_S,
    OTHER_ACCOUNTS,
    SETTLE_WITHIN_S,
    Consortium,
    address_of,
    key_of,
)
from domain.auction.book import CHUNK_LINES, OrderBook, make_book
from domain.auction.claim import plain_claim
from domain.auction.clearing import clear
from domain.auction.forced import ForcedOrder
from domain.auction.order import AcceptedOrder, Order, SignedOrder, accept_order
from domain.auction.zone import GATE_S, REVEAL_S, ZoneTerms
from domain.keccak import keccak
from domain.signing import SigningDomain
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from scripts.compile import compiled

ZONE = 1
RING = 128
"""Intervals after which the contract writes over what it kept of one."""
MARGIN_MICRO = 10**7
GRID = AccountId(len(OTHER_ACCOUNTS))
LEAST_LIMIT, LIMIT_STEP, LIMITS = 100_000, 5_000, 40
MOST_WH = 20_000


@dataclass(slots=True)
class AuctionZone:
    """A consortium with a zone in which all drivers trade; the grid account is the operator's."""

    consortium: Consortium
    terms: ZoneTerms = field(init=False)
    house: Contract = field(init=False)
    positions: Contract = field(init=False)
    domain: SigningDomain = field(init=False)
    interval_s: UnixSeconds = field(init=False)

    def __post_init__(self) -> None:
        own = self.consortium
        accounts, tariffs, escrow = (own.contracts[n] for n in ("AccountRegistry", "TariffBook", "Escrow"))
        artifacts = compiled(("PositionBook", "AuctionHouse"))
        positions = self.positions = own.deployed(
            artifacts["PositionBook"], accounts.address, tariffs.address, escrow.address, CLOSE_AFTER_S, SETTLE_WITHIN_S
        )
        self.house = own.deployed(artifacts["AuctionHouse"], accounts.address, escrow.address, positions.address)
        for module in (positions, self.house):
            own.send(escrow.functions.proposeModule(module.address))
        own.wait(MODULE_DELAY_S)
        self.terms = ZoneTerms(zone=ZONE, grid=GRID, import_limit_wh=EnergyWh(10**6), export_limit_wh=EnergyWh(10**6))
        own.send(self.house.functions.setZone(ZONE, (GRID, 0, 10**6, 10**6)))
        name_key = accounts.functions.setDriverKey
        own.send_together(
            (name_key(driver, address_of(_driver_key(driver))), f"driver {at}")
            for at, driver in enumerate(own.drivers())
        )
        self.domain = SigningDomain(own.web3.eth.chain_id, bytes.fromhex(self.house.address[2:]))
        self.interval_s = UnixSeconds((self._now_s() // MARKET_INTERVAL_S + 4) * MARKET_INTERVAL_S)

    def next_turn(self) -> None:
        """Goes on to the interval that takes the place of this one in the ring."""
        self.interval_s = UnixSeconds(self.interval_s + RING * MARKET_INTERVAL_S)
        self.at(self.interval_s - 4 * MARKET_INTERVAL_S)

    def at(self, time_s: int) -> None:
        """Mines a block at this time."""
        provider = self.consortium.web3.provider
        provider.make_request(RPCEndpoint("evm_setNextBlockTimestamp"), [time_s])
        provider.make_request(RPCEndpoint("evm_mine"), [])

    def book(self, rng: random.Random, orders: int) -> OrderBook:
        """A book of signed orders; each account trades on one side."""
        drivers = self.consortium.drivers()
        plain = [
            Order(
                account=AccountId(drivers[n % len(drivers)]),
                zone=ZONE,
                interval_s=self.interval_s,
                sell=n % len(drivers) % 2 == 1,
                quantity_wh=EnergyWh(rng.randrange(500, MOST_WH)),
                limit_micro_per_kwh=PriceMicroPerKwh(LEAST_LIMIT + LIMIT_STEP * rng.randrange(LIMITS)),
                expiry_s=self.interval_s,
                nonce=n // len(drivers),
            )
            for n in range(orders)
        ]
        return make_book(map(self._accepted, plain), terms=self.terms, interval_s=self.interval_s)

    def commit(self, made: OrderBook) -> Any:
        """Commits a book in its time."""
        self.at(self.interval_s - GATE_S + REVEAL_S)
        count = len(made.orders)
        return self._sent(self.house.functions.commitBook(ZONE, self.interval_s, count, made.book.digest()))

    def clear(self, made: OrderBook) -> Any:
        """Clears it in one transaction."""
        lines = b"".join(made.book.chunks())
        claim = self._claim(made)
        call = self.house.functions.clear(ZONE, self.interval_s, claim, b"", lines, len(made.orders), 0)
        return self._sent(call)

    def clear_in_parts(self, made: OrderBook) -> list[Any]:
        """Clears a book by several transactions, one for each chunk."""
        claim, count, sent = self._claim(made), len(made.orders), []
        for number, lines in enumerate(made.book.chunks()):
            fields = (ZONE, self.interval_s, claim, b"", lines, count, number * CHUNK_LINES)
            sent.append(self._sent(self.house.functions.clear(*fields)))
        return sent

    def settle(self, made: OrderBook) -> list[Any]:
        """Settles a book, one transaction for each chunk."""
        chunks, claim, sent = made.book.chunks(), self._claim(made), []
        for number, lines in enumerate(chunks):
            own = made.orders[number * CHUNK_LINES : (number + 1) * CHUNK_LINES]
            proofs, hashes = b"".join(one.proof for one in own), [keccak(chunk) for chunk in chunks]
            fields = (ZONE, self.interval_s, len(made.orders), claim, hashes, number, lines, b"", proofs)
            sent.append(self._sent(self.house.functions.settle(*fields)))
        return sent

    def filled_wh(self) -> tuple[int, int]:
        """What all drivers bought and sold by the contract's positions, once the auction is concluded; else nothing."""
        if not self.positions.functions.resultOf(ZONE, self.interval_s).call()[0]:
            return 0, 0
        held = [
            self.positions.functions.positionOf(ZONE, self.interval_s, driver).call()
            for driver in self.consortium.drivers()
        ]
        return sum(one[0] for one in held), sum(one[1] for one in held)

    def join(self, driver: int) -> None:
        """The driver takes a seat."""
        self.consortium.send(self.house.functions.join(ZONE, MARGIN_MICRO), f"driver {driver}")

    def force(self, driver: int) -> Any:
        """The driver forces a bid."""
        return self.consortium.send(self.house.functions.force(self._bid(driver).encode()), f"driver {driver}")

    def void(self, driver: int) -> Any:
        """Gives the money of the bid back, after its time."""
        self.at(self.interval_s + MARKET_INTERVAL_S + SETTLE_WITHIN_S + 1)
        bid = self._bid(driver)
        return self._sent(self.house.functions.void(ZONE, self.interval_s, bid.line.encode(), bytes([bid.nonce])))

    def _bid(self, driver: int) -> ForcedOrder:
        """A buyer's order past the operator."""
        return ForcedOrder(
            account=self.consortium.drivers()[driver],
            zone=ZONE,
            interval_s=self.interval_s,
            sell=False,
            quantity_wh=12_345,
            limit_micro_per_kwh=250_000,
            nonce=7,
        )

    def _claim(self, made: OrderBook) -> tuple[Any, ...]:
        """The claim of a book's clearing, as the contract takes it."""
        return astuple(plain_claim(clear(made.book, self.terms).claim))

    def _accepted(self, plain: Order) -> AcceptedOrder:
        key, digest = _driver_key(plain.account), plain.order_hash(self.domain)
        raw = key.sign_recoverable(digest, hasher=None)
        signature = raw[:64] + bytes([raw[64] + 27])
        address = bytes.fromhex(address_of(key)[2:])
        return accept_order(SignedOrder(plain, signature), driver_key=address, terms=self.terms, domain=self.domain)

    def _sent(self, call: Any) -> Any:
        return self.consortium.send(call, "operator")

    def _now_s(self) -> int:
        return int(self.consortium.web3.eth.get_block("latest")["timestamp"])


def _driver_key(account: int) -> Any:
    return key_of(f"driver key of {account}")
