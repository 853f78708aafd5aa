"""A real Kubo for tests: one node for a whole module, and ways to damage what it keeps and to lie in its place."""

import base64
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backend.adapters.clock import SystemClock
from backend.adapters.evidence.kubo import KuboEvidence
from domain.cid import parse_cid
from scripts.kubo import BUILD_LIMIT_S, GoMissing, KuboNode, kubo

LIMIT_S = BUILD_LIMIT_S + 300
"""Of the first test, which builds Kubo."""


@contextmanager
def running_node(folder: Path) -> Iterator[KuboNode]:
    """A node, built first if need be. Without Go the tests are skipped, and say so."""
    try:
        with kubo(folder, lambda line: print(line, file=sys.stderr, flush=True)) as node:
            yield node
    except GoMissing as error:
        pytest.skip(f"NOT TESTED ON A REAL IPFS NODE: {error}")


@contextmanager
def evidence_on(node: KuboNode, *, read_limit_s: float = 15) -> Iterator[KuboEvidence]:
    """The store on a node."""
    store = KuboEvidence(node.api, SystemClock(), secret=secret_of(node), read_limit_s=read_limit_s)
    try:
        yield store
    finally:
        store.close()


def secret_of(node: KuboNode) -> str:
    return node.secret_file.read_text().strip()


def block_file(node: KuboNode, cid: str) -> Path:
    """The file in which the node's flatfs keeps a block."""
    key = base64.b32encode(b"\x12\x20" + parse_cid(cid)[1]).decode().rstrip("=")
    return node.folder / "repo" / "blocks" / key[-3:-1] / f"{key}.data"


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


@contextmanager
def lying_node(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server that answers every request as it is told; its multiaddr."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answers."""
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # The library's name for it.
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"/ip4/127.0.0.1/tcp/{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def says(body: bytes, status: int = 200, kind: str = "application/json") -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer with this body."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(body)

    return answer
