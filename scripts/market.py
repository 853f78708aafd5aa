"""The market of a recorded day: its zone and members, and the auctions of all its intervals.

The chain's time is moved along: before each gate everybody bids, behind it the backend commits, clears and settles.
What the vehicles' agents then plan goes into a file that the oracles follow.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from web3 import Web3
from web3.types import RPCEndpoint

from domain.auction.zone import GATE_S, REVEAL_S, ZoneTerms
from domain.bidding.forecast import PriceForecast
from domain.bidding.stay import Moved
from domain.bidding.supply import back_up, offer_generation
from domain.signing import SigningDomain
from domain.text import parse_address
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from oracle import keystore
from oracle.acn import ReplaySession
from oracle.bidding import OrderDesk, TariffPort, Traded, VehicleBidding, stay_of
from oracle.course import Planned
from oracle.plan_file import add_plan
from oracle.sun import Sun
from scripts.chain import Sender, connect, open_key
from scripts.platform import Platform, PlatformFailed

ZONE = 1
LIMIT_WH = EnergyWh(100_000)
"""What the zone's connection carries in an interval, either way: 400 kW."""
BIDDING_S, COMMITTING_S = 600, GATE_S - REVEAL_S
"""How long before an interval everybody bids, and how long before it the book is built."""
AUCTION_LIMIT_S = 60
POLL_S = 0.02
AT_ONCE = 500

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Contracts:
    """The deployed contracts, called with the members' keys."""

    at: Platform
    web3: Web3
    state: Mapping[str, Any]

    @classmethod
    def of(cls, at: Platform) -> "Contracts":
        """Of a platform that is deployed."""
        return cls(at, connect(at.rpc), json.loads(at.deployment.read_text()))

    def send(self, key_file: Path, contract: str, function: str, *arguments: object) -> None:
        """One call of a member. CallRefused if the contract refuses."""
        entry = self.state["contracts"][contract]
        errors = [e for one in self.state["contracts"].values() for e in one["abi"] if e["type"] == "error"]
        sender = Sender(self.web3, open_key(key_file, self.at.passphrase_file), lambda _: None, errors)
        bound = self.web3.eth.contract(address=entry["address"], abi=entry["abi"])
        sender.send(bound.functions[function](*arguments), f"{contract}.{function}")

    def order_domain(self) -> SigningDomain:
        """What orders are signed for."""
        address = parse_address(self.state["contracts"]["AuctionHouse"]["address"])
        return SigningDomain(int(self.state["chainId"]), address)

    def move_to(self, time_s: int) -> None:
        """Makes a block of this time, if the chain is not past it. Only anvil can do that."""
        if self.web3.eth.get_block("latest")["timestamp"] < time_s:
            self.web3.provider.make_request(RPCEndpoint("evm_setNextBlockTimestamp"), [time_s])
            self.web3.provider.make_request(RPCEndpoint("evm_mine"), [])


class NotOver(Exception):
    """An auction that is not settled yet."""


@dataclass(slots=True)
class Inbox:
    """Gathers orders, and posts them together."""

    at: Platform
    waiting: list[dict[str, Any]] = field(default_factory=list)
    taken: int = 0
    strict: bool = True

    def post_order(self, body: str) -> None:
        self.waiting.append(json.loads(body))

    def empty(self) -> None:
        """If it is strict, PlatformFailed if the backend does not take one of them."""
        waiting, self.waiting = self.waiting, []
        for first in range(0, len(waiting), AT_ONCE):
            answer = self.at.post("/v1/orders/batch", {"orders": waiting[first : first + AT_ONCE]})
            for refused in answer["refused"]:
                if self.strict:
                    raise PlatformFailed(f"an order was refused: {refused['detail']}")
                _log.warning("an order was refused: %s", refused["detail"])
            self.taken += answer["accepted"]


@dataclass(frozen=True, slots=True)
class Prices:
    """The zone's market tariffs, by the interval."""

    charge: Mapping[int, PriceMicroPerKwh]
    discharge: Mapping[int, PriceMicroPerKwh]

    def charge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        return self.charge[interval_s]

    def discharge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        return self.discharge[interval_s]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traders:
    """Who trades: vehicles with their stays, photovoltaics, and the grid account; each one's key."""

    vehicles: Mapping[AccountId, ReplaySession]
    sun: Sun | None
    grid: AccountId
    keys: Mapping[AccountId, bytes]


class Bidders:
    """Everybody who bids in the zone: vehicles while they are there, photovoltaics, and the grid account."""

    def __init__(
        self, at: Platform, domain: SigningDomain, traders: Traders, prices: TariffPort, *, strict: bool = True
    ) -> None:
        """The traders' keys lie in the platform's folders. `strict`: an order that is refused ends it all."""
        self._at = at
        self.traders, self.prices = traders, prices
        self.terms = ZoneTerms(zone=ZONE, grid=traders.grid, import_limit_wh=LIMIT_WH, export_limit_wh=LIMIT_WH)
        self._forecast = PriceForecast()
        self._inbox = Inbox(at, strict=strict)
        self._desk = OrderDesk(self._inbox, _signers(at, traders.keys), domain)
        self._bidding: dict[AccountId, VehicleBidding] = {}
        self._moved: dict[AccountId, Moved] = {}

    @property
    def orders(self) -> int:
        """How many the backend has taken."""
        return self._inbox.taken

    def arrive(self, account: AccountId, session: ReplaySession, moved: Moved | None = None) -> None:
        """A vehicle that takes part comes, or is there already and has moved so much."""
        self._bidding[account] = VehicleBidding(
            account,
            stay_of(session),
            desk=self._desk,
            terms=self.terms,
            tariffs=self.prices,
            forecast=self._forecast,
        )
        self._moved[account] = moved or Moved()
        self._bidding[account].metered(session.arrival_s, self._moved[account])

    def bid(self, interval_s: UnixSeconds) -> list[AccountId]:
        """Everybody's orders for an interval; the vehicles that are there in it.

        A vehicle that is not there yet when the book closes bids nothing, but plans.
        """
        charge, discharge = self.prices.charge_at(interval_s), self.prices.discharge_at(interval_s)
        traders, terms = self.traders, self.terms
        if traders.sun is not None:
            sun = offer_generation(traders.sun.forecast_wh(interval_s), terms, export_price=discharge)
            self._desk.send(traders.sun.account, interval_s, sun, terms)
        backstop = back_up(terms, import_price=charge, export_price=discharge)
        self._desk.send(traders.grid, interval_s, backstop, terms)
        present = []
        for account, bidding in self._bidding.items():
            stay = bidding.stay
            if stay.arrival_s < interval_s + MARKET_INTERVAL_S and interval_s < stay.departure_s:
                bidding.bid(interval_s, UnixSeconds(max(stay.arrival_s, interval_s - BIDDING_S)))
                present.append(account)
        self._inbox.empty()
        return present

    def plan(
        self, interval_s: UnixSeconds, present: Sequence[AccountId], price: int | None
    ) -> dict[AccountId, Planned]:
        """What the vehicles take and give in an interval whose auction is over."""
        traded = self._traded(interval_s)
        self._forecast.note(interval_s, None if price is None else PriceMicroPerKwh(price))
        return {account: self._plan(account, interval_s, traded) for account in present}

    def over(self, interval_s: UnixSeconds) -> int | None:
        """The price of an auction that is over. NotOver until it is."""
        answer = self._at.http.get(f"{self._at.url}/v1/auctions/{ZONE}/{interval_s}")
        if answer.status_code != httpx.codes.OK or answer.json()["state"] != "concluded":
            raise NotOver(interval_s)
        price = answer.json()["price_micro_per_kwh"]
        return None if price is None else int(price)

    def _traded(self, interval_s: UnixSeconds) -> dict[int, Traded]:
        """What each account traded."""
        positions = self._at.items("/v1/positions", zone=ZONE, interval=interval_s, limit=200)
        return {p["account"]: Traded(p["open"]["bought_wh"], p["open"]["sold_wh"]) for p in positions}

    def _plan(self, account: AccountId, interval_s: UnixSeconds, traded: Mapping[int, Traded]) -> Planned:
        """What a vehicle takes and gives, and that it will have done so."""
        bidding, before = self._bidding[account], self._moved[account]
        moves = bidding.plan(interval_s, traded.get(account, Traded()))
        after = Moved(before.imported_wh + moves.imported_wh, before.exported_wh + moves.exported_wh)
        self._moved[account] = after
        bidding.metered(UnixSeconds(interval_s + MARKET_INTERVAL_S), after)
        return Planned(EnergyWh(moves.imported_wh), EnergyWh(moves.exported_wh))


class MarketDay:
    """All auctions of a recorded day, one interval after the other, in the chain's time."""

    def __init__(self, at: Platform, contracts: Contracts, traders: Traders, prices: Prices) -> None:
        self._at, self._contracts = at, contracts
        self.traders, self.prices = traders, prices
        self._bidders = Bidders(at, contracts.order_domain(), traders, prices)
        for account, session in traders.vehicles.items():
            self._bidders.arrive(account, session)

    @property
    def terms(self) -> ZoneTerms:
        return self._bidders.terms

    @property
    def sun(self) -> Sun:
        """The day's photovoltaics."""
        if self.traders.sun is None:
            raise PlatformFailed("nobody said whose photovoltaics trade on the day")
        return self.traders.sun

    @property
    def orders(self) -> int:
        """How many the backend has taken."""
        return self._bidders.orders

    def run(self, intervals: Sequence[UnixSeconds], plan: Path, show: Callable[[str], None]) -> None:
        """Trades them in turn, and writes down what is planned for each."""
        for number, interval_s in enumerate(intervals, 1):
            self._contracts.move_to(interval_s - BIDDING_S)
            present = self._bidders.bid(interval_s)
            self._contracts.move_to(interval_s - COMMITTING_S)
            price = self._wait(interval_s)
            add_plan(plan, interval_s, self._bidders.plan(interval_s, present, price))
            show(f"{number} of {len(intervals)} auctions, {self.orders:,} orders")

    def _wait(self, interval_s: UnixSeconds) -> int | None:
        """Until the auction is over; its price."""
        deadline = time.monotonic() + AUCTION_LIMIT_S
        while time.monotonic() < deadline:
            with suppress(NotOver):
                return self._bidders.over(interval_s)
            time.sleep(POLL_S)
        raise PlatformFailed(
            f"the auction of {interval_s} was not settled within {AUCTION_LIMIT_S} s; the reason is in "
            f"{self._at.folder / 'backend.log'}"
        )


def open_zone(contracts: Contracts, grid: AccountId, members: Mapping[str, Sequence[str]]) -> None:
    """The zone with its grid account, and the members' seats in it; `members` are names of keys by their folder."""
    at = contracts.at
    operator = at.keys("operator") / "operator.json"
    contracts.send(operator, "AccountRegistry", "setDriverKey", grid, at.addresses["operator"])
    terms = (grid, 0, LIMIT_WH, LIMIT_WH)
    contracts.send(at.keys("governor") / "governor.json", "AuctionHouse", "setZone", ZONE, terms)
    for folder, names in members.items():
        for name in names:
            join(contracts, folder, name)
    at.catch_up(contracts.web3.eth.block_number)


def join(contracts: Contracts, folder: str, name: str) -> None:
    """A seat in the zone for the owner of a key."""
    contracts.send(contracts.at.keys(folder) / f"{name}.json", "AuctionHouse", "join", ZONE, 0)


def _signers(at: Platform, keys: Mapping[AccountId, bytes]) -> dict[AccountId, keystore.KeySigner]:
    passphrase = keystore.read_passphrase(at.passphrase_file)
    signers = {
        address: signer
        for folder in ("vehicles", "operator")
        for address, signer in keystore.open_keystore(at.keys(folder), passphrase).items()
    }
    return {account: signers[address] for account, address in keys.items()}


def prices_of(at: Platform, intervals: Sequence[UnixSeconds]) -> Prices:
    """The published market tariffs of these intervals. PlatformFailed if one has none."""
    listed = list(at.items("/v1/tariffs", limit=AT_ONCE))

    def price(direction: str, interval_s: int) -> PriceMicroPerKwh:
        for one in listed:
            if one["direction"] == direction and one["valid_from"] <= interval_s < one["valid_to"]:
                return PriceMicroPerKwh(one["price_micro_per_kwh"])
        raise PlatformFailed(f"no {direction} tariff covers {interval_s}")

    return Prices(
        {interval_s: price("market_charge", interval_s) for interval_s in intervals},
        {interval_s: price("market_discharge", interval_s) for interval_s in intervals},
    )
