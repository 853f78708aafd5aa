"""What an audit can find: one named code for each way in which the records can fail to bear themselves out."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class FindingCode(StrEnum):
    """The kinds of discrepancy. Each has a tampering in the tests that must bring it up."""

    BATCH_HIDDEN = "batch-hidden"
    """The batch was not the data of a call to the settlement contract, so nobody can read it there."""
    BATCH_MALFORMED = "batch-malformed"
    BATCH_NUMBER = "batch-number"
    EVENT_MISMATCH = "event-mismatch"
    """An event says something else than the data of its transaction."""
    BATCH_DIGEST = "batch-digest"
    """The digest that proves rows to the dispute court is not that of the batch."""
    BATCH_CHAIN = "batch-chain"
    """The contract's head is not that of the batches it settled."""
    SETTLED_WHILE_PAUSED = "settled-while-paused"
    SETTLED_WHILE_SUSPENDED = "settled-while-suspended"
    STATEMENT_SIGNATURE = "statement-signature"
    STATEMENT_SEQUENCE = "statement-sequence"
    STATEMENT_TIME = "statement-time"
    REGISTER_MISMATCH = "register-mismatch"
    """Rows do not sum to what a register moved."""
    TARIFF_INVALID = "tariff-invalid"
    AMOUNT_MISMATCH = "amount-mismatch"
    SET_ASIDE_MISMATCH = "set-aside-mismatch"
    DEBT_MISMATCH = "debt-mismatch"
    """A debt was noted, altered or given up that does not follow from rows that were set aside or reversed."""
    DEBT_COLLECTION = "debt-collection"
    """More was collected than was owed or could be spent, or not the oldest debt first."""
    GUARD_PASSED = "guard-passed"
    """Money moved that a pause, a freeze, a cap, a waiting time or a debt should have held."""
    METER_REPLACEMENT = "meter-replacement"
    """A new meter was named that does not go on where the old one was settled."""
    UNBILLED_ENERGY = "unbilled-energy"
    """The old meter moved on after its last statement, and was replaced before that was billed."""
    MODULE_FOREIGN = "module-foreign"
    """A contract that the deployments file does not name may move money or registers, or did."""
    MODULE_INACTIVE = "module-inactive"
    """A contract settled, locked or released without being active."""
    MODULE_TIMELOCK = "module-timelock"
    """A module became active sooner than members could leave."""
    DISPUTE_MISMATCH = "dispute-mismatch"
    """A dispute of a row that was not settled so, or one that was opened, answered or ended when it could not be."""
    REVERSAL_MISMATCH = "reversal-mismatch"
    """A reversed row's money did not go back exactly once."""
    BOND_MISMATCH = "bond-mismatch"
    """A bond was not locked, or went to somebody else than the dispute's end says."""
    ZONE_MISMATCH = "zone-mismatch"
    """A zone was opened twice, or has terms that it cannot have or that came without notice."""
    MARKET_TARIFF = "market-tariff"
    """A price of the market overlaps another one, or was published after it began."""
    OFF_MARKET = "off-market"
    """A row of an account in the market was billed outside of it, or one of another account in it."""
    MARGIN_MISMATCH = "margin-mismatch"
    """Money for orders was locked, held or released otherwise than they ask for."""
    SEAL_MISMATCH = "seal-mismatch"
    """An order was revealed that was not sealed so, or too late; or a bond was taken that was not forfeited."""
    FORCED_MISMATCH = "forced-mismatch"
    """A forced order was left out of its book, altered or moved; or one was forced that no book can have."""
    BOOK_HIDDEN = "book-hidden"
    """The lines were not the data of a call to the auction house, so nobody can read them there."""
    BOOK_MISMATCH = "book-mismatch"
    """The lines are not those that were committed, or are no book."""
    BOOK_TIME = "book-time"
    """A book was committed, cleared, settled or given up when it could not be."""
    BOOK_UNPRICED = "book-unpriced"
    """A book was committed whose positions could not be closed: the grid account had published no price for it."""
    ORDER_SIGNATURE = "order-signature"
    """No key that its account had at the gate signed an order of a book."""
    ORDER_EXPIRED = "order-expired"
    ORDER_SEQUENCE = "order-sequence"
    """Signed orders are not in the ascending order of their hashes."""
    ORDER_NONCE = "order-nonce"
    """An order's nonce was used or taken back before."""
    CLEARING_MISMATCH = "clearing-mismatch"
    """Price, volume, claim or fills are not those that the rules give the book."""
    METERING_MISMATCH = "metering-mismatch"
    """What was metered in the market is not what the statements' market rows say."""
    POSITION_MISMATCH = "position-mismatch"
    """A position was closed that is not the one of fills and metered energy."""
    CLOSING_MISMATCH = "closing-mismatch"
    """A position was closed for another amount than its prices give, or too early, or without prices."""
    POSITION_OPEN = "position-open"
    """A position is open long after it could be closed: somebody's money is withheld."""
    MARKET_STATE = "market-state"
    """The market's contracts hold something else than the events and calls give."""
    EVIDENCE_MISSING = "evidence-missing"
    EVIDENCE_ALTERED = "evidence-altered"
    """A blob's content is not what its CID says."""
    EVIDENCE_MALFORMED = "evidence-malformed"
    EVIDENCE_UNRELATED = "evidence-unrelated"
    """A blob is about another statement or vehicle than its manifest says."""
    AUTHORISATION_SIGNATURE = "authorisation-signature"
    LIMIT_EXCEEDED = "limit-exceeded"
    """More was billed than the driver authorised."""
    READING_SIGNATURE = "reading-signature"
    READING_SWAPPED = "reading-swapped"
    """A genuine reading of another station, or of another place in the series, stands where it does not belong."""
    READING_SEQUENCE = "reading-sequence"
    READING_IMPLAUSIBLE = "reading-implausible"
    TELEMETRY_ROOT = "telemetry-root"
    ROWS_MISMATCH = "rows-mismatch"
    """The rows are not those that follow from the readings."""
    BALANCE_MISMATCH = "balance-mismatch"
    ESCROW_SHORT = "escrow-short"
    STATION_STATE = "station-state"
    TARIFF_STATE = "tariff-state"
    """The tariff book holds another price than was published."""
    ACCOUNT_STATE = "account-state"
    """An account's owner, vehicle key or end is another one than the events told."""
    MODULE_STATE = "module-state"
    """A gate's seal, delay or modules are others than the events told."""
    GUARD_STATE = "guard-state"
    """A pause, freeze, cap or waiting time is another one than the events told."""
    CLAIM_AMOUNT = "claim-amount"
    CLAIM_BALANCE = "claim-balance"
    CLAIM_STATION = "claim-station"
    CLAIM_BOOK = "claim-book"
    """Somebody shows another book than was committed, or another price or fill than it has."""
    CLAIM_MISSING = "claim-missing"
    CLAIM_UNPROVEN = "claim-unproven"
    """Somebody claims what the chain does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One discrepancy: what kind, where, what the records prove, and what was found instead."""

    code: FindingCode
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.code} · {self.where} · expected {self.expected} · found {self.found}"


class Findings(Protocol):
    """Where findings are kept, in the order in which they came."""

    def append(self, finding: Finding, /) -> None: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Finding]: ...


@dataclass(slots=True)
class Tally:
    """What an audit has checked so far."""

    blocks: int = 0
    events: int = 0
    batches: int = 0
    statements: int = 0
    rows: int = 0
    meter_readings: int = 0
    bms_readings: int = 0
    authorisations: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    imported_wh: int = 0
    exported_wh: int = 0
    paid_micro: int = 0
    sold_back_micro: int = 0
    dust_micro: int = 0
    accounts: int = 0
    stations: int = 0
    auctions: int = 0
    orders: int = 0
    traded_wh: int = 0
    positions: int = 0

    @property
    def readings(self) -> int:
        return self.meter_readings + self.bms_readings
