"""What use cases need of the world: a store with transactions, the chain, evidence, and the clock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from backend.application.records import (
    AcceptedStatement,
    AccountRecord,
    Balance,
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
    VehicleBlob,
)
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
from domain.station import MeterReplacement
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
    def owned_by(self, owner: bytes) -> AccountRecord | None: ...
    def page(self, after: int, limit: int) -> list[AccountRecord]: ...
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

    def recorded(self, debt: DebtRecord) -> None: ...
    def ended(self, debtor: int, number: int) -> None:
        """It was collected or written off."""

    def reduced(self, debtor: int, number: int, owed_micro: int, share_micro: int) -> None:
        """This much less is owed."""


class DisputeTable(Protocol):
    def of(self, station: int, sequence: int) -> dict[int, DisputeRecord]:
        """The disputed rows of a statement, by their places."""

    def opened(self, station: int, sequence: int, dispute: DisputeRecord) -> None: ...
    def ended(self, station: int, sequence: int, row: int, state: DisputeState) -> None: ...


class GuardTable(Protocol):
    def paused(self) -> bool:
        """Whether settlement and deposits are paused."""

    def set_paused(self, *, paused: bool) -> None: ...


class StationTable(Protocol):
    def find(self, station: int) -> StationRecord | None: ...
    def page(self, after: int, limit: int) -> list[StationRecord]: ...
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
    def settled(self, station: int, *, sequence: int, import_wh: int, export_wh: int) -> None: ...


class TariffTable(Protocol):
    def page(self, after: int, limit: int, payee: int | None) -> list[Tariff]: ...
    def numbered(self, numbers: Iterable[int]) -> list[Tariff]: ...
    def published(self, tariff: Tariff) -> None: ...


class SessionTable(Protocol):
    def find(self, session_id: bytes) -> SessionRecord | None: ...
    def named(self, session_ids: Iterable[bytes]) -> dict[bytes, Session]: ...
    def usage(self, session_ids: Iterable[bytes]) -> dict[bytes, Usage]: ...
    def page(
        self, after: int, limit: int, *, station: int | None = None, account: int | None = None
    ) -> list[SessionRecord]: ...
    def add(self, session: Session) -> None: ...
    def read_at(self, last_readings: Mapping[bytes, int]) -> None:
        """Notes the last meter reading that names each session."""


class ReadingTable(Protocol):
    def last_meter(self, station: int) -> MeterReading | None: ...
    def last_bms(self, account: int) -> BmsReading | None: ...
    def meter(self, station: int, sequences: Iterable[int]) -> dict[int, SignedMeterReading]: ...
    def bms(self, account: int, sequences: Iterable[int]) -> dict[int, SignedBmsReading]: ...
    def meter_page(self, station: int, after: int, limit: int) -> list[SignedMeterReading]: ...
    def bms_page(self, account: int, after: int, limit: int) -> list[SignedBmsReading]: ...
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
    def page(
        self, after: int, limit: int, *, station: int | None = None, state: str | None = None
    ) -> list[StatementRecord]: ...
    def waiting(self, limit: int) -> list[StatementRecord]:
        """Accepted statements in order of station and sequence.

        None of a station that is suspended, or that has one batched or refused.
        """

    def waiting_since(self) -> tuple[int, int | None]:
        """How many accepted statements could be batched, and when the oldest of them was accepted."""

    def add(self, accepted: AcceptedStatement) -> None: ...
    def refuse(self, station: int, sequence: int, reason: str) -> None: ...
    def accept_refused(self) -> int:
        """Makes all refused statements wait again; how many."""

    def settled(self, settled: StatementNumbers, *, batch: int) -> None:
        """Notes a settled statement; ours of that number is refused if its numbers are others."""

    def void_from(self, station: int, sequence: int) -> None:
        """Statements from this number on can never be settled: a new meter took it."""

    def set_aside(self, station: int, sequence: int, row: int) -> None: ...


class SettlementTable(Protocol):
    def find(self, settlement: str) -> SettlementRecord | None: ...
    def page(self, after: int, limit: int) -> list[SettlementRecord]: ...
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

    def find(self, transaction: bytes) -> OutboxEntry | None: ...
    def mark(self, transactions: Iterable[bytes], state: OutboxState) -> None: ...
    def mined(self, receipts: Iterable[Receipt]) -> None: ...
    def reopen_above(self, block: int) -> None: ...


class BlockTable(Protocol):
    def last(self) -> BlockRef | None: ...
    def below(self, number: int) -> BlockRef | None: ...
    def add(self, blocks: Iterable[BlockRef], events: Iterable[ChainEvent]) -> None: ...
    def drop_above(self, number: int) -> None: ...
    def events(self) -> Iterator[ChainEvent]:
        """All events in the order of the chain."""

    def events_page(self, after: tuple[int, int], limit: int) -> list[ChainEvent]: ...
    def batches(self) -> int: ...


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
    def blocks(self) -> BlockTable: ...
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
