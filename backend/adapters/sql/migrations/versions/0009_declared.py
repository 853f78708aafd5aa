"""The departure that was declared before a vehicle left."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column. Of needs that are known, those that are no leaves were declared."""
    op.add_column("needs", sa.Column("declared_s", sa.BigInteger(), nullable=True))
    op.execute("UPDATE needs SET declared_s = departure_s WHERE departure_s > time_s")


def downgrade() -> None:
    """Drops the column."""
    op.drop_column("needs", "declared_s")
