"""Tables of sites: what they are, what limits them, what drivers need there, and their latest plans."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from backend.adapters.sql.tables import metadata

sites = Table(
    "sites",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("terms", Text, nullable=False),
    Column("changed_at_s", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

site_stations = Table(
    "site_stations",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("site", Integer, nullable=False),
    Index("site_stations_site", "site"),
)

site_limits = Table(
    "site_limits",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("site", Integer, nullable=False),
    Column("import_limit_w", BigInteger, nullable=False),
    Column("from_s", BigInteger, nullable=False),
    Column("to_s", BigInteger, nullable=False),
    Column("taken_at_s", BigInteger, nullable=False),
    Column("commanded_by", String(13), nullable=False, server_default="operator"),
    Column("ended_at_s", BigInteger, nullable=True),
    Index("site_limits_site", "site", "serial"),
    sqlite_autoincrement=True,
)

needs = Table(
    "needs",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("session", LargeBinary(32), nullable=False, unique=True),
    Column("energy_wh", BigInteger, nullable=False),
    Column("departure_s", BigInteger, nullable=False),
    Column("time_s", BigInteger, nullable=False),
    Column("signature", LargeBinary(65), nullable=False),
    Column("taken_at_s", BigInteger, nullable=False),
    Column("declared_s", BigInteger),
    sqlite_autoincrement=True,
)

site_plans = Table(
    "site_plans",
    metadata,
    Column("site", Integer, primary_key=True, autoincrement=False),
    Column("plan", Text, nullable=False),
)

site_peaks = Table(
    "site_peaks",
    metadata,
    Column("site", Integer, primary_key=True, autoincrement=False),
    Column("period_s", BigInteger, primary_key=True, autoincrement=False),
    Column("peak_w", BigInteger, nullable=False),
    Column("counted_until_s", BigInteger, nullable=False),
)
