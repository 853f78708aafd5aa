"""A zone with members that trade in it, on a chain whose time can be moved on."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount

from backend.adapters.chain.deployment import load_deployment
from domain.auction.forced import ForcedOrder
from domain.auction.order import Order, SignedOrder
from domain.order_cancel import cancel_digest
from domain.signing import SigningDomain
from domain.text import address_text, hex_text
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from domain.wire import Json, order_to_json
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Api, Driver, Site, new_driver, new_key, operator_address
from tests.vectors.world import Key

ZONE = 1
FEE = 20_000
CHARGE_PRICE, DISCHARGE_PRICE = 900_000, 50_000
GATE_S, REVEAL_S, INTERVAL_S = 300, 60, 900
CLOSE_AFTER_S, SETTLE_WITHIN_S = 900, 21_600


@dataclass(slots=True)
class Market:
    """One zone, whose grid account is the operator's."""

    api: Api
    grid: AccountId
    grid_key: Key
    interval_s: int
    _nonces: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def at(self) -> Site:
        return self.api.site

    @property
    def domain(self) -> SigningDomain:
        return load_deployment(self.at.folder / "deployment.json").order_domain

    def member(self, deposit_micro: int = 10**9, margin_micro: int = 0) -> Driver:
        """A member that joined the zone."""
        driver = new_driver(self.api, deposit_micro)
        self.join(driver, margin_micro)
        return driver

    def members(self, count: int) -> list[Driver]:
        """Members that joined the zone, opened together."""
        owners = [(new_key("owner"), new_key("driver")) for _ in range(count)]
        people = [{"owner": address_text(o.address), "driver_key": address_text(d.address)} for o, d in owners]
        accounts = self.api.operate("/v1/accounts", {"members": people})["accounts"]
        paid_in = [{"account": account, "amount_micro": 10**9} for account in accounts]
        self.api.operate("/v1/deposits", {"deposits": paid_in})
        drivers = [Driver(AccountId(a), o, d) for a, (o, d) in zip(accounts, owners, strict=True)]
        for driver in drivers:
            assert self.at.transact(wallet(driver), "AuctionHouse", "join", ZONE, 0)
        wait_until(lambda: self.api.get("/v1/events", name="Joined", account=accounts[-1])["items"])
        return drivers

    def join(self, driver: Driver, margin_micro: int = 0) -> None:
        assert self.at.transact(wallet(driver), "AuctionHouse", "join", ZONE, margin_micro)
        wait_until(lambda: self.api.get("/v1/events", name="Joined", account=driver.account)["items"])

    def order(self, account: int, key: Key, wh: int, limit: int, *, sell: bool = False, **other: Any) -> SignedOrder:
        """A signed order with the next nonce of the account."""
        interval_s = other.pop("interval_s", self.interval_s)
        nonce = self._nonces.get((account, interval_s), 0)
        self._nonces[account, interval_s] = nonce + 1
        numbers = {
            "account": AccountId(account),
            "zone": ZONE,
            "interval_s": UnixSeconds(interval_s),
            "sell": sell,
            "quantity_wh": EnergyWh(wh),
            "limit_micro_per_kwh": PriceMicroPerKwh(limit),
            "expiry_s": UnixSeconds(interval_s - GATE_S),
            "nonce": nonce,
        }
        order = Order(**(numbers | other))
        return SignedOrder(order, key.sign(order.order_hash(self.domain)))

    def bid(self, driver: Driver, wh: int, limit: int, **other: Any) -> str:
        """An order that must be taken; its hash."""
        return self.send(self.order(driver.account, driver.key, wh, limit, **other))

    def backstop(self, wh: int, limit: int, **other: Any) -> str:
        """An order of the grid account."""
        return self.send(self.order(self.grid, self.grid_key, wh, limit, **other))

    def send(self, signed: SignedOrder) -> str:
        answer = self.api.post("/v1/orders", order_to_json(signed))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order"])

    def cancel(self, driver: Driver, order: str) -> httpx.Response:
        signature = driver.key.sign(cancel_digest(bytes.fromhex(order[2:]), self.domain))
        return self.api.http.delete(f"/v1/orders/{order}", params={"signature": hex_text(signature)})

    def force(self, driver: Driver, wh: int, limit: int, *, sell: bool = False, nonce: int = 63) -> None:
        word = self.word(driver, wh, limit, sell=sell, nonce=nonce)
        assert self.at.transact(wallet(driver), "AuctionHouse", "force", word)

    def word(self, driver: Driver, wh: int, limit: int, *, sell: bool = False, nonce: int) -> bytes:
        """An order as it is forced, sealed and revealed."""
        order = ForcedOrder(
            account=driver.account,
            zone=ZONE,
            interval_s=self.interval_s,
            sell=sell,
            quantity_wh=wh,
            limit_micro_per_kwh=limit,
            nonce=nonce,
        )
        return order.encode()

    def state(self, order: str) -> str:
        return str(self.api.get(f"/v1/orders/{order}")["state"])

    def auction(self) -> Json:
        """The interval's auction; with state none as long as no book was committed."""
        answer = self.api.http.get(f"/v1/auctions/{ZONE}/{self.interval_s}")
        found: Json = answer.json() if answer.status_code == 200 else {"state": "none"}
        return found

    def wait_for(self, state: str, limit_s: float = 20) -> Json:
        wait_until(lambda: self.auction()["state"] == state, limit_s)
        return self.auction()

    def to(self, time_s: int) -> None:
        """Moves the chain's time on."""
        move_to(self.at, time_s)

    def to_commit(self) -> None:
        """To when nobody can change the book any more."""
        self.to(self.interval_s - GATE_S + REVEAL_S + 5)

    def to_close(self) -> None:
        """To when positions can be closed."""
        self.to(self.interval_s + INTERVAL_S + CLOSE_AFTER_S + 5)

    def positions(self) -> dict[int, Json]:
        items = self.api.get("/v1/positions", zone=ZONE, interval=self.interval_s)["items"]
        return {one["account"]: one for one in items}


def new_market(api: Api, *, import_wh: int = 10**6, export_wh: int = 10**6) -> Market:
    """A zone with terms and imbalance prices. The interval is the next but one whose gate is open."""
    at, grid = (
        api.site,
        AccountId(api.get("/v1/accounts", owner=address_text(operator_address(api.site)))["items"][0]["account"]),
    )
    key = new_key("grid")
    assert at.transact(at.operator, "AccountRegistry", "setDriverKey", grid, address_text(key.address))
    assert at.transact(at.governor, "AuctionHouse", "setZone", ZONE, (grid, FEE, import_wh, export_wh))
    api.operate(f"/v1/accounts/{grid}/deposits", {"amount_micro": 10**10})
    now_s = chain_time(at)
    interval_s = now_s - now_s % INTERVAL_S + 2 * INTERVAL_S
    window = {"valid_from": now_s + 60, "valid_to": interval_s + 86_400}
    prices = {"market_charge": CHARGE_PRICE, "market_discharge": DISCHARGE_PRICE}
    bodies = [{"direction": name, "price_micro_per_kwh": price} | window for name, price in prices.items()]
    api.operate("/v1/tariffs", {"tariffs": bodies})
    wait_until(lambda: api.get("/v1/events", name="ZoneSet")["items"])
    return Market(api, grid, key, interval_s)


def wallet(driver: Driver) -> LocalAccount:
    """The owner's key, as it sends transactions."""
    found: LocalAccount = Account.from_key(driver.owner.secret)
    return found


def chain_time(at: Site) -> int:
    reader = at.reader()
    return int(reader.block(reader.head()).time_s)


def move_to(at: Site, time_s: int) -> None:
    """Mines a block at this time; later ones go on from there."""
    now_s = max(chain_time(at), int(time.time()))
    assert time_s > now_s, (time_s, now_s)
    at.request("evm_setNextBlockTimestamp", time_s)
    at.request("anvil_mine", "0x1")
