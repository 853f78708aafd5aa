"""A small record of a market, from orders to closed positions, with all that its contracts let members do.

Four members of one zone: one buys and charges, one sells what it does not deliver and cannot pay, one forces its
orders, one seals them. The first auction trades, in the second one nothing crosses, the third one is never held.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path

from backend.adapters.chain.reader import ChainReader
from backend.adapters.evidence.embedded import EmbeddedEvidence
from bench.audit_record import START_S, Record, Size, recorded
from bench.audit_snapshot import Snapshot, snapshot_of
from bench.audit_stations import MINUTE_S, Made, StationRun, address, driver_key, sign
from domain.auction.book import OrderBook, make_book
from domain.auction.claim import plain_claim
from domain.auction.clearing import clear
from domain.auction.forced import forced_of
from domain.auction.order import AcceptedOrder, Order, SignedOrder, accept_forced, accept_order
from domain.auction.zone import GATE_S, REVEAL_S, ZoneTerms
from domain.keccak import keccak
from domain.signing import SigningDomain, word
from domain.tariff import Direction, Tariff, TariffTable
from domain.text import address_text
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, PriceMicroPerKwh, TariffId, UnixSeconds
from scripts.plan import DAY_S

ZONE, FEE = 1, 20_000
CHARGE_PRICE, DISCHARGE_PRICE = 600_000, 50_000
FIRST_S = START_S + 2 * DAY_S
"""The market interval that is traded in; nothing crosses in the next one, and none is held for the one after it."""
SECOND_S, THIRD_S = FIRST_S + MARKET_INTERVAL_S, FIRST_S + 2 * MARKET_INTERVAL_S
MINUTES = 120
SIZE = Size(stations=2, batches=1, minutes=40)
LIMIT_WH = 1_000_000
SALT = keccak(b"salt")


@contextmanager
def traded(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Record, Snapshot]]:
    """The record, and all of it in memory."""
    with recorded(folder, SIZE, say) as record:
        Market(record).live()
        yield record, snapshot_of(ChainReader(record.rpc, record.deployment), record.evidence)


class Market:
    """Who does what, and when."""

    def __init__(self, record: Record) -> None:
        self.record = record
        (self.buyer, self.seller), (self.forcing, self.sealing) = (record.drivers_of(n) for n in (1, 2))
        self.members = (self.buyer, self.seller, self.forcing, self.sealing)
        self.grid = record.operator
        deployed = record.deployment.deployed
        self.domain = SigningDomain(deployed.station_domain.chain_id, deployed.auctions)
        self.terms = ZoneTerms(
            zone=ZONE,
            grid=AccountId(self.grid),
            import_limit_wh=EnergyWh(LIMIT_WH),
            export_limit_wh=EnergyWh(LIMIT_WH),
            fee_micro_per_kwh=PriceMicroPerKwh(FEE),
        )
        self.tariffs: tuple[Tariff, ...] = ()

    def live(self) -> None:
        """All of it, in the order of time."""
        self._to(FIRST_S - 7_200)
        self._begin()
        self._to(FIRST_S - 3_600)
        sealed = self._send_orders()
        self._to(FIRST_S - GATE_S + 1)
        self._send("reveal", forced_of(sealed).encode(), SALT, account=self.sealing)
        self._to(FIRST_S - GATE_S + REVEAL_S + 1)
        self._trade(sealed)
        self._to(SECOND_S - GATE_S + REVEAL_S + 1)
        self._end_without_trade()
        self._to(FIRST_S + MINUTES * MINUTE_S)
        self._meter()
        self._close(FIRST_S, self.members)
        self._to(FIRST_S + MINUTES * MINUTE_S + 24_000)
        forced = self._forced(THIRD_S, 1_000, 300_000)
        self.record.send(
            "AuctionHouse", "void", ZONE, THIRD_S, forced_of(forced.order).line.encode(), bytes([forced.order.nonce])
        )
        for interval_s in range(SECOND_S, FIRST_S + MINUTES * MINUTE_S, MARKET_INTERVAL_S):
            self._close(interval_s, self.members)

    # --- beginning -------------------------------------------------------------------------------

    def _begin(self) -> None:
        record = self.record
        zone = (self.grid, FEE, LIMIT_WH, LIMIT_WH)
        for _ in range(2):
            record.send("AuctionHouse", "setZone", ZONE, zone, sender="governor")
        record.send("AccountRegistry", "setDriverKey", self.grid, address_text(address(driver_key(self.grid))))
        window = (FIRST_S - 3_600, FIRST_S + DAY_S)
        prices = ((Direction.MARKET_CHARGE, CHARGE_PRICE), (Direction.MARKET_DISCHARGE, DISCHARGE_PRICE))
        record.send("TariffBook", "publish", [(self.grid, int(way), price, *window) for way, price in prices])
        self.tariffs = tuple(
            Tariff(
                tariff=TariffId(len(record.tariffs) + number),
                payee=AccountId(self.grid),
                direction=direction,
                price_micro_per_kwh=PriceMicroPerKwh(price),
                valid_from_s=UnixSeconds(window[0]),
                valid_to_s=UnixSeconds(window[1]),
            )
            for number, (direction, price) in enumerate(prices)
        )
        for account, margin_micro in zip(self.members, (0, 5_000, 10**7, 10**7), strict=True):
            self._send("join", ZONE, margin_micro, account=account)
        self._send("addMargin", ZONE, 700, account=self.buyer)
        self._send("withdrawMargin", ZONE, 2_000, account=self.seller)

    def _send_orders(self) -> Order:
        """Orders that are forced and sealed, and a nonce that is taken back; the sealed order that will be revealed."""
        for interval_s, wh, limit in (
            (FIRST_S, 2_000, 500_000),
            (SECOND_S, 1_000, 100_000),
            (THIRD_S, 1_000, 300_000),
        ):
            self._send(
                "force", forced_of(self._order(self.forcing, interval_s, wh, limit, 63)).encode(), account=self.forcing
            )
        sealed = self._order(self.sealing, FIRST_S, 500, 350_000, 5)
        for salt in (SALT, keccak(SALT)):
            commitment = keccak(word(self.sealing) + forced_of(sealed).encode() + salt)
            self._send("seal", ZONE, FIRST_S, commitment, account=self.sealing)
        self._send("cancel", ZONE, SECOND_S, 9, account=self.buyer)
        return sealed

    # --- auctions --------------------------------------------------------------------------------

    def _trade(self, sealed: Order) -> None:
        forced = [self._forced(FIRST_S, 2_000, 500_000), accept_forced(sealed, terms=self.terms, domain=self.domain)]
        signed = [
            self._signed(self.buyer, FIRST_S, 2_000, 400_000, 0),
            self._signed(self.buyer, FIRST_S, 1_000, 250_000, 1),
            self._signed(self.seller, FIRST_S, 4_000, 150_000, 0, sell=True),
            self._signed(self.grid, FIRST_S, LIMIT_WH, 580_000, 0, sell=True),
        ]
        book = make_book(signed, terms=self.terms, interval_s=UnixSeconds(FIRST_S), forced=forced)
        claim = self._clear(book)
        chunks = book.book.chunks()
        settled = (ZONE, FIRST_S, len(book.orders), claim, [keccak(one) for one in chunks], 0, chunks[0])
        self.record.send(
            "AuctionHouse", "settle", *settled, book.forced_nonces, b"".join(one.proof for one in book.orders)
        )
        commitment = keccak(word(self.sealing) + forced_of(sealed).encode() + keccak(SALT))
        self.record.send("AuctionHouse", "forfeit", ZONE, FIRST_S, self.sealing, commitment)

    def _end_without_trade(self) -> None:
        offer = self._signed(self.seller, SECOND_S, 1_000, 200_000, 0, sell=True)
        forced = [self._forced(SECOND_S, 1_000, 100_000)]
        self._clear(make_book([offer], terms=self.terms, interval_s=UnixSeconds(SECOND_S), forced=forced))

    def _clear(self, orders: OrderBook) -> tuple[object, ...]:
        """Commits a book and clears it; the claim."""
        book, count = orders.book, len(orders.orders)
        self.record.send("AuctionHouse", "commitBook", ZONE, book.interval_s, count, book.digest())
        claim = astuple(plain_claim(clear(book, self.terms).claim))
        data = (claim, orders.forced_nonces, b"".join(book.chunks()), count, 0)
        self.record.send("AuctionHouse", "clear", ZONE, book.interval_s, *data)
        return claim

    def _order(self, account: int, interval_s: int, wh: int, limit: int, nonce: int, *, sell: bool = False) -> Order:
        return Order(
            account=AccountId(account),
            zone=ZONE,
            interval_s=UnixSeconds(interval_s),
            sell=sell,
            quantity_wh=EnergyWh(wh),
            limit_micro_per_kwh=PriceMicroPerKwh(limit),
            expiry_s=UnixSeconds(interval_s - GATE_S),
            nonce=nonce,
        )

    def _forced(self, interval_s: int, wh: int, limit: int) -> AcceptedOrder:
        order = self._order(self.forcing, interval_s, wh, limit, 63)
        return accept_forced(order, terms=self.terms, domain=self.domain)

    def _signed(
        self, account: int, interval_s: int, wh: int, limit: int, nonce: int, *, sell: bool = False
    ) -> AcceptedOrder:
        key = driver_key(account)
        order = self._order(account, interval_s, wh, limit, nonce, sell=sell)
        signed = SignedOrder(order, sign(key, order.order_hash(self.domain)))
        return accept_order(signed, driver_key=address(key), terms=self.terms, domain=self.domain)

    # --- metering and closing --------------------------------------------------------------------

    def _meter(self) -> None:
        """Both stations meter two hours under the market's tariffs."""
        disguised = [replace(one, direction=one.direction.flow) for one in self.tariffs]
        self.record.tariffs += self.tariffs
        self.record.settle([self._statement(station, disguised) for station in (1, 2)])

    def _statement(self, station: int, tariffs: Sequence[Tariff]) -> Made:
        run = StationRun(self.record.plan(station))
        list(run.statements())
        first = (FIRST_S - START_S) // MINUTE_S
        store = EmbeddedEvidence(self.record.evidence)
        return run.statement(2, range(first, first + MINUTES), TariffTable(tariffs), store)

    def _close(self, interval_s: int, accounts: Sequence[int]) -> None:
        """Closes positions; the seller cannot pay."""
        if interval_s == FIRST_S:
            owner = f"owner {self.seller}"
            self.record.send("Escrow", "setDailyCap", self.seller, 1, sender=owner)
        charge, discharge = (one.tariff for one in self.tariffs)
        self.record.send("PositionBook", "close", ZONE, interval_s, sorted(accounts), charge, discharge)

    def _send(self, function: str, *args: object, account: int) -> None:
        self.record.send("AuctionHouse", function, *args, sender=f"owner {account}")

    def _to(self, time_s: int) -> None:
        for method, parameters in (("evm_setNextBlockTimestamp", [time_s]), ("evm_mine", [])):
            self.record.web3.provider.make_request(method, parameters)  # type: ignore[arg-type] # methods of anvil's own
