"""A zone with members in a store of its own, without a chain: balances and the time are what a test says."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from backend.adapters.sql.database import SqlStore
from backend.application.market import ZoneSetting
from backend.application.order_rate import OrderRate
from backend.application.orders import Orders
from backend.application.ports import ChainView
from backend.application.records import Balance
from domain.auction.order import Order, SignedOrder
from domain.auction.zone import ZoneTerms
from domain.order_cancel import cancel_digest
from domain.signing import SigningDomain
from domain.tariff import Direction
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds
from tests.unit.backend.stores import new_store
from tests.vectors.world import Key, tariff

DOMAIN = SigningDomain(31337, b"\xaa" * 20)
ZONE, GRID, ALICE, BOB, STRANGER = 1, 4, 6, 7, 8
FEE = 20_000
INTERVAL_S = UnixSeconds(1_700_001_000 - 1_700_001_000 % 900)
GATE_S = INTERVAL_S - 300
NOW_S = INTERVAL_S - 3_600
RICH_MICRO = 10**9
KEYS = {account: Key(f"driver {account}") for account in (GRID, ALICE, BOB, STRANGER)}


@dataclass
class FakeClock:
    """Stands still until it is moved."""

    time_s: int = NOW_S

    def now_s(self) -> UnixSeconds:
        return UnixSeconds(self.time_s)

    def monotonic_s(self) -> float:
        return float(self.time_s)

    def sleep(self, seconds: float) -> None:
        self.time_s += int(seconds)


@dataclass
class Balances:
    """What each account has free."""

    free_micro: dict[int, int] = field(default_factory=dict)

    def balances_of(self, accounts: Sequence[int]) -> list[Balance]:
        found = (self.free_micro.get(account, RICH_MICRO) for account in accounts)
        return [Balance(free_micro=free, spendable_micro=free, locked_micro=0) for free in found]


@dataclass
class World:
    """The use cases around orders, and what they lean on."""

    store: SqlStore
    clock: FakeClock
    balances: Balances
    orders: Orders

    def place(self, signed: SignedOrder) -> str:
        """The state of an order that is taken."""
        return self.orders.place(signed)[0].state.value


@contextmanager
def market_world(folder: Path) -> Iterator[World]:
    """A zone in which the grid's account, Alice and Bob may order; a stranger did not join."""
    store = new_store(folder / "wattledger.sqlite")
    with store.write() as unit:
        for account, key in KEYS.items():
            unit.accounts.opened(account, bytes([account] * 20), key.address)
        unit.zones.terms_set(
            ZoneSetting(
                zone=ZONE,
                grid=AccountId(GRID),
                fee_micro_per_kwh=FEE,
                import_limit_wh=10_000,
                export_limit_wh=10_000,
                from_s=0,
            ),
            NOW_S,
        )
        for number, direction in enumerate((Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE)):
            unit.tariffs.published(tariff(number, GRID, direction, 400_000, 0, days=100_000))
        for account in (ALICE, BOB):
            unit.zones.joined(ZONE, account, account)
    clock, balances = FakeClock(), Balances()
    orders = Orders(store, cast(ChainView, balances), clock, DOMAIN, OrderRate(clock))
    try:
        yield World(store, clock, balances, orders)
    finally:
        store.close()


def order(account: int = ALICE, *, key: Key | None = None, **numbers: Any) -> SignedOrder:
    """A signed order to buy 1 kWh at 0.30 €/kWh, but for what a test changes."""
    wanted: dict[str, Any] = {
        "account": AccountId(account),
        "zone": ZONE,
        "interval_s": INTERVAL_S,
        "sell": False,
        "quantity_wh": EnergyWh(1_000),
        "limit_micro_per_kwh": PriceMicroPerKwh(300_000),
        "nonce": 0,
    }
    made = wanted | numbers
    made.setdefault("expiry_s", UnixSeconds(made["interval_s"] - 300))
    whole = Order(**made)
    return SignedOrder(whole, (key or KEYS[account]).sign(whole.order_hash(DOMAIN)))


def cancellation(signed: SignedOrder, key: Key | None = None) -> tuple[bytes, bytes]:
    """An order's hash, and the driver's signature that cancels it."""
    order_hash = signed.order.order_hash(DOMAIN)
    return order_hash, (key or KEYS[signed.order.account]).sign(cancel_digest(order_hash, DOMAIN))


def terms() -> ZoneTerms:
    return ZoneTerms(
        zone=ZONE,
        grid=AccountId(GRID),
        import_limit_wh=EnergyWh(10_000),
        export_limit_wh=EnergyWh(10_000),
        fee_micro_per_kwh=PriceMicroPerKwh(FEE),
    )
