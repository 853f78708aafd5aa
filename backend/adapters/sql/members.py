"""Accounts, stations and tariffs, as rows: projections of what the chain says."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from backend.adapters.sql import tables as t
from backend.adapters.sql.paging import paged, same
from backend.application.filters import AccountFilter, Page, StationFilter, TariffFilter
from backend.application.records import AccountRecord, StatementState, StationRecord
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
        import_wh, export_wh = replacement.opening
        self.settled(replacement.station, sequence=replacement.sequence, import_wh=import_wh, export_wh=export_wh)

    def settled(self, station: int, *, sequence: int, import_wh: int, export_wh: int) -> None:
        self._update(station, sequence=sequence, import_wh=import_wh, export_wh=export_wh)

    def _keep_key(self, station: int, signer: bytes, valid_until_s: int) -> None:
        new = upsert(t.station_keys).values(station=station, signer=signer, valid_until_s=valid_until_s)
        change = {"valid_until_s": new.excluded.valid_until_s}
        self._connection.execute(new.on_conflict_do_update(index_elements=["station", "signer"], set_=change))

    def _update(self, station: int, **values: object) -> None:
        self._connection.execute(update(t.stations).where(t.stations.c.station == station).values(**values))

    def _records(self, rows: Sequence[RowMapping]) -> list[StationRecord]:
        """Stations with their former keys and replaced meters, which are few."""
        keys: dict[int, dict[bytes, UnixSeconds]] = {}
        meters: dict[int, list[MeterReplacement]] = {}
        numbers = [row["station"] for row in rows]
        query = select(t.station_keys).where(t.station_keys.c.station.in_(numbers))
        for key in self._connection.execute(query.order_by(t.station_keys.c.valid_until_s)).mappings():
            keys.setdefault(key["station"], {})[key["signer"]] = UnixSeconds(key["valid_until_s"])
        query = select(t.meter_replacements).where(t.meter_replacements.c.station.in_(numbers))
        for meter in self._connection.execute(query.order_by(t.meter_replacements.c.sequence)).mappings():
            replacement = MeterReplacement(**{name: meter[name] for name in _REPLACEMENT_FIELDS})
            meters.setdefault(meter["station"], []).append(replacement)
        return [_station(row, keys.get(row["station"], {}), meters.get(row["station"], [])) for row in rows]


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


def _station(
    row: RowMapping, former_keys: Mapping[bytes, UnixSeconds], replacements: Sequence[MeterReplacement]
) -> StationRecord:
    return StationRecord(
        station=Station(
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
        ),
        import_wh=row["import_wh"],
        export_wh=row["export_wh"],
        sequence=row["sequence"],
        last_reading=row["last_reading"] or 0,
        last_statement=max(row["last_statement"] or 0, *(one.sequence for one in replacements), 0),
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
