"""Where an auditor reads blobs: as they are, bounded, and never under a name that is no CID."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backend.adapters.evidence import sources
from backend.adapters.evidence.embedded import EmbeddedEvidence
from backend.adapters.evidence.kubo import KuboEvidence
from backend.adapters.evidence.sources import FolderBlobs, HttpBlobs, blobs_at, store_at
from domain.cid import cid_of
from domain.errors import EvidenceMissing, InvalidCid, Malformed

BLOB = b"a kWh"
CID = cid_of(BLOB)


@contextmanager
def serving(body: bytes, status: int = 200, encoding: str = "identity") -> Iterator[str]:
    """A server with one answer; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answers."""
            self.send_response(status)
            self.send_header("Content-Encoding", encoding)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # The library's name for it.
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/ipfs/"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def test_blob_is_read_from_an_address_as_it_is() -> None:
    with serving(BLOB) as address:
        assert HttpBlobs(address).read(CID) == BLOB


def test_answer_that_is_packed_for_the_way_is_not_unpacked() -> None:
    packed = gzip.compress(bytes(1_000_000))
    with serving(packed, encoding="gzip") as address:
        assert HttpBlobs(address).read(CID) == packed


def test_answer_above_the_limit_is_malformed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources, "MAX_BLOB_BYTES", 4)
    with serving(BLOB) as address, pytest.raises(Malformed, match="larger than 4 bytes"):
        HttpBlobs(address).read(CID)
    EmbeddedEvidence(tmp_path).put(BLOB)
    with pytest.raises(Malformed, match="larger than 4 bytes"):
        FolderBlobs(tmp_path).read(CID)


def test_other_status_or_no_answer_is_a_missing_blob() -> None:
    with serving(BLOB, 404) as address, pytest.raises(EvidenceMissing):
        HttpBlobs(address).read(CID)
    with pytest.raises(EvidenceMissing):
        HttpBlobs(address).read(CID)


def test_name_that_is_no_cid_is_refused(tmp_path: Path) -> None:
    for blobs in (FolderBlobs(tmp_path), HttpBlobs("http://127.0.0.1:1"), blobs_at("kubo:/ip4/127.0.0.1/tcp/1")):
        with pytest.raises(InvalidCid):
            blobs.read("../../etc/passwd")


def test_place_says_what_kind_of_store_it_is(tmp_path: Path) -> None:
    assert isinstance(blobs_at("kubo:/ip4/127.0.0.1/tcp/1"), KuboEvidence)
    assert isinstance(blobs_at("https://gateway.example/ipfs"), HttpBlobs)
    assert isinstance(blobs_at(str(tmp_path)), FolderBlobs)
    assert isinstance(store_at("kubo:/ip4/127.0.0.1/tcp/1"), KuboEvidence)
    assert isinstance(store_at(str(tmp_path)), EmbeddedEvidence)
    with pytest.raises(Malformed, match="no folder"):
        store_at("https://gateway.example/ipfs")
