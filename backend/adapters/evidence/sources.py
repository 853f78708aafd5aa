"""Where an auditor reads blobs: a folder, an HTTP address or a Kubo node. Nothing is believed of any."""

from pathlib import Path
from typing import Protocol

import httpx

from backend.adapters.clock import SystemClock
from backend.adapters.evidence.embedded import EmbeddedEvidence
from backend.adapters.evidence.kubo import KuboEvidence
from backend.application.ports import EvidenceStore
from domain.cid import parse_cid
from domain.errors import EvidenceMissing, Malformed
from domain.unixfs import MAX_BLOB_BYTES

TIMEOUT_S = 30
KUBO = "kubo:"
"""Before the multiaddr of a node's RPC API, as in kubo:/ip4/127.0.0.1/tcp/5001."""


class Blobs(Protocol):
    """Where blobs are read, whatever they are."""

    def read(self, cid: str) -> bytes:
        """The bytes under this CID; EvidenceMissing if there are none."""


class FolderBlobs:
    """Blobs in the folder of an embedded store."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise Malformed(f"{folder} is no folder; give the evidence store's folder or address")
        self._folder = folder

    def read(self, cid: str) -> bytes:
        """The bytes stored under this CID, whatever they are; EvidenceMissing if there are none."""
        parse_cid(cid)
        try:
            with (self._folder / cid[-2:] / cid).open("rb") as file:
                data = file.read(MAX_BLOB_BYTES + 1)
        except OSError as error:
            raise EvidenceMissing(cid) from error
        return _bounded(cid, data)


class HttpBlobs:
    """Blobs behind an address to which a CID is appended: an IPFS gateway's /ipfs or an API's /v1/evidence."""

    def __init__(self, address: str) -> None:
        # As it is: whoever served it packed may not make us unpack it.
        headers = {"Accept-Encoding": "identity"}
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, headers=headers)
        self._address = address.rstrip("/")

    def read(self, cid: str) -> bytes:
        """The bytes served under this CID, whatever they are; EvidenceMissing if there are none."""
        parse_cid(cid)
        data = bytearray()
        try:
            with self._client.stream("GET", f"{self._address}/{cid}") as response:
                if response.status_code != httpx.codes.OK:
                    raise EvidenceMissing(cid)
                for chunk in response.iter_raw():
                    data += chunk
                    if len(data) > MAX_BLOB_BYTES:
                        break
        except httpx.HTTPError as error:
            raise EvidenceMissing(cid) from error
        return _bounded(cid, bytes(data))


def blobs_at(place: str, *, secret: str | None = None) -> Blobs:
    """The blobs at a folder, an http(s) address, or `kubo:` and a node's API, which may ask for a secret."""
    if place.startswith(KUBO):
        return KuboEvidence(place.removeprefix(KUBO), SystemClock(), secret=secret)
    return HttpBlobs(place) if place.startswith(("http://", "https://")) else FolderBlobs(Path(place))


def store_at(place: str, *, secret: str | None = None) -> EvidenceStore:
    """The evidence store in a folder that is there, or `kubo:` and a node's API."""
    if place.startswith(KUBO):
        return KuboEvidence(place.removeprefix(KUBO), SystemClock(), secret=secret)
    if not Path(place).is_dir():
        raise Malformed(f"{place} is no folder; give an evidence store's folder, or {KUBO}/ip4/127.0.0.1/tcp/5001")
    return EmbeddedEvidence(Path(place))


def _bounded(cid: str, data: bytes) -> bytes:
    if len(data) > MAX_BLOB_BYTES:
        raise Malformed(f"blob {cid} is larger than {MAX_BLOB_BYTES} bytes")
    return data
