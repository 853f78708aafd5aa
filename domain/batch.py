"""A settlement batch as bytes: the layout that `contracts/BatchDecoder.sol` reads.

Big-endian, no padding. Header: version u8, tableBits u8, statements u16, evidence digest. A statement:
station u24, sequence u24, start u40, duration u24, import u40, export u40, tariff base u24, rows u16,
telemetry root, compact signature. Its rows follow it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import Malformed, OutOfRange
from domain.signing import COMPACT_SIGNATURE_BYTES, check_length, compact, expanded, word
from domain.statement import ROW_BYTES, IntervalStatement, Row, SignedStatement
from domain.units import DUST_ACCOUNT, AccountId, EnergyWh, StationId, TariffId, UnixSeconds

VERSION = 1
HEADER_BYTES = 36
STATEMENT_BYTES = 125
MAX_TABLE_BITS = 12
MAX_ACCOUNTS = (1 << MAX_TABLE_BITS) - 1
"""In the largest table, of which one place is nobody's."""
MAX_STATEMENTS = (1 << 16) - 1
GAS_PER_PLACE, GAS_PER_SEARCH = 7, 600
"""About what a place of the contract's table costs, and what finding an account away from its place costs."""

_SIZES = (3, 3, 5, 3, 5, 5, 3, 2)
"""Bytes of a statement's numbers, in their order."""
_FIXED_BYTES = sum(_SIZES)
_ROOT_BYTES, _ROOT_START_BYTES = 32, 3


@dataclass(frozen=True, slots=True)
class SettlementBatch:
    """Statements to settle together.

    `evidence` is the SHA-256 digest of the evidence manifest. `table_bits` sizes the contract's table
    of accounts: 2^table_bits entries.
    """

    evidence: bytes
    statements: tuple[SignedStatement, ...]
    table_bits: int

    def __post_init__(self) -> None:
        check_length("evidence", self.evidence, 32)


def table_bits_for(met: Sequence[AccountId], *, debts: int = 0) -> int:
    """The size of the contract's table of accounts, as a power of two, that costs the least gas.

    `met` names accounts as often as the batch meets them, in its order (`domain.settlement.accounts_met`);
    `debts` is the most pairs of debtor and creditor that the batch could leave, which need room as well.
    Each place costs gas to read out, each account away from its own place to look up. OutOfRange if there are
    more accounts than the largest table holds.
    """
    counts = Counter(met)
    entered = list(dict.fromkeys([DUST_ACCOUNT, *met]))
    needed = max(len(entered) + 1, debts)
    if needed > MAX_ACCOUNTS + 1:
        raise OutOfRange("accounts in a batch", needed - 1, 0, MAX_ACCOUNTS)
    sizes = range(max(1, (needed - 1).bit_length()), MAX_TABLE_BITS + 1)
    return min(sizes, key=lambda bits: (GAS_PER_PLACE << bits) + GAS_PER_SEARCH * _searches(entered, counts, bits))


def _searches(entered: Sequence[AccountId], counts: Counter[AccountId], bits: int) -> int:
    """How often an account is met that is not at its own place: another one took it before.

    The first place is nobody's, so that account 0 never finds it free.
    """
    mask = (1 << bits) - 1
    taken = {0}
    searches = 0
    for account in entered:
        place = account & mask
        if place in taken:
            searches += counts[account]
            while place in taken:
                place = place + 1 & mask
        taken.add(place)
    return searches


def encode_batch(batch: SettlementBatch) -> bytes:
    """The batch's bytes."""
    if len(batch.statements) > MAX_STATEMENTS:
        raise OutOfRange("statements in a batch", len(batch.statements), 0, MAX_STATEMENTS)
    header = bytes([VERSION, batch.table_bits]) + len(batch.statements).to_bytes(2, "big") + batch.evidence
    return header + b"".join(map(_encode_statement, batch.statements))


def decode_batch(data: bytes) -> SettlementBatch:
    """The batch in these bytes; Malformed if they do not follow the layout to the last byte."""
    if len(data) < HEADER_BYTES or data[0] != VERSION:
        raise Malformed("a batch starts with version 1 and a header of 36 bytes")
    count = int.from_bytes(data[2:4], "big")
    statements: list[SignedStatement] = []
    at = HEADER_BYTES
    for _ in range(count):
        signed, at = _decode_statement(data, at)
        statements.append(signed)
    if at != len(data):
        raise Malformed(f"{len(data)} bytes in a batch that ends after {at}")
    return SettlementBatch(data[4:HEADER_BYTES], tuple(statements), data[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementNumbers:
    """What the event of a batch says of a statement. `root_start` is the first 3 bytes of its telemetry root."""

    station: int
    sequence: int
    start_s: int
    duration_s: int
    import_wh: int
    export_wh: int
    tariff_base: int
    rows: int
    root_start: bytes

    @classmethod
    def of(cls, statement: IntervalStatement) -> "StatementNumbers":
        """What an event must say of this statement."""
        return cls.from_word(int.from_bytes(_fixed(statement) + statement.telemetry_root[:_ROOT_START_BYTES], "big"))

    @classmethod
    def from_word(cls, value: int) -> "StatementNumbers":
        """The numbers in one word of the event: as in the batch, the root's start below them."""
        data = word(value)
        station, sequence, start_s, duration_s, import_wh, export_wh, tariff_base, rows = _split(data)
        return cls(
            station=station,
            sequence=sequence,
            start_s=start_s,
            duration_s=duration_s,
            import_wh=import_wh,
            export_wh=export_wh,
            tariff_base=tariff_base,
            rows=rows,
            root_start=data[_FIXED_BYTES:],
        )


def _encode_statement(signed: SignedStatement) -> bytes:
    statement = signed.statement
    return _fixed(statement) + statement.telemetry_root + compact(signed.signature) + statement.packed_rows()


def _fixed(statement: IntervalStatement) -> bytes:
    numbers = (
        statement.station,
        statement.sequence,
        statement.start_s,
        statement.duration_s,
        statement.import_wh,
        statement.export_wh,
        statement.tariff_base,
        len(statement.rows),
    )
    return b"".join(number.to_bytes(size, "big") for number, size in zip(numbers, _SIZES, strict=True))


def _split(data: bytes) -> tuple[int, ...]:
    """The numbers at the start of a statement's bytes."""
    numbers = []
    at = 0
    for size in _SIZES:
        numbers.append(int.from_bytes(data[at : at + size], "big"))
        at += size
    return tuple(numbers)


def _decode_statement(data: bytes, at: int) -> tuple[SignedStatement, int]:
    rows_at = at + STATEMENT_BYTES
    if rows_at > len(data):
        raise Malformed(f"a statement at byte {at} runs past the end of the batch")
    station, sequence, start_s, duration_s, import_wh, export_wh, tariff_base, count = _split(data[at:rows_at])
    end = rows_at + count * ROW_BYTES
    if end > len(data):
        raise Malformed(f"the rows of the statement at byte {at} run past the end of the batch")
    signature_at = at + _FIXED_BYTES + _ROOT_BYTES
    statement = IntervalStatement(
        station=StationId(station),
        sequence=sequence,
        start_s=UnixSeconds(start_s),
        duration_s=duration_s,
        import_wh=EnergyWh(import_wh),
        export_wh=EnergyWh(export_wh),
        tariff_base=TariffId(tariff_base),
        telemetry_root=data[at + _FIXED_BYTES : signature_at],
        rows=tuple(Row.unpacked(data[i : i + ROW_BYTES]) for i in range(rows_at, end, ROW_BYTES)),
    )
    signature = expanded(data[signature_at : signature_at + COMPACT_SIGNATURE_BYTES])
    return SignedStatement(statement, signature), end
