"""What contract events say, as the rows that use cases read."""

from collections.abc import Callable, Iterable
from typing import Any

from backend.application.market_indexing import MARKET_PROJECTIONS
from backend.application.ports import UnitOfWork
from backend.application.records import DebtRecord, DisputeRecord, DisputeState
from domain.batch import StatementNumbers
from domain.chain import ChainEvent
from domain.station import replacement_of
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
    # Who follows the market was told of these events when they came.
    unit.feed.mute()
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


def _account_closed(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    unit.accounts.closed(args["account"], closed=event.name == "AccountClosed")


def _daily_cap_set(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.accounts.daily_cap_set(args["account"], args["capMicro"])


def _paused(unit: UnitOfWork, event: ChainEvent, _: Args) -> None:
    unit.guards.set_paused(paused=event.name == "Paused")


def _debt_recorded(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    unit.debts.recorded(
        DebtRecord(
            debtor=AccountId(args["debtor"]),
            number=args["number"],
            creditor=AccountId(args["creditor"]),
            batch=args["batch"],
            owed_micro=args["owedMicro"],
            share_micro=args["shareMicro"],
            place=event.place,
        )
    )


def _debt_ended(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.debts.ended(args["debtor"], args["number"])


def _debt_reduced(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.debts.reduced(args["debtor"], args["number"], args["owedMicro"], args["shareMicro"])


def _row_disputed(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    dispute = DisputeRecord(
        station=args["station"],
        sequence=args["sequence"],
        row=args["row"],
        state=DisputeState.DISPUTED,
        disputer=AccountId(args["disputer"]),
        answer_until_s=args["answerUntil"],
        place=event.place,
    )
    unit.disputes.opened(dispute)


def _dispute_ended(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    state = DisputeState.JUSTIFIED if event.name == "RowJustified" else DisputeState.REVERSED
    unit.disputes.ended(args["station"], args["sequence"], args["row"], state)


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
    previous = _key(args["previousSigner"])
    unit.stations.key_rotated(args["station"], args["signer"], previous, args["previousValidUntil"])


def _key_revoked(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.stations.key_revoked(args["station"], args["signer"], args["validUntil"])


def _station_suspended(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    suspended = event.name == "StationSuspended"
    unit.stations.suspended(args["station"], by_governance=args["byGovernance"], suspended=suspended)


def _meter_replaced(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.stations.meter_replaced(replacement_of(args))
    unit.statements.void_from(args["station"], args["sequence"])


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


def _row_set_aside(unit: UnitOfWork, _: ChainEvent, args: Args) -> None:
    unit.statements.set_aside(args["station"], args["sequence"], args["row"])


def _batch_settled(unit: UnitOfWork, event: ChainEvent, args: Args) -> None:
    settled = [StatementNumbers.from_word(word) for word in args["statements"]]
    unit.stations.settled(settled)
    unit.statements.settled(settled, batch=args["batch"])
    unit.settlements.settled(event.tx, batch=args["batch"], paid_micro=args["paidMicro"], dust_micro=args["dustMicro"])


def _key(address: bytes) -> bytes | None:
    return None if address == NO_ADDRESS else address


_PROJECTIONS: dict[tuple[str, str], Callable[[UnitOfWork, ChainEvent, Args], None]] = {
    ("AccountRegistry", "AccountOpened"): _account_opened,
    ("AccountRegistry", "DriverKeySet"): _driver_key_set,
    ("AccountRegistry", "RoleGranted"): _role_granted,
    ("AccountRegistry", "RoleRevoked"): _role_revoked,
    ("AccountRegistry", "AccountClosed"): _account_closed,
    ("AccountRegistry", "AccountReopened"): _account_closed,
    ("Escrow", "Deposited"): _deposited,
    ("Escrow", "DailyCapSet"): _daily_cap_set,
    ("Escrow", "Paused"): _paused,
    ("Escrow", "Unpaused"): _paused,
    ("Escrow", "DebtRecorded"): _debt_recorded,
    ("Escrow", "DebtCollected"): _debt_ended,
    ("Escrow", "DebtWrittenOff"): _debt_ended,
    ("Escrow", "DebtReduced"): _debt_reduced,
    ("DisputeCourt", "RowDisputed"): _row_disputed,
    ("DisputeCourt", "RowJustified"): _dispute_ended,
    ("DisputeCourt", "RowReversed"): _dispute_ended,
    ("StationRegistry", "StationRegistered"): _station_registered,
    ("StationRegistry", "KeyRotated"): _key_rotated,
    ("StationRegistry", "KeyRevoked"): _key_revoked,
    ("StationRegistry", "StationSuspended"): _station_suspended,
    ("StationRegistry", "StationReactivated"): _station_suspended,
    ("StationRegistry", "MeterReplaced"): _meter_replaced,
    ("SessionSettlement", "RowSetAside"): _row_set_aside,
    ("SessionSettlement", "BatchSettled"): _batch_settled,
    ("TariffBook", "TariffPublished"): _tariff_published,
} | MARKET_PROJECTIONS
