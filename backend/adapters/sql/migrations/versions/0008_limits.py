"""Who commanded a limit, and when it was ended early."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds both columns. Until now, the operator commanded all limits, and nobody could end one."""
    commander = sa.Column("commanded_by", sa.String(length=13), nullable=False, server_default="operator")
    op.add_column("site_limits", commander)
    op.add_column("site_limits", sa.Column("ended_at_s", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Lets limits that were ended end by themselves at that time, and forgets who commanded them."""
    op.execute("UPDATE site_limits SET to_s = ended_at_s WHERE ended_at_s < to_s")
    op.drop_column("site_limits", "ended_at_s")
    op.drop_column("site_limits", "commanded_by")
