"""Archives: what is written is read, every block is checked, nothing else passes for one."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.car import MAX_HEADER_BYTES, Archive, read_blocks, write_car
from domain.cid import CHUNK_BYTES, DAG_PB, RAW, block_cid, blocks_of, cid_bytes, cid_of, cid_text, parse_cid
from domain.errors import EvidenceAltered, InvalidCid, Malformed
from domain.unixfs import MAX_BLOCK_BYTES, file_of, links_of

LARGE = bytes(range(256)) * 3_000
FILES = [b"", b"a kWh", bytes(CHUNK_BYTES), bytes(3 * CHUNK_BYTES + 1), LARGE]
ROOTS = [cid_of(data) for data in FILES]
LIMIT_BYTES = 10_000_000

# The archive of `hello world` as Kubo's `ipfs dag export` writes it: header, then 47 bytes of CID and content.
HELLO_WORLD = bytes.fromhex(
    "3aa265726f6f747381d82a582500015512"
    "20b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde967"
    "76657273696f6e01"
    "2f01551220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
    "68656c6c6f20776f726c64"
)


def packed(files: list[bytes]) -> bytes:
    blocks = (block for data in files for block in blocks_of(data))
    return b"".join(write_car([cid_of(data) for data in files], blocks))


def opened(data: bytes) -> Archive:
    return Archive(io.BytesIO(data))


# --- blocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", FILES, ids=len)
def test_blocks_of_a_file_have_their_cids_and_end_with_the_root(data: bytes) -> None:
    blocks = list(blocks_of(data))
    assert all(block_cid(parse_cid(cid)[0], block) == cid for cid, block in blocks)
    assert blocks[-1][0] == cid_of(data)


@given(st.binary(max_size=100) | st.integers(0, 5 * CHUNK_BYTES).map(bytes))
def test_file_is_put_together_out_of_its_blocks(data: bytes) -> None:
    assert file_of(cid_of(data), dict(blocks_of(data)).__getitem__, limit_bytes=LIMIT_BYTES) == data


def test_file_of_two_levels_is_put_together() -> None:
    data = bytes(174 * CHUNK_BYTES + 1)
    assert file_of(cid_of(data), dict(blocks_of(data)).__getitem__, limit_bytes=len(data)) == data


def test_file_above_the_limit_is_malformed() -> None:
    with pytest.raises(Malformed, match="more than"):
        file_of(cid_of(LARGE), dict(blocks_of(LARGE)).__getitem__, limit_bytes=len(LARGE) - 1)


def test_tree_without_end_is_malformed() -> None:
    """A node that lies can answer every question with a node that links to two more."""
    tree = dict(blocks_of(LARGE))
    endless = tree[cid_of(LARGE)].replace(cid_bytes(links_of(tree[cid_of(LARGE)])[0])[:2], bytes([1, DAG_PB]))
    with pytest.raises(Malformed, match="too many blocks"):
        file_of(cid_of(LARGE), lambda _: endless, limit_bytes=LIMIT_BYTES)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_node_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        assert all(parse_cid(link) for link in links_of(data))


@given(st.sampled_from([RAW, DAG_PB]), st.binary(max_size=50))
def test_binary_cid_and_text_are_the_same(codec: int, data: bytes) -> None:
    cid = block_cid(codec, data)
    assert cid_text(cid_bytes(cid)) == cid


@pytest.mark.parametrize("data", [b"", bytes(36), cid_bytes(ROOTS[0])[:-1], cid_bytes(ROOTS[0]) + b"\0"], ids=repr)
def test_other_bytes_are_no_cid(data: bytes) -> None:
    with pytest.raises(InvalidCid):
        cid_text(data)


# --- archives ----------------------------------------------------------------------------------


def test_archive_is_byte_for_byte_that_of_kubo() -> None:
    assert packed([b"hello world"]) == HELLO_WORLD


@pytest.mark.parametrize("count", [0, 1, 23, 24, 255, 256, 65_536])
def test_roots_of_any_number_are_read_back(count: int) -> None:
    roots = [cid_of(b"%d" % n) for n in range(count)]
    found, blocks = read_blocks(io.BytesIO(b"".join(write_car(roots, []))))
    assert found == roots
    assert list(blocks) == []


def test_blobs_come_back_out_of_an_archive() -> None:
    archive = opened(packed(FILES))
    assert archive.roots == ROOTS
    for root, data in zip(ROOTS, FILES, strict=True):
        assert file_of(root, archive.block, limit_bytes=LIMIT_BYTES) == data


def test_block_that_many_blobs_share_is_written_once() -> None:
    zeros = [bytes(n * CHUNK_BYTES) for n in (1, 2, 3)]
    assert len(packed(zeros)) < CHUNK_BYTES + 2_000
    archive = opened(packed(zeros))
    assert [len(file_of(root, archive.block, limit_bytes=LIMIT_BYTES)) for root in archive.roots] == [*map(len, zeros)]


def test_altered_block_is_named() -> None:
    data = bytearray(packed(FILES))
    data[-1] ^= 1
    with pytest.raises(EvidenceAltered):
        opened(bytes(data))


def test_root_without_its_block_is_malformed() -> None:
    data = b"".join(write_car([ROOTS[1], ROOTS[0]], blocks_of(FILES[1])))
    with pytest.raises(Malformed, match=f"lacks block {ROOTS[0]}"):
        opened(data)


def test_root_without_a_leaf_is_malformed_when_it_is_put_together() -> None:
    *_, root = blocks_of(LARGE)
    archive = opened(b"".join(write_car([root[0]], [root])))
    with pytest.raises(Malformed, match="lacks block"):
        file_of(root[0], archive.block, limit_bytes=LIMIT_BYTES)


def test_every_cut_of_an_archive_is_refused() -> None:
    data = packed([b"a kWh", b"another"])
    for length in range(len(data)):
        with pytest.raises(Malformed):
            opened(data[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x80",
        b"\xff" * 20,
        b"\x0a\xa1gversion\x02",
        HELLO_WORLD.replace(b"version\x01", b"version\x02"),
        HELLO_WORLD.replace(b"\xd8\x2a\x58\x25\x00", b"\xd8\x2a\x58\x25\x01"),
        HELLO_WORLD.replace(b"roots\x81", b"roots\x82"),
        HELLO_WORLD.replace(b"roots\x81", b"roots\x9f"),
        HELLO_WORLD.replace(b"\x01\x55\x12\x20", b"\x01\x71\x12\x20"),
        (MAX_HEADER_BYTES + 1).to_bytes(4, "little"),
        HELLO_WORLD[:59] + b"\x05hello",
        HELLO_WORLD[:59] + b"\xff\xff\xff\x7f" + bytes(MAX_BLOCK_BYTES),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_anything_else_is_no_archive(data: bytes) -> None:
    with pytest.raises(Malformed):
        opened(data)


@given(st.binary(max_size=300), st.integers(0, len(HELLO_WORLD)))
def test_any_bytes_are_refused_by_name(data: bytes, at: int) -> None:
    for made in (data, HELLO_WORLD[:at] + data):
        with suppress(Malformed, EvidenceAltered):
            opened(made)
