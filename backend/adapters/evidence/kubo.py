"""Evidence in a Kubo node: pinned, and checked on every read.

Nothing is believed of the node: the CID that it answers is compared, and what it gives is hashed. It is asked for what
it keeps itself: `offline` makes it answer at once instead of searching the network.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from backend.adapters.evidence.kubo_rpc import Client, KuboRpc, fields_of
from backend.application.ports import Clock
from domain.car import Archive
from domain.cid import CHUNK_BYTES, RAW, cid_of, parse_cid
from domain.errors import EvidenceAltered, EvidenceMissing, InvalidCid, Malformed
from domain.unixfs import MAX_BLOB_BYTES, MAX_BLOCK_BYTES, file_of

READ_LIMIT_S = 15
WHOLE_STORE_LIMIT_S = 600
"""For what goes through all blocks: import, and garbage collection."""
PARALLEL = 8

_ADD = {"cid-version": "1", "raw-leaves": "true", "chunker": f"size-{CHUNK_BYTES}", "pin": "true"}


class KuboEvidence:
    """Pinned blobs of one node. `address` is its API's multiaddr, `secret` what its API.Authorizations ask for.

    Requests fail with EvidenceUnavailable if the node does not answer; what passes is tried again before.
    """

    def __init__(
        self, address: str, clock: Clock, *, secret: str | None = None, read_limit_s: float = READ_LIMIT_S
    ) -> None:
        self._rpc = KuboRpc(address, clock, secret=secret, read_limit_s=read_limit_s)

    def put(self, data: bytes) -> str:
        """Keeps a blob and pins it; its CID. EvidenceAltered if the node gives it another one."""
        cid = cid_of(data)
        found: str = self._rpc.ask(lambda client, limits: str(client.add_bytes(data, opts=_ADD, **limits)))
        if found != cid:
            raise EvidenceAltered(cid, found[:80])
        return cid

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """Keeps blobs, some at a time; their CIDs in order."""
        with ThreadPoolExecutor(min(PARALLEL, max(1, len(blobs)))) as pool:
            return list(pool.map(self.put, blobs))

    def get(self, cid: str) -> bytes:
        """The blob; InvalidCid, EvidenceMissing or EvidenceAltered."""
        data = self.read(cid)
        found = cid_of(data)
        if found != cid:
            raise EvidenceAltered(cid, found)
        return data

    def read(self, cid: str) -> bytes:
        """The bytes that the node gives for this CID, whatever they are.

        EvidenceMissing if it lacks a block, EvidenceAltered if its blocks lead to no file.
        """
        parse_cid(cid)
        try:
            return file_of(cid, self._block, limit_bytes=MAX_BLOB_BYTES)
        except EvidenceMissing:
            raise EvidenceMissing(cid) from None
        except Malformed as error:
            raise EvidenceAltered(cid, f"no file ({error})") from error

    def has(self, cid: str) -> bool:
        """Whether the node keeps the blob's first block; InvalidCid."""
        parse_cid(cid)
        try:
            self._rpc.ask(lambda client, limits: client.block.stat(cid, offline=True, **limits), cid)
        except EvidenceMissing:
            return False
        return True

    def cids(self) -> list[str]:
        """All that is pinned, in order."""
        pins = self._rpc.ask(
            lambda client, limits: fields_of(client.pin.ls(type="recursive", **limits).as_json(), "Keys")
        )
        return sorted(cid for cid in pins if _is_ours(cid))

    def release(self, cids: Sequence[str]) -> None:
        """Unpins blobs: `collect` removes them."""
        for cid in cids:
            parse_cid(cid)
            with suppress(EvidenceMissing):
                self._unpin(cid)

    def collect(self) -> int:
        """Removes what is not pinned; how many blocks."""
        return len(self._rpc.ask(lambda client, limits: client.repo.gc(**limits), limit_s=WHOLE_STORE_LIMIT_S))

    def take(self, archive: Archive) -> None:
        """Imports an archive that was checked and pins its roots; EvidenceAltered if one is no blob of that name."""
        pinned = self._rpc.ask(lambda client, limits: _import(client, archive, limits), limit_s=WHOLE_STORE_LIMIT_S)
        for cid, failure in pinned.items():
            if failure:
                raise EvidenceAltered(cid, f"nothing that can be pinned ({failure})")
        for root in archive.roots:
            if parse_cid(root)[0] != RAW or not self.has(root):
                self.get(root)

    def close(self) -> None:
        """Closes the connections that are idle."""
        self._rpc.close()

    def _unpin(self, cid: str) -> None:
        self._rpc.ask(lambda client, limits: client.pin.rm(cid, **limits), cid)

    def _block(self, cid: str) -> bytes:
        return self._rpc.ask(lambda client, limits: self._read(client, cid, limits), cid)

    def _read(self, client: Client, cid: str, limits: dict[str, Any]) -> bytes:
        data = bytearray()
        with client.block.get(cid, stream=True, offline=True, **limits) as pieces:
            for piece in pieces:
                data += piece
                if len(data) > MAX_BLOCK_BYTES:
                    raise EvidenceAltered(cid, f"more than the {MAX_BLOCK_BYTES} bytes of a block")
        return bytes(data)


def _import(client: Client, archive: Archive, limits: dict[str, Any]) -> dict[str, str]:
    """Sends an archive; for each root that the node answers, why it could not be pinned, if it could not."""
    with client.dag.imprt(archive.rewound(), stream=True, **limits) as answers:
        roots = [fields_of(answer.as_json(), "Root") for answer in answers]
    return {str(fields_of(root, "Cid").get("/"))[:80]: str(root.get("PinErrorMsg", ""))[:200] for root in roots}


def _is_ours(cid: str) -> bool:
    """Whether it is a CID that evidence can have: a new node pins an empty folder under another kind of CID."""
    try:
        parse_cid(cid)
    except InvalidCid:
        return False
    return True
