"""The store: migrations make the tables, transactions are whole, numbers are exact."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from backend.adapters.sql import tables as t
from backend.adapters.sql.database import SqlStore
from backend.application.errors import OtherDeployment
from backend.application.records import OutboxEntry, OutboxState, Receipt
from domain.chain import BlockRef, ChainEvent
from domain.session import Session, SessionAuthorisation
from domain.units import AccountId, EnergyWh, MoneyMicro, PriceMicroPerKwh, StationId, UnixSeconds
from tests.unit.backend.stores import new_store

OPERATOR = b"\x0f" * 20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = new_store(tmp_path / "data" / "wattledger.sqlite")
    yield opened
    opened.close()


def block(number: int) -> BlockRef:
    return BlockRef(
        number=number, block_hash=bytes([number] * 32), parent_hash=bytes([number - 1] * 32), time_s=UnixSeconds(number)
    )


def test_migrations_make_exactly_the_tables(store: SqlStore) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, t.metadata) == []


def test_an_upgrade_can_be_repeated(store: SqlStore) -> None:
    store.upgrade()
    with store.read() as unit:
        assert unit.blocks.last() is None


def test_the_database_is_durable(store: SqlStore) -> None:
    with store.engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 20_000}


def test_a_unit_of_work_is_there_as_a_whole_or_not_at_all(store: SqlStore) -> None:
    def fail() -> None:
        with store.write() as unit:
            unit.blocks.add([block(1)], [])
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()

    with store.read() as unit:
        assert unit.blocks.last() is None


def test_readers_do_not_wait_for_a_writer(store: SqlStore) -> None:
    seen: list[BlockRef | None] = []

    def look() -> None:
        with store.read() as unit:
            seen.append(unit.blocks.last())

    with store.write() as unit:
        unit.blocks.add([block(1)], [])
        reader = threading.Thread(target=look)
        reader.start()
        reader.join(timeout=5)
        assert seen == [None]
    look()
    assert seen == [None, block(1)]


def test_writers_wait_for_each_other(store: SqlStore) -> None:
    def add(first: int) -> None:
        for number in range(first, first + 20):
            with store.write() as unit:
                unit.blocks.add([block(number)], [])

    threads = [threading.Thread(target=add, args=(first,)) for first in (1, 21, 41, 61)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM blocks")).scalar() == 80


def test_the_largest_amounts_come_back_exactly(store: SqlStore) -> None:
    limits = SessionAuthorisation(
        account=AccountId((1 << 24) - 1),
        station=StationId(1),
        max_energy_wh=EnergyWh((1 << 40) - 1),
        max_price_micro_per_kwh=PriceMicroPerKwh(-(1 << 31)),
        max_cost_micro=MoneyMicro((1 << 96) - 1),
        discharge_allowed=True,
        not_before_s=UnixSeconds(0),
        expiry_s=UnixSeconds((1 << 40) - 1),
        nonce=(1 << 64) - 1,
    )
    session = Session(b"\x01" * 32, limits, b"\x02" * 65)
    event = ChainEvent(
        block=1,
        block_hash=bytes([1] * 32),
        log_index=0,
        tx=b"\x03" * 32,
        contract="Escrow",
        name="Deposited",
        args={"account": 6, "from": b"\x04" * 20, "amountMicro": (1 << 96) - 1, "yes": True, "root": b"\x05" * 32},
    )
    with store.write() as unit:
        unit.sessions.add(session)
        unit.accounts.opened(6, b"\x06" * 20, None)
        unit.accounts.deposited(6, (1 << 96) - 1)
        unit.accounts.deposited(6, 1)
        unit.blocks.add([block(1)], [event])
    with store.read() as unit:
        found, account = unit.sessions.find(session.session_id), unit.accounts.find(6)
        assert found is not None
        assert account is not None
        assert (found.session, account.deposited_micro) == (session, 1 << 96)
        assert list(unit.blocks.events()) == [event]


def entry(nonce: int) -> OutboxEntry:
    return OutboxEntry(sender=OPERATOR, nonce=nonce, raw=b"raw", transaction=bytes([nonce + 1] * 32), purpose="test")


def test_a_nonce_is_kept_once(store: SqlStore) -> None:
    with store.write() as unit:
        assert unit.outbox.next_nonce(OPERATOR) == 0
        unit.outbox.add(entry(7))
    with store.read() as unit:
        assert unit.outbox.next_nonce(OPERATOR) == 8
    with pytest.raises(Exception, match="UNIQUE"), store.write() as unit:
        unit.outbox.add(OutboxEntry(sender=OPERATOR, nonce=7, raw=b"", transaction=b"\x09" * 32, purpose=""))


def test_an_orphaned_receipt_opens_its_transaction_again(store: SqlStore) -> None:
    with store.write() as unit:
        for nonce in (0, 1):
            unit.outbox.add(entry(nonce))
        unit.outbox.mined(
            Receipt(transaction=entry(nonce).transaction, block=nonce + 5, succeeded=True, gas_used=1)
            for nonce in (0, 1)
        )
        assert unit.outbox.open(OPERATOR) == []
        unit.outbox.reopen_above(5)
        [again] = unit.outbox.open(OPERATOR)
    assert (again.nonce, again.state) == (1, OutboxState.SENT)


def test_a_database_is_bound_to_its_deployment(store: SqlStore) -> None:
    store.claim({"chain_id": "1", "Escrow": "0x1"})
    store.claim({"chain_id": "1", "Escrow": "0x1"})
    with pytest.raises(OtherDeployment, match="Escrow"):
        store.claim({"chain_id": "1", "Escrow": "0x2"})
