"""Compressed blobs: one gzip member, whole, alone, and of bounded content."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.compression import compress, decompress
from domain.errors import Malformed

TEXT = b"every kWh can be traced " * 100
BLOB = compress(TEXT)
LIMIT_BYTES = 10_000


@given(st.binary(max_size=2_000))
def test_content_comes_back_and_gunzip_opens_it(data: bytes) -> None:
    blob = compress(data)
    assert decompress(blob, limit_bytes=len(data)) == data == gzip.decompress(blob)
    assert compress(data) == blob


def test_header_holds_no_name_no_time_and_no_system() -> None:
    assert BLOB[:10] == bytes.fromhex("1f8b08000000000000ff")


def test_content_may_reach_the_limit_and_not_pass_it() -> None:
    assert decompress(BLOB, limit_bytes=len(TEXT)) == TEXT
    with pytest.raises(Malformed, match=f"more than {len(TEXT) - 1} bytes"):
        decompress(BLOB, limit_bytes=len(TEXT) - 1)


def test_bomb_is_refused_without_unpacking_it() -> None:
    bomb = compress(bytes(200_000_000))
    assert len(bomb) < 1_000_000
    with pytest.raises(Malformed, match="more than"):
        decompress(bomb, limit_bytes=LIMIT_BYTES)


def test_bytes_after_the_member_are_refused() -> None:
    for tail in (b"\0", b"x" * 100, BLOB):
        with pytest.raises(Malformed, match=f"{len(tail)} bytes after"):
            decompress(BLOB + tail, limit_bytes=LIMIT_BYTES)


def test_every_cut_is_refused() -> None:
    for length in range(len(BLOB)):
        with pytest.raises(Malformed):
            decompress(BLOB[:length], limit_bytes=LIMIT_BYTES)


def test_every_flipped_bit_behind_the_header_is_refused_or_harmless() -> None:
    for place in range(8, len(BLOB)):
        for bit in range(8):
            altered = BLOB[:place] + bytes([BLOB[place] ^ 1 << bit]) + BLOB[place + 1 :]
            try:
                assert decompress(altered, limit_bytes=LIMIT_BYTES) == TEXT
            except Malformed:
                continue


def test_length_or_checksum_that_is_wrong_is_refused() -> None:
    for place in range(-8, 0):
        altered = bytearray(BLOB)
        altered[place] ^= 1
        with pytest.raises(Malformed, match="damaged"):
            decompress(bytes(altered), limit_bytes=LIMIT_BYTES)


@pytest.mark.parametrize(
    "blob",
    [b"", b"{}", TEXT, gzip.compress(TEXT, mtime=1), BLOB[:3] + b"\x08" + BLOB[4:10] + b"name\0" + BLOB[10:]],
    ids=["nothing", "JSON", "text", "a time", "a name"],
)
def test_anything_but_gzip_without_name_and_time_is_refused(blob: bytes) -> None:
    with pytest.raises(Malformed, match="gzip"):
        decompress(blob, limit_bytes=LIMIT_BYTES)
