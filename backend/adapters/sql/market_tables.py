"""Tables of the market: orders and books that were made here, and projections of what the chain says of auctions."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from backend.adapters.sql.tables import metadata

orders = Table(
    "orders",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("order_hash", LargeBinary(32), nullable=False, unique=True),
    Column("account", Integer, nullable=False),
    Column("zone", Integer, nullable=False),
    Column("interval_s", BigInteger, nullable=False),
    Column("sell", Boolean, nullable=False),
    Column("quantity_wh", BigInteger, nullable=False),
    Column("limit_micro_per_kwh", BigInteger, nullable=False),
    Column("expiry_s", BigInteger, nullable=False),
    Column("nonce", Integer, nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    Column("signer", LargeBinary(20), nullable=False),
    Column("worst_micro", BigInteger, nullable=False),
    Column("taken_at_s", BigInteger, nullable=False),
    Column("state", String(9), nullable=False),
    Column("reason", Text),
    Column("filled_wh", BigInteger),
    Index("orders_book", "zone", "interval_s", "account", "nonce", unique=True),
    Index("orders_account", "account", "state"),
    Index("orders_of_account", "account"),
    Index("orders_zone", "zone"),
    Index("orders_interval", "interval_s"),
    Index("orders_state", "state"),
    Index("orders_state_interval", "state", "interval_s"),
)

books = Table(
    "books",
    metadata,
    Column("zone", Integer, primary_key=True, autoincrement=False),
    Column("interval_s", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("lines", LargeBinary, nullable=False),
    Column("forced_nonces", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    Column("fills", LargeBinary, nullable=False),
    Column("claim", Text, nullable=False),
)

auction_steps = Table(
    "auction_steps",
    metadata,
    Column("zone", Integer, primary_key=True, autoincrement=False),
    Column("interval_s", BigInteger, primary_key=True, autoincrement=False),
    Column("step", String(8), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("transaction", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)

feed = Table(
    "feed",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("topic", String(8), nullable=False),
    Column("zone", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("data", Text, nullable=False),
    Index("feed_topic", "topic", "zone"),
    sqlite_autoincrement=True,
)

zones = Table(
    "zones",
    metadata,
    Column("zone", Integer, primary_key=True, autoincrement=False),
    Column("from_s", BigInteger, primary_key=True, autoincrement=False),
    Column("grid", Integer, nullable=False),
    Column("fee_micro_per_kwh", BigInteger, nullable=False),
    Column("import_limit_wh", BigInteger, nullable=False),
    Column("export_limit_wh", BigInteger, nullable=False),
    Index("zones_grid", "grid"),
)

seats = Table(
    "seats",
    metadata,
    Column("zone", Integer, primary_key=True, autoincrement=False),
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, nullable=False),
)

forced_orders = Table(
    "forced_orders",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("zone", Integer, nullable=False),
    Column("interval_s", BigInteger, nullable=False),
    Column("account", Integer, nullable=False),
    Column("sell", Boolean, nullable=False),
    Column("quantity_wh", BigInteger, nullable=False),
    Column("limit_micro_per_kwh", BigInteger, nullable=False),
    Column("nonce", Integer, nullable=False),
    Column("held", Boolean, nullable=False),
    Index("forced_orders_book", "zone", "interval_s", "account"),
    Index("forced_orders_held", "held", "interval_s"),
)

cancelled_nonces = Table(
    "cancelled_nonces",
    metadata,
    Column("zone", Integer, primary_key=True, autoincrement=False),
    Column("interval_s", BigInteger, primary_key=True, autoincrement=False),
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("nonce", Integer, primary_key=True, autoincrement=False),
)

sealed_bids = Table(
    "sealed_bids",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("zone", Integer, nullable=False),
    Column("interval_s", BigInteger, nullable=False),
    Column("account", Integer, nullable=False),
    Column("commitment", LargeBinary(32), nullable=False),
    Index("sealed_bids_book", "zone", "interval_s"),
)

auctions = Table(
    "auctions",
    metadata,
    Column("zone", Integer, primary_key=True, autoincrement=False),
    Column("interval_s", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(9), nullable=False),
    Column("count", Integer, nullable=False),
    Column("digest", LargeBinary(32)),
    Column("place", BigInteger, nullable=False),
    Column("transaction", LargeBinary(32)),
    Column("crosses", Boolean),
    Column("price_micro_per_kwh", BigInteger),
    Column("volume_wh", BigInteger),
    Column("lo_micro_per_kwh", BigInteger),
    Column("hi_micro_per_kwh", BigInteger),
    Column("fee_micro_per_kwh", BigInteger),
    Column("chunks_settled", Integer, nullable=False),
    Column("reason", Text),
    Index("auctions_place", "place", unique=True),
    Index("auctions_zone", "zone", "place"),
    Index("auctions_interval", "interval_s", "place"),
    Index("auctions_state", "state", "place"),
    Index("auctions_due", "state", "interval_s"),
)

positions = Table(
    "positions",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("zone", Integer, nullable=False),
    Column("interval_s", BigInteger, nullable=False),
    Column("account", Integer, nullable=False),
    Column("bought_wh", BigInteger, nullable=False),
    Column("sold_wh", BigInteger, nullable=False),
    Column("imported_wh", BigInteger, nullable=False),
    Column("exported_wh", BigInteger, nullable=False),
    Column("closed_bought_wh", BigInteger, nullable=False),
    Column("closed_sold_wh", BigInteger, nullable=False),
    Column("closed_imported_wh", BigInteger, nullable=False),
    Column("closed_exported_wh", BigInteger, nullable=False),
    Column("net_micro", BigInteger, nullable=False),
    Column("set_aside", Boolean, nullable=False),
    Column("open", Boolean, nullable=False),
    Index("positions_of", "zone", "interval_s", "account", unique=True),
    Index("positions_account", "account"),
    Index("positions_zone", "zone"),
    Index("positions_interval", "interval_s"),
    Index("positions_open", "open"),
    Index("positions_open_account", "account", "open"),
)
