"""Archives of blocks: CARv1 (IPLD content addressable archives, version 1), as Kubo's `dag export` writes them.

A header, in DAG-CBOR, names the roots: here the CIDs of evidence blobs. Then each block after its CID and their length.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from domain.cid import CID_BYTES, block_cid, cid_bytes, cid_text, parse_cid
from domain.errors import EvidenceAltered, Malformed
from domain.unixfs import MAX_BLOCK_BYTES, varint

MAX_HEADER_BYTES = 32 * 1024 * 1024
"""Some 780,000 roots; Kubo reads no longer headers."""

_MAX_LENGTH_BYTES = 9
_ROOTS, _VERSION_1 = b"\xa2\x65roots", b"\x67version\x01"
_LINK = b"\xd8\x2a\x58\x25\x00"
"""CBOR tag 42 before 37 bytes, a zero and the CID."""
_ARRAY = 4 << 5
_SHORT, _LONGER = 24, {24: 1, 25: 2, 26: 4}


def write_car(roots: Sequence[str], blocks: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The archive, piece by piece. A block that comes several times is written once."""
    header = _ROOTS + _array_head(len(roots)) + b"".join(_LINK + cid_bytes(root) for root in roots) + _VERSION_1
    if len(header) > MAX_HEADER_BYTES:
        raise Malformed(f"{len(roots)} blobs are too many for one archive; export them in parts")
    yield _length(len(header)) + header
    written = set[str]()
    for cid, block in blocks:
        if cid not in written:
            written.add(cid)
            yield _length(CID_BYTES + len(block)) + cid_bytes(cid) + block


def read_blocks(file: IO[bytes]) -> tuple[list[str], Iterator[tuple[str, bytes]]]:
    """The roots of an archive, and its blocks, each checked against its CID when it is read.

    Malformed if it is no CARv1, or something in it is too large; EvidenceAltered if a block is not what its CID says.
    """
    length = _read_length(file, MAX_HEADER_BYTES)
    if length is None:
        raise Malformed("an empty file is no archive")
    return _roots(_read(file, length)), _sections(file)


class Archive:
    """An archive in a file that can be read at any place; all of it is checked when it is opened."""

    def __init__(self, file: IO[bytes]) -> None:
        """Malformed or EvidenceAltered, as `read_blocks`; Malformed also if a root's block is not in it."""
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        self.roots, blocks = read_blocks(file)
        for cid, block in blocks:
            self._places[cid] = (file.tell() - len(block), len(block))
        for root in self.roots:
            self._place(root)

    def rewound(self) -> IO[bytes]:
        """The file, at its beginning."""
        self._file.seek(0)
        return self._file

    def block(self, cid: str) -> bytes:
        """A block of it; Malformed if it lacks that one."""
        at, length = self._place(cid)
        self._file.seek(at)
        return _read(self._file, length)

    def _place(self, cid: str) -> tuple[int, int]:
        if cid not in self._places:
            raise Malformed(f"the archive lacks block {cid}")
        return self._places[cid]


def _roots(header: bytes) -> list[str]:
    """The CIDs in a header; Malformed if it is not that of a CARv1 whose roots have CIDs of version 1."""
    if not header.startswith(_ROOTS) or not header.endswith(_VERSION_1):
        raise Malformed("not an archive of version 1 (CARv1)")
    count, at = _array_count(header, len(_ROOTS))
    end = at + count * (len(_LINK) + CID_BYTES)
    if end + len(_VERSION_1) != len(header):
        raise Malformed("the archive's header is not the list of roots that it says it is")
    roots = []
    for place in range(at, end, len(_LINK) + CID_BYTES):
        if not header.startswith(_LINK, place):
            raise Malformed("a root of the archive has no CID of version 1")
        roots.append(cid_text(header[place + len(_LINK) : place + len(_LINK) + CID_BYTES]))
    return roots


def _sections(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    while (length := _read_length(file, CID_BYTES + MAX_BLOCK_BYTES)) is not None:
        if length < CID_BYTES:
            raise Malformed("a block of the archive has no CID of version 1")
        section = _read(file, length)
        cid, block = cid_text(section[:CID_BYTES]), section[CID_BYTES:]
        found = block_cid(parse_cid(cid)[0], block)
        if found != cid:
            raise EvidenceAltered(cid, found)
        yield cid, block


def _read_length(file: IO[bytes], limit: int) -> int | None:
    """The next length; None at the end of the file."""
    data = bytearray()
    while byte := file.read(1):
        data += byte
        if byte[0] < 0x80 or len(data) == _MAX_LENGTH_BYTES:  # noqa: PLR2004  # Without its top bit it is the last.
            length, _ = varint(data, 0)
            if length > limit:
                raise Malformed(f"a part of the archive has {length} bytes, at most {limit} are read")
            return length
    if data:
        raise Malformed("the archive breaks off")
    return None


def _read(file: IO[bytes], length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise Malformed("the archive breaks off")
    return data


def _length(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004  # Seven bits a byte.
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _array_head(count: int) -> bytes:
    if count < _SHORT:
        return bytes([_ARRAY | count])
    code, width = next((code, width) for code, width in _LONGER.items() if count < 1 << 8 * width)
    return bytes([_ARRAY | code]) + count.to_bytes(width, "big")


def _array_count(header: bytes, at: int) -> tuple[int, int]:
    code = header[at] - _ARRAY
    if 0 <= code < _SHORT:
        return code, at + 1
    width = _LONGER.get(code)
    if width is None:
        raise Malformed("the archive's header lists no roots")
    return int.from_bytes(header[at + 1 : at + 1 + width], "big"), at + 1 + width
