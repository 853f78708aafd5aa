"""What the store holds, as use cases see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.chain import Call, ChainEvent
from domain.session import Session, Usage
from domain.settlement import Payment
from domain.statement import IntervalStatement, Row, SignedStatement
from domain.station import Station
from domain.tariff import Direction
from domain.units import AccountId, PriceMicroPerKwh, UnixSeconds


class SessionState(StrEnum):
    AUTHORISED = "authorised"
    CHARGING = "charging"
    SETTLED = "settled"


class StatementState(StrEnum):
    """`refused` is a statement that the contracts will not take, `void` one whose number a new meter took.

    `refusal` says why.
    """

    ACCEPTED = "accepted"
    BATCHED = "batched"
    SETTLED = "settled"
    REFUSED = "refused"
    VOID = "void"


class SettlementState(StrEnum):
    BUILT = "built"
    SENT = "sent"
    SETTLED = "settled"
    FAILED = "failed"


class OutboxState(StrEnum):
    """`lost`: another transaction took the nonce, this one can never be in a block."""

    QUEUED = "queued"
    SENT = "sent"
    MINED = "mined"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """A member. `roles` is the mask of `contracts/Roles.sol`."""

    account: AccountId
    owner: bytes
    driver_key: bytes | None
    roles: int
    closed: bool
    deposited_micro: int
    daily_cap_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtRecord:
    """What of a debt is open. `batch` is 0 if it comes from a row that was reversed.

    `place` is that of the event that recorded it, on the chain (`ChainEvent.place`).
    """

    debtor: AccountId
    number: int
    creditor: AccountId
    batch: int
    owed_micro: int
    share_micro: int
    place: int


class DisputeState(StrEnum):
    DISPUTED = "disputed"
    JUSTIFIED = "justified"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRecord:
    """A disputed row of a statement. An authorisation can be shown until `answer_until_s`.

    `place` is that of the event that opened it, on the chain (`ChainEvent.place`).
    """

    station: int
    sequence: int
    row: int
    state: DisputeState
    disputer: AccountId
    answer_until_s: int
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """An account's money in the escrow now, micro-euro: `spendable_micro` is what settlement may take today."""

    free_micro: int
    spendable_micro: int
    locked_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRecord:
    """A station: as on chain, with registers and sequence of its last settled and last received things.

    Both sequences of statements count meter replacements, which take numbers of their own.
    """

    station: Station
    import_wh: int
    export_wh: int
    sequence: int
    last_reading: int
    last_statement: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session, what was billed to it so far, and its place in the list of all.

    `last_reading` is the number of the station's last reading that names it.
    """

    session: Session
    usage: Usage
    state: SessionState
    serial: int
    last_reading: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRecord:
    """A statement that was accepted. Its readings are those with sequences `first_reading` to `last_reading`."""

    signed: SignedStatement
    evidence: str
    first_reading: int
    last_reading: int
    accepted_at_s: int
    state: StatementState = StatementState.ACCEPTED
    settlement: str | None = None
    batch: int | None = None
    refusal: str | None = None
    serial: int = 0

    @property
    def statement(self) -> IntervalStatement:
        return self.signed.statement

    @property
    def place(self) -> tuple[int, int]:
        return self.statement.station, self.statement.sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """A row with what it moves; `payment` and `price` are None for energy that nobody is billed for."""

    index: int
    row: Row
    direction: Direction
    price_micro_per_kwh: PriceMicroPerKwh | None
    payment: Payment | None
    set_aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleBlob:
    """BMS readings `first` to `last` of one account, in one blob."""

    account: int
    first: int
    last: int
    cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRecord:
    """A batch on its way to the chain or on it. `paid_micro` and `dust_micro` are the chain's, once settled."""

    settlement: str
    state: SettlementState
    transaction: bytes
    evidence: str
    rows: int
    statements: tuple[tuple[int, int], ...] = ()
    batch: int | None = None
    paid_micro: int | None = None
    dust_micro: int | None = None
    gas_used: int | None = None
    serial: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """A call that the contracts would take now, with what its transaction needs."""

    call: Call
    gas: int
    gas_price: int
    chain_nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A signed transaction with its nonce, kept from before it is first sent."""

    sender: bytes
    nonce: int
    raw: bytes
    transaction: bytes
    purpose: str
    state: OutboxState = OutboxState.QUEUED


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecord:
    """What is kept of a transaction of ours, without its bytes. What only a block tells is None until one holds it."""

    transaction: bytes
    sender: bytes
    nonce: int
    purpose: str
    state: OutboxState
    block: int | None
    succeeded: bool | None
    gas_used: int | None
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a transaction that a block holds."""

    transaction: bytes
    block: int
    succeeded: bool
    gas_used: int
    events: tuple[ChainEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedStatement:
    """What a statement comes to: for each session it billed, the usage after it."""

    record: StatementRecord
    rows: tuple[StatementRow, ...]
    usage: Mapping[bytes, Usage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the store holds. `newest_reading_s` is when the latest reading of any meter was taken."""

    accounts: int
    stations: int
    stations_suspended: int
    sessions: int
    sessions_open: int
    meter_readings: int
    bms_readings: int
    newest_reading_s: UnixSeconds | None
    statements: Mapping[StatementState, int]
    oldest_waiting_s: UnixSeconds | None
    settlements: Mapping[SettlementState, int]
    transactions: Mapping[OutboxState, int]
    indexed_block: int
    paused: bool
