"""Indexes for every filter of a list, what events and statements are about, and idempotency keys.

What is kept already is filled in from the events and rows themselves; nothing is read from the chain again.
"""

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LOG_INDEX_BITS = 20
_STATION_SHIFT = 232
_AT_A_TIME = 5_000
_ACCOUNTS = frozenset({"account", "payee", "payer", "debtor", "creditor", "disputer", "by", "to"})
_INDEXES = (
    ("events_contract", "events", ["contract", "block", "log_index"]),
    ("events_name", "events", ["name", "block", "log_index"]),
    ("outbox_state", "outbox", ["state", "serial"]),
    ("outbox_purpose", "outbox", ["purpose", "serial"]),
    ("outbox_number", "outbox", ["nonce", "serial"]),
    ("outbox_block", "outbox", ["block", "serial"]),
    ("accounts_roles", "accounts", ["roles"]),
    ("accounts_closed", "accounts", ["closed"]),
    ("debts_place", "debts", ["place"]),
    ("debts_debtor", "debts", ["debtor", "place"]),
    ("debts_creditor", "debts", ["creditor", "place"]),
    ("debts_open", "debts", ["open", "place"]),
    ("disputes_place", "disputes", ["place"]),
    ("disputes_station", "disputes", ["station", "place"]),
    ("disputes_disputer", "disputes", ["disputer", "place"]),
    ("disputes_state", "disputes", ["state", "place"]),
    ("stations_payee", "stations", ["payee"]),
    ("stations_suspended_by_operator", "stations", ["suspended_by_operator"]),
    ("stations_suspended_by_governance", "stations", ["suspended_by_governance"]),
    ("tariffs_direction", "tariffs", ["direction"]),
    ("tariffs_valid_from", "tariffs", ["valid_from_s"]),
    ("sessions_last_reading", "sessions", ["last_reading"]),
    ("sessions_not_before", "sessions", ["not_before_s"]),
    ("settlements_state", "settlements", ["state"]),
    ("settlements_batch", "settlements", ["batch"]),
    ("statements_of_station", "statements", ["station"]),
    ("statements_in_state", "statements", ["state"]),
    ("statements_settlement", "statements", ["settlement"]),
    ("statements_batch", "statements", ["batch"]),
    ("statements_start", "statements", ["start_s"]),
    ("statements_last_reading", "statements", ["station", "last_reading"]),
    ("statements_settled_up_to", "statements", ["station", "state", "last_reading"]),
)


def upgrade() -> None:
    """Makes the tables, fills them, then makes the indexes."""
    for table, column, kind in (
        ("outbox", "serial", sa.Integer()),
        ("debts", "open", sa.Boolean()),
        ("debts", "place", sa.BigInteger()),
        ("disputes", "place", sa.BigInteger()),
    ):
        op.add_column(table, sa.Column(column, kind, nullable=False, server_default=sa.text("0")))
    _make_tables()
    _fill()
    op.drop_index("outbox_state", "outbox")
    op.create_index("outbox_serial", "outbox", ["serial"], unique=True)
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)


def _make_tables() -> None:
    op.create_table(
        "event_subjects",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("kind", "number", "block", "log_index"),
        sqlite_with_rowid=False,
    )
    op.create_index("event_subjects_block", "event_subjects", ["block"])
    op.create_table(
        "statement_accounts",
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["serial"], ["statements.serial"], name="statement_accounts_statement"),
        sa.PrimaryKeyConstraint("account", "serial"),
        sqlite_with_rowid=False,
    )
    op.create_index("statement_accounts_serial", "statement_accounts", ["serial"])
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("request", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kept_at_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("idempotency_keys_age", "idempotency_keys", ["kept_at_s"])
    op.create_table(
        "idempotency_steps",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("transaction", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["key"], ["idempotency_keys.key"], name="idempotency_steps_key"),
        sa.ForeignKeyConstraint(["transaction"], ["outbox.transaction"], name="idempotency_steps_transaction"),
        sa.PrimaryKeyConstraint("key", "step", "place"),
    )


def _fill() -> None:
    connection = op.get_bind()
    connection.execute(sa.text("UPDATE outbox SET serial = rowid"))
    connection.execute(sa.text("UPDATE debts SET open = ltrim(owed_micro, '0') <> ''"))
    connection.execute(
        sa.text(
            "INSERT INTO statement_accounts (account, serial) SELECT DISTINCT r.account, s.serial "
            "FROM statement_rows r JOIN statements s ON s.station = r.station AND s.sequence = r.sequence"
        )
    )
    subject = sa.text(
        "INSERT OR IGNORE INTO event_subjects (kind, number, block, log_index) VALUES (:kind, :number, :block, :log)"
    )
    debt = sa.text("UPDATE debts SET place = :place WHERE debtor = :debtor AND number = :number")
    dispute = sa.text(
        'UPDATE disputes SET place = :place WHERE station = :station AND sequence = :sequence AND "row" = :row'
    )
    for row in _events(connection):
        args = json.loads(row.args)
        for kind, number in _subjects(args):
            connection.execute(subject, {"kind": kind, "number": number, "block": row.block, "log": row.log_index})
        if row.name in ("DebtRecorded", "RowDisputed"):
            place = row.block << _LOG_INDEX_BITS | row.log_index
            connection.execute(debt if row.name == "DebtRecorded" else dispute, args | {"place": place})


def _events(connection: sa.Connection) -> Iterator[sa.Row[tuple[int, int, str, str]]]:
    """All events, some at a time."""
    query = sa.text(
        "SELECT block, log_index, name, args FROM events WHERE (block, log_index) > (:block, :log) "
        "ORDER BY block, log_index LIMIT :limit"
    )
    place = (-1, 0)
    while rows := connection.execute(query, {"block": place[0], "log": place[1], "limit": _AT_A_TIME}).all():
        yield from rows
        place = (rows[-1].block, rows[-1].log_index)


def _subjects(args: dict[str, object]) -> Iterator[tuple[str, int]]:
    for name, value in args.items():
        if name == "statements" and isinstance(value, list):
            yield from (("station", word >> _STATION_SHIFT) for word in value)
        elif isinstance(value, int) and not isinstance(value, bool):
            if name in _ACCOUNTS:
                yield "account", value
            elif name in ("station", "batch"):
                yield name, value
