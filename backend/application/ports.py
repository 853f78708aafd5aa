"""What use cases need of the world: a store with transactions, the chain, evidence, and the clock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from backend.application.filters import (
    AccountFilter,
    DebtFilter,
    DisputeFilter,
    EventFilter,
    Page,
    ReadingFilter,
    SessionFilter,
    SettlementFilter,
    StatementFilter,
    StationFilter,
    TariffFilter,
    TransactionFilter,
)
from backend.application.market_ports import (
    AuctionTable,
    BookTable,
    FeedTable,
    OrderTable,
    PositionTable,
    ZoneTable,
)
from backend.application.records import (
    AcceptedStatement,
    AccountRecord,
    Balance,
    Counts,
    DebtRecord,
    DisputeRecord,
    DisputeState,
    OutboxEntry,
    OutboxState,
    PlannedCall,
    Receipt,
    SessionRecord,
    SettlementRecord,
    StatementRecord,
    StatementRow,
    StationRecord,
    TransactionRecord,
    VehicleBlob,
)
from backend.application.site_ports import NeedTable, SiteTable
from domain.batch import StatementNumbers
from domain.car import Archive
from domain.chain import BlockRef, Call, ChainEvent
from domain.reading import (
    BmsReading,
    MeterReading,
    SignedBmsReading,
    SignedMeterReading,
    VerifiedBmsReading,
    VerifiedMeterReading,
)
from domain.session import Session, Usage
from domain.station import MeterReplacement, Station
from domain.tariff import Tariff
from domain.units import UnixSeconds


class Clock(Protocol):
    """The only source of the time."""

    def now_s(self) -> UnixSeconds:
        """Unix time."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, for time limits."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


class EvidenceStore(Protocol):
    """Blobs under the CID of their content."""

    def put(self, data: bytes) -> str:
        """Keeps a blob durably; its CID."""

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """Keeps blobs durably, all or an error; their CIDs in order. Faster than one after the other."""

    def get(self, cid: str) -> bytes:
        """The blob, its CID computed anew; InvalidCid, EvidenceMissing or EvidenceAltered."""

    def has(self, cid: str) -> bool:
        """Whether there is a blob of this name; InvalidCid."""

    def cids(self) -> list[str]:
        """The names of all blobs that are kept, in order."""

    def take(self, archive: Archive) -> None:
        """Keeps all blobs of an archive; EvidenceAltered if one has not the content that its name says."""

    def release(self, cids: Sequence[str]) -> None:
        """Keeps these blobs no longer; ones that are not there are left out."""

    def collect(self) -> int:
        """Frees the space of what is kept no longer; how many blocks were removed."""


class AccountTable(Protocol):
    def find(self, account: int) -> AccountRecord | None: ...
    def named(self, accounts: Iterable[int]) -> dict[int, AccountRecord]: ...
    def owned_by(self, owner: bytes) -> AccountRecord | None: ...
    def page(self, page: Page, wanted: AccountFilter) -> list[AccountRecord]: ...
    def opened(self, account: int, owner: bytes, driver_key: bytes | None) -> None: ...
    def driver_key_set(self, account: int, driver_key: bytes | None) -> None: ...
    def roles_changed(self, account: int, *, granted: int = 0, revoked: int = 0) -> None: ...
    def deposited(self, account: int, amount_micro: int) -> None: ...
    def closed(self, account: int, *, closed: bool) -> None: ...
    def daily_cap_set(self, account: int, cap_micro: int) -> None: ...


class DebtTable(Protocol):
    def open_of(self, debtor: int, limit: int) -> list[DebtRecord]:
        """The oldest debts of an account that are open."""

    def owed_micro(self, debtor: int) -> int:
        """What an account owes in all."""

    def page(self, page: Page, wanted: DebtFilter) -> list[DebtRecord]: ...
    def recorded(self, debt: DebtRecord) -> None: ...
    def ended(self, debtor: int, number: int) -> None:
        """It was collected or written off."""

    def reduced(self, debtor: int, number: int, owed_micro: int, share_micro: int) -> None:
        """This much less is owed."""


class DisputeTable(Protocol):
    def of(self, station: int, sequence: int) -> dict[int, DisputeRecord]:
        """The disputed rows of a statement, by their places."""

    def page(self, page: Page, wanted: DisputeFilter) -> list[DisputeRecord]: ...
    def opened(self, dispute: DisputeRecord) -> None: ...
    def ended(self, station: int, sequence: int, row: int, state: DisputeState) -> None: ...


class GuardTable(Protocol):
    def paused(self) -> bool:
        """Whether settlement and deposits are paused."""

    def set_paused(self, *, paused: bool) -> None: ...


class StationTable(Protocol):
    def find(self, station: int) -> StationRecord | None: ...
    def named(self, stations: Iterable[int]) -> dict[int, Station]: ...
    def page(self, page: Page, wanted: StationFilter) -> list[StationRecord]: ...
    def registered(
        self,
        station: int,
        *,
        signer: bytes,
        payee: int,
        rated_power_w: int,
        bidirectional: bool,
        import_wh: int,
        export_wh: int,
    ) -> None: ...
    def key_rotated(self, station: int, signer: bytes, previous: bytes | None, valid_until_s: int) -> None: ...
    def key_revoked(self, station: int, signer: bytes, valid_until_s: int) -> None: ...
    def suspended(self, station: int, *, by_governance: bool, suspended: bool) -> None: ...
    def meter_replaced(self, replacement: MeterReplacement) -> None: ...
    def settled(self, statements: Iterable[StatementNumbers]) -> None:
        """Each station stands where its last one of these statements left it."""


class TariffTable(Protocol):
    def page(self, page: Page, wanted: TariffFilter) -> list[Tariff]: ...
    def numbered(self, numbers: Iterable[int]) -> list[Tariff]: ...
    def of_market(self, payee: int, from_s: int, to_s: int) -> list[Tariff]:
        """A grid account's prices of the market that hold at some time in [from_s, to_s)."""

    def published(self, tariff: Tariff) -> None: ...


class SessionTable(Protocol):
    def find(self, session_id: bytes) -> SessionRecord | None: ...
    def named(self, session_ids: Iterable[bytes]) -> dict[bytes, Session]: ...
    def usage(self, session_ids: Iterable[bytes]) -> dict[bytes, Usage]: ...
    def page(self, page: Page, wanted: SessionFilter) -> list[SessionRecord]: ...
    def add(self, session: Session) -> None: ...
    def read_at(self, last_readings: Mapping[bytes, int]) -> None:
        """Notes the last meter reading that names each session."""


class ReadingTable(Protocol):
    def last_meters(self, stations: Iterable[int]) -> dict[int, MeterReading]:
        """The last reading of each station that sent one."""

    def last_vehicles(self, accounts: Iterable[int]) -> dict[int, BmsReading]:
        """The last reading of each account's vehicle that sent one."""

    def meter(self, station: int, sequences: Iterable[int]) -> dict[int, SignedMeterReading]: ...
    def bms(self, account: int, sequences: Iterable[int]) -> dict[int, SignedBmsReading]: ...
    def bms_page(self, account: int, after: int, limit: int) -> list[SignedBmsReading]: ...
    def meter_list(self, station: int, page: Page, wanted: ReadingFilter) -> list[SignedMeterReading]: ...
    def bms_list(self, account: int, page: Page, wanted: ReadingFilter) -> list[SignedBmsReading]: ...
    def first_of_session(self, session: Session, last: int) -> int | None:
        """The station's first reading, up to number `last`, that names the session within its time."""

    def meter_until(self, station: int, after: int, end_s: int) -> list[SignedMeterReading]:
        """The station's readings after one, up to a time, in order."""

    def add_meter(self, readings: Sequence[VerifiedMeterReading]) -> None: ...
    def add_bms(self, readings: Sequence[VerifiedBmsReading]) -> None: ...
    def unanchored(self, limit: int) -> list[tuple[int, int]]:
        """Accounts with BMS readings that no batch anchors, each with the last anchored sequence."""


class StatementTable(Protocol):
    def find(self, station: int, sequence: int) -> StatementRecord | None: ...
    def last(self, station: int) -> StatementRecord | None:
        """The last one that is or can be settled: a void one leaves its readings to the next."""

    def rows(self, station: int, sequence: int) -> list[StatementRow]: ...
    def page(self, page: Page, wanted: StatementFilter) -> list[StatementRecord]: ...
    def over(self, station: int, first: int, last: int, limit: int) -> list[StatementRecord]:
        """The station's statements, void ones left out, over its readings `first` to `last`, in order."""

    def waiting(self, limit: int) -> list[tuple[StatementRecord, Sequence[StatementRow]]]:
        """Accepted statements with their rows, in order of station and sequence.

        None of a station that is suspended, or that has one batched or refused.
        """

    def waiting_since(self) -> tuple[int, int | None]:
        """How many accepted statements could be batched, and when the oldest of them was accepted."""

    def unsettled(self) -> int:
        """How many statements wait or are on their way."""

    def add(self, accepted: AcceptedStatement) -> None: ...
    def refuse(self, station: int, sequence: int, reason: str) -> None: ...
    def accept_refused(self) -> int:
        """Makes all refused statements wait again; how many."""

    def settled(self, settled: Sequence[StatementNumbers], *, batch: int) -> None:
        """Notes a batch's statements; one of ours whose numbers are others is refused."""

    def void_from(self, station: int, sequence: int) -> None:
        """Statements from this number on can never be settled: a new meter took it."""

    def set_aside(self, station: int, sequence: int, row: int) -> None: ...


class SettlementTable(Protocol):
    def find(self, settlement: str) -> SettlementRecord | None: ...
    def of(self, transaction: bytes) -> SettlementRecord | None:
        """The settlement that a transaction carries."""

    def page(self, page: Page, wanted: SettlementFilter) -> list[SettlementRecord]: ...
    def settled_until(self, time_s: int, after: int, limit: int) -> list[SettlementRecord]:
        """Those that are settled, in a block of this time or before, by their serials."""

    def add(self, record: SettlementRecord, vehicles: Sequence[VehicleBlob]) -> None:
        """Keeps it and marks its statements as batched and its BMS readings as anchored."""

    def sent_as(self, settlement: str, transaction: bytes) -> None: ...
    def settled(self, transaction: bytes, *, batch: int, paid_micro: int, dust_micro: int) -> None: ...
    def fail(self, settlement: str) -> None:
        """Marks it as failed; what it held waits again."""


class OutboxTable(Protocol):
    def next_nonce(self, sender: bytes) -> int: ...
    def add(self, entry: OutboxEntry) -> None: ...
    def open(self, sender: bytes) -> list[OutboxEntry]:
        """Entries without a receipt, by nonce."""

    def count_open(self, sender: bytes) -> int:
        """How many entries have no receipt."""

    def find(self, transaction: bytes) -> OutboxEntry | None: ...
    def record(self, transaction: bytes) -> TransactionRecord | None:
        """What is kept of a transaction, but its bytes."""

    def page(self, page: Page, wanted: TransactionFilter) -> list[TransactionRecord]: ...
    def mark(self, transactions: Iterable[bytes], state: OutboxState) -> None: ...
    def mined(self, receipts: Iterable[Receipt]) -> None: ...
    def reopen_above(self, block: int) -> None: ...


class KeyTable(Protocol):
    """Idempotency keys."""

    def request_of(self, key: str) -> bytes | None:
        """The digest of the request that a key came with."""

    def transactions(self, key: str, step: str) -> dict[int, bytes]:
        """What was sent for one step under a key, by place."""

    def keep(self, key: str, request: bytes, now_s: int) -> None:
        """Keeps a key; one that is there stays as it is."""

    def note(self, key: str, step: str, transactions: Mapping[int, bytes]) -> None:
        """Keeps what was sent for one step; in the place of what was lost."""

    def drop_before(self, time_s: int) -> None:
        """Forgets the keys that were kept before a time."""


class BlockTable(Protocol):
    def last(self) -> BlockRef | None: ...
    def time_of(self, number: int) -> UnixSeconds:
        """When a block that is kept was made."""

    def below(self, number: int) -> BlockRef | None: ...
    def add(self, blocks: Iterable[BlockRef], events: Iterable[ChainEvent]) -> None: ...
    def drop_above(self, number: int) -> None: ...
    def events(self) -> Iterator[ChainEvent]:
        """All events in the order of the chain."""

    def events_page(self, page: Page, wanted: EventFilter) -> list[ChainEvent]:
        """Events in the order of the chain. `page.after` is a `ChainEvent.place`, or -1."""

    def batches(self) -> int: ...


class CountTable(Protocol):
    def all(self, now_s: int) -> Counts:
        """How much there is of everything."""


class UnitOfWork(Protocol):
    """One transaction. What it writes is there as a whole or not at all."""

    @property
    def accounts(self) -> AccountTable: ...
    @property
    def debts(self) -> DebtTable: ...
    @property
    def disputes(self) -> DisputeTable: ...
    @property
    def guards(self) -> GuardTable: ...
    @property
    def stations(self) -> StationTable: ...
    @property
    def tariffs(self) -> TariffTable: ...
    @property
    def sessions(self) -> SessionTable: ...
    @property
    def readings(self) -> ReadingTable: ...
    @property
    def statements(self) -> StatementTable: ...
    @property
    def settlements(self) -> SettlementTable: ...
    @property
    def outbox(self) -> OutboxTable: ...
    @property
    def keys(self) -> KeyTable: ...
    @property
    def blocks(self) -> BlockTable: ...
    @property
    def counts(self) -> CountTable: ...
    @property
    def orders(self) -> OrderTable: ...
    @property
    def zones(self) -> ZoneTable: ...
    @property
    def auctions(self) -> AuctionTable: ...
    @property
    def books(self) -> BookTable: ...
    @property
    def positions(self) -> PositionTable: ...
    @property
    def feed(self) -> FeedTable: ...
    @property
    def sites(self) -> SiteTable: ...
    @property
    def needs(self) -> NeedTable: ...
    def clear_projections(self) -> None:
        """Forgets all that events say, except the events."""


class Store(Protocol):
    def read(self) -> AbstractContextManager[UnitOfWork]:
        """A consistent view; nothing may be written."""

    def write(self) -> AbstractContextManager[UnitOfWork]:
        """One of at most one at a time; commits durably at the end, or undoes everything on an error."""


class ChainView(Protocol):
    """The chain, read only."""

    def head(self) -> int: ...
    def block(self, number: int) -> BlockRef: ...
    def events(self, first_block: int, last_block: int) -> Iterator[ChainEvent]: ...
    def balances_of(self, accounts: Sequence[int]) -> list[Balance]:
        """What accounts have in the escrow now."""


class Indexer(Protocol):
    def sync(self) -> int:
        """Takes in what is new on the chain; the last block taken in."""


class Transactions(Protocol):
    """The operator's key and its outbox."""

    @property
    def operator(self) -> bytes:
        """The operator's address."""

    def contract(self, name: str) -> bytes:
        """Address of one of our contracts."""

    def call(self, contract: str, function: str, *args: object) -> Call:
        """A call of one of our contracts."""

    def plan(self, calls: Sequence[Call]) -> list[PlannedCall]:
        """What each call needs if it is sent now; TransactionRefused if the contracts refuse one."""

    def queue(self, outbox: OutboxTable, planned: Sequence[PlannedCall], purpose: str) -> list[bytes]:
        """Signs and keeps transactions in the caller's unit of work; their hashes. Nothing is sent."""

    def deliver(self) -> None:
        """Sends all without a receipt, and takes in the receipts there are."""

    def wait(self, transactions: Sequence[bytes]) -> list[Receipt]:
        """The receipts, when all are there; TransactionPending if that takes too long."""
