"""A store with some of everything, what its lists are asked for, and what they must answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from backend.adapters.sql import tables as t
from backend.adapters.sql.database import SqlStore
from backend.application import filters as f
from backend.application.filters import Page
from backend.application.ports import UnitOfWork
from backend.application.records import (
    DebtRecord,
    DisputeRecord,
    DisputeState,
    OutboxEntry,
    OutboxState,
    Receipt,
    SessionState,
    SettlementState,
    StatementState,
)
from domain.chain import BlockRef, ChainEvent
from domain.session import Session, SessionAuthorisation
from domain.tariff import Direction, Tariff
from domain.units import AccountId, EnergyWh, MoneyMicro, PriceMicroPerKwh, StationId, TariffId, UnixSeconds
from tests.unit.backend.stores import new_store

ALL = Page(-1, 500)
OPERATOR = b"\x0f" * 20
STATIONS, ACCOUNTS, STATEMENTS = range(1, 5), range(1, 9), range(1, 26)


@contextmanager
def filled_store(folder: Path) -> Iterator[SqlStore]:
    """A store with some of everything."""
    opened = new_store(folder / "wattledger.sqlite")
    with opened.write() as unit:
        _members(unit)
        _outbox(unit)
        blocks(unit)
    with opened.engine.begin() as connection:
        _statements(connection)
        _readings(connection)
    yield opened
    opened.close()


def _members(unit: UnitOfWork) -> None:
    for account in ACCOUNTS:
        unit.accounts.opened(account, bytes([account] * 20), None)
        unit.accounts.roles_changed(account, granted=account & 3)
    unit.accounts.closed(8, closed=True)
    for station in STATIONS:
        unit.stations.registered(
            station,
            signer=bytes([station] * 20),
            payee=1 + station % 2,
            rated_power_w=1,
            bidirectional=False,
            import_wh=0,
            export_wh=0,
        )
    unit.stations.suspended(2, by_governance=True, suspended=True)
    unit.stations.suspended(3, by_governance=False, suspended=True)
    for number in range(6):
        unit.tariffs.published(
            Tariff(
                tariff=TariffId(number),
                payee=AccountId(1 + number % 2),
                direction=Direction(number // 3),
                price_micro_per_kwh=PriceMicroPerKwh(1),
                valid_from_s=UnixSeconds(number * 100),
                valid_to_s=UnixSeconds(number * 100 + 200),
            )
        )
        unit.debts.recorded(debt(number))
        unit.disputes.opened(dispute(number))
    unit.debts.ended(1, 4)
    unit.disputes.ended(2, 1, 1, DisputeState.REVERSED)
    for number in range(8):
        unit.sessions.add(session(number))
    unit.sessions.read_at({session(number).session_id: number * 10 for number in range(1, 8)})


def debt(number: int) -> DebtRecord:
    return DebtRecord(
        debtor=AccountId(1 + number % 3 // 2),
        number=number,
        creditor=AccountId(3 + number % 2),
        batch=number,
        owed_micro=5,
        share_micro=5,
        place=100 - number,
    )


def dispute(number: int) -> DisputeRecord:
    return DisputeRecord(
        station=1 + number % 2,
        sequence=1,
        row=number,
        state=DisputeState.DISPUTED,
        disputer=AccountId(1 + number // 3),
        answer_until_s=9,
        place=50 + number,
    )


def session(number: int) -> Session:
    limits = SessionAuthorisation(
        account=AccountId(1 + number % 4),
        station=StationId(1 + number % 2),
        max_energy_wh=EnergyWh(1),
        max_price_micro_per_kwh=PriceMicroPerKwh(1),
        max_cost_micro=MoneyMicro(1),
        discharge_allowed=False,
        not_before_s=UnixSeconds(1000 + number * 10),
        expiry_s=UnixSeconds(2000),
        nonce=number,
    )
    return Session(bytes([number + 1] * 32), limits, b"\x02" * 65)


def _outbox(unit: UnitOfWork) -> None:
    for nonce in range(6):
        purpose = "deposits" if nonce < 3 else f"settlement:{nonce:032x}"
        transaction = bytes([nonce + 1] * 32)
        unit.outbox.add(
            OutboxEntry(sender=OPERATOR, nonce=nonce, raw=b"secret", transaction=transaction, purpose=purpose)
        )
    unit.outbox.mined(
        Receipt(transaction=bytes([nonce + 1] * 32), block=10 + nonce // 2, succeeded=True, gas_used=1)
        for nonce in range(4)
    )


def chain_event(block: int, log_index: int, name: str, contract: str = "Escrow", **args: Any) -> ChainEvent:
    return ChainEvent(
        block=block,
        block_hash=bytes([block] * 32),
        log_index=log_index,
        tx=b"\x03" * 32,
        contract=contract,
        name=name,
        args=args,
    )


EVENTS = [
    chain_event(1, 0, "Deposited", account=1, amountMicro=1),
    chain_event(1, 1, "Deposited", account=2, amountMicro=1),
    chain_event(2, 0, "StationRegistered", "StationRegistry", station=7, payee=2),
    chain_event(2, 1, "RowSetAside", "SessionSettlement", station=7, batch=1, payer=2, row=0),
    chain_event(3, 0, "BatchSettled", "SessionSettlement", batch=1, statements=[7 << 232, 8 << 232]),
    chain_event(4, 5, "Deposited", account=1, amountMicro=2),
]


def blocks(unit: UnitOfWork) -> None:
    for number in range(1, 5):
        block = BlockRef(
            number=number,
            block_hash=bytes([number] * 32),
            parent_hash=bytes([number - 1] * 32),
            time_s=UnixSeconds(number),
        )
        unit.blocks.add([block], [one for one in EVENTS if one.block == number])


def _statements(connection: Any) -> None:
    for number in range(3):
        state = SettlementState.SETTLED if number == 0 else SettlementState.SENT
        values = {
            "settlement": f"{number:032x}",
            "state": state,
            "evidence": "b",
            "rows": 1,
            "batch": None if number else 9,
        }
        connection.execute(insert(t.settlements), values | {"transaction": bytes([5 - number] * 32)})
    for number in STATEMENTS:
        station, sequence = 1 + number % 2, 1 + number // 2
        settled = number < 10
        serial = connection.execute(
            insert(t.statements).returning(t.statements.c.serial),
            {
                "station": station,
                "sequence": sequence,
                "start_s": 1000 + number,
                "duration_s": 1,
                "import_wh": 0,
                "export_wh": 0,
                "tariff_base": 0,
                "telemetry_root": bytes(32),
                "signature": bytes(65),
                "evidence": "b",
                "first_reading": number * 3 - 2,
                "last_reading": number * 3,
                "accepted_at_s": 1,
                "state": StatementState.SETTLED if settled else StatementState.ACCEPTED,
                "settlement": f"{0:032x}" if settled else None,
                "batch": 9 if settled else None,
            },
        ).scalar_one()
        for account in (1, 2 + number % 3):
            connection.execute(insert(t.statement_accounts), {"account": account, "serial": serial})


def _readings(connection: Any) -> None:
    for sequence in range(1, 81):
        shared = {"sequence": sequence, "time_s": 1000 + 2 * sequence, "signature": bytes(65)}
        meter = {"import_wh": 0, "export_wh": 0, "power_w": 0, "session": bytes([1 + sequence // 10] * 32)}
        connection.execute(insert(t.meter_readings), shared | meter | {"station": 2})
        vehicle = dict.fromkeys(
            ("state_of_charge_bp", "state_of_health_bp", "temperature_deci_c", "pack_millivolt", "pack_milliampere"), 0
        )
        connection.execute(
            insert(t.bms_readings), shared | vehicle | {"account": 2, "session": bytes([1 + sequence // 10] * 32)}
        )


def settled(number: int) -> bool:
    """Whether session `number`, last read at `number * 10`, is over: the last settled reading is 24 or 27."""
    return number in (1, 2)


CASES: list[tuple[str, Any, list[Any]]] = [
    ("accounts", f.AccountFilter(), [1, 2, 3, 4, 5, 6, 7, 8]),
    ("accounts", f.AccountFilter(role=2), [2, 3, 6, 7]),
    ("accounts", f.AccountFilter(role=16), []),
    ("accounts", f.AccountFilter(closed=True), [8]),
    ("accounts", f.AccountFilter(closed=False, role=1), [1, 3, 5, 7]),
    ("accounts", f.AccountFilter(owner=bytes([5] * 20)), [5]),
    ("stations", f.StationFilter(payee=2), [1, 3]),
    ("stations", f.StationFilter(suspended=True), [2, 3]),
    ("stations", f.StationFilter(suspended=False), [1, 4]),
    ("stations", f.StationFilter(suspended=True, payee=2), [3]),
    ("tariffs", f.TariffFilter(payee=1), [0, 2, 4]),
    ("tariffs", f.TariffFilter(direction=Direction.DISCHARGE), [3, 4, 5]),
    ("tariffs", f.TariffFilter(valid_at_s=200), [1, 2]),
    ("tariffs", f.TariffFilter(valid_at_s=200, payee=2), [1]),
    ("sessions", f.SessionFilter(station=2), [1, 3, 5, 7]),
    ("sessions", f.SessionFilter(account=1), [0, 4]),
    ("sessions", f.SessionFilter(state=SessionState.AUTHORISED), [0]),
    ("sessions", f.SessionFilter(state=SessionState.SETTLED), [1, 2]),
    ("sessions", f.SessionFilter(state=SessionState.CHARGING), [3, 4, 5, 6, 7]),
    ("sessions", f.SessionFilter(state=SessionState.CHARGING, station=2), [3, 5, 7]),
    ("sessions", f.SessionFilter(state=SessionState.CHARGING, from_s=1040), [4, 5, 6, 7]),
    ("sessions", f.SessionFilter(from_s=1010, to_s=1030), [1, 2]),
    ("statements", f.StatementFilter(station=1), [n for n in STATEMENTS if n % 2 == 0]),
    ("statements", f.StatementFilter(account=1), list(STATEMENTS)),
    ("statements", f.StatementFilter(account=3), [n for n in STATEMENTS if n % 3 == 1]),
    ("statements", f.StatementFilter(account=3, station=1), [n for n in STATEMENTS if n % 6 == 4]),
    ("statements", f.StatementFilter(state=StatementState.SETTLED), list(range(1, 10))),
    ("statements", f.StatementFilter(state=StatementState.VOID), []),
    ("statements", f.StatementFilter(settlement=f"{0:032x}"), list(range(1, 10))),
    ("statements", f.StatementFilter(batch=9), list(range(1, 10))),
    ("statements", f.StatementFilter(from_s=1003, to_s=1006), [3, 4, 5]),
    ("statements", f.StatementFilter(to_s=1003), [1, 2]),
    ("statements", f.StatementFilter(from_s=1024, station=2), [25]),
    ("settlements", f.SettlementFilter(state=SettlementState.SETTLED), [f"{0:032x}"]),
    ("settlements", f.SettlementFilter(state=SettlementState.SENT), [f"{1:032x}", f"{2:032x}"]),
    ("settlements", f.SettlementFilter(state=SettlementState.BUILT), []),
    ("settlements", f.SettlementFilter(batch=9), [f"{0:032x}"]),
    ("debts", f.DebtFilter(), [5, 4, 3, 2, 1, 0]),
    ("debts", f.DebtFilter(debtor=2), [5, 2]),
    ("debts", f.DebtFilter(creditor=3), [4, 2, 0]),
    ("debts", f.DebtFilter(open=False), [4]),
    ("debts", f.DebtFilter(open=True, debtor=1), [3, 1, 0]),
    ("disputes", f.DisputeFilter(station=1), [0, 2, 4]),
    ("disputes", f.DisputeFilter(disputer=2), [3, 4, 5]),
    ("disputes", f.DisputeFilter(state=DisputeState.REVERSED), [1]),
    ("transactions", f.TransactionFilter(state=OutboxState.MINED), [0, 1, 2, 3]),
    ("transactions", f.TransactionFilter(purpose="deposits"), [0, 1, 2]),
    ("transactions", f.TransactionFilter(purpose="settlement"), [3, 4, 5]),
    ("transactions", f.TransactionFilter(purpose=f"settlement:{4:032x}"), [4]),
    ("transactions", f.TransactionFilter(nonce=2), [2]),
    ("transactions", f.TransactionFilter(block=11), [2, 3]),
    ("transactions", f.TransactionFilter(transaction=bytes([3] * 32)), [2]),
    ("events", f.EventFilter(), [0, 1, 2, 3, 4, 5]),
    ("events", f.EventFilter(contract="StationRegistry"), [2]),
    ("events", f.EventFilter(name="Deposited"), [0, 1, 5]),
    ("events", f.EventFilter(account=2), [1, 2, 3]),
    ("events", f.EventFilter(station=7), [2, 3, 4]),
    ("events", f.EventFilter(station=8), [4]),
    ("events", f.EventFilter(batch=1), [3, 4]),
    ("events", f.EventFilter(account=2, station=7), [2, 3]),
    ("events", f.EventFilter(account=1, name="Deposited", from_block=2), [5]),
    ("events", f.EventFilter(from_block=2, to_block=3), [2, 3, 4]),
]


def listed(unit: UnitOfWork, what: str, page: Page, wanted: Any) -> list[tuple[int, Any]]:
    """The cursor of each item of a page, and how the cases above name it."""
    show = SHOWN[what]
    return [show(one) for one in PAGES[what](unit)(page, wanted)]


PAGES: dict[str, Callable[[UnitOfWork], Callable[[Page, Any], list[Any]]]] = {
    "accounts": lambda unit: unit.accounts.page,
    "stations": lambda unit: unit.stations.page,
    "tariffs": lambda unit: unit.tariffs.page,
    "sessions": lambda unit: unit.sessions.page,
    "statements": lambda unit: unit.statements.page,
    "settlements": lambda unit: unit.settlements.page,
    "debts": lambda unit: unit.debts.page,
    "disputes": lambda unit: unit.disputes.page,
    "transactions": lambda unit: unit.outbox.page,
    "events": lambda unit: unit.blocks.events_page,
}
SHOWN: dict[str, Callable[[Any], tuple[int, Any]]] = {
    "accounts": lambda one: (one.account, one.account),
    "stations": lambda one: (one.station.station, one.station.station),
    "tariffs": lambda one: (one.tariff, one.tariff),
    "sessions": lambda one: (one.serial, one.session.authorisation.nonce),
    "statements": lambda one: (one.serial, one.statement.start_s - 1000),
    "settlements": lambda one: (one.serial, one.settlement),
    "debts": lambda one: (one.place, one.number),
    "disputes": lambda one: (one.place, one.row),
    "transactions": lambda one: (one.serial, one.nonce),
    "events": lambda one: (one.place, EVENTS.index(one)),
}
