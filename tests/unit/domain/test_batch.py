"""A batch's bytes: laid out as published, and read to the last byte."""

from dataclasses import replace

import pytest

from domain.batch import (
    HEADER_BYTES,
    MAX_ACCOUNTS,
    MAX_TABLE_BITS,
    STATEMENT_BYTES,
    SettlementBatch,
    decode_batch,
    encode_batch,
    table_bits_for,
)
from domain.errors import Malformed, OutOfRange
from domain.signing import compact
from domain.statement import ROW_BYTES, IntervalStatement, Row, SignedStatement
from domain.units import AccountId, EnergyWh, StationId, TariffId, UnixSeconds
from tests.vectors.world import busy_statement

SIGNATURE = bytes(range(1, 33)) + bytes(range(33, 65)) + bytes([28])
STATEMENT = IntervalStatement(
    station=StationId(0x010203),
    sequence=0x040506,
    start_s=UnixSeconds(0x0708090A0B),
    duration_s=0x0C0D0E,
    import_wh=EnergyWh(0x0F10111213),
    export_wh=EnergyWh(0x1415161718),
    tariff_base=TariffId(0x191A1B),
    telemetry_root=b"\xee" * 32,
    rows=(
        Row(account=AccountId(6), energy_wh=EnergyWh(7), start_offset_s=8, duration_s=9, tariff_offset=10),
        Row(account=AccountId(11), energy_wh=EnergyWh(12), start_offset_s=13, duration_s=14, tariff_offset=255),
    ),
)
BATCH = SettlementBatch(b"\xdd" * 32, (SignedStatement(STATEMENT, SIGNATURE),), 5)
ENCODED = encode_batch(BATCH)


def test_batch_has_the_published_layout() -> None:
    by_hand = (
        "01"  # version
        "05"  # tableBits
        "0001"  # statements
        + "dd"
        * 32  # evidence
        + "010203"  # station
        "040506"  # sequence
        "0708090a0b"  # startTime
        "0c0d0e"  # durationS
        "0f10111213"  # importWh
        "1415161718"  # exportWh
        "191a1b"  # tariffBase
        "0002"  # rows
        + "ee" * 32  # telemetryRoot
        + bytes(range(1, 33)).hex()  # r
        + "a1"  # s with the recovery bit on top
        + bytes(range(34, 65)).hex()
        + "000006 00000007 000008 0009 0a"  # row
        "00000b 0000000c 00000d 000e ff"  # row
    )
    assert ENCODED.hex() == by_hand.replace(" ", "")
    assert len(ENCODED) == HEADER_BYTES + STATEMENT_BYTES + 2 * ROW_BYTES


def test_batch_is_read_back() -> None:
    assert decode_batch(ENCODED) == BATCH


def test_signature_stands_in_its_compact_form() -> None:
    at = HEADER_BYTES + STATEMENT_BYTES - 64
    assert ENCODED[at : at + 64] == compact(SIGNATURE)


def test_batch_without_statements_is_a_header() -> None:
    empty = SettlementBatch(b"\x01" * 32, (), 1)
    assert len(encode_batch(empty)) == HEADER_BYTES
    assert decode_batch(encode_batch(empty)) == empty


@pytest.mark.parametrize("length", range(len(ENCODED)))
def test_batch_cut_short_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        decode_batch(ENCODED[:length])


@pytest.mark.parametrize("tail", [b"\0", b"\xff", bytes(ROW_BYTES), bytes(STATEMENT_BYTES)])
def test_bytes_after_the_end_are_malformed(tail: bytes) -> None:
    with pytest.raises(Malformed):
        decode_batch(ENCODED + tail)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_batch_of_another_version_is_malformed(version: int) -> None:
    with pytest.raises(Malformed):
        decode_batch(bytes([version]) + ENCODED[1:])


def test_count_of_statements_that_is_too_high_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_batch(ENCODED[:2] + b"\x00\x02" + ENCODED[4:])


def test_count_of_rows_that_is_too_high_is_malformed() -> None:
    at = HEADER_BYTES + 27
    with pytest.raises(Malformed):
        decode_batch(ENCODED[:at] + b"\xff\xff" + ENCODED[at + 2 :])


def test_more_statements_than_the_header_can_count_are_refused() -> None:
    signed = replace(busy_statement(), statement=replace(STATEMENT, rows=()))
    with pytest.raises(OutOfRange):
        encode_batch(SettlementBatch(bytes(32), (signed,) * 65_536, 1))


@pytest.mark.parametrize("accounts", [1, 2, 3, 4, 5, 20, 1_023, 1_024])
def test_table_is_the_smallest_that_is_at_most_a_quarter_full(accounts: int) -> None:
    bits = table_bits_for(accounts)
    assert 1 << bits >= 4 * accounts > 1 << bits - 1


@pytest.mark.parametrize(("accounts", "bits"), [(0, 1), (1_025, 12), (4_096, 12)])
def test_table_stays_within_the_limits_of_the_contract(accounts: int, bits: int) -> None:
    assert table_bits_for(accounts) == bits <= MAX_TABLE_BITS


def test_more_accounts_than_a_table_holds_are_refused() -> None:
    with pytest.raises(OutOfRange):
        table_bits_for(MAX_ACCOUNTS + 1)
