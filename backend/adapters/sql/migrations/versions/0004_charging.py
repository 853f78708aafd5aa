"""An index for the sessions that charge: those of each station that were read after what is settled of it."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the index."""
    op.create_index("sessions_read_at_station", "sessions", ["station", "last_reading"])
