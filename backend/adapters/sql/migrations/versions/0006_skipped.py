"""Auctions that were skipped, and an index for the prices that an operator holds at some time."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lets an auction have no book, but a reason, and makes the index."""
    with op.batch_alter_table("auctions") as auctions:
        auctions.add_column(sa.Column("reason", sa.Text(), nullable=True))
        auctions.alter_column("digest", existing_type=sa.LargeBinary(length=32), nullable=True)
        auctions.alter_column("transaction", existing_type=sa.LargeBinary(length=32), nullable=True)
    op.create_index("tariffs_held", "tariffs", ["payee", "direction", "valid_to_s"])
