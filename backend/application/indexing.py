"""What contract events say, as the rows that use cases read."""

from collections.abc import Callable, Iterable
from typing import Any

from backend.application.ports import UnitOfWork
from domain.chain import ChainEvent
from domain.tariff import Direction, Tariff
from domain.units import AccountId, PriceMicroPerKwh, TariffId, UnixSeconds

Args = dict[str, Any]
NO_ADDRESS = bytes(20)


def apply(unit: UnitOfWork, events: Iterable[ChainEvent]) -> None:
    """Brings the projections up to date with these events, in the order of the chain."""
    for event in events:
        projection = _PROJECTIONS.get((event.contract, event.name))
        if projection is not None:
            projection(unit, event, dict(event.args))


def roll_back(unit: UnitOfWork, block: int) -> None:
    """Forgets all that came after a block, and builds the projections anew from the events before.

    Transactions that were in orphaned blocks are open again, so that they are sent once more.
    """
    unit.blocks.drop_above(block)
    unit.outbox.reopen_above(block)
    unit.clear_projections()
    apply(unit, unit.blocks.events())


def _account_opened(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.accounts.opened(args["account"], args["owner"], _key(args["driverKey"]))


def _driver_key_set(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.accounts.driver_key_set(args["account"], _key(args["driverKey"]))


def _role_granted(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.accounts.roles_changed(args["account"], granted=args["role"])


def _role_revoked(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.accounts.roles_changed(args["account"], revoked=args["role"])


def _deposited(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.accounts.deposited(args["account"], args["amountMicro"])


def _station_registered(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.stations.registered(
        args["station"],
        signer=args["signer"],
        payee=args["payee"],
        rated_power_w=args["ratedPowerW"],
        bidirectional=args["bidirectional"],
        import_wh=args["importWh"],
        export_wh=args["exportWh"],
    )


def _key_rotated(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.stations.key_rotated(args["station"], args["signer"], args["previousSigner"], args["previousValidUntil"])


def _station_revoked(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.stations.revoked(args["station"])


def _tariff_published(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.tariffs.published(
        Tariff(
            tariff=TariffId(args["tariff"]),
            payee=AccountId(args["payee"]),
            direction=Direction(args["direction"]),
            price_micro_per_kwh=PriceMicroPerKwh(args["priceMicroPerKwh"]),
            valid_from_s=UnixSeconds(args["validFrom"]),
            valid_to_s=UnixSeconds(args["validTo"]),
        )
    )


def _station_settled(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    station, sequence = args["station"], args["sequence"]
    unit.stations.settled(station, sequence=sequence, import_wh=args["importWh"], export_wh=args["exportWh"])
    matches = {
        "start_s": args["startTime"],
        "import_wh": args["importWh"],
        "export_wh": args["exportWh"],
        "telemetry_root": args["telemetryRoot"],
    }
    unit.statements.settled(station, sequence, batch=args["batch"], matches=matches)


def _row_set_aside(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.statements.set_aside(args["station"], args["sequence"], args["row"])


def _batch_settled(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    unit.settlements.settled(event.tx, batch=args["batch"], paid_micro=args["paidMicro"], dust_micro=args["dustMicro"])


def _key(address: bytes) -> bytes | None:
    return None if address == NO_ADDRESS else address


_PROJECTIONS: dict[tuple[str, str], Callable[[UnitOfWork, ChainEvent, Args], None]] = {
    ("AccountRegistry", "AccountOpened"): _account_opened,
    ("AccountRegistry", "DriverKeySet"): _driver_key_set,
    ("AccountRegistry", "RoleGranted"): _role_granted,
    ("AccountRegistry", "RoleRevoked"): _role_revoked,
    ("Escrow", "Deposited"): _deposited,
    ("StationRegistry", "StationRegistered"): _station_registered,
    ("StationRegistry", "KeyRotated"): _key_rotated,
    ("StationRegistry", "StationRevoked"): _station_revoked,
    ("SessionSettlement", "StationSettled"): _station_settled,
    ("SessionSettlement", "RowSetAside"): _row_set_aside,
    ("SessionSettlement", "BatchSettled"): _batch_settled,
    ("TariffBook", "TariffPublished"): _tariff_published,
}
