"""Batches: every batch is read back, no bytes are read in two ways."""

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.batch import MAX_TABLE_BITS, SettlementBatch, decode_batch, encode_batch
from domain.errors import Malformed
from domain.signing import HALF_CURVE_ORDER
from domain.statement import Row
from tests.property.strategies import ROWS, SIGNED_STATEMENTS, WORDS

BATCHES = st.builds(
    SettlementBatch, WORDS, st.lists(SIGNED_STATEMENTS, max_size=4).map(tuple), st.integers(0, MAX_TABLE_BITS)
)


@settings(deadline=None)
@given(BATCHES)
def test_batch_is_read_back(batch: SettlementBatch) -> None:
    assert decode_batch(encode_batch(batch)) == batch


@given(ROWS)
def test_row_is_read_back(row: Row) -> None:
    assert Row.unpacked(row.packed()) == row


@settings(deadline=None)
@given(BATCHES, st.data())
def test_batch_cut_short_or_continued_is_malformed(batch: SettlementBatch, data: st.DataObject) -> None:
    encoded = encode_batch(batch)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    for other in (cut, encoded + data.draw(st.binary(min_size=1, max_size=200))):
        try:
            decode_batch(other)
        except Malformed:
            continue
        raise AssertionError("bytes that are too few or too many were read")


@settings(deadline=None)
@given(st.binary(max_size=600).map(lambda data: b"\x01" + data) | st.binary(max_size=600))
def test_any_bytes_are_malformed_or_are_the_one_encoding_of_a_batch(data: bytes) -> None:
    try:
        batch = decode_batch(data)
    except Malformed:
        return
    if all(is_low(signed.signature) for signed in batch.statements):
        assert encode_batch(batch) == data


def is_low(signature: bytes) -> bool:
    return int.from_bytes(signature[32:64], "big") <= HALF_CURVE_ORDER
