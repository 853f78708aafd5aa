"""The market: orders, books and what subscribers are told; zones, auctions and positions as the chain says them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables and their indexes."""
    _make_own()
    _make_projections()


def _make_own() -> None:
    op.create_table(
        "orders",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("order_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("zone", sa.Integer(), nullable=False),
        sa.Column("interval_s", sa.BigInteger(), nullable=False),
        sa.Column("sell", sa.Boolean(), nullable=False),
        sa.Column("quantity_wh", sa.BigInteger(), nullable=False),
        sa.Column("limit_micro_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("expiry_s", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.Integer(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("worst_micro", sa.BigInteger(), nullable=False),
        sa.Column("taken_at_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("filled_wh", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("serial"),
        sa.UniqueConstraint("order_hash"),
    )
    op.create_index("orders_account", "orders", ["account", "state"])
    op.create_index("orders_book", "orders", ["zone", "interval_s", "account", "nonce"], unique=True)
    op.create_index("orders_interval", "orders", ["interval_s"])
    op.create_index("orders_of_account", "orders", ["account"])
    op.create_index("orders_state", "orders", ["state"])
    op.create_index("orders_state_interval", "orders", ["state", "interval_s"])
    op.create_index("orders_zone", "orders", ["zone"])
    op.create_table(
        "books",
        sa.Column("zone", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.Column("forced_nonces", sa.LargeBinary(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("fills", sa.LargeBinary(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "interval_s"),
    )
    op.create_table(
        "auction_steps",
        sa.Column("zone", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.String(length=8), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("transaction", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("zone", "interval_s", "step", "place"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feed",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=8), nullable=False),
        sa.Column("zone", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("serial"),
        sqlite_autoincrement=True,
    )
    op.create_index("feed_topic", "feed", ["topic", "zone"])


def _make_projections() -> None:
    op.create_table(
        "zones",
        sa.Column("zone", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("from_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("grid", sa.Integer(), nullable=False),
        sa.Column("fee_micro_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("import_limit_wh", sa.BigInteger(), nullable=False),
        sa.Column("export_limit_wh", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "from_s"),
    )
    op.create_index("zones_grid", "zones", ["grid"])
    op.create_table(
        "seats",
        sa.Column("zone", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "account"),
    )
    op.create_table(
        "forced_orders",
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("zone", sa.Integer(), nullable=False),
        sa.Column("interval_s", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("sell", sa.Boolean(), nullable=False),
        sa.Column("quantity_wh", sa.BigInteger(), nullable=False),
        sa.Column("limit_micro_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.Integer(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_index("forced_orders_book", "forced_orders", ["zone", "interval_s", "account"])
    op.create_index("forced_orders_held", "forced_orders", ["held", "interval_s"])
    op.create_table(
        "cancelled_nonces",
        sa.Column("zone", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("nonce", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("zone", "interval_s", "account", "nonce"),
    )
    op.create_table(
        "sealed_bids",
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("zone", sa.Integer(), nullable=False),
        sa.Column("interval_s", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_index("sealed_bids_book", "sealed_bids", ["zone", "interval_s"])
    op.create_table(
        "auctions",
        sa.Column("zone", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("transaction", sa.LargeBinary(length=32), nullable=False),
        sa.Column("crosses", sa.Boolean(), nullable=True),
        sa.Column("price_micro_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("volume_wh", sa.BigInteger(), nullable=True),
        sa.Column("lo_micro_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("hi_micro_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("fee_micro_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("chunks_settled", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "interval_s"),
    )
    op.create_index("auctions_due", "auctions", ["state", "interval_s"])
    op.create_index("auctions_interval", "auctions", ["interval_s", "place"])
    op.create_index("auctions_place", "auctions", ["place"], unique=True)
    op.create_index("auctions_state", "auctions", ["state", "place"])
    op.create_index("auctions_zone", "auctions", ["zone", "place"])
    op.create_table(
        "positions",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("zone", sa.Integer(), nullable=False),
        sa.Column("interval_s", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("bought_wh", sa.BigInteger(), nullable=False),
        sa.Column("sold_wh", sa.BigInteger(), nullable=False),
        sa.Column("imported_wh", sa.BigInteger(), nullable=False),
        sa.Column("exported_wh", sa.BigInteger(), nullable=False),
        sa.Column("closed_bought_wh", sa.BigInteger(), nullable=False),
        sa.Column("closed_sold_wh", sa.BigInteger(), nullable=False),
        sa.Column("closed_imported_wh", sa.BigInteger(), nullable=False),
        sa.Column("closed_exported_wh", sa.BigInteger(), nullable=False),
        sa.Column("net_micro", sa.BigInteger(), nullable=False),
        sa.Column("set_aside", sa.Boolean(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("serial"),
    )
    op.create_index("positions_account", "positions", ["account"])
    op.create_index("positions_interval", "positions", ["interval_s"])
    op.create_index("positions_of", "positions", ["zone", "interval_s", "account"], unique=True)
    op.create_index("positions_open", "positions", ["open"])
    op.create_index("positions_open_account", "positions", ["account", "open"])
    op.create_index("positions_zone", "positions", ["zone"])
