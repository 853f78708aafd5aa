"""Former keys, suspensions, replaced meters, debts, caps, guards and disputes.

Accounts and stations follow from the chain: they are made anew, and the chain is read from its beginning.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    for table in ("events", "blocks", "tariffs"):
        op.execute(sa.delete(sa.table(table)))
    op.drop_table("accounts")
    op.drop_table("stations")
    op.create_table(
        "accounts",
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.LargeBinary(length=20), nullable=False),
        sa.Column("driver_key", sa.LargeBinary(length=20), nullable=True),
        sa.Column("roles", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("deposited_micro", sa.String(length=78), nullable=False),
        sa.Column("daily_cap_micro", sa.String(length=78), nullable=False),
        sa.PrimaryKeyConstraint("account"),
        sa.UniqueConstraint("owner"),
    )
    op.create_table(
        "stations",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=True),
        sa.Column("payee", sa.Integer(), nullable=False),
        sa.Column("rated_power_w", sa.BigInteger(), nullable=False),
        sa.Column("bidirectional", sa.Boolean(), nullable=False),
        sa.Column("suspended_by_operator", sa.Boolean(), nullable=False),
        sa.Column("suspended_by_governance", sa.Boolean(), nullable=False),
        sa.Column("opening_import_wh", sa.BigInteger(), nullable=False),
        sa.Column("opening_export_wh", sa.BigInteger(), nullable=False),
        sa.Column("import_wh", sa.BigInteger(), nullable=False),
        sa.Column("export_wh", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("station"),
    )
    op.create_table(
        "station_keys",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("valid_until_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", "signer"),
    )
    op.create_table(
        "meter_replacements",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("closing_import_wh", sa.BigInteger(), nullable=False),
        sa.Column("closing_export_wh", sa.BigInteger(), nullable=False),
        sa.Column("opening_import_wh", sa.BigInteger(), nullable=False),
        sa.Column("opening_export_wh", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", "sequence"),
    )
    op.create_table(
        "debts",
        sa.Column("debtor", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("creditor", sa.Integer(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("owed_micro", sa.String(length=78), nullable=False),
        sa.Column("share_micro", sa.String(length=78), nullable=False),
        sa.PrimaryKeyConstraint("debtor", "number"),
    )
    op.create_table(
        "guards",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=78), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "disputes",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("disputer", sa.Integer(), nullable=False),
        sa.Column("answer_until_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", "sequence", "row"),
    )
