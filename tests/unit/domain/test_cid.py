"""Content identifiers: equal to Kubo's, and nothing else passes for one.

The second opinion for files of several blocks is `IndependentImporter`: another construction (depth
first, fields by name) that is itself held against CIDs that Kubo publishes in its own test suite
(`test/cli/cid_profiles_test.go`, UnixFS profiles of IPIP-499).
"""

import base64
import doctest
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from Crypto.Cipher import ChaCha20

from domain import cid
from domain.cid import CHUNK_BYTES, LINKS_PER_NODE, cid_of, parse_cid, raw_cid, raw_digest
from domain.errors import InvalidCid

HELLO_WORLD = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
EMPTY_FILE = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
TWO_MEBIBYTE_CHUNKS = "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"
TWO_LEVELS_V0 = "QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW"
MEBIBYTE = 1 << 20


def kubo_bytes(length: int, seed: str) -> bytes:
    """The bytes that Kubo's test suite draws from a seed: ChaCha20 under the seed's SHA-256, nonce zero."""
    return ChaCha20.new(key=hashlib.sha256(seed.encode()).digest(), nonce=bytes(12)).encrypt(bytes(length))


@dataclass(frozen=True)
class Block:
    binary_cid: bytes
    content_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class IndependentImporter:
    """`ipfs add`, written a second time: depth first, as Kubo's balanced builder does it."""

    chunk_bytes: int = CHUNK_BYTES
    links: int = LINKS_PER_NODE
    raw_leaves: bool = True

    def add(self, data: bytes) -> Block:
        chunks = [data[at : at + self.chunk_bytes] for at in range(0, len(data), self.chunk_bytes)] or [b""]
        depth = 0
        while self.links**depth < len(chunks):
            depth += 1
        return self._node(iter(chunks), depth)

    def _node(self, chunks: Iterator[bytes], depth: int) -> Block:
        if depth == 0:
            return self._leaf(next(chunks))
        children: list[Block] = []
        for _ in range(self.links):
            try:
                children.append(self._node(chunks, depth - 1))
            except (StopIteration, RuntimeError):
                break
        if not children:
            raise StopIteration
        return self._dag_pb(children, None, sum(c.content_bytes for c in children))

    def _leaf(self, chunk: bytes) -> Block:
        if self.raw_leaves:
            return Block(b"\x01\x55" + self._multihash(chunk), len(chunk), len(chunk))
        return self._dag_pb([], chunk, len(chunk))

    def _dag_pb(self, children: list[Block], data: bytes | None, content_bytes: int) -> Block:
        links = b""
        for child in children:
            link = self._bytes(1, child.binary_cid) + self._bytes(2, b"") + self._varint(3, child.stored_bytes)
            links += self._bytes(2, link)
        unixfs = self._varint(1, 2) + (self._bytes(2, data) if data else b"") + self._varint(3, content_bytes)
        for child in children:
            unixfs += self._varint(4, child.content_bytes)
        block = links + self._bytes(1, unixfs)
        prefix = b"\x01\x70" if self.raw_leaves else b""
        stored = len(block) + sum(c.stored_bytes for c in children)
        return Block(prefix + self._multihash(block), content_bytes, stored)

    @staticmethod
    def _multihash(block: bytes) -> bytes:
        return b"\x12\x20" + hashlib.sha256(block).digest()

    def _bytes(self, field: int, value: bytes) -> bytes:
        return self._tag(field, 2) + self._number(len(value)) + value

    def _varint(self, field: int, value: int) -> bytes:
        return self._tag(field, 0) + self._number(value)

    def _tag(self, field: int, wire_type: int) -> bytes:
        return self._number(8 * field + wire_type)

    @staticmethod
    def _number(value: int) -> bytes:
        digits = [value % 128]
        while value := value // 128:
            digits.append(value % 128)
        return bytes([digit + 128 for digit in digits[:-1]] + digits[-1:])


def base32_text(binary_cid: bytes) -> str:
    return "b" + base64.b32encode(binary_cid).decode().rstrip("=").lower()


def base58_text(binary_cid: bytes) -> str:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, text = int.from_bytes(binary_cid, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = alphabet[digit] + text
    return text


# --- equal to Kubo's ---------------------------------------------------------------------------


def test_hello_world_has_kubos_cid() -> None:
    assert cid_of(b"hello world") == HELLO_WORLD


def test_empty_file_has_kubos_cid() -> None:
    assert cid_of(b"") == EMPTY_FILE


def test_file_of_one_chunk_has_kubos_cid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cid, "CHUNK_BYTES", MEBIBYTE)
    data = kubo_bytes(MEBIBYTE, "chunk-v1-seed")
    assert cid_of(data) == "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"


def test_file_of_two_chunks_has_kubos_cid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cid, "CHUNK_BYTES", MEBIBYTE)
    data = kubo_bytes(MEBIBYTE + 1, "chunk-v1-seed")
    assert cid_of(data) == TWO_MEBIBYTE_CHUNKS
    assert base32_text(IndependentImporter(chunk_bytes=MEBIBYTE).add(data).binary_cid) == TWO_MEBIBYTE_CHUNKS


def test_independent_importer_agrees_with_kubo_on_a_tree_of_two_levels() -> None:
    data = kubo_bytes(LINKS_PER_NODE * CHUNK_BYTES + 1, "v0-seed")
    assert base58_text(IndependentImporter(raw_leaves=False).add(data).binary_cid) == TWO_LEVELS_V0


@pytest.mark.parametrize(
    "length",
    [
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        2 * CHUNK_BYTES,
        2 * CHUNK_BYTES + 1,
        LINKS_PER_NODE * CHUNK_BYTES,
        LINKS_PER_NODE * CHUNK_BYTES + 1,
        (LINKS_PER_NODE + 2) * CHUNK_BYTES,
    ],
)
def test_cid_agrees_with_an_independent_importer(length: int) -> None:
    data = kubo_bytes(length, "wattledger")
    assert cid_of(data) == base32_text(IndependentImporter().add(data).binary_cid)


@pytest.mark.parametrize("chunks", [1, 2, 3, 4, 5, 9, 10, 27, 28, 29, 81, 82, 90, 91, 100])
def test_deep_trees_agree_with_an_independent_importer(monkeypatch: pytest.MonkeyPatch, chunks: int) -> None:
    monkeypatch.setattr(cid, "CHUNK_BYTES", 10)
    monkeypatch.setattr(cid, "LINKS_PER_NODE", 3)
    data = kubo_bytes(10 * chunks - 3, "deep")
    assert cid_of(data) == base32_text(IndependentImporter(chunk_bytes=10, links=3).add(data).binary_cid)


def test_one_chunk_is_raw_and_more_are_a_node() -> None:
    assert parse_cid(cid_of(bytes(CHUNK_BYTES)))[0] == 0x55
    assert parse_cid(cid_of(bytes(CHUNK_BYTES + 1)))[0] == 0x70


# --- nothing else passes for one ---------------------------------------------------------------


def test_cid_is_read_back() -> None:
    digest = hashlib.sha256(b"hello world").digest()
    assert parse_cid(HELLO_WORLD) == (0x55, digest)
    assert raw_cid(digest) == HELLO_WORLD
    assert raw_digest(HELLO_WORLD) == digest


def test_digest_of_a_tree_is_not_the_digest_of_a_raw_block() -> None:
    with pytest.raises(InvalidCid):
        raw_digest(TWO_MEBIBYTE_CHUNKS)


DIGEST = bytes(range(32))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "B",
        HELLO_WORLD.upper(),
        HELLO_WORLD[:-1] + HELLO_WORLD[-1].upper(),
        "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD",
        "f01551220" + DIGEST.hex(),
        "zb2rhj7crUKTQYRGCRATFaQ6YFLTde2YzdqbbhAASkL9uRDXn",
        HELLO_WORLD[1:],
        HELLO_WORLD + "=",
        HELLO_WORLD + "======",
        HELLO_WORLD[:-1],
        HELLO_WORLD[:-8],
        HELLO_WORLD + "a",
        HELLO_WORLD + "aaaaaaaa",
        HELLO_WORLD[:-1] + "f",
        HELLO_WORLD + "/file",
        "/ipfs/" + HELLO_WORLD,
        "../" + HELLO_WORLD,
        HELLO_WORLD + "\n",
        " " + HELLO_WORLD,
        HELLO_WORLD.replace("b", "1", 2),
        "b" + "ß" * 58,
        "b" + "\0" * 58,
        "b\ud800" + HELLO_WORLD[2:],
        base32_text(b"\x00\x55\x12\x20" + DIGEST),
        base32_text(b"\x02\x55\x12\x20" + DIGEST),
        base32_text(b"\x01\x71\x12\x20" + DIGEST),
        base32_text(b"\x01\x55\x1b\x20" + DIGEST),
        base32_text(b"\x01\x55\x12\x1f" + DIGEST[:31]),
        base32_text(b"\x01\x55\x12\x20" + DIGEST[:31]),
        base32_text(b"\x01\x55\x12\x20" + DIGEST + b"\0"),
    ],
    ids=[
        "nothing",
        "prefix alone",
        "upper-case prefix alone",
        "upper case",
        "one letter in upper case",
        "version 0",
        "base16",
        "base58",
        "no prefix",
        "padding",
        "more padding",
        "one letter short",
        "a group short",
        "one letter long",
        "a group long",
        "bits after the end",
        "a path after it",
        "a path before it",
        "a path upwards",
        "a line end",
        "a space",
        "digits outside base32",
        "a letter that grows in upper case",
        "zero bytes",
        "half a surrogate pair",
        "CID version 0 in base32",
        "CID version 2",
        "another codec",
        "another hash",
        "a shorter hash",
        "a truncated hash",
        "a byte after the hash",
    ],
)
def test_text_that_is_no_cid_is_refused(text: str) -> None:
    with pytest.raises(InvalidCid):
        parse_cid(text)


def test_refusal_of_a_long_text_is_short() -> None:
    with pytest.raises(InvalidCid) as refused:
        parse_cid("b" + "x" * 1_000_000)
    assert len(str(refused.value)) < 200


def test_examples_in_the_documentation_run() -> None:
    assert doctest.testmod(cid).failed == 0
    assert doctest.testmod(cid).attempted >= 1
