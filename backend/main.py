"""The service: `python -m backend.main`, set up by WATTLEDGER_* (see `backend.config`)."""

import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import structlog
import uvicorn
from structlog.tracebacks import ExceptionDictTransformer

from backend.adapters.chain.deployment import Deployment, load_deployment
from backend.adapters.chain.indexer import ChainIndexer
from backend.adapters.chain.market import MarketContracts
from backend.adapters.chain.outbox import Outbox
from backend.adapters.chain.reader import ChainReader
from backend.adapters.chain.writer import ChainWriter, open_keystore
from backend.adapters.clock import BlockClock, SystemClock
from backend.adapters.evidence.embedded import EmbeddedEvidence
from backend.adapters.evidence.kubo import KuboEvidence
from backend.adapters.planner import PooledPlanner
from backend.adapters.sql.database import SqlStore
from backend.api.app import ApiOptions, create_app
from backend.application.accounts import Accounts
from backend.application.auction_pauses import Pauses
from backend.application.auctions import Auctions
from backend.application.evidence import Evidence
from backend.application.feed import Feed
from backend.application.idempotency import Keys
from backend.application.intake import Intake
from backend.application.lists import Lists
from backend.application.market_lists import MarketLists
from backend.application.needs import Needs
from backend.application.network import Network
from backend.application.operations import Operations
from backend.application.order_rate import OrderRate
from backend.application.orders import Orders
from backend.application.ports import EvidenceStore
from backend.application.readings import Readings
from backend.application.retention import Retention
from backend.application.scheduling import Scheduling
from backend.application.services import Services
from backend.application.sessions import Sessions
from backend.application.settlements import Settlements
from backend.application.sites import Sites
from backend.application.statements import Statements
from backend.application.stations import Stations
from backend.application.status import Status
from backend.application.tariffs import Tariffs
from backend.application.ways import Ways
from backend.config import Settings, SettingsInvalid, load_settings
from domain.errors import NothingToSettle, WattledgerError
from domain.text import address_text, hex_text

MAX_CONNECTIONS = 256
KEEP_ALIVE_S = 15
SHUTDOWN_S = 10
SETTLE_EVERY_S = 0.5
CHECKPOINT_EVERY_S = 0.5
SCHEDULE_EVERY_S = 0.5
RETENTION_EVERY_S = 3_600
PAUSE_AFTER_FAILURE_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Platform:
    """The use cases with what keeps them going."""

    settings: Settings
    services: Services
    store: SqlStore
    outbox: Outbox
    indexer: ChainIndexer
    retention: Retention

    def follow(self) -> None:
        """Delivers what the outbox holds and takes in what is new on the chain."""
        self.outbox.deliver()
        self.indexer.sync()

    def settle_if_due(self) -> None:
        """Builds batches as long as the policy asks for one, and sends them."""
        policy = self.settings.batch_policy
        built = False
        while self.services.settlements.due(policy):
            try:
                log.info("settling", settlement=self.services.settlements.build())
            except NothingToSettle:
                break
            built = True
            self.outbox.deliver()
        if built:
            self.follow()

    def advance_auctions(self) -> None:
        """Takes each auction one step further, and sends what that takes."""
        if self.services.auctions.advance():
            self.follow()

    @contextmanager
    def keep_going(self, *, settle: bool = True, auction: bool = True, schedule: bool = True) -> Iterator[None]:
        """Follows the chain, settles, runs auctions, plans sites, and tidies up, until the block ends."""
        stopping = threading.Event()
        threads = [
            _repeat("follow", self.follow, self.settings.poll_ms / 1000, stopping),
            _repeat("checkpoint", self.store.checkpoint, CHECKPOINT_EVERY_S, stopping),
        ]
        if settle:
            threads.append(_repeat("settle", self.settle_if_due, SETTLE_EVERY_S, stopping))
        if auction:
            threads.append(_repeat("auction", self.advance_auctions, self.settings.poll_ms / 1000, stopping))
        if schedule:
            threads.append(_repeat("schedule", self.plan_sites, SCHEDULE_EVERY_S, stopping))
        if self.settings.evidence_retention_days:
            threads.append(_repeat("retention", self.release_evidence, RETENTION_EVERY_S, stopping))
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join(timeout=SHUTDOWN_S)

    def plan_sites(self) -> None:
        """Makes the plans anew of sites at which something happened."""
        self.services.scheduling.advance()

    def release_evidence(self) -> None:
        """Lets evidence go that is old enough, if the settings say when that is."""
        days = self.settings.evidence_retention_days
        released = self.retention.release(days) if days else 0
        if released:
            log.info("evidence released", batches=released)


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """Everything, over the data folder of the settings; one process at a time may hold it."""
    with _locked(settings.data_dir):
        deployment = load_deployment(settings.deployment_file)
        reader = ChainReader(settings.rpc_url, deployment)
        reader.check_chain()
        writer = ChainWriter(reader, open_keystore(settings.keystore_file, settings.passphrase_file))
        store = SqlStore(settings.database)
        try:
            store.upgrade()
            store.claim(_identity(reader, deployment))
            planner = PooledPlanner(settings.plan_deadline_ms / 1000)
            platform = _platform(settings, deployment, reader, writer, store, planner)
            platform.services.intake.start()
            try:
                yield platform
            finally:
                platform.services.intake.stop()
                planner.close()
        finally:
            store.close()


class Server(uvicorn.Server):
    """Ends the streams first when it is told to stop: it waits for all answers to end."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops listening, and waits for what is on its way."""
        self._feed.stop()
        await super().shutdown(sockets)


def run(settings: Settings) -> None:
    """Serves until it is told to stop (SIGTERM or SIGINT). What was on its way is resumed first."""
    with open_platform(settings) as platform:
        platform.follow()
        server = Server(_server_config(platform), platform.services.feed)
        # What is there by now stays to the end. To look all of it through for garbage would stop every request for
        # a tenth of a second each time.
        gc.collect()
        gc.freeze()
        with platform.keep_going(
            settle=settings.auto_settle, auction=settings.auto_auction, schedule=settings.auto_schedule
        ):
            server.run()


def main() -> None:
    """Reads the environment and runs."""
    _set_up_logging()
    # uvicorn stops gracefully on these and then hands them on to whoever listened before it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        run(load_settings(os.environ))
    except (SettingsInvalid, WattledgerError, BlockingIOError) as error:
        sys.stderr.write(f"wattledger: {error}\n")
        sys.exit(2)


def _platform(
    settings: Settings,
    deployment: Deployment,
    reader: ChainReader,
    writer: ChainWriter,
    store: SqlStore,
    planner: PooledPlanner,
) -> Platform:
    clock = SystemClock()
    market_clock = clock if settings.market_clock == "system" else BlockClock()
    evidence = _evidence(settings, clock)
    contracts = {name: contract.address for name, contract in deployment.contracts.items()}
    house = MarketContracts(reader, writer)
    indexer = ChainIndexer(store, reader, first_block=deployment.block, confirmations=settings.confirmations)
    outbox = Outbox(store, writer, contracts, clock)
    keys = Keys(store, clock)
    operations = Operations(store, outbox, indexer, keys)
    readings = Readings(store, clock, deployment.station_domain, deployment.account_domain)
    services = Services(
        accounts=Accounts(store, reader, operations),
        stations=Stations(store, operations),
        tariffs=Tariffs(store, operations),
        sessions=Sessions(store, deployment.account_domain),
        readings=readings,
        intake=Intake(readings, clock),
        statements=Statements(store, evidence, clock, deployment.station_domain),
        settlements=Settlements(store, evidence, outbox, clock, settings.batch_gas),
        evidence=Evidence(evidence),
        network=Network(
            chain_id=deployment.chain_id,
            deploy_block=deployment.block,
            contracts=contracts,
            events=deployment.events,
            chain=reader,
            store=store,
        ),
        lists=Lists(store),
        ways=Ways(store),
        keys=keys,
        status=Status(
            store=store,
            chain=reader,
            house=house,
            evidence=evidence,
            clock=clock,
            market_clock=market_clock,
            policy=settings.batch_policy,
            chain_id=deployment.chain_id,
            confirmations=settings.confirmations,
        ),
        orders=Orders(store, reader, market_clock, deployment.order_domain, OrderRate(clock)),
        auctions=Auctions(store, reader, house, outbox, market_clock, Pauses(clock)),
        market=MarketLists(store),
        feed=Feed(store, clock),
        needs=Needs(store, clock, deployment.account_domain),
        scheduling=Scheduling(store, clock, planner, Sites(store, clock)),
    )
    return Platform(settings, services, store, outbox, indexer, Retention(store, evidence, clock))


def _evidence(settings: Settings, clock: SystemClock) -> EvidenceStore:
    if settings.evidence == "kubo":
        return KuboEvidence(settings.ipfs_api, clock, secret=settings.ipfs_secret)
    return EmbeddedEvidence(settings.evidence_dir)


def _identity(reader: ChainReader, deployment: Deployment) -> dict[str, str]:
    """What a data folder is bound to: the chain by its first block, and the contracts by their addresses."""
    contracts = {name: address_text(contract.address) for name, contract in deployment.contracts.items()}
    return contracts | {"chain_id": str(deployment.chain_id), "genesis": hex_text(reader.block(0).block_hash)}


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """BlockingIOError if another process holds the data folder: two writers would use the same nonces."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("w") as file:
        _lock(file, data_dir)
        yield


def _lock(file: IO[str], data_dir: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            f"another process uses {data_dir}; stop it, or give another WATTLEDGER_DATA_DIR"
        ) from None


def _repeat(name: str, act: Callable[[], None], every_s: float, stopping: threading.Event) -> threading.Thread:
    """A thread that acts again and again. What fails is logged and tried again: the next time may be better."""

    def loop() -> None:
        pause_s = 0.0
        while not stopping.wait(pause_s):
            pause_s = PAUSE_AFTER_FAILURE_S
            try:
                act()
            except WattledgerError as error:
                log.warning("not now", loop=name, error=type(error).__name__, detail=str(error))
            except Exception:
                log.exception("failed", loop=name)
            else:
                pause_s = every_s

    thread = threading.Thread(target=loop, name=name, daemon=True)
    thread.start()
    return thread


def _server_config(platform: Platform) -> uvicorn.Config:
    settings = platform.settings
    options = ApiOptions(
        token=settings.api_token,
        grid_operator_token=settings.grid_operator_token,
        body_limit_bytes=settings.body_limit_bytes,
    )
    return uvicorn.Config(
        create_app(platform.services, options),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        limit_concurrency=MAX_CONNECTIONS,
    )


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without local variables: they may hold bodies and keys.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


if __name__ == "__main__":
    main()
