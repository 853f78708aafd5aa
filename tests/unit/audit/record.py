"""A made-up chain and evidence store for tests of the audit: two batches of one station, two vehicles."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from eth_hash.auto import keccak

from domain.audit import Auditor, Deployed, Finding
from domain.audit.batches import SETTLE_SELECTOR
from domain.audit.ledger import NOBODY
from domain.audit.proofs import Prover
from domain.batch import HEADER_BYTES, SettlementBatch, encode_batch
from domain.batch_chain import BatchChain, batch_digest
from domain.chain import Call, ChainEvent
from domain.cid import cid_of, raw_digest
from domain.drawing import draw_up
from domain.errors import EvidenceMissing
from domain.evidence import (
    Manifest,
    StatementEvidence,
    VehicleEvidence,
    manifest_blob,
    statement_blob,
    unpack,
    vehicle_blob,
)
from domain.market import market_rows
from domain.reading import NO_SESSION, BmsReading, SignedBmsReading, SignedMeterReading
from domain.session import SignedAuthorisation
from domain.settlement import BatchOutcome, net
from domain.signing import word
from domain.statement import IntervalStatement, SignedStatement
from domain.tariff import Tariff, TariffTable
from domain.units import DUST_ACCOUNT, HOUSE_ACCOUNT, MoneyMicro, UnixSeconds
from tests.vectors.world import (
    ACCOUNT_DOMAIN,
    ALICE,
    BOB,
    DAY_S,
    DRIVER_KEYS,
    OPERATOR,
    OTHER_KEY,
    RATED_POWER_W,
    START_S,
    STATION,
    STATION_DOMAIN,
    STATION_KEY,
    Step,
    authorisation,
    basis,
    busy_day,
    by_id,
    session,
    signed_statement,
    tariffs,
)

SETTLEMENT, COURT, ESCROW, TOKEN, POSITIONS, AUCTIONS = (bytes([n]) * 20 for n in (0x5E, 0xC0, 0xE5, 0x70, 0x90, 0xA0))
DEPLOYED = Deployed(
    settlement=SETTLEMENT,
    court=COURT,
    positions=POSITIONS,
    auctions=AUCTIONS,
    escrow=ESCROW,
    token=TOKEN,
    station_domain=STATION_DOMAIN,
    account_domain=ACCOUNT_DOMAIN,
    close_after_s=900,
    settle_within_s=21_600,
)
MODULE_DELAY_S = 604_800
FIRST_BLOCK_S = START_S + 20 * DAY_S
"""When the first block was made, unless a test says otherwise; the others follow second by second."""
OTHER_STATION = 2
DEPOSIT_MICRO = 10**9


@dataclass(slots=True)
class Evidence:
    """One statement's evidence before it becomes a blob; tests alter it."""

    statement: SignedStatement
    authorisations: list[SignedAuthorisation]
    readings: list[SignedMeterReading]

    def blob(self) -> bytes:
        return statement_blob(
            StatementEvidence(statement=self.statement, authorisations=self.authorisations, readings=self.readings)
        )


@dataclass(slots=True)
class Record:
    """Events, transactions and blobs, all in order unless a test meddles with them."""

    events: list[ChainEvent] = field(default_factory=list)
    calls: dict[bytes, Call] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    balances: dict[int, int] = field(default_factory=dict)
    owed: dict[int, int] = field(default_factory=dict)
    locked: dict[int, int] = field(default_factory=dict)
    times: dict[int, UnixSeconds] = field(default_factory=dict)
    chain: BatchChain = field(default_factory=BatchChain)

    def call_of(self, tx: bytes) -> Call:
        return self.calls[tx]

    def time_of(self, block: int) -> UnixSeconds:
        return self.times.get(block, UnixSeconds(FIRST_BLOCK_S + block))

    def move(self, **change: int) -> None:
        """What moves between accounts beside batches: `a7=5` gives account 7 five micro-euro."""
        for account, micro in change.items():
            self.balances[int(account[1:])] += micro

    def now_s(self) -> int:
        """When the next event happens."""
        return self.time_of(len(self.events))

    def read(self, cid: str) -> bytes:
        if cid not in self.blobs:
            raise EvidenceMissing(cid)
        return self.blobs[cid]

    def put(self, blob: bytes) -> str:
        cid = cid_of(blob)
        self.blobs[cid] = blob
        return cid

    def event(self, contract: str, name: str, tx: bytes | None = None, **args: Any) -> None:
        """The next event, in a block of its own and in a transaction of its own, or in that of the event before."""
        beside = tx is not None and bool(self.events) and self.events[-1].tx == tx
        block = self.events[-1].block if beside else len(self.events)
        self.events.append(
            ChainEvent(
                block=block,
                block_hash=bytes(32),
                log_index=len(self.events) - block,
                tx=keccak(word(block)) if tx is None else tx,
                contract=contract,
                name=name,
                args=args,
            )
        )

    def audit(self) -> Auditor:
        """The auditor after all events and the comparison of balances."""
        auditor = Auditor(
            deployed=DEPLOYED,
            transactions=self,
            proofs=Prover(self, stations=STATION_DOMAIN, accounts=ACCOUNT_DOMAIN),
        )
        auditor.take(self.events)
        for account in sorted(auditor.books.accounts):
            owed, locked = self.owed.get(account, 0), self.locked.get(account, 0)
            auditor.check_account(account, (self.balances[account], 0, locked, owed))
        auditor.check_head(self.chain.head)
        auditor.check_modules(self.now_s())
        auditor.check_positions(self.now_s())
        return auditor

    def findings(self) -> list[Finding]:
        return list(self.audit().findings)


def enrolled() -> Record:
    """Accounts with deposits, two stations and the tariffs of the made-up world."""
    record = Record()
    for gate, modules in (("StationRegistry", [SETTLEMENT]), ("Escrow", [SETTLEMENT, COURT, POSITIONS, AUCTIONS])):
        for module in modules:
            record.event(gate, "ModuleProposed", module=module, activeFrom=record.now_s())
        record.event(gate, "ModulesSealed", moduleDelay=MODULE_DELAY_S)
    record.event("AccountRegistry", "TreasurySet", escrow=ESCROW, token=TOKEN)
    for account in (HOUSE_ACCOUNT, DUST_ACCOUNT, OPERATOR):
        record.event("AccountRegistry", "AccountOpened", account=account, owner=bytes([account]) * 20, driverKey=NOBODY)
        record.balances[account] = 0
    for account, driver in DRIVER_KEYS.items():
        record.event(
            "AccountRegistry", "AccountOpened", account=account, owner=driver.address, driverKey=driver.address
        )
        record.balances[account] = 0
    for account in (OPERATOR, ALICE, BOB):
        record.event("Escrow", "Deposited", account=account, amountMicro=DEPOSIT_MICRO)
        record.balances[account] += DEPOSIT_MICRO
    for station, key in ((STATION, STATION_KEY), (OTHER_STATION, OTHER_KEY)):
        record.event(
            "StationRegistry",
            "StationRegistered",
            station=station,
            signer=key.address,
            payee=OPERATOR,
            ratedPowerW=RATED_POWER_W,
            bidirectional=True,
            importWh=1_000_000,
            exportWh=5_000,
        )
    for tariff in tariffs():
        publish(record, tariff)
    return record


def publish(record: Record, tariff: Tariff) -> None:
    """A tariff's event."""
    record.event(
        "TariffBook",
        "TariffPublished",
        tariff=tariff.tariff,
        payee=tariff.payee,
        direction=int(tariff.direction),
        priceMicroPerKwh=tariff.price_micro_per_kwh,
        validFrom=tariff.valid_from_s,
        validTo=tariff.valid_to_s,
    )


def two_days() -> tuple[Evidence, Evidence]:
    """Two statements of one station, the second one going on where the first one stopped."""
    first = busy_day()
    alice, bob = session(ALICE), session(BOB)
    authorised = [authorisation(ALICE), authorisation(BOB)]
    day = Evidence(
        signed_statement(draw_up(1, first)),
        authorised,
        [SignedMeterReading(r.reading, r.signature) for r in first.readings],
    )
    opening = first.readings[-1].reading
    gap = 900 - opening.time_s % 900
    steps = (Step(gap), Step(300, 1_234, 0, bob.session_id), Step(300, 1_500, 0, alice.session_id))
    second = basis(steps, by_id(alice, bob), opening=opening)
    following = Evidence(
        signed_statement(draw_up(2, second)),
        authorised,
        [SignedMeterReading(r.reading, r.signature) for r in second.readings],
    )
    return day, following


def bms_series(account: int, first: int, count: int) -> list[SignedBmsReading]:
    """Readings of one vehicle, numbered from `first` on."""
    readings = [
        BmsReading(
            account=account,  # type: ignore[arg-type]
            sequence=first + i,
            time_s=UnixSeconds(START_S + 300 * (first + i)),
            state_of_charge_bp=5_000,  # type: ignore[arg-type]
            state_of_health_bp=9_500,  # type: ignore[arg-type]
            temperature_deci_c=250,  # type: ignore[arg-type]
            pack_millivolt=380_000,
            pack_milliampere=-17_000,
            session=NO_SESSION,
        )
        for i in range(count)
    ]
    key = DRIVER_KEYS[account]  # type: ignore[index]
    return [SignedBmsReading(r, key.sign(ACCOUNT_DOMAIN.digest(r.struct_hash()))) for r in readings]


def settle(
    record: Record,
    evidence: Sequence[Evidence],
    vehicles: Mapping[int, Sequence[SignedBmsReading]],
    meddle: Callable[[Evidence], bytes] = Evidence.blob,
    spendable: Mapping[int, int] = MappingProxyType({}),
    prices: TariffTable | None = None,
) -> BatchOutcome:
    """One batch: blobs, manifest, transaction, events and balances. `meddle` makes a statement's blob.

    `spendable` is what accounts may spend that may not spend all they have, `prices` are the world's tariffs if there
    are more than the usual ones.
    """
    manifest = Manifest(
        statements={
            (e.statement.statement.station, e.statement.statement.sequence): record.put(meddle(e)) for e in evidence
        },
        vehicles={
            (account, readings[0].reading.sequence, readings[-1].reading.sequence): record.put(
                vehicle_blob(VehicleEvidence(account=account, readings=readings))
            )
            for account, readings in vehicles.items()
        },
    )
    digest = raw_digest(record.put(manifest_blob(manifest)))
    statements = [e.statement for e in evidence]
    number = 1 + sum(event.name == "BatchSettled" for event in record.events)
    data = encode_batch(SettlementBatch(digest, tuple(statements), 5))
    tx = keccak(data)
    padded = data + bytes(-len(data) % 32)
    record.calls[tx] = Call(to=SETTLEMENT, data=SETTLE_SELECTOR + word(32) + word(len(data)) + padded)
    prices = tariffs() if prices is None else prices
    outcome = net(
        [s.statement for s in statements], prices, lambda a: MoneyMicro(spendable.get(a, record.balances.get(a, 0)))
    )
    for payment in outcome.set_aside:
        record.event(
            "SessionSettlement",
            "RowSetAside",
            tx,
            station=payment.station,
            batch=number,
            payer=payment.payer,
            sequence=payment.sequence,
            row=payment.row,
            owedMicro=payment.owed_micro,
        )
    for debt in outcome.debts:
        record.event(
            "Escrow",
            "DebtRecorded",
            tx,
            debtor=debt.debtor,
            number=sum(e.name == "DebtRecorded" and e.args["debtor"] == debt.debtor for e in record.events),
            creditor=debt.creditor,
            batch=number,
            owedMicro=debt.owed_micro,
            shareMicro=debt.share_micro,
        )
        record.owed[debt.debtor] = record.owed.get(debt.debtor, 0) + debt.owed_micro
    if metered := [row.word for row in market_rows([s.statement for s in statements], prices)]:
        record.event("PositionBook", "Metered", tx, rows=metered)
    hashes = [s.statement.struct_hash() for s in statements]
    record.chain.push(batch_digest(digest, hashes, outcome.insolvent))
    record.event(
        "SessionSettlement",
        "BatchSettled",
        tx,
        batch=number,
        evidence=digest,
        digest=record.chain.digests[-1],
        rows=sum(len(s.statement.rows) for s in statements),
        paidMicro=outcome.paid_micro,
        dustMicro=outcome.dust_micro,
        statements=[word_of(s.statement) for s in statements],
    )
    for account, entry in outcome.entries.items():
        record.balances[account] += entry.credit_micro - entry.debit_micro
    return outcome


def word_of(statement: IntervalStatement) -> int:
    """A statement as the event of its batch tells it."""
    encoded = encode_batch(SettlementBatch(bytes(32), (SignedStatement(statement, STATION_KEY.sign(bytes(32))),), 1))
    return int.from_bytes(encoded[HEADER_BYTES : HEADER_BYTES + 32], "big")


def settled_world(meddle: Callable[[Evidence], bytes] = Evidence.blob) -> Record:
    """Two batches with all their evidence."""
    record = enrolled()
    day, following = two_days()
    settle(record, [day], {ALICE: bms_series(ALICE, 1, 3)}, meddle)
    settle(record, [following], {ALICE: bms_series(ALICE, 4, 2), BOB: bms_series(BOB, 1, 2)}, meddle)
    return record


def blobs_of(record: Record, kind: bytes) -> Iterator[str]:
    """CIDs of all blobs whose format's name holds `kind`."""
    return (cid for cid, data in record.blobs.items() if kind in unpack(data))
