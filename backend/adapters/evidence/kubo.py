"""Evidence in a Kubo node, over its RPC API. The one file that knows the client's library.

Nothing is believed of the node: the CID that it answers is compared, and what it gives is hashed. It is asked for what
it keeps itself: `offline` makes it answer at once instead of searching the network.
"""

import base64
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeVar

from ipfshttpclient import Client
from ipfshttpclient import exceptions as ipfs

from backend.application.errors import EvidenceUnavailable
from backend.application.ports import Clock
from domain.car import Archive, read_blocks
from domain.cid import CHUNK_BYTES, RAW, cid_of, parse_cid
from domain.errors import EvidenceAltered, EvidenceMissing, InvalidCid, Malformed, WattledgerError
from domain.unixfs import MAX_BLOCK_BYTES, file_of

MAX_BLOB_BYTES = 64 * 1024 * 1024
CONNECT_LIMIT_S = 5
READ_LIMIT_S = 15
IMPORT_LIMIT_S = 600
RETRY_AFTER_S = (0.2, 0.4, 0.8, 1.6, 3.2)
"""A daemon that restarts is back within some seconds."""
PARALLEL = 8
SPOOL_BYTES = 8 * 1024 * 1024

_ADD = {"cid-version": "1", "raw-leaves": "true", "chunker": f"size-{CHUNK_BYTES}", "pin": "true"}
_MISSING = ("could not find", "not pinned")
_OTHER_HASH = "different hash"
_NO_ANSWER = (AssertionError, AttributeError, KeyError, TypeError, ValueError)
"""What the library, or we, make of an answer that no node would give."""
_Answer = TypeVar("_Answer")

# The library passes urllib3 a parameter that means nothing any more.
warnings.filterwarnings("ignore", message="The 'strict' parameter", category=FutureWarning)


class KuboEvidence:
    """Pinned blobs of one node. `address` is its API's multiaddr, `secret` what its API.Authorizations ask for.

    Requests fail with EvidenceUnavailable if the node does not answer; what passes is tried again before.
    """

    def __init__(
        self, address: str, clock: Clock, *, secret: str | None = None, read_limit_s: float = READ_LIMIT_S
    ) -> None:
        self._address, self._clock, self._read_limit_s = address, clock, read_limit_s
        self._headers = {"Authorization": _authorisation(secret)} if secret else {}
        self._idle: deque[Client] = deque(maxlen=4 * PARALLEL)
        try:
            self._idle.append(self._client())
        except ipfs.AddressError:
            raise Malformed(
                f"{address[:80]!r} is no address of an IPFS API; write it as /ip4/127.0.0.1/tcp/5001"
            ) from None

    def put(self, data: bytes) -> str:
        """Keeps a blob and pins it; its CID. EvidenceAltered if the node gives it another one."""
        cid = cid_of(data)
        found: str = self._ask(lambda client, limits: str(client.add_bytes(data, opts=_ADD, **limits)))
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
            self._ask(lambda client, limits: client.block.stat(cid, offline=True, **limits), cid)
        except EvidenceMissing:
            return False
        return True

    def cids(self) -> list[str]:
        """All that is pinned, in order."""
        pins = self._ask(lambda client, limits: _fields(client.pin.ls(type="recursive", **limits).as_json(), "Keys"))
        return sorted(cid for cid in pins if _is_ours(cid))

    def blocks(self, cid: str) -> Iterator[tuple[str, bytes]]:
        """The blocks of a blob, each checked, as the node exports them; EvidenceMissing or EvidenceAltered."""
        parse_cid(cid)
        with SpooledTemporaryFile(SPOOL_BYTES) as car:
            self._ask(lambda client, limits: self._export(client, cid, car, limits), cid)
            car.seek(0)
            _, blocks = read_blocks(car)
            yield from blocks

    def release(self, cids: Sequence[str]) -> None:
        """Unpins blobs: `collect` removes them."""
        for cid in cids:
            parse_cid(cid)
            with suppress(EvidenceMissing):
                self._unpin(cid)

    def collect(self) -> int:
        """Removes what is not pinned; how many blocks."""
        return len(self._ask(lambda client, _: client.repo.gc(timeout=IMPORT_LIMIT_S)))

    def take(self, archive: Archive) -> None:
        """Imports an archive that was checked and pins its roots; EvidenceAltered if one is no blob of that name."""
        for cid, failure in self._ask(lambda client, _: _import(client, archive)).items():
            if failure:
                raise EvidenceAltered(cid, f"nothing that can be pinned ({failure})")
        for root in archive.roots:
            if parse_cid(root)[0] != RAW or not self.has(root):
                self.get(root)

    def close(self) -> None:
        """Closes the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _unpin(self, cid: str) -> None:
        self._ask(lambda client, limits: client.pin.rm(cid, **limits), cid)

    def _block(self, cid: str) -> bytes:
        return self._ask(lambda client, limits: self._read(client, cid, limits), cid)

    def _read(self, client: Client, cid: str, limits: dict[str, Any]) -> bytes:
        data = bytearray()
        deadline_s = self._clock.monotonic_s() + self._read_limit_s
        with client.block.get(cid, stream=True, offline=True, **limits) as pieces:
            for piece in pieces:
                data += piece
                if len(data) > MAX_BLOCK_BYTES:
                    raise EvidenceAltered(cid, f"more than the {MAX_BLOCK_BYTES} bytes of a block")
                self._check_time(deadline_s)
        return bytes(data)

    def _export(self, client: Client, cid: str, car: IO[bytes], limits: dict[str, Any]) -> None:
        car.seek(0)
        car.truncate()
        deadline_s = self._clock.monotonic_s() + IMPORT_LIMIT_S
        with client.dag.export(cid, stream=True, offline=True, **limits) as pieces:
            for piece in pieces:
                car.write(piece)
                if car.tell() > 2 * MAX_BLOB_BYTES:
                    raise EvidenceAltered(cid, f"more than {MAX_BLOB_BYTES} bytes")
                self._check_time(deadline_s)

    def _check_time(self, deadline_s: float) -> None:
        if self._clock.monotonic_s() > deadline_s:
            raise ipfs.TimeoutError(TimeoutError("the answer did not end in time"))

    def _ask(self, request: Callable[[Client, dict[str, Any]], _Answer], cid: str = "") -> _Answer:
        """The answer to a request about `cid`. Any may be made again: content names what it is about."""
        limits = {"timeout": (CONNECT_LIMIT_S, self._read_limit_s)}
        deadline_s = self._clock.monotonic_s() + self._read_limit_s
        for wait_s in (*RETRY_AFTER_S, None):
            try:
                with self._borrowed() as client:
                    return request(client, limits)
            except ipfs.StatusError as error:
                raise self._refusal(error, cid) from error
            except (ipfs.ConnectionError, ipfs.ProtocolError, OSError, HTTPException) as error:
                if wait_s is None or self._clock.monotonic_s() + wait_s > deadline_s:
                    raise EvidenceUnavailable(self._address, _reason(error)) from error
                self._clock.sleep(wait_s)
            except (ipfs.Error, *_NO_ANSWER) as error:
                raise EvidenceUnavailable(self._address, _reason(error)) from error
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _borrowed(self) -> Iterator[Client]:
        """A client of which nobody else makes use; one that met an error is not used again."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._client()
        try:
            yield client
        except BaseException:
            client.close()
            raise
        self._idle.append(client)

    def _client(self) -> Client:
        return Client(self._address, session=True, headers=self._headers, timeout=self._read_limit_s)

    def _refusal(self, error: ipfs.StatusError, cid: str) -> WattledgerError:
        text = _reason(error)
        if cid and any(sign in text for sign in _MISSING):
            return EvidenceMissing(cid)
        if cid and _OTHER_HASH in text:
            return EvidenceAltered(cid, "other content")
        return EvidenceUnavailable(self._address, text)


def _import(client: Client, archive: Archive) -> dict[str, str]:
    """Sends an archive; for each root that the node answers, why it could not be pinned, if it could not."""
    with client.dag.imprt(archive.rewound(), stream=True, timeout=IMPORT_LIMIT_S) as answers:
        roots = [_fields(answer.as_json(), "Root") for answer in answers]
    return {str(_fields(root, "Cid").get("/"))[:80]: str(root.get("PinErrorMsg", ""))[:200] for root in roots}


def _authorisation(secret: str) -> str:
    """The header for a secret as Kubo's API.Authorizations have it: bearer:TOKEN, basic:NAME:PASSWORD, or a token."""
    kind, colon, rest = secret.partition(":")
    if kind == "basic" and colon:
        return "Basic " + base64.b64encode(rest.encode()).decode()
    return "Bearer " + (rest if kind == "bearer" and colon else secret)


def _reason(error: BaseException) -> str:
    """What went wrong, in one line without addresses of memory."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _fields(value: object, key: str) -> dict[str, Any]:
    """An object within an answer; TypeError if there is none."""
    inner = value.get(key) if isinstance(value, dict) else None
    if not isinstance(inner, dict):
        raise TypeError(f"the answer has no {key}")
    return inner


def _is_ours(cid: str) -> bool:
    """Whether it is a CID that evidence can have: a new node pins an empty folder under another kind of CID."""
    try:
        parse_cid(cid)
    except InvalidCid:
        return False
    return True
