"""Requests to Kubo's RPC API. The one file that knows the client's library.

As it is, the library reads an answer to its end, however long that is and however long it takes, follows redirects,
and reads proxies from the environment. Here every answer is bounded in bytes and time, and nobody else is asked.
"""

import base64
import json
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, TypeVar

from ipfshttpclient import Client
from ipfshttpclient import exceptions as ipfs
from ipfshttpclient.http_requests import ClientSync
from urllib3.exceptions import HTTPError

from backend.application.errors import EvidenceUnavailable
from backend.application.ports import Clock
from domain.errors import EvidenceAltered, EvidenceMissing, Malformed, WattledgerError

CONNECT_LIMIT_S = 5
RETRY_AFTER_S = (0.2, 0.4, 0.8, 1.6, 3.2)
"""A daemon that restarts is back within some seconds."""
AWAY_S = 2.0
"""How long a node that did not answer is not asked again: who waits behind the first is told at once."""
MAX_ANSWER_BYTES = 160 * 1024 * 1024
"""Of an answer: the list of more than a million pins."""
MAX_REFUSAL_BYTES = 65_536
MAX_IDLE = 32

__all__ = ["Client", "KuboRpc", "fields_of"]

_PIECE_BYTES = 65_536
_MISSING = ("could not find", "not pinned")
_OTHER_HASH = "different hash"
_NO_ANSWER = (AssertionError, AttributeError, KeyError, TypeError, ValueError)
"""What the library, or who asked, makes of an answer that no node would give."""
_Answer = TypeVar("_Answer")

# The library passes urllib3 a parameter that means nothing any more.
warnings.filterwarnings("ignore", message="The 'strict' parameter", category=FutureWarning)


class KuboRpc:
    """The API of one node, for many threads. `address` is its multiaddr, `secret` what its API.Authorizations ask for.

    Malformed if the address is none.
    """

    def __init__(self, address: str, clock: Clock, *, secret: str | None, read_limit_s: float) -> None:
        self.address, self.clock, self._read_limit_s = address, clock, read_limit_s
        self._headers = {"Accept-Encoding": "identity"}
        if secret:
            self._headers["Authorization"] = _authorisation(secret)
        self._idle: deque[Client] = deque(maxlen=MAX_IDLE)
        self._away_until_s = clock.monotonic_s()
        try:
            self._idle.append(self._new_client())
        except (ipfs.AddressError, ValueError):
            raise Malformed(
                f"{address[:80]!r} is no address of an IPFS API; write it as /ip4/127.0.0.1/tcp/5001"
            ) from None

    def ask(
        self, request: Callable[[Client, dict[str, Any]], _Answer], cid: str = "", *, limit_s: float | None = None
    ) -> _Answer:
        """The answer to a request about `cid`, which passes the limits on to the library.

        Any request may be made again: content names what it is about. EvidenceUnavailable; EvidenceMissing or
        EvidenceAltered if that is what the node says of `cid`.
        """
        if self.clock.monotonic_s() < self._away_until_s:
            raise EvidenceUnavailable(self.address, "it did not answer a moment ago")
        limit_s = limit_s or self._read_limit_s
        limits = {"timeout": (CONNECT_LIMIT_S, limit_s)}
        deadline_s = self.clock.monotonic_s() + limit_s
        for wait_s in (*RETRY_AFTER_S, None):
            try:
                with self._borrowed() as client:
                    return request(client, limits)
            except ipfs.StatusError as error:
                raise self._refusal(error, cid) from error
            except (ipfs.ConnectionError, ipfs.ProtocolError, HTTPError, HTTPException, OSError) as error:
                if wait_s is None or self.clock.monotonic_s() + wait_s > deadline_s:
                    self._away_until_s = self.clock.monotonic_s() + AWAY_S
                    raise EvidenceUnavailable(self.address, _reason(error)) from error
                self.clock.sleep(wait_s)
            except ipfs.TimeoutError as error:
                self._away_until_s = self.clock.monotonic_s() + AWAY_S
                raise EvidenceUnavailable(self.address, _reason(error)) from error
            except (ipfs.Error, *_NO_ANSWER) as error:
                raise EvidenceUnavailable(self.address, _reason(error)) from error
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Closes the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _borrowed(self) -> Iterator[Client]:
        """A client that nobody else uses meanwhile; one that met an error is not used again."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._new_client()
        try:
            yield client
        except BaseException:
            client.close()
            raise
        self._idle.append(client)

    def _new_client(self) -> Client:
        return _BoundedClient(self.address, self.clock, self._headers)

    def _refusal(self, error: ipfs.StatusError, cid: str) -> WattledgerError:
        text = _reason(error)
        if cid and any(sign in text for sign in _MISSING):
            return EvidenceMissing(cid)
        if cid and _OTHER_HASH in text:
            return EvidenceAltered(cid, "other content")
        return EvidenceUnavailable(self.address, text)


def fields_of(value: object, key: str) -> dict[str, Any]:
    """An object within an answer; TypeError if there is none, which `KuboRpc.ask` names."""
    inner = value.get(key) if isinstance(value, dict) else None
    if not isinstance(inner, dict):
        raise TypeError(f"the answer has no {key}")
    return inner


class _BoundedClient(Client):  # type: ignore[misc]  # The library has no types.
    """The library's client over a transport of ours, with one connection that is used again."""

    def __init__(self, address: str, clock: Clock, headers: dict[str, str]) -> None:
        super().__init__(address)
        self._client = _Transport(address, "api/v0", headers=headers)
        self._client.keep_to(clock)
        self._client.open_session()


class _Transport(ClientSync):  # type: ignore[misc]  # The library has no types.
    """The library's transport, but every answer is bounded in bytes and time."""

    def keep_to(self, clock: Clock) -> None:
        """Measures by this clock, and asks nobody but the node itself."""
        self._clock = clock
        self._session_props |= {"max_redirects": 0, "trust_env": False}

    def _request(self, *arguments: Any, **options: Any) -> tuple[list[Any], Iterator[bytes]]:
        deadline_s = self._clock.monotonic_s() + options["timeout"][1]
        closables, _ = super()._request(*arguments, **options)
        return closables, self._pieces(closables[0], MAX_ANSWER_BYTES, deadline_s)

    def _do_raise_for_status(self, response: Any) -> None:
        if response.ok:
            return
        deadline_s = self._clock.monotonic_s() + CONNECT_LIMIT_S
        text = b"".join(self._pieces(response, MAX_REFUSAL_BYTES, deadline_s)).decode(errors="replace")
        try:
            text = str(json.loads(text)["Message"])
        except (ValueError, KeyError, TypeError):
            text = f"{response.status_code} {text}"
        raise ipfs.ErrorResponse(text[:300], None)

    def _pieces(self, response: Any, limit_bytes: int, deadline_s: float) -> Iterator[bytes]:
        """An answer as it arrives, not waiting for a piece to be full."""
        count = 0
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=False):
            count += len(piece)
            if count > limit_bytes:
                raise ValueError(f"the answer has more than {limit_bytes} bytes")
            if self._clock.monotonic_s() > deadline_s:
                raise ValueError("the answer did not end in time")
            yield piece


def _authorisation(secret: str) -> str:
    """The header for a secret as Kubo's API.Authorizations have it: bearer:TOKEN, basic:NAME:PASSWORD, or a token."""
    kind, colon, rest = secret.partition(":")
    if kind == "basic" and colon:
        return "Basic " + base64.b64encode(rest.encode()).decode()
    return "Bearer " + (rest if kind == "bearer" and colon else secret)


def _reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
