"""One SQLite file: its connections, its transactions, and its migrations."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select

from backend.adapters.sql import market_tables as m
from backend.adapters.sql import tables as t
from backend.adapters.sql.auctions import Auctions, Books
from backend.adapters.sql.chain import Blocks, Outbox
from backend.adapters.sql.checkpoints import LOG_LIMIT_PAGES, PAGE_BYTES, Checkpoints
from backend.adapters.sql.counts import Counts
from backend.adapters.sql.escrow import Debts, Disputes, Guards
from backend.adapters.sql.keys import Keys
from backend.adapters.sql.ledger import Settlements, Statements
from backend.adapters.sql.members import Accounts, Stations, Tariffs
from backend.adapters.sql.metering import Readings, Sessions
from backend.adapters.sql.orders import Orders
from backend.adapters.sql.positions import Feed, Positions
from backend.adapters.sql.sites import Needs, Sites
from backend.adapters.sql.zones import Zones
from backend.application.errors import OtherDeployment

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 20_000
POOL_SIZE, POOL_OVERFLOW = 8, 120
LOG_LIMIT_BYTES = LOG_LIMIT_PAGES * PAGE_BYTES
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "temp_store=MEMORY",
    f"wal_autocheckpoint={LOG_LIMIT_PAGES}",
    f"journal_size_limit={LOG_LIMIT_BYTES}",
)


_PROJECTIONS = (
    t.accounts,
    t.debts,
    t.disputes,
    t.guards,
    t.stations,
    t.station_keys,
    t.meter_replacements,
    t.tariffs,
    m.zones,
    m.seats,
    m.forced_orders,
    m.cancelled_nonces,
    m.sealed_bids,
    m.positions,
)


class SqlUnitOfWork:
    """One transaction over all tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.accounts = Accounts(connection)
        self.debts = Debts(connection)
        self.disputes = Disputes(connection)
        self.guards = Guards(connection)
        self.stations = Stations(connection)
        self.tariffs = Tariffs(connection)
        self.sessions = Sessions(connection)
        self.readings = Readings(connection)
        self.statements = Statements(connection)
        self.settlements = Settlements(connection)
        self.outbox = Outbox(connection)
        self.keys = Keys(connection)
        self.blocks = Blocks(connection)
        self.counts = Counts(connection)
        self.orders = Orders(connection)
        self.zones = Zones(connection)
        self.auctions = Auctions(connection)
        self.books = Books(connection)
        self.positions = Positions(connection)
        self.feed = Feed(connection)
        self.sites = Sites(connection)
        self.needs = Needs(connection)

    def clear_projections(self) -> None:
        """Forgets all that events say, except the events; what was settled by us is on its way again."""
        for table in _PROJECTIONS:
            self._connection.execute(delete(table))
        self.auctions.forget()
        self.statements.unsettle()
        self.settlements.unsettle()
        self.orders.unsettle()


class SqlStore:
    """The store. Reads run beside each other, writes one after the other."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.engine = make_engine(file)
        self._writing = threading.Lock()
        self._checkpoints = Checkpoints(file, self._writing)

    def upgrade(self) -> None:
        """Brings the tables to the latest migration."""
        with self.engine.connect() as connection:
            command.upgrade(migration_config(connection), "head")

    def claim(self, deployment: dict[str, str]) -> None:
        """Binds a new database to a deployment; OtherDeployment if it is bound to another one."""
        with self._transaction(write=True) as connection:
            kept = {row.name: row.value for row in connection.execute(select(t.identity))}
            if not kept:
                connection.execute(
                    insert(t.identity), [{"name": name, "value": value} for name, value in deployment.items()]
                )
            elif kept != deployment:
                different = sorted(name for name in deployment if kept.get(name) != deployment[name])
                raise OtherDeployment(
                    f"the data folder belongs to another deployment ({', '.join(different)} differ); "
                    "give another WATTLEDGER_DATA_DIR, or the deployments file that it was made with"
                )

    def checkpoint(self) -> None:
        """Carries what was committed from the log into the database file. To be called again and again."""
        self._checkpoints.run()

    def close(self) -> None:
        """Closes all connections. SQLite carries the log over with the last one."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[SqlUnitOfWork]:
        """A consistent view; nothing may be written."""
        with self._transaction(write=False) as connection:
            yield SqlUnitOfWork(connection)

    @contextmanager
    def write(self) -> Iterator[SqlUnitOfWork]:
        """One of at most one at a time; commits durably at the end, or undoes everything on an error."""
        with self._writing, self._transaction(write=True) as connection:
            yield SqlUnitOfWork(connection)

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        with self.engine.connect().execution_options(wattledger_write=write) as connection, connection.begin():
            yield connection


def make_engine(file: Path) -> Engine:
    """Connections to a SQLite file that are durable and that begin transactions as they are meant."""
    engine = create_engine(
        f"sqlite:///{file}",
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The driver would otherwise begin transactions by itself, and only at the first write.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("wattledger_write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for this connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
