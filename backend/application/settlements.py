"""Settlements: batches of accepted statements, and BMS evidence, on their way to the chain."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from backend.application.errors import (
    ChainUnavailable,
    SettlementPaused,
    SettlementRefused,
    TransactionRefused,
)
from backend.application.ports import Clock, EvidenceStore, Store, Transactions, UnitOfWork
from backend.application.records import (
    PlannedCall,
    Receipt,
    SettlementRecord,
    SettlementState,
    StatementRecord,
    StatementRow,
    VehicleBlob,
)
from domain.batch import MAX_ACCOUNTS, STATEMENT_BYTES, SettlementBatch, encode_batch, table_bits_for
from domain.cid import raw_digest
from domain.errors import NothingToSettle
from domain.evidence import Manifest, VehicleEvidence, manifest_blob, vehicle_blob
from domain.settlement import accounts_met
from domain.statement import ROW_BYTES
from domain.tariff import TariffTable

MAX_BATCH_STATEMENTS = 64
MAX_BATCH_BYTES = 100_000
"""Nodes do not take transactions above 128 KiB into their pools."""
MAX_BATCH_ACCOUNTS = MAX_ACCOUNTS // 2
GAS_FIXED, GAS_PER_STATEMENT, GAS_PER_ROW, GAS_PER_ACCOUNT = 80_000, 18_000, 700, 12_000
"""More than each of them costs where everybody can pay (snapshots/): a debt costs 100,000 beside."""
MAX_VEHICLES = 500
"""With as many, and MAX_BATCH_STATEMENTS, the manifest stays within one block of 256 KiB."""
MAX_VEHICLE_READINGS = 2_000
PURPOSE = "settlement:"

_NOT_YET = frozenset({"StatementFromFuture", "SequenceMismatch", "StationIsSuspended"})
"""Refusals that pass: of a block's time behind ours, a statement that is settled already, a suspended station."""
_PAUSED = "IsPaused"
_TOO_BIG = frozenset({"OutOfGas", "TableFull"})


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When a batch is built without being asked for: at so many statements, or at this age of the oldest.

    Never while `in_flight` of them are in no block yet.
    """

    statements: int
    age_s: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement that waits, with what its rows move."""

    record: StatementRecord
    rows: Sequence[StatementRow]

    @property
    def bytes(self) -> int:
        return STATEMENT_BYTES + ROW_BYTES * len(self.rows)

    @property
    def accounts(self) -> set[int]:
        payments = (row.payment for row in self.rows if row.payment)
        return {account for payment in payments for account in (payment.payer, payment.payee)}

    @property
    def parties(self) -> set[tuple[int, int]]:
        """Who could come to owe whom."""
        return {(row.payment.payer, row.payment.payee) for row in self.rows if row.payment}


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch that the contracts would take now."""

    record: SettlementRecord
    vehicles: Sequence[VehicleBlob]
    planned: PlannedCall


@dataclass(frozen=True, slots=True)
class Settlements:
    """The use cases around settlements. It alone builds batches, one at a time."""

    store: Store
    evidence: EvidenceStore
    transactions: Transactions
    clock: Clock
    batch_gas: int
    _building: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, *, retry_refused: bool = False, keep: Callable[[UnitOfWork, bytes], None] | None = None) -> str:
        """Builds a batch of all that waits and sends it; its id.

        NothingToSettle, SettlementRefused, SettlementPaused.
        """
        settlement = self.build(retry_refused=retry_refused, keep=keep)
        # What is built is kept and will be sent, if not now.
        with contextlib.suppress(ChainUnavailable):
            self.transactions.deliver()
        return settlement

    def build(self, *, retry_refused: bool = False, keep: Callable[[UnitOfWork, bytes], None] | None = None) -> str:
        """Keeps a batch, with its signed transaction, in one unit of work; nothing is sent yet.

        The id derives from the batch's bytes. A statement that the contracts refuse is marked with
        the reason, and the batch is built without it. `keep` is given the transaction in the same unit of work.
        """
        with self._building:
            if retry_refused:
                with self.store.write() as unit:
                    unit.statements.accept_refused()
            draft = self._draft()
            with self.store.write() as unit:
                unit.settlements.add(draft.record, draft.vehicles)
                purpose = PURPOSE + draft.record.settlement
                [sent] = self.transactions.queue(unit.outbox, [draft.planned], purpose)
                unit.settlements.sent_as(draft.record.settlement, sent)
                if keep is not None:
                    keep(unit, sent)
        return draft.record.settlement

    def due(self, policy: BatchPolicy) -> bool:
        """Whether the policy asks for a batch now; never while the escrow is paused."""
        with self.store.read() as unit:
            count, oldest_s = unit.statements.waiting_since()
            held = unit.guards.paused() or unit.outbox.count_open(self.transactions.operator) >= policy.in_flight
        if oldest_s is None or held:
            return False
        return count >= policy.statements or self.clock.now_s() - oldest_s >= policy.age_s

    def paused(self) -> bool:
        """Whether governance paused the escrow, as far as the chain was read."""
        with self.store.read() as unit:
            return unit.guards.paused()

    def _draft(self) -> Draft:
        if self.paused():
            raise SettlementPaused
        with self.store.read() as unit:
            waiting = _within_limits(_candidates(unit), self.batch_gas)
            tariffs = _tariffs(unit, waiting)
            vehicles = _vehicles(unit)
        blobs = self._vehicle_blobs(vehicles)
        while waiting or blobs:
            try:
                return self._planned(waiting, tariffs, blobs)
            except TransactionRefused as refusal:
                if refusal.name == _PAUSED:
                    raise SettlementPaused from refusal
                left = self._without_refused(waiting, refusal)
                if len(left) == len(waiting):
                    raise SettlementRefused(refusal.name, refusal.values) from refusal
                waiting = left
        raise NothingToSettle

    def _planned(self, waiting: Sequence[Candidate], tariffs: TariffTable, vehicles: Sequence[VehicleBlob]) -> Draft:
        manifest = Manifest(
            statements={candidate.record.place: candidate.record.evidence for candidate in waiting},
            vehicles={(blob.account, blob.first, blob.last): blob.cid for blob in vehicles},
        )
        evidence = self.evidence.put(manifest_blob(manifest))
        met = accounts_met([candidate.record.statement for candidate in waiting], tariffs)
        debts = {parties for candidate in waiting for parties in candidate.parties}
        batch = SettlementBatch(
            evidence=raw_digest(evidence),
            statements=tuple(candidate.record.signed for candidate in waiting),
            table_bits=table_bits_for(met, debts=min(len(debts), MAX_ACCOUNTS)),
        )
        data = encode_batch(batch)
        [planned] = self.transactions.plan([self.transactions.call("SessionSettlement", "settle", data)])
        record = SettlementRecord(
            settlement=hashlib.sha256(data).hexdigest()[:32],
            state=SettlementState.BUILT,
            transaction=b"",
            evidence=evidence,
            rows=sum(len(candidate.rows) for candidate in waiting),
            statements=tuple(candidate.record.place for candidate in waiting),
        )
        return Draft(record, vehicles, planned)

    def _without_refused(self, waiting: Sequence[Candidate], refusal: TransactionRefused) -> list[Candidate]:
        """The statements that are left when those that the refusal is about are taken out."""
        if refusal.name in _TOO_BIG and len(waiting) > 1:
            return list(waiting[: len(waiting) // 2])
        alone = len(waiting) == 1 and refusal.name in _TOO_BIG
        bad = {waiting[0].record.statement.station} if alone else _stations_of(waiting, refusal)
        if refusal.name not in _NOT_YET:
            with self.store.write() as unit:
                for candidate in waiting:
                    if candidate.record.statement.station in bad:
                        unit.statements.refuse(*candidate.record.place, str(refusal))
        return [candidate for candidate in waiting if candidate.record.statement.station not in bad]

    def _vehicle_blobs(self, vehicles: Sequence[VehicleEvidence]) -> list[VehicleBlob]:
        cids = self.evidence.put_many([vehicle_blob(evidence) for evidence in vehicles])
        return [
            VehicleBlob(
                account=evidence.account,
                first=evidence.readings[0].reading.sequence,
                last=evidence.readings[-1].reading.sequence,
                cid=cid,
            )
            for evidence, cid in zip(vehicles, cids, strict=True)
        ]


def record_receipt(unit: UnitOfWork, purpose: str, receipt: Receipt) -> None:
    """What a transaction's receipt means for the settlement that it carried."""
    if purpose.startswith(PURPOSE) and not receipt.succeeded:
        unit.settlements.fail(purpose.removeprefix(PURPOSE))


def record_loss(unit: UnitOfWork, purpose: str) -> None:
    """What it means for a settlement that its transaction can never be in a block."""
    if purpose.startswith(PURPOSE):
        unit.settlements.fail(purpose.removeprefix(PURPOSE))


def _candidates(unit: UnitOfWork) -> list[Candidate]:
    return [Candidate(record, rows) for record, rows in unit.statements.waiting(MAX_BATCH_STATEMENTS)]


def _within_limits(candidates: Iterable[Candidate], batch_gas: int) -> list[Candidate]:
    """As many as fit one transaction; always at least one, so that none waits for ever."""
    chosen: list[Candidate] = []
    size, gas, accounts = 0, GAS_FIXED, set[int]()
    for candidate in candidates:
        size += candidate.bytes
        gas += GAS_PER_STATEMENT + GAS_PER_ROW * len(candidate.rows)
        accounts |= candidate.accounts
        full = size > MAX_BATCH_BYTES or len(accounts) > MAX_BATCH_ACCOUNTS - 2
        if chosen and (full or gas + GAS_PER_ACCOUNT * len(accounts) > batch_gas):
            break
        chosen.append(candidate)
    return chosen


def _tariffs(unit: UnitOfWork, waiting: Iterable[Candidate]) -> TariffTable:
    statements = [candidate.record.statement for candidate in waiting]
    return TariffTable(
        unit.tariffs.numbered({one.tariff_of(row) for one in statements for row in one.rows if row.billed})
    )


def _vehicles(unit: UnitOfWork) -> list[VehicleEvidence]:
    waiting = unit.readings.unanchored(MAX_VEHICLES)
    pages = ((account, unit.readings.bms_page(account, after, MAX_VEHICLE_READINGS)) for account, after in waiting)
    return [VehicleEvidence(account=account, readings=readings) for account, readings in pages if readings]


def _stations_of(waiting: Sequence[Candidate], refusal: TransactionRefused) -> set[int]:
    """The stations whose statements a refusal names, by station or by an account in their rows."""
    station, account = refusal.values.get("station"), refusal.values.get("account")
    if station is not None:
        return {c.record.statement.station for c in waiting if c.record.statement.station == station}
    return {c.record.statement.station for c in waiting if account in c.accounts}
