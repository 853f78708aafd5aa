"""Where an auditor reads blobs: a folder or an HTTP address. Nothing is believed of either."""

from pathlib import Path

import httpx

from domain.cid import parse_cid
from domain.errors import EvidenceMissing, Malformed

MAX_BLOB_BYTES = 64 * 1024 * 1024
TIMEOUT_S = 30


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
            return (self._folder / cid[-2:] / cid).read_bytes()
        except OSError as error:
            raise EvidenceMissing(cid) from error


class HttpBlobs:
    """Blobs behind an address to which a CID is appended: an IPFS gateway's /ipfs or an API's /v1/evidence."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
        self._address = address.rstrip("/")

    def read(self, cid: str) -> bytes:
        """The bytes served under this CID, whatever they are; EvidenceMissing if there are none."""
        parse_cid(cid)
        data = bytearray()
        try:
            with self._client.stream("GET", f"{self._address}/{cid}") as response:
                if response.status_code != httpx.codes.OK:
                    raise EvidenceMissing(cid)
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > MAX_BLOB_BYTES:
                        raise Malformed(f"blob {cid} is larger than {MAX_BLOB_BYTES} bytes")
        except httpx.HTTPError as error:
            raise EvidenceMissing(cid) from error
        return bytes(data)


def blobs_at(place: str) -> FolderBlobs | HttpBlobs:
    """The blobs at a folder or at an http(s) address."""
    return HttpBlobs(place) if place.startswith(("http://", "https://")) else FolderBlobs(Path(place))
