"""Files out of their blocks: the way back from the tree that `domain.cid.blocks_of` makes.

Reads dag-pb nodes with raw leaves (IPLD DAG-PB and IPFS UnixFS specifications), whoever made them. Nothing here says
that a block or a file is the one that was asked for: compare its CID.
"""

from collections.abc import Callable

from domain.cid import CHUNK_BYTES, CID_BYTES, DAG_PB, cid_text, parse_cid
from domain.errors import Malformed

MAX_BLOB_BYTES = 64 * 1024 * 1024
"""Of a blob as it is stored: nobody reads more for evidence."""
MAX_BLOCK_BYTES = 1024 * 1024
"""No block of ours is larger than a chunk; other tools make blocks of up to 1 MiB."""

_LINKS, _LINK_HASH = 2, 1
_VARINT, _BYTES = 0, 2
_MAX_VARINT_BYTES = 9


def file_of(cid: str, block_of: Callable[[str], bytes], *, limit_bytes: int) -> bytes:
    """The content of the file under `cid`, from whatever blocks `block_of` gives.

    Malformed if they are no tree of blocks, or if it has more than `limit_bytes`; and what `block_of` raises.
    """
    content, waiting = bytearray(), [cid]
    left = 2 * (limit_bytes // CHUNK_BYTES) + 16
    while waiting:
        one = waiting.pop()
        codec, _ = parse_cid(one)
        block = block_of(one)
        left -= 1
        if codec == DAG_PB:
            waiting.extend(reversed(links_of(block)))
        else:
            content += block
        if len(content) > limit_bytes or left < len(waiting):
            raise Malformed(f"file {cid} has more than {limit_bytes} bytes, or too many blocks for its size")
    return bytes(content)


def links_of(block: bytes) -> list[str]:
    """The CIDs that a dag-pb node links to, in order; Malformed if it is no such node."""
    links = []
    for number, value in _fields(block):
        if number == _LINKS:
            hashes = [inner for field, inner in _fields(_bytes(value)) if field == _LINK_HASH]
            if len(hashes) != 1 or len(_bytes(hashes[0])) != CID_BYTES:
                raise Malformed("a link of a dag-pb node has no CID of version 1")
            links.append(cid_text(_bytes(hashes[0])))
    return links


def varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """The unsigned LEB128 number at a place, and the place after it; Malformed if there is none."""
    value = shift = 0
    for place in range(at, min(at + _MAX_VARINT_BYTES, len(data))):
        value |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:  # noqa: PLR2004  # The last byte of a number has its top bit clear.
            return value, place + 1
    raise Malformed("a number that does not end")


def _fields(block: bytes) -> list[tuple[int, int | bytes]]:
    """Number and value of each field of a protobuf message of numbers and bytes; Malformed for any other."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(block):
        tag, at = varint(block, at)
        value, at = varint(block, at)
        if tag & 7 == _VARINT:
            found.append((tag >> 3, value))
        elif tag & 7 == _BYTES and at + value <= len(block):
            found.append((tag >> 3, block[at : at + value]))
            at += value
        else:
            raise Malformed("not a dag-pb node")
    return found


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Malformed("not a dag-pb node")
    return value
