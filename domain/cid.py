"""Content identifiers, equal to those of Kubo's `ipfs add --cid-version=1 --raw-leaves`.

CIDv1, SHA-256, chunks of 256 KiB as raw leaves, balanced tree with 174 links a node (IPFS UnixFS
specification; Kubo's defaults for that command).
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator

from domain.errors import InvalidCid

CHUNK_BYTES = 262_144
LINKS_PER_NODE = 174
CID_BYTES = 36
RAW, DAG_PB = 0x55, 0x70
"""The codecs of a chunk and of a node above."""

_SHA2_256 = bytes([0x12, 0x20])
_DIGEST_BYTES = 32
_UNIXFS_FILE = 2
_VARINT_MASK, _VARINT_MORE = 0x7F, 0x80


def cid_of(data: bytes) -> str:
    """The CID of a file with this content, in base32.

    >>> cid_of(b"hello world")
    'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
    """
    cid = ""
    for cid, _ in blocks_of(data):  # noqa: B007  # The last one is the root.
        pass
    return cid


def blocks_of(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The blocks of a file with this content, each after its CID: leaves first, the root last."""
    level = []
    for at in range(0, max(len(data), 1), CHUNK_BYTES):
        chunk = data[at : at + CHUNK_BYTES]
        level.append(_Node(RAW, hashlib.sha256(chunk).digest(), len(chunk), len(chunk)))
        yield level[-1].cid, chunk
    while len(level) > 1:
        parents = []
        for at in range(0, len(level), LINKS_PER_NODE):
            parent, block = _parent(level[at : at + LINKS_PER_NODE])
            parents.append(parent)
            yield parent.cid, block
        level = parents


def block_cid(codec: int, block: bytes) -> str:
    """The CID of one block of this codec."""
    return _text(codec, hashlib.sha256(block).digest())


def raw_cid(digest: bytes) -> str:
    """The CID of a single raw block with this SHA-256 digest."""
    return _text(RAW, digest)


def raw_digest(cid: str) -> bytes:
    """The SHA-256 digest in the CID of a single raw block; InvalidCid for any other CID."""
    codec, digest = parse_cid(cid)
    if codec != RAW:
        raise InvalidCid(cid)
    return digest


def parse_cid(text: str) -> tuple[int, bytes]:
    """Codec and SHA-256 digest of a CID of version 1 in base32; InvalidCid for anything else."""
    body = text[1:].upper()
    if not text.startswith("b") or text != text.lower() or "=" in text:
        raise InvalidCid(text)
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError) as error:
        raise InvalidCid(text) from error
    well_formed = len(data) == 4 + _DIGEST_BYTES and data[0] == 1 and data[1] in (RAW, DAG_PB)
    if not well_formed or data[2:4] != _SHA2_256 or _text(data[1], data[4:]) != text:
        raise InvalidCid(text)
    return data[1], data[4:]


def cid_bytes(text: str) -> bytes:
    """A CID in binary, 36 bytes; InvalidCid."""
    codec, digest = parse_cid(text)
    return bytes([1, codec]) + _SHA2_256 + digest


def cid_text(data: bytes) -> str:
    """The CID in base32 of one in binary; InvalidCid for anything that `parse_cid` refuses."""
    text = "b" + base64.b32encode(data).decode().rstrip("=").lower()
    parse_cid(text)
    return text


class _Node:
    """A block of the tree: its codec and digest, the file bytes below it, and the bytes of all blocks."""

    __slots__ = ("codec", "digest", "file_bytes", "total_bytes")

    def __init__(self, codec: int, digest: bytes, file_bytes: int, total_bytes: int) -> None:
        self.codec, self.digest, self.file_bytes, self.total_bytes = codec, digest, file_bytes, total_bytes

    @property
    def cid(self) -> str:
        return _text(self.codec, self.digest)


def _parent(children: list[_Node]) -> tuple[_Node, bytes]:
    """The dag-pb node over `children`, and its bytes: one PBLink for each, then the UnixFS data (canonical order)."""
    links = b"".join(_field(2, _link(child)) for child in children)
    file_bytes = sum(child.file_bytes for child in children)
    unixfs = _number(1, _UNIXFS_FILE) + _number(3, file_bytes)
    unixfs += b"".join(_number(4, child.file_bytes) for child in children)
    block = links + _field(1, unixfs)
    total_bytes = len(block) + sum(child.total_bytes for child in children)
    return _Node(DAG_PB, hashlib.sha256(block).digest(), file_bytes, total_bytes), block


def _link(child: _Node) -> bytes:
    return (
        _field(1, bytes([1, child.codec]) + _SHA2_256 + child.digest) + _field(2, b"") + _number(3, child.total_bytes)
    )


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > _VARINT_MASK:
        out.append(value & _VARINT_MASK | _VARINT_MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(codec: int, digest: bytes) -> str:
    return "b" + base64.b32encode(bytes([1, codec]) + _SHA2_256 + digest).decode().rstrip("=").lower()
