"""A settlement batch as bytes: the layout that `contracts/BatchDecoder.sol` reads.

Big-endian, no padding. Header: version u8, tableBits u8, statements u16, evidence digest. A statement:
station u24, sequence u24, start u40, duration u24, import u40, export u40, tariff base u24, rows u16,
telemetry root, compact signature. Its rows follow it.
"""

from dataclasses import dataclass

from domain.errors import Malformed, OutOfRange
from domain.signing import COMPACT_SIGNATURE_BYTES, check_length, compact, expanded
from domain.statement import ROW_BYTES, IntervalStatement, Row, SignedStatement
from domain.units import EnergyWh, StationId, TariffId, UnixSeconds

VERSION = 1
HEADER_BYTES = 36
STATEMENT_BYTES = 125
MAX_TABLE_BITS = 12
MAX_ACCOUNTS = 1 << MAX_TABLE_BITS
MAX_STATEMENTS = (1 << 16) - 1

_FIXED_BYTES = 29
_ROOT_BYTES = 32


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


def table_bits_for(accounts: int) -> int:
    """The smallest table in which no more than a quarter of the places are used, as far as the limit allows.

    A fuller table makes accounts collide, an emptier one takes longer to read out.
    """
    if accounts > MAX_ACCOUNTS:
        raise OutOfRange("accounts in a batch", accounts, 0, MAX_ACCOUNTS)
    return min(MAX_TABLE_BITS, max(1, (4 * accounts - 1).bit_length()))


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


def _encode_statement(signed: SignedStatement) -> bytes:
    statement = signed.statement
    fixed = b"".join(
        number.to_bytes(size, "big")
        for number, size in (
            (statement.station, 3),
            (statement.sequence, 3),
            (statement.start_s, 5),
            (statement.duration_s, 3),
            (statement.import_wh, 5),
            (statement.export_wh, 5),
            (statement.tariff_base, 3),
            (len(statement.rows), 2),
        )
    )
    return fixed + statement.telemetry_root + compact(signed.signature) + statement.packed_rows()


def _decode_statement(data: bytes, at: int) -> tuple[SignedStatement, int]:
    rows_at = at + STATEMENT_BYTES
    if rows_at > len(data):
        raise Malformed(f"a statement at byte {at} runs past the end of the batch")
    numbers = []
    cursor = at
    for size in (3, 3, 5, 3, 5, 5, 3, 2):
        numbers.append(int.from_bytes(data[cursor : cursor + size], "big"))
        cursor += size
    station, sequence, start_s, duration_s, import_wh, export_wh, tariff_base, count = numbers
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
