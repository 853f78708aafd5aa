"""Accounts, stations and tariffs, as rows: projections of what the chain says."""

from collections.abc import Iterable

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from backend.adapters.sql import tables as t
from backend.application.records import AccountRecord, StationRecord
from domain.reading import Station
from domain.tariff import Direction, Tariff
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, StationId, TariffId, UnixSeconds


class Accounts:
    """Members."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, account: int) -> AccountRecord | None:
        row = self._connection.execute(select(t.accounts).where(t.accounts.c.account == account)).mappings().first()
        return None if row is None else _account(row)

    def owned_by(self, owner: bytes) -> AccountRecord | None:
        row = self._connection.execute(select(t.accounts).where(t.accounts.c.owner == owner)).mappings().first()
        return None if row is None else _account(row)

    def page(self, after: int, limit: int) -> list[AccountRecord]:
        query = select(t.accounts).where(t.accounts.c.account > after).order_by(t.accounts.c.account).limit(limit)
        return [_account(row) for row in self._connection.execute(query).mappings()]

    def opened(self, account: int, owner: bytes, driver_key: bytes | None) -> None:
        self._connection.execute(
            insert(t.accounts),
            {"account": account, "owner": owner, "driver_key": driver_key, "roles": 0, "deposited_micro": 0},
        )

    def driver_key_set(self, account: int, driver_key: bytes | None) -> None:
        query = update(t.accounts).where(t.accounts.c.account == account)
        self._connection.execute(query.values(driver_key=driver_key))

    def roles_changed(self, account: int, *, granted: int = 0, revoked: int = 0) -> None:
        query = update(t.accounts).where(t.accounts.c.account == account)
        roles = t.accounts.c.roles
        self._connection.execute(query.values(roles=roles.bitwise_or(granted).bitwise_and(~revoked)))

    def deposited(self, account: int, amount_micro: int) -> None:
        query = select(t.accounts.c.deposited_micro).where(t.accounts.c.account == account)
        before = self._connection.execute(query).scalar_one()
        self._connection.execute(
            update(t.accounts).where(t.accounts.c.account == account).values(deposited_micro=before + amount_micro)
        )


class Stations:
    """Stations."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, station: int) -> StationRecord | None:
        row = self._connection.execute(_STATIONS.where(t.stations.c.station == station)).mappings().first()
        return None if row is None else _station(row)

    def page(self, after: int, limit: int) -> list[StationRecord]:
        query = _STATIONS.where(t.stations.c.station > after).order_by(t.stations.c.station).limit(limit)
        return [_station(row) for row in self._connection.execute(query).mappings()]

    def registered(
        self,
        station: int,
        *,
        signer: bytes,
        payee: int,
        rated_power_w: int,
        bidirectional: bool,
        import_wh: int,
        export_wh: int,
    ) -> None:
        """A new station with its registers as they stand."""
        self._connection.execute(
            insert(t.stations),
            {
                "station": station,
                "signer": signer,
                "payee": payee,
                "rated_power_w": rated_power_w,
                "bidirectional": bidirectional,
                "revoked": False,
                "opening_import_wh": import_wh,
                "opening_export_wh": export_wh,
                "previous_valid_until_s": 0,
                "import_wh": import_wh,
                "export_wh": export_wh,
                "sequence": 0,
            },
        )

    def key_rotated(self, station: int, signer: bytes, previous: bytes, valid_until_s: int) -> None:
        self._update(station, signer=signer, previous_signer=previous, previous_valid_until_s=valid_until_s)

    def revoked(self, station: int) -> None:
        self._update(station, revoked=True)

    def settled(self, station: int, *, sequence: int, import_wh: int, export_wh: int) -> None:
        self._update(station, sequence=sequence, import_wh=import_wh, export_wh=export_wh)

    def _update(self, station: int, **values: object) -> None:
        self._connection.execute(update(t.stations).where(t.stations.c.station == station).values(**values))


class Tariffs:
    """Published prices."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(self, after: int, limit: int, payee: int | None) -> list[Tariff]:
        query = select(t.tariffs).where(t.tariffs.c.tariff > after)
        if payee is not None:
            query = query.where(t.tariffs.c.payee == payee)
        query = query.order_by(t.tariffs.c.tariff).limit(limit)
        return [_tariff(row) for row in self._connection.execute(query).mappings()]

    def numbered(self, numbers: Iterable[int]) -> list[Tariff]:
        query = select(t.tariffs).where(t.tariffs.c.tariff.in_(list(numbers)))
        return [_tariff(row) for row in self._connection.execute(query).mappings()]

    def published(self, tariff: Tariff) -> None:
        self._connection.execute(
            insert(t.tariffs),
            {
                "tariff": tariff.tariff,
                "payee": tariff.payee,
                "direction": int(tariff.direction),
                "price_micro_per_kwh": tariff.price_micro_per_kwh,
                "valid_from_s": tariff.valid_from_s,
                "valid_to_s": tariff.valid_to_s,
            },
        )


_STATIONS = select(
    t.stations,
    select(func.max(t.meter_readings.c.sequence))
    .where(t.meter_readings.c.station == t.stations.c.station)
    .scalar_subquery()
    .label("last_reading"),
    select(func.max(t.statements.c.sequence))
    .where(t.statements.c.station == t.stations.c.station)
    .scalar_subquery()
    .label("last_statement"),
)


def _account(row: RowMapping) -> AccountRecord:
    return AccountRecord(
        account=AccountId(row["account"]),
        owner=row["owner"],
        driver_key=row["driver_key"],
        roles=row["roles"],
        deposited_micro=row["deposited_micro"],
    )


def _station(row: RowMapping) -> StationRecord:
    return StationRecord(
        station=Station(
            station=StationId(row["station"]),
            signer=row["signer"],
            payee=AccountId(row["payee"]),
            rated_power_w=PowerW(row["rated_power_w"]),
            bidirectional=row["bidirectional"],
            revoked=row["revoked"],
            import_wh=EnergyWh(row["opening_import_wh"]),
            export_wh=EnergyWh(row["opening_export_wh"]),
            previous_signer=row["previous_signer"],
            previous_valid_until_s=UnixSeconds(row["previous_valid_until_s"]),
        ),
        import_wh=row["import_wh"],
        export_wh=row["export_wh"],
        sequence=row["sequence"],
        last_reading=row["last_reading"] or 0,
        last_statement=row["last_statement"] or 0,
    )


def _tariff(row: RowMapping) -> Tariff:
    return Tariff(
        tariff=TariffId(row["tariff"]),
        payee=AccountId(row["payee"]),
        direction=Direction(row["direction"]),
        price_micro_per_kwh=PriceMicroPerKwh(row["price_micro_per_kwh"]),
        valid_from_s=UnixSeconds(row["valid_from_s"]),
        valid_to_s=UnixSeconds(row["valid_to_s"]),
    )
