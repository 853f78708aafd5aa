"""Orders, as rows: the book of each interval as it is before the gate, and what became of it."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from backend.adapters.sql import market_tables as t
from backend.adapters.sql.paging import paged, same
from backend.adapters.sql.selection import chunks, rows_among
from backend.application.filters import OrderFilter, Page
from backend.application.market import OrderRecord, OrderState
from domain.auction.order import Order
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh, UnixSeconds

CANCELLED_ON_CHAIN = "its owner cancelled it on chain"


class Orders:
    """Signed orders that were taken."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, order_hash: bytes) -> OrderRecord | None:
        found = self.named([order_hash])
        return found[0] if found else None

    def named(self, hashes: Iterable[bytes]) -> list[OrderRecord]:
        """Those of these hashes that there are."""
        query = select(t.orders)
        return [_order(row) for row in rows_among(self._connection, query, t.orders.c.order_hash, hashes)]

    def page(self, page: Page, wanted: OrderFilter) -> list[OrderRecord]:
        """Orders in the order in which they came."""
        table = t.orders
        equal = same(
            [
                (table.c.account, wanted.account),
                (table.c.zone, wanted.zone),
                (table.c.interval_s, wanted.interval_s),
                (table.c.state, wanted.state),
            ]
        )
        query = paged(select(table), table.c.serial, page, equal)
        return [_order(row) for row in self._connection.execute(query).mappings()]

    def book(self, zone: int, interval_s: int, state: OrderState) -> list[OrderRecord]:
        """An interval's orders in one state, in the order in which they came."""
        table = t.orders
        place = [table.c.zone == zone, table.c.interval_s == interval_s]
        query = select(table).where(*place, table.c.state == state).order_by(table.c.serial)
        return [_order(row) for row in self._connection.execute(query).mappings()]

    def of_account(self, zone: int, interval_s: int, account: int) -> list[OrderRecord]:
        """An account's orders of an interval, whatever became of them."""
        table = t.orders
        place = [table.c.zone == zone, table.c.interval_s == interval_s, table.c.account == account]
        rows = self._connection.execute(select(table).where(*place).order_by(table.c.serial)).mappings()
        return [_order(row) for row in rows]

    def count(self, zone: int, interval_s: int) -> int:
        """How many orders came for an interval."""
        table = t.orders
        query = select(func.count()).where(table.c.zone == zone, table.c.interval_s == interval_s)
        return int(self._connection.execute(query).scalar_one())

    def bound_micro(self, account: int, *states: OrderState) -> int:
        """What an account's orders in these states can come to owe together."""
        table = t.orders
        query = select(func.sum(table.c.worst_micro)).where(table.c.account == account, table.c.state.in_(states))
        return int(self._connection.execute(query).scalar() or 0)

    def unfinished(self, until_s: int, state: OrderState, limit: int) -> list[tuple[int, int]]:
        """Zones and intervals up to a time that have orders in a state, the earliest first."""
        table = t.orders
        query = select(table.c.interval_s, table.c.zone).distinct()
        query = query.where(table.c.state == state, table.c.interval_s <= until_s)
        rows = self._connection.execute(query.order_by(table.c.interval_s, table.c.zone).limit(limit))
        return [(row.zone, row.interval_s) for row in rows]

    def add(self, record: OrderRecord) -> None:
        order = record.order
        self._connection.execute(
            insert(t.orders),
            {
                "order_hash": record.order_hash,
                "account": order.account,
                "zone": order.zone,
                "interval_s": order.interval_s,
                "sell": order.sell,
                "quantity_wh": order.quantity_wh,
                "limit_micro_per_kwh": order.limit_micro_per_kwh,
                "expiry_s": order.expiry_s,
                "nonce": order.nonce,
                "signature": record.signature,
                "signer": record.signer,
                "worst_micro": order.most_owed_micro,
                "taken_at_s": record.taken_at_s,
                "state": record.state,
            },
        )

    def mark(self, hashes: Iterable[bytes], state: OrderState, reason: str | None = None) -> None:
        for some in chunks(hashes):
            query = update(t.orders).where(t.orders.c.order_hash.in_(some))
            self._connection.execute(query.values(state=state, reason=reason))

    def settled(self, fills: Mapping[bytes, int]) -> None:
        """What orders got, in Wh, once their chunk is settled."""
        for order_hash, filled_wh in fills.items():
            query = update(t.orders).where(t.orders.c.order_hash == order_hash)
            self._connection.execute(query.values(state=OrderState.SETTLED, reason=None, filled_wh=filled_wh))

    def cancelled_on_chain(self, zone: int, interval_s: int, account: int, nonce: int) -> OrderRecord | None:
        """Cancels the open order with this nonce, if there is one; the order as it was."""
        found = [one for one in self.of_account(zone, interval_s, account) if one.order.nonce == nonce]
        for one in found:
            if one.state == OrderState.OPEN:
                self.mark([one.order_hash], OrderState.CANCELLED, CANCELLED_ON_CHAIN)
                return one
        return None

    def unsettle(self) -> None:
        """Takes back what the chain said of orders."""
        table = t.orders
        settled = update(table).where(table.c.state == OrderState.SETTLED)
        self._connection.execute(settled.values(state=OrderState.BOOKED, filled_wh=None))
        cancelled = update(table).where(table.c.state == OrderState.CANCELLED, table.c.reason == CANCELLED_ON_CHAIN)
        self._connection.execute(cancelled.values(state=OrderState.OPEN, reason=None))


def _order(row: RowMapping) -> OrderRecord:
    order = Order(
        account=AccountId(row["account"]),
        zone=row["zone"],
        interval_s=UnixSeconds(row["interval_s"]),
        sell=row["sell"],
        quantity_wh=EnergyWh(row["quantity_wh"]),
        limit_micro_per_kwh=PriceMicroPerKwh(row["limit_micro_per_kwh"]),
        expiry_s=UnixSeconds(row["expiry_s"]),
        nonce=row["nonce"],
    )
    return OrderRecord(
        order_hash=row["order_hash"],
        order=order,
        signature=row["signature"],
        signer=row["signer"],
        state=OrderState(row["state"]),
        taken_at_s=row["taken_at_s"],
        reason=row["reason"],
        filled_wh=row["filled_wh"],
        serial=row["serial"],
    )
