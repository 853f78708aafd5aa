"""Lists stay right while new items arrive, when events are taken back, and over old databases."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text

from backend.adapters.chain.deployment import CONTRACTS
from backend.adapters.sql.database import SqlStore
from backend.application import filters as f
from backend.application.filters import Page
from backend.application.records import DebtRecord
from backend.application.subjects import Subject, subjects_of
from domain.units import AccountId
from scripts.compile import compiled
from tests.unit.backend.listed import ALL, blocks, chain_event
from tests.unit.backend.stores import new_store


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = new_store(tmp_path / "wattledger.sqlite")
    yield opened
    opened.close()


def test_a_cursor_stays_right_while_items_arrive(own_store: SqlStore) -> None:
    """Debts and disputes of lower accounts and stations than the cursor's come behind it all the same."""
    with own_store.write() as unit:
        for number in range(4):
            unit.debts.recorded(_placed(number, debtor=9))
    seen: list[int] = []
    after = -1
    for number in range(4, 12):
        with own_store.write() as unit:
            page = unit.debts.page(Page(after, 2), f.DebtFilter())
            seen += [one.number for one in page]
            after = page[-1].place if page else after
            if number < 8:
                unit.debts.recorded(_placed(number, debtor=8 - number))

    assert seen == list(range(8))


def _placed(number: int, debtor: int) -> DebtRecord:
    return DebtRecord(
        debtor=AccountId(debtor),
        number=number,
        creditor=AccountId(1),
        batch=1,
        owed_micro=1,
        share_micro=1,
        place=number << 20,
    )


def test_events_that_are_taken_back_take_their_subjects_with_them(own_store: SqlStore) -> None:
    with own_store.write() as unit:
        blocks(unit)
        unit.blocks.drop_above(2)
        assert unit.blocks.events_page(ALL, f.EventFilter(station=8)) == []
        assert len(unit.blocks.events_page(ALL, f.EventFilter(station=7))) == 2


# --- what events are about ---------------------------------------------------------------------

NEITHER = {"sequence", "tariff"}
"""Arguments as wide as an account's number that are none."""


def test_every_account_and_station_of_an_event_is_a_subject() -> None:
    artifacts = compiled()
    entries = [entry for contract in CONTRACTS for entry in artifacts[contract].abi if entry["type"] == "event"]
    names = {one["name"] for entry in entries for one in entry["inputs"] if one["type"] == "uint24"}
    assert {"account", "station", "creditor"} < names
    for name in sorted(names):
        found = subjects_of(chain_event(1, 0, "Any", **cast(Any, {name: 5})))
        assert (found == set()) == (name in NEITHER), name
    assert subjects_of(chain_event(1, 0, "Released", to=bytes(20), debt=True, account=3)) == {Subject("account", 3)}


def test_what_is_metered_is_about_the_accounts_of_its_rows() -> None:
    rows = [4 << 104 | account << 80 | 1_800_000_000 << 40 | 5 for account in (6, 7, 6)]
    assert subjects_of(chain_event(1, 0, "Metered", "PositionBook", rows=rows)) == {
        Subject("account", account) for account in (4, 6, 7)
    }


# --- old databases -----------------------------------------------------------------------------


def test_the_migration_fills_in_what_is_kept_already(tmp_path: Path) -> None:
    from alembic import command  # noqa: PLC0415  # Only here: the store upgrades to the latest by itself.

    from backend.adapters.sql.database import migration_config  # noqa: PLC0415  # As above.

    old = SqlStore(tmp_path / "old.sqlite")
    with old.engine.connect() as connection:
        command.upgrade(migration_config(connection), "0002")
    with old.engine.begin() as connection:
        connection.execute(text("INSERT INTO blocks VALUES (3, x'00', x'00', 1)"))
        for log_index, name, args in (
            (0, "DebtRecorded", '{"debtor": 5, "number": 0, "creditor": 6, "batch": 2}'),
            (1, "RowDisputed", '{"station": 7, "sequence": 2, "row": 4, "disputer": 5, "payer": 6}'),
            (2, "BatchSettled", json.dumps({"batch": 2, "statements": [9 << 232]})),
        ):
            connection.execute(
                text("INSERT INTO events VALUES (3, :log, x'00', x'00', 'Escrow', :name, :args)"),
                {"log": log_index, "name": name, "args": args},
            )
        connection.execute(text("INSERT INTO debts VALUES (5, 0, 6, 2, :five, :five)"), {"five": f"{5:078d}"})
        connection.execute(text("INSERT INTO disputes VALUES (7, 2, 4, 'disputed', 5, 9)"))
        for nonce in (0, 1):
            connection.execute(
                text("INSERT INTO outbox VALUES (:tx, x'00', :nonce, x'00', 'mint', 'mined', 3, 1, 1)"),
                {"tx": bytes([nonce]), "nonce": nonce},
            )
    old.upgrade()
    with old.read() as unit:
        [kept] = unit.debts.page(ALL, f.DebtFilter(open=True))
        [disputed] = unit.disputes.page(ALL, f.DisputeFilter(station=7))
        assert (kept.place, disputed.place) == (3 << 20, 3 << 20 | 1)
        assert [one.nonce for one in unit.outbox.page(ALL, f.TransactionFilter())] == [0, 1]
        for wanted, logs in (
            (f.EventFilter(account=6), [0, 1]),
            (f.EventFilter(batch=2), [0, 2]),
            (f.EventFilter(station=9), [2]),
            (f.EventFilter(station=7), [1]),
        ):
            assert [one.log_index for one in unit.blocks.events_page(ALL, wanted)] == logs
    old.close()
