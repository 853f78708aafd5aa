"""A batch's bytes: laid out as published, and read to the last byte."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from domain.units import DUST_ACCOUNT, AccountId, EnergyWh, StationId, TariffId, UnixSeconds
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


def accounts(*numbers: int) -> list[AccountId]:
    return [AccountId(number) for number in numbers]


def cost(met: list[AccountId], bits: int) -> int:
    """The table's gas as it was measured, worked out by filling it in."""
    places: list[int | None] = [0] + [None] * ((1 << bits) - 1)
    found = {}
    for account in [DUST_ACCOUNT, *met]:
        if account not in found:
            place = account % len(places)
            while places[place] is not None:
                place = (place + 1) % len(places)
            places[place], found[account] = account, place
    return 7 * len(places) + 600 * sum(found[account] != account % len(places) for account in met)


@given(st.lists(st.integers(2, 5_000), max_size=40), st.integers(0, 60))
def test_table_is_the_cheapest_that_holds_all_accounts_and_debts(numbers: list[int], debts: int) -> None:
    met = accounts(*numbers)
    needed = max(len({DUST_ACCOUNT, *met}) + 1, debts)
    possible = [bits for bits in range(1, MAX_TABLE_BITS + 1) if 1 << bits >= needed]
    assert table_bits_for(met, debts=debts) == min(possible, key=lambda bits: cost(met, bits))


def test_table_grows_only_if_that_saves_more_than_it_costs() -> None:
    """Accounts 1003 and 1019 have one place in 16, and each their own in 32."""
    assert table_bits_for(accounts(1003, 1019)) == 5
    assert table_bits_for(accounts(3, 5, 6)) == 3
    assert table_bits_for(accounts(3)) == 2
    assert table_bits_for([]) == 1


def test_the_first_place_is_taken_and_then_the_dust_account_s() -> None:
    assert table_bits_for(accounts(10, 10, 10)) == 4
    assert table_bits_for(accounts(4099, 4099)) == 2
    assert table_bits_for(accounts(4100, 4100)) == 3


@pytest.mark.parametrize("debts", [0, MAX_ACCOUNTS + 2])
def test_more_than_a_table_holds_is_refused(debts: int) -> None:
    met = [] if debts else accounts(*range(3, MAX_ACCOUNTS + 3))
    with pytest.raises(OutOfRange):
        table_bits_for(met, debts=debts)
    assert table_bits_for(met[1:], debts=max(0, debts - 1)) == MAX_TABLE_BITS
