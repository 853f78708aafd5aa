"""Zones, who joined them, and what owners sent to the chain themselves, as rows: projections of what the chain says."""

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import market_tables as t
from backend.application.market import ZoneSetting
from domain.auction.forced import ForcedOrder
from domain.units import AccountId


class Zones:
    """Zones and their members."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[int]:
        """The numbers of all zones."""
        return list(self._connection.execute(select(t.zones.c.zone).distinct().order_by(t.zones.c.zone)).scalars())

    def setting(self, zone: int, interval_s: int) -> ZoneSetting | None:
        """The terms that hold for an interval; None if the zone has none then."""
        table = t.zones
        query = select(table).where(table.c.zone == zone, table.c.from_s <= interval_s)
        row = self._connection.execute(query.order_by(table.c.from_s.desc()).limit(1)).mappings().first()
        return None if row is None else _setting(row)

    def of_grid(self, grid: int) -> int | None:
        """The zone of a grid account."""
        query = select(t.zones.c.zone).where(t.zones.c.grid == grid).limit(1)
        zone: int | None = self._connection.execute(query).scalar()
        return zone

    def terms_set(self, setting: ZoneSetting, now_s: int) -> None:
        """New terms. Others that would have held from a later time on are gone."""
        table = t.zones
        self._connection.execute(delete(table).where(table.c.zone == setting.zone, table.c.from_s > now_s))
        new = {
            "zone": setting.zone,
            "from_s": setting.from_s,
            "grid": setting.grid,
            "fee_micro_per_kwh": setting.fee_micro_per_kwh,
            "import_limit_wh": setting.import_limit_wh,
            "export_limit_wh": setting.export_limit_wh,
        }
        self._connection.execute(
            upsert(table).values(**new).on_conflict_do_update(index_elements=["zone", "from_s"], set_=new)
        )

    def joined(self, zone: int, account: int, place: int) -> None:
        new = upsert(t.seats).values(zone=zone, account=account, place=place)
        self._connection.execute(new.on_conflict_do_nothing())

    def has_joined(self, zone: int, account: int) -> bool:
        query = select(t.seats.c.place).where(t.seats.c.zone == zone, t.seats.c.account == account)
        return self._connection.execute(query).first() is not None

    def force(self, order: ForcedOrder, place: int) -> None:
        self._connection.execute(
            insert(t.forced_orders),
            {
                "place": place,
                "zone": order.zone,
                "interval_s": order.interval_s,
                "account": order.account,
                "sell": order.sell,
                "quantity_wh": order.quantity_wh,
                "limit_micro_per_kwh": order.limit_micro_per_kwh,
                "nonce": order.nonce,
                "held": True,
            },
        )

    def forced(self, zone: int, interval_s: int, account: int | None = None) -> list[ForcedOrder]:
        """An interval's forced orders, in the order in which they were forced."""
        table = t.forced_orders
        query = select(*(column for column in table.c if column.name not in ("held", "place")))
        query = query.where(table.c.zone == zone, table.c.interval_s == interval_s)
        if account is not None:
            query = query.where(table.c.account == account)
        return [ForcedOrder(**row) for row in self._connection.execute(query.order_by(table.c.place)).mappings()]

    def given_back(self, zone: int, interval_s: int) -> None:
        """The money of an interval's forced orders is not held any more."""
        table = t.forced_orders
        query = update(table).where(table.c.zone == zone, table.c.interval_s == interval_s)
        self._connection.execute(query.values(held=False))

    def held(self, until_s: int, limit: int) -> list[tuple[int, int]]:
        """Zones and intervals up to a time with forced orders whose money is held, the earliest first."""
        table = t.forced_orders
        query = select(table.c.interval_s, table.c.zone).distinct()
        query = query.where(table.c.held.is_(True), table.c.interval_s <= until_s)
        rows = self._connection.execute(query.order_by(table.c.interval_s, table.c.zone).limit(limit))
        return [(row.zone, row.interval_s) for row in rows]

    def cancel(self, zone: int, interval_s: int, account: int, nonce: int) -> None:
        new = upsert(t.cancelled_nonces).values(zone=zone, interval_s=interval_s, account=account, nonce=nonce)
        self._connection.execute(new.on_conflict_do_nothing())

    def cancelled(self, zone: int, interval_s: int) -> set[tuple[int, int]]:
        """Accounts and nonces that were cancelled on chain."""
        table = t.cancelled_nonces
        query = select(table.c.account, table.c.nonce)
        query = query.where(table.c.zone == zone, table.c.interval_s == interval_s)
        return {(row.account, row.nonce) for row in self._connection.execute(query)}

    def seal(self, zone: int, interval_s: int, account: int, commitment: bytes, place: int) -> None:
        new = {"place": place, "zone": zone, "interval_s": interval_s, "account": account, "commitment": commitment}
        self._connection.execute(insert(t.sealed_bids), new)

    def sealed(self, zone: int, interval_s: int) -> int:
        """How many orders were sealed for an interval."""
        table = t.sealed_bids
        query = select(func.count()).where(table.c.zone == zone, table.c.interval_s == interval_s)
        return int(self._connection.execute(query).scalar_one())


def _setting(row: RowMapping) -> ZoneSetting:
    return ZoneSetting(
        zone=row["zone"],
        grid=AccountId(row["grid"]),
        fee_micro_per_kwh=row["fee_micro_per_kwh"],
        import_limit_wh=row["import_limit_wh"],
        export_limit_wh=row["export_limit_wh"],
        from_s=row["from_s"],
    )
