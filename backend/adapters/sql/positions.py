"""Positions in the market, and what subscribers are told, as rows."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import market_tables as t
from backend.adapters.sql.paging import paged, same
from backend.application.filters import Page, PositionFilter
from backend.application.market import Amounts, AuctionState, FeedEntry, PositionRecord

FEED_KEPT = 20_000
_TRIM_EVERY = 500
_AMOUNTS = ("bought_wh", "sold_wh", "imported_wh", "exported_wh")


class Positions:
    """What was traded and metered, and is closed or not, by zone, interval and account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(self, page: Page, wanted: PositionFilter) -> list[PositionRecord]:
        """Positions in the order in which they were first traded or metered."""
        table = t.positions
        equal = same(
            [
                (table.c.account, wanted.account),
                (table.c.zone, wanted.zone),
                (table.c.interval_s, wanted.interval_s),
                (table.c.open, wanted.open),
            ]
        )
        query = paged(select(table), table.c.serial, page, equal)
        return [_position(row) for row in self._connection.execute(query).mappings()]

    def open_of(self, account: int) -> list[PositionRecord]:
        """An account's positions of which something is not closed."""
        table = t.positions
        query = select(table).where(table.c.account == account, table.c.open.is_(True))
        return [_position(row) for row in self._connection.execute(query).mappings()]

    def to_close(self, until_s: int, limit: int) -> list[tuple[int, int]]:
        """Zones and intervals that began at a time or before and have open positions, the earliest first."""
        table = t.positions
        query = select(table.c.interval_s, table.c.zone).distinct()
        query = query.where(table.c.open.is_(True), table.c.interval_s <= until_s)
        rows = self._connection.execute(query.order_by(table.c.interval_s, table.c.zone).limit(limit))
        return [(row.zone, row.interval_s) for row in rows]

    def closable(self, concluded_until_s: int, other_until_s: int) -> tuple[int, int | None]:
        """How many are open of intervals up to a time whose auction was concluded, or up to an earlier one whatever
        became of it; and the first of these intervals."""
        table, auctions = t.positions, t.auctions
        own = and_(auctions.c.zone == table.c.zone, auctions.c.interval_s == table.c.interval_s)
        concluded = and_(table.c.interval_s <= concluded_until_s, auctions.c.state == AuctionState.CONCLUDED)
        query = select(func.count(), func.min(table.c.interval_s)).select_from(table.outerjoin(auctions, own))
        query = query.where(table.c.open.is_(True), or_(concluded, table.c.interval_s <= other_until_s))
        count, oldest_s = self._connection.execute(query).one()
        return count, oldest_s

    def open_accounts(self, zone: int, interval_s: int, limit: int) -> list[int]:
        """Accounts with an open position in an interval, ascending."""
        table = t.positions
        query = select(table.c.account)
        query = query.where(table.c.zone == zone, table.c.interval_s == interval_s, table.c.open.is_(True))
        return list(self._connection.execute(query.order_by(table.c.account).limit(limit)).scalars())

    def add(self, zone: int, interval_s: int, account: int, amounts: Amounts) -> None:
        """What was traded or metered in addition."""
        row = self._row(zone, interval_s, account)
        changed = {name: row[name] + getattr(amounts, name) for name in _AMOUNTS}
        self._change(row["serial"], changed | {"open": any(changed.values())})

    def closed(
        self, zone: int, interval_s: int, account: int, amounts: Amounts, *, net_micro: int, set_aside: bool
    ) -> None:
        """Nothing of it is open any more."""
        row = self._row(zone, interval_s, account)
        left = dict.fromkeys(_AMOUNTS, 0)
        done = {f"closed_{name}": row[f"closed_{name}"] + getattr(amounts, name) for name in _AMOUNTS}
        money = {"net_micro": row["net_micro"] + net_micro, "set_aside": row["set_aside"] or set_aside}
        self._change(row["serial"], left | done | money | {"open": False})

    def _row(self, zone: int, interval_s: int, account: int) -> RowMapping:
        table = t.positions
        key = {"zone": zone, "interval_s": interval_s, "account": account}
        zeros = dict.fromkeys([*_AMOUNTS, *(f"closed_{name}" for name in _AMOUNTS), "net_micro"], 0)
        new = upsert(table).values(**key, **zeros, set_aside=False, open=False)
        self._connection.execute(new.on_conflict_do_nothing())
        place = [table.c.zone == zone, table.c.interval_s == interval_s, table.c.account == account]
        return self._connection.execute(select(table).where(*place)).mappings().one()

    def _change(self, serial: int, values: dict[str, int]) -> None:
        self._connection.execute(update(t.positions).where(t.positions.c.serial == serial).values(**values))


class Feed:
    """What changed in the market, for those who follow it. Only the latest entries are kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._muted = False

    def mute(self) -> None:
        """Nothing is told in this unit of work any more."""
        self._muted = True

    def newest(self) -> int:
        """The serial of the latest entry, 0 if there is none."""
        return int(self._connection.execute(select(func.max(t.feed.c.serial))).scalar() or 0)

    def oldest(self) -> int:
        """The serial of the oldest entry that is kept, 0 if there is none."""
        return int(self._connection.execute(select(func.min(t.feed.c.serial))).scalar() or 0)

    def after(self, serial: int, topic: str, zone: int, limit: int) -> Sequence[FeedEntry]:
        """Entries of one zone and topic behind a serial."""
        table = t.feed
        query = select(table.c.serial, table.c.kind, table.c.data)
        query = query.where(table.c.topic == topic, table.c.zone == zone, table.c.serial > serial)
        rows = self._connection.execute(query.order_by(table.c.serial).limit(limit))
        return [FeedEntry(serial=row.serial, kind=row.kind, data=row.data) for row in rows]

    def tell(self, topic: str, zone: int, kind: str, data: str) -> None:
        """Adds an entry."""
        if self._muted:
            return
        new = {"topic": topic, "zone": zone, "kind": kind, "data": data}
        serial = int(self._connection.execute(insert(t.feed).returning(t.feed.c.serial), new).scalar_one())
        if serial % _TRIM_EVERY == 0:
            self._connection.execute(delete(t.feed).where(t.feed.c.serial <= serial - FEED_KEPT))


def _position(row: RowMapping) -> PositionRecord:
    return PositionRecord(
        zone=row["zone"],
        interval_s=row["interval_s"],
        account=row["account"],
        open=Amounts(**{name: row[name] for name in _AMOUNTS}),
        closed=Amounts(**{name: row[f"closed_{name}"] for name in _AMOUNTS}),
        net_micro=row["net_micro"],
        set_aside=row["set_aside"],
        serial=row["serial"],
    )
