"""The first set of tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes all tables."""
    op.create_table(
        "accounts",
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.LargeBinary(length=20), nullable=False),
        sa.Column("driver_key", sa.LargeBinary(length=20), nullable=True),
        sa.Column("roles", sa.Integer(), nullable=False),
        sa.Column("deposited_micro", sa.String(length=78), nullable=False),
        sa.PrimaryKeyConstraint("account"),
        sa.UniqueConstraint("owner"),
    )
    op.create_table(
        "blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("block_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("parent_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "bms_readings",
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("state_of_charge_bp", sa.Integer(), nullable=False),
        sa.Column("state_of_health_bp", sa.Integer(), nullable=False),
        sa.Column("temperature_deci_c", sa.Integer(), nullable=False),
        sa.Column("pack_millivolt", sa.BigInteger(), nullable=False),
        sa.Column("pack_milliampere", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.PrimaryKeyConstraint("account", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "identity",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "meter_readings",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("import_wh", sa.BigInteger(), nullable=False),
        sa.Column("export_wh", sa.BigInteger(), nullable=False),
        sa.Column("power_w", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.PrimaryKeyConstraint("station", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("transaction", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sender", sa.LargeBinary(length=20), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=True),
        sa.Column("succeeded", sa.Boolean(), nullable=True),
        sa.Column("gas_used", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("transaction"),
        sa.UniqueConstraint("sender", "nonce", name="outbox_nonce"),
    )
    op.create_index("outbox_state", "outbox", ["state"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("session", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("station", sa.Integer(), nullable=False),
        sa.Column("max_energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("max_price_micro_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("max_cost_micro", sa.String(length=78), nullable=False),
        sa.Column("discharge_allowed", sa.Boolean(), nullable=False),
        sa.Column("not_before_s", sa.BigInteger(), nullable=False),
        sa.Column("expiry_s", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.String(length=78), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("last_reading", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("serial"),
        sa.UniqueConstraint("session"),
    )
    op.create_index(op.f("ix_sessions_account"), "sessions", ["account"], unique=False)
    op.create_index(op.f("ix_sessions_station"), "sessions", ["station"], unique=False)
    op.create_table(
        "settlements",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("settlement", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("transaction", sa.LargeBinary(length=32), nullable=True),
        sa.Column("evidence", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=True),
        sa.Column("paid_micro", sa.String(length=78), nullable=True),
        sa.Column("dust_micro", sa.String(length=78), nullable=True),
        sa.PrimaryKeyConstraint("serial"),
        sa.UniqueConstraint("settlement"),
    )
    op.create_index("settlements_transaction", "settlements", ["transaction"], unique=False)
    op.create_table(
        "statements",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("station", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("import_wh", sa.BigInteger(), nullable=False),
        sa.Column("export_wh", sa.BigInteger(), nullable=False),
        sa.Column("tariff_base", sa.Integer(), nullable=False),
        sa.Column("telemetry_root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("evidence", sa.String(length=64), nullable=False),
        sa.Column("first_reading", sa.BigInteger(), nullable=False),
        sa.Column("last_reading", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("settlement", sa.String(length=32), nullable=True),
        sa.Column("batch", sa.BigInteger(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("serial"),
        sa.UniqueConstraint("station", "sequence", name="statements_place"),
    )
    op.create_index("statements_state", "statements", ["state", "station", "sequence"], unique=False)
    op.create_table(
        "stations",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("payee", sa.Integer(), nullable=False),
        sa.Column("rated_power_w", sa.BigInteger(), nullable=False),
        sa.Column("bidirectional", sa.Boolean(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("opening_import_wh", sa.BigInteger(), nullable=False),
        sa.Column("opening_export_wh", sa.BigInteger(), nullable=False),
        sa.Column("previous_signer", sa.LargeBinary(length=20), nullable=True),
        sa.Column("previous_valid_until_s", sa.BigInteger(), nullable=False),
        sa.Column("import_wh", sa.BigInteger(), nullable=False),
        sa.Column("export_wh", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("station"),
    )
    op.create_table(
        "tariffs",
        sa.Column("tariff", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payee", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Integer(), nullable=False),
        sa.Column("price_micro_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("valid_from_s", sa.BigInteger(), nullable=False),
        sa.Column("valid_to_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tariff"),
    )
    op.create_index(op.f("ix_tariffs_payee"), "tariffs", ["payee"], unique=False)
    op.create_table(
        "vehicles",
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("anchored_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "events",
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tx", sa.LargeBinary(length=32), nullable=False),
        sa.Column("contract", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["block"], ["blocks.number"], name="events_block"),
        sa.PrimaryKeyConstraint("block", "log_index"),
    )
    op.create_table(
        "settlement_statements",
        sa.Column("settlement", sa.String(length=32), nullable=False),
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["settlement"], ["settlements.settlement"], name="settlement_statements_settlement"),
        sa.ForeignKeyConstraint(
            ["station", "sequence"],
            ["statements.station", "statements.sequence"],
            name="settlement_statements_statement",
        ),
        sa.PrimaryKeyConstraint("settlement", "station", "sequence"),
    )
    op.create_table(
        "statement_rows",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("start_offset_s", sa.Integer(), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("tariff_offset", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Integer(), nullable=False),
        sa.Column("price_micro_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("payer", sa.Integer(), nullable=True),
        sa.Column("payee", sa.Integer(), nullable=True),
        sa.Column("owed_micro", sa.BigInteger(), nullable=True),
        sa.Column("received_micro", sa.BigInteger(), nullable=True),
        sa.Column("set_aside", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station", "sequence"], ["statements.station", "statements.sequence"], name="statement_rows_statement"
        ),
        sa.PrimaryKeyConstraint("station", "sequence", "row"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "vehicle_blobs",
        sa.Column("settlement", sa.String(length=32), nullable=False),
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("cid", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["settlement"], ["settlements.settlement"], name="vehicle_blobs_settlement"),
        sa.PrimaryKeyConstraint("settlement", "account"),
    )
    # ### end Alembic commands ###


def downgrade() -> None:
    """Drops all tables."""
    op.drop_table("vehicle_blobs")
    op.drop_table("statement_rows")
    op.drop_table("settlement_statements")
    op.drop_table("events")
    op.drop_table("vehicles")
    op.drop_index(op.f("ix_tariffs_payee"), table_name="tariffs")
    op.drop_table("tariffs")
    op.drop_table("stations")
    op.drop_index("statements_state", table_name="statements")
    op.drop_table("statements")
    op.drop_index("settlements_transaction", table_name="settlements")
    op.drop_table("settlements")
    op.drop_index(op.f("ix_sessions_station"), table_name="sessions")
    op.drop_index(op.f("ix_sessions_account"), table_name="sessions")
    op.drop_table("sessions")
    op.drop_index("outbox_state", table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("meter_readings")
    op.drop_table("identity")
    op.drop_table("bms_readings")
    op.drop_table("blocks")
    op.drop_table("accounts")
    # ### end Alembic commands ###
