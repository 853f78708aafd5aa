"""What lists can be narrowed down to. A filter that is None asks for nothing.

Times are Unix seconds: `from_s` is the first one that counts, `to_s` the first one that does not.
"""

from dataclasses import dataclass

from backend.application.market import AuctionState, OrderState
from backend.application.records import DisputeState, OutboxState, SessionState, SettlementState, StatementState
from domain.tariff import Direction


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` items behind the place `after`."""

    after: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFilter:
    """`role` is one bit of `contracts/Roles.sol`."""

    role: int | None = None
    closed: bool | None = None
    owner: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StationFilter:
    payee: int | None = None
    suspended: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffFilter:
    """`valid_at_s`: the tariff's window holds this second."""

    payee: int | None = None
    direction: Direction | None = None
    valid_at_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """The time is the first second of the authorisation."""

    station: int | None = None
    account: int | None = None
    state: SessionState | None = None
    from_s: int | None = None
    to_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFilter:
    """The time is when the device measured. `last` is the number of the last reading that counts."""

    session: bytes | None = None
    from_s: int | None = None
    to_s: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFilter:
    """`account` is one of its rows; the time is the statement's first second."""

    station: int | None = None
    account: int | None = None
    state: StatementState | None = None
    settlement: str | None = None
    batch: int | None = None
    from_s: int | None = None
    to_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementFilter:
    state: SettlementState | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtFilter:
    debtor: int | None = None
    creditor: int | None = None
    open: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFilter:
    station: int | None = None
    disputer: int | None = None
    state: DisputeState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFilter:
    """`purpose` is a whole one, or the word before its colon."""

    state: OutboxState | None = None
    purpose: str | None = None
    nonce: int | None = None
    block: int | None = None
    transaction: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """`account`, `station` and `batch` are among the event's arguments; both blocks count."""

    contract: str | None = None
    name: str | None = None
    account: int | None = None
    station: int | None = None
    batch: int | None = None
    from_block: int | None = None
    to_block: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    account: int | None = None
    zone: int | None = None
    interval_s: int | None = None
    state: OrderState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionFilter:
    zone: int | None = None
    interval_s: int | None = None
    state: AuctionState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFilter:
    """`open`: something of it is not closed."""

    account: int | None = None
    zone: int | None = None
    interval_s: int | None = None
    open: bool | None = None
