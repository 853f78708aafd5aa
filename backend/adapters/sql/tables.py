"""Tables. Money and energy are integers, hashes, keys and signatures are bytes.

`migrations/` makes the same tables; `tests/unit/backend/test_store.py` holds both to it.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

DIGITS = 78
"""Of the largest 256-bit integer."""


class Unsigned(TypeDecorator[int]):
    """An integer of up to 256 bits as decimal text of fixed width, which sorts as the number does."""

    impl = String(DIGITS)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The text that is kept."""
        return None if value is None else f"{value:0{DIGITS}d}"

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """The number that was kept."""
        return None if value is None else int(value)


metadata = MetaData()

identity = Table(
    "identity",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("block_hash", LargeBinary(32), nullable=False),
    Column("parent_hash", LargeBinary(32), nullable=False),
    Column("time_s", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("block_hash", LargeBinary(32), nullable=False),
    Column("tx", LargeBinary(32), nullable=False),
    Column("contract", String(32), nullable=False),
    Column("name", String(32), nullable=False),
    Column("args", Text, nullable=False),
    ForeignKeyConstraint(["block"], ["blocks.number"], name="events_block"),
    Index("events_contract", "contract", "block", "log_index"),
    Index("events_name", "name", "block", "log_index"),
)

event_subjects = Table(
    "event_subjects",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Index("event_subjects_block", "block"),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("transaction", LargeBinary(32), primary_key=True),
    Column("sender", LargeBinary(20), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("state", String(8), nullable=False),
    Column("block", BigInteger),
    Column("succeeded", Boolean),
    Column("gas_used", BigInteger),
    Column("serial", Integer, nullable=False),
    UniqueConstraint("sender", "nonce", name="outbox_nonce"),
    Index("outbox_serial", "serial", unique=True),
    Index("outbox_state", "state", "serial"),
    Index("outbox_purpose", "purpose", "serial"),
    Index("outbox_number", "nonce", "serial"),
    Index("outbox_block", "block", "serial"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("request", LargeBinary(32), nullable=False),
    Column("kept_at_s", BigInteger, nullable=False),
    Index("idempotency_keys_age", "kept_at_s"),
)

idempotency_steps = Table(
    "idempotency_steps",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("step", String(16), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("transaction", LargeBinary(32), nullable=False),
    ForeignKeyConstraint(["key"], ["idempotency_keys.key"], name="idempotency_steps_key"),
    ForeignKeyConstraint(["transaction"], ["outbox.transaction"], name="idempotency_steps_transaction"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("owner", LargeBinary(20), nullable=False, unique=True),
    Column("driver_key", LargeBinary(20)),
    Column("roles", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("deposited_micro", Unsigned, nullable=False),
    Column("daily_cap_micro", Unsigned, nullable=False),
    Index("accounts_roles", "roles"),
    Index("accounts_closed", "closed"),
)

debts = Table(
    "debts",
    metadata,
    Column("debtor", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("creditor", Integer, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("owed_micro", Unsigned, nullable=False),
    Column("share_micro", Unsigned, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("place", BigInteger, nullable=False),
    Index("debts_place", "place"),
    Index("debts_debtor", "debtor", "place"),
    Index("debts_creditor", "creditor", "place"),
    Index("debts_open", "open", "place"),
)

guards = Table(
    "guards",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Unsigned, nullable=False),
)

disputes = Table(
    "disputes",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("disputer", Integer, nullable=False),
    Column("answer_until_s", BigInteger, nullable=False),
    Column("place", BigInteger, nullable=False),
    Index("disputes_place", "place"),
    Index("disputes_station", "station", "place"),
    Index("disputes_disputer", "disputer", "place"),
    Index("disputes_state", "state", "place"),
)

stations = Table(
    "stations",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("signer", LargeBinary(20)),
    Column("payee", Integer, nullable=False),
    Column("rated_power_w", BigInteger, nullable=False),
    Column("bidirectional", Boolean, nullable=False),
    Column("suspended_by_operator", Boolean, nullable=False),
    Column("suspended_by_governance", Boolean, nullable=False),
    Column("opening_import_wh", BigInteger, nullable=False),
    Column("opening_export_wh", BigInteger, nullable=False),
    Column("import_wh", BigInteger, nullable=False),
    Column("export_wh", BigInteger, nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("stations_payee", "payee"),
    Index("stations_suspended_by_operator", "suspended_by_operator"),
    Index("stations_suspended_by_governance", "suspended_by_governance"),
)

station_keys = Table(
    "station_keys",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("signer", LargeBinary(20), primary_key=True),
    Column("valid_until_s", BigInteger, nullable=False),
)

meter_replacements = Table(
    "meter_replacements",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("time_s", BigInteger, nullable=False),
    Column("closing_import_wh", BigInteger, nullable=False),
    Column("closing_export_wh", BigInteger, nullable=False),
    Column("opening_import_wh", BigInteger, nullable=False),
    Column("opening_export_wh", BigInteger, nullable=False),
)

tariffs = Table(
    "tariffs",
    metadata,
    Column("tariff", Integer, primary_key=True, autoincrement=False),
    Column("payee", Integer, nullable=False, index=True),
    Column("direction", Integer, nullable=False),
    Column("price_micro_per_kwh", BigInteger, nullable=False),
    Column("valid_from_s", BigInteger, nullable=False),
    Column("valid_to_s", BigInteger, nullable=False),
    Index("tariffs_direction", "direction"),
    Index("tariffs_held", "payee", "direction", "valid_to_s"),
    Index("tariffs_valid_from", "valid_from_s"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("session", LargeBinary(32), nullable=False, unique=True),
    Column("account", Integer, nullable=False, index=True),
    Column("station", Integer, nullable=False, index=True),
    Column("max_energy_wh", BigInteger, nullable=False),
    Column("max_price_micro_per_kwh", BigInteger, nullable=False),
    Column("max_cost_micro", Unsigned, nullable=False),
    Column("discharge_allowed", Boolean, nullable=False),
    Column("not_before_s", BigInteger, nullable=False),
    Column("expiry_s", BigInteger, nullable=False),
    Column("nonce", Unsigned, nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    Column("energy_wh", BigInteger, nullable=False),
    Column("cost_micro", BigInteger, nullable=False),
    Column("last_reading", BigInteger),
    Index("sessions_last_reading", "last_reading"),
    Index("sessions_read_at_station", "station", "last_reading"),
    Index("sessions_not_before", "not_before_s"),
)

meter_readings = Table(
    "meter_readings",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time_s", BigInteger, nullable=False),
    Column("import_wh", BigInteger, nullable=False),
    Column("export_wh", BigInteger, nullable=False),
    Column("power_w", BigInteger, nullable=False),
    Column("session", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    sqlite_with_rowid=False,
)

bms_readings = Table(
    "bms_readings",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time_s", BigInteger, nullable=False),
    Column("state_of_charge_bp", Integer, nullable=False),
    Column("state_of_health_bp", Integer, nullable=False),
    Column("temperature_deci_c", Integer, nullable=False),
    Column("pack_millivolt", BigInteger, nullable=False),
    Column("pack_milliampere", BigInteger, nullable=False),
    Column("session", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    sqlite_with_rowid=False,
)

vehicles = Table(
    "vehicles",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("anchored_sequence", BigInteger, nullable=False),
)

settlements = Table(
    "settlements",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("settlement", String(32), nullable=False, unique=True),
    Column("state", String(8), nullable=False),
    Column("transaction", LargeBinary(32)),
    Column("evidence", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("batch", BigInteger),
    Column("paid_micro", Unsigned),
    Column("dust_micro", Unsigned),
    Index("settlements_transaction", "transaction"),
    Index("settlements_state", "state"),
    Index("settlements_batch", "batch"),
)

settlement_statements = Table(
    "settlement_statements",
    metadata,
    Column("settlement", String(32), primary_key=True),
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(["settlement"], ["settlements.settlement"], name="settlement_statements_settlement"),
    ForeignKeyConstraint(
        ["station", "sequence"], ["statements.station", "statements.sequence"], name="settlement_statements_statement"
    ),
)

vehicle_blobs = Table(
    "vehicle_blobs",
    metadata,
    Column("settlement", String(32), primary_key=True),
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("cid", String(64), nullable=False),
    ForeignKeyConstraint(["settlement"], ["settlements.settlement"], name="vehicle_blobs_settlement"),
)

statements = Table(
    "statements",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("station", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("duration_s", Integer, nullable=False),
    Column("import_wh", BigInteger, nullable=False),
    Column("export_wh", BigInteger, nullable=False),
    Column("tariff_base", Integer, nullable=False),
    Column("telemetry_root", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    Column("evidence", String(64), nullable=False),
    Column("first_reading", BigInteger, nullable=False),
    Column("last_reading", BigInteger, nullable=False),
    Column("accepted_at_s", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    Column("settlement", String(32)),
    Column("batch", BigInteger),
    Column("refusal", Text),
    UniqueConstraint("station", "sequence", name="statements_place"),
    Index("statements_state", "state", "station", "sequence"),
    Index("statements_of_station", "station"),
    Index("statements_in_state", "state"),
    Index("statements_settlement", "settlement"),
    Index("statements_batch", "batch"),
    Index("statements_start", "start_s"),
    Index("statements_last_reading", "station", "last_reading"),
    Index("statements_settled_up_to", "station", "state", "last_reading"),
)

statement_accounts = Table(
    "statement_accounts",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("serial", Integer, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(["serial"], ["statements.serial"], name="statement_accounts_statement"),
    Index("statement_accounts_serial", "serial"),
    sqlite_with_rowid=False,
)

statement_rows = Table(
    "statement_rows",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("account", Integer, nullable=False),
    Column("energy_wh", BigInteger, nullable=False),
    Column("start_offset_s", Integer, nullable=False),
    Column("duration_s", Integer, nullable=False),
    Column("tariff_offset", Integer, nullable=False),
    Column("direction", Integer, nullable=False),
    Column("price_micro_per_kwh", BigInteger),
    Column("payer", Integer),
    Column("payee", Integer),
    Column("owed_micro", BigInteger),
    Column("received_micro", BigInteger),
    Column("set_aside", Boolean, nullable=False),
    ForeignKeyConstraint(
        ["station", "sequence"], ["statements.station", "statements.sequence"], name="statement_rows_statement"
    ),
    sqlite_with_rowid=False,
)
