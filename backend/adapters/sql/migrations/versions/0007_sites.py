"""Sites, limits, drivers' needs, plans and peaks."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables and their indexes."""
    op.create_table(
        "sites",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("changed_at_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("serial"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "site_stations",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("station"),
    )
    op.create_index("site_stations_site", "site_stations", ["site"])
    op.create_table(
        "site_limits",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("import_limit_w", sa.BigInteger(), nullable=False),
        sa.Column("from_s", sa.BigInteger(), nullable=False),
        sa.Column("to_s", sa.BigInteger(), nullable=False),
        sa.Column("taken_at_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("serial"),
        sqlite_autoincrement=True,
    )
    op.create_index("site_limits_site", "site_limits", ["site", "serial"])
    op.create_table(
        "needs",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("session", sa.LargeBinary(length=32), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("departure_s", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("taken_at_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("serial"),
        sa.UniqueConstraint("session"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "site_plans",
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site"),
    )
    op.create_table(
        "site_peaks",
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("period_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("peak_w", sa.BigInteger(), nullable=False),
        sa.Column("counted_until_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "period_s"),
    )
