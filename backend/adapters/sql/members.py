"""Accounts, stations and tariffs, as rows: projections of what the chain says."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import tables as t
from backend.adapters.sql.paging import paged, same
from backend.adapters.sql.selection import rows_among
from backend.application.filters import AccountFilter, Page, StationFilter, TariffFilter
from backend.application.records import AccountRecord, StatementState, StationRecord
from domain.batch import StatementNumbers
from domain.station import MeterReplacement, Station
from domain.tariff import Direction, Tariff
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, StationId, TariffId, UnixSeconds

ALL_ROLES = 31
"""`Roles.ALL`: no account has other bits."""
_REPLACEMENT_FIELDS = (
    "station",
    "sequence",
    "time_s",
    "closing_import_wh",
    "closing_export_wh",
    "opening_import_wh",
    "opening_export_wh",
)


class Accounts:
    """Members."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, account: int) -> AccountRecord | None:
        row = self._connection.execute(select(t.accounts).where(t.accounts.c.account == account)).mappings().first()
        return None if row is None else _account(row)

    def named(self, accounts: Iterable[int]) -> dict[int, AccountRecord]:
        rows = rows_among(self._connection, select(t.accounts), t.accounts.c.account, accounts)
        return {row["account"]: _account(row) for row in rows}

    def owned_by(self, owner: bytes) -> AccountRecord | None:
        row = self._connection.execute(select(t.accounts).where(t.accounts.c.owner == owner)).mappings().first()
        return None if row is None else _account(row)

    def page(self, page: Page, wanted: AccountFilter) -> list[AccountRecord]:
        """Accounts by number."""
        table = t.accounts
        equal = same([(table.c.closed, wanted.closed), (table.c.owner, wanted.owner)])
        if wanted.role is not None:
            equal.append(table.c.roles.in_([roles for roles in range(ALL_ROLES + 1) if roles & wanted.role]))
        query = paged(select(table), table.c.account, page, equal)
        return [_account(row) for row in self._connection.execute(query).mappings()]

    def opened(self, account: int, owner: bytes, driver_key: bytes | None) -> None:
        self._connection.execute(
            insert(t.accounts),
            {
                "account": account,
                "owner": owner,
                "driver_key": driver_key,
                "roles": 0,
                "closed": False,
                "deposited_micro": 0,
                "daily_cap_micro": 0,
            },
        )

    def driver_key_set(self, account: int, driver_key: bytes | None) -> None:
        self._update(account, driver_key=driver_key)

    def closed(self, account: int, *, closed: bool) -> None:
        self._update(account, closed=closed)

    def daily_cap_set(self, account: int, cap_micro: int) -> None:
        self._update(account, daily_cap_micro=cap_micro)

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

    def _update(self, account: int, **values: object) -> None:
        self._connection.execute(update(t.accounts).where(t.accounts.c.account == account).values(**values))


class Stations:
    """Stations."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, station: int) -> StationRecord | None:
        row = self._connection.execute(_STATIONS.where(t.stations.c.station == station)).mappings().first()
        return None if row is None else self._records([row])[0]

    def named(self, stations: Iterable[int]) -> dict[int, Station]:
        rows = list(rows_among(self._connection, select(t.stations), t.stations.c.station, stations))
        keys, meters = self._former_keys(stations), self._replacements(stations)
        return {
            row["station"]: _station(row, keys.get(row["station"], {}), meters.get(row["station"], [])) for row in rows
        }

    def page(self, page: Page, wanted: StationFilter) -> list[StationRecord]:
        """Stations by number."""
        table = t.stations
        equal = same([(table.c.payee, wanted.payee)])
        by_anyone = table.c.suspended_by_operator.is_(True) | table.c.suspended_by_governance.is_(True)
        if wanted.suspended:
            equal.append(by_anyone)
        elif wanted.suspended is not None:
            equal += same([(table.c.suspended_by_operator, False), (table.c.suspended_by_governance, False)])
        query = paged(_STATIONS, table.c.station, page, equal)
        return self._records(self._connection.execute(query).mappings().all())

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
                "suspended_by_operator": False,
                "suspended_by_governance": False,
                "opening_import_wh": import_wh,
                "opening_export_wh": export_wh,
                "import_wh": import_wh,
                "export_wh": export_wh,
                "sequence": 0,
            },
        )

    def key_rotated(self, station: int, signer: bytes, previous: bytes | None, valid_until_s: int) -> None:
        """`previous` is None if that was revoked before."""
        self._update(station, signer=signer)
        if previous is not None:
            self._keep_key(station, previous, valid_until_s)

    def key_revoked(self, station: int, signer: bytes, valid_until_s: int) -> None:
        table = t.stations
        query = update(table).where(table.c.station == station, table.c.signer == signer)
        self._connection.execute(query.values(signer=None))
        self._keep_key(station, signer, valid_until_s)

    def suspended(self, station: int, *, by_governance: bool, suspended: bool) -> None:
        column = "suspended_by_governance" if by_governance else "suspended_by_operator"
        self._update(station, **{column: suspended})

    def meter_replaced(self, replacement: MeterReplacement) -> None:
        values = {name: getattr(replacement, name) for name in _REPLACEMENT_FIELDS}
        self._connection.execute(insert(t.meter_replacements), values)
        self._stands(replacement.station, replacement.sequence, *replacement.opening)

    def settled(self, statements: Iterable[StatementNumbers]) -> None:
        """Each station stands where its last one of these statements left it."""
        for one in {one.station: one for one in statements}.values():
            self._stands(one.station, one.sequence, one.import_wh, one.export_wh)

    def _stands(self, station: int, sequence: int, import_wh: int, export_wh: int) -> None:
        self._update(station, sequence=sequence, import_wh=import_wh, export_wh=export_wh)

    def _keep_key(self, station: int, signer: bytes, valid_until_s: int) -> None:
        new = upsert(t.station_keys).values(station=station, signer=signer, valid_until_s=valid_until_s)
        change = {"valid_until_s": new.excluded.valid_until_s}
        self._connection.execute(new.on_conflict_do_update(index_elements=["station", "signer"], set_=change))

    def _update(self, station: int, **values: object) -> None:
        self._connection.execute(update(t.stations).where(t.stations.c.station == station).values(**values))

    def _records(self, rows: Sequence[RowMapping]) -> list[StationRecord]:
        numbers = [row["station"] for row in rows]
        keys, meters = self._former_keys(numbers), self._replacements(numbers)
        return [_station_record(row, keys.get(row["station"], {}), meters.get(row["station"], [])) for row in rows]

    def _former_keys(self, stations: Iterable[int]) -> dict[int, dict[bytes, UnixSeconds]]:
        found: dict[int, dict[bytes, UnixSeconds]] = {}
        rows = rows_among(self._connection, select(t.station_keys), t.station_keys.c.station, stations)
        for key in sorted(rows, key=lambda row: row["valid_until_s"]):
            found.setdefault(key["station"], {})[key["signer"]] = UnixSeconds(key["valid_until_s"])
        return found

    def _replacements(self, stations: Iterable[int]) -> dict[int, list[MeterReplacement]]:
        found: dict[int, list[MeterReplacement]] = {}
        rows = rows_among(self._connection, select(t.meter_replacements), t.meter_replacements.c.station, stations)
        for row in sorted(rows, key=lambda row: row["sequence"]):
            replacement = MeterReplacement(**{name: row[name] for name in _REPLACEMENT_FIELDS})
            found.setdefault(row["station"], []).append(replacement)
        return found


class Tariffs:
    """Published prices."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(self, page: Page, wanted: TariffFilter) -> list[Tariff]:
        """Tariffs by number."""
        table = t.tariffs
        direction = None if wanted.direction is None else int(wanted.direction)
        equal = same([(table.c.payee, wanted.payee), (table.c.direction, direction)])
        valid = (
            []
            if wanted.valid_at_s is None
            else [
                table.c.valid_from_s <= wanted.valid_at_s,
                table.c.valid_to_s > wanted.valid_at_s,
            ]
        )
        query = paged(select(table), table.c.tariff, page, equal, valid)
        return [tariff_of(row) for row in self._connection.execute(query).mappings()]

    def numbered(self, numbers: Iterable[int]) -> list[Tariff]:
        query = select(t.tariffs).where(t.tariffs.c.tariff.in_(list(numbers)))
        return [tariff_of(row) for row in self._connection.execute(query).mappings()]

    def of_market(self, payee: int, from_s: int, to_s: int) -> list[Tariff]:
        """A grid account's prices of the market that hold at some time in [from_s, to_s)."""
        table, market = t.tariffs, [int(one) for one in Direction if one.market]
        query = select(table).where(table.c.payee == payee, table.c.direction.in_(market))
        query = query.where(table.c.valid_from_s < to_s, table.c.valid_to_s > from_s).order_by(table.c.tariff)
        return [tariff_of(row) for row in self._connection.execute(query).mappings()]

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
    .where(t.statements.c.station == t.stations.c.station, t.statements.c.state != StatementState.VOID)
    .scalar_subquery()
    .label("last_statement"),
)


def _account(row: RowMapping) -> AccountRecord:
    return AccountRecord(
        account=AccountId(row["account"]),
        owner=row["owner"],
        driver_key=row["driver_key"],
        roles=row["roles"],
        closed=row["closed"],
        deposited_micro=row["deposited_micro"],
        daily_cap_micro=row["daily_cap_micro"],
    )


def _station_record(
    row: RowMapping, former_keys: Mapping[bytes, UnixSeconds], replacements: Sequence[MeterReplacement]
) -> StationRecord:
    return StationRecord(
        station=_station(row, former_keys, replacements),
        import_wh=row["import_wh"],
        export_wh=row["export_wh"],
        sequence=row["sequence"],
        last_reading=row["last_reading"] or 0,
        last_statement=max(row["last_statement"] or 0, *(one.sequence for one in replacements), 0),
    )


def _station(
    row: RowMapping, former_keys: Mapping[bytes, UnixSeconds], replacements: Sequence[MeterReplacement]
) -> Station:
    return Station(
        station=StationId(row["station"]),
        signer=row["signer"],
        payee=AccountId(row["payee"]),
        rated_power_w=PowerW(row["rated_power_w"]),
        bidirectional=row["bidirectional"],
        import_wh=EnergyWh(row["opening_import_wh"]),
        export_wh=EnergyWh(row["opening_export_wh"]),
        former_keys=former_keys,
        suspended_by_operator=row["suspended_by_operator"],
        suspended_by_governance=row["suspended_by_governance"],
        replacements=tuple(replacements),
    )


def tariff_of(row: RowMapping) -> Tariff:
    """A row of the table as a tariff."""
    return Tariff(
        tariff=TariffId(row["tariff"]),
        payee=AccountId(row["payee"]),
        direction=Direction(row["direction"]),
        price_micro_per_kwh=PriceMicroPerKwh(row["price_micro_per_kwh"]),
        valid_from_s=UnixSeconds(row["valid_from_s"]),
        valid_to_s=UnixSeconds(row["valid_to_s"]),
    )
