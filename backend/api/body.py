"""Request bodies: never more than the limit is held, and what is over it is refused at once.

All bodies together never take more than a second limit: above it, requests are told to come again later.
Pure ASGI, outside of everything else. A body whose Content-Length is over the limit is not read
before the answer. Of a chunked one no more than the limit is kept. The answer is complete, and sent,
before what the client still sends is thrown away for a short time: a connection that is closed with
unread bytes would be reset, and the client might never see the answer.
"""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.problems import BodyTooLarge, BodyTooSlow, problem_response
from backend.application.errors import Overloaded
from domain.errors import WattledgerError

ARRIVAL_LIMIT_S = 30.0
HELD_LIMIT_BYTES = 64 * 1024 * 1024
RETRY_AFTER_S = 2
LINGER_S = 1.0
LINGER_BYTES = 16 * 1024 * 1024


class BodyLimit:
    """Reads each request's body up to `limit_bytes` and hands it on as a whole."""

    def __init__(
        self,
        app: ASGIApp,
        limit_bytes: int,
        arrival_limit_s: float = ARRIVAL_LIMIT_S,
        held_limit_bytes: int = HELD_LIMIT_BYTES,
    ) -> None:
        self._app, self._limit_bytes, self._arrival_limit_s = app, limit_bytes, arrival_limit_s
        self._held_limit_bytes, self._held_bytes = held_limit_bytes, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _content_length(scope) > self._limit_bytes:
            await _refuse(BodyTooLarge(self._limit_bytes), receive, send)
            return
        body = _Body()
        try:
            refusal = await self._read(body, receive)
            if refusal is not None:
                await _refuse(refusal, receive, send)
            elif body.complete:
                await self._app(scope, _Replay(b"".join(body.parts), receive), send)
        finally:
            self._held_bytes -= body.size_bytes

    async def _read(self, body: "_Body", receive: Receive) -> WattledgerError | None:
        """Reads the whole body, unless the client goes away; what it is refused with."""
        try:
            async with asyncio.timeout(self._arrival_limit_s):
                while not body.complete:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part: bytes = message.get("body", b"")
                    if body.size_bytes + len(part) > self._limit_bytes:
                        return BodyTooLarge(self._limit_bytes)
                    if self._held_bytes + len(part) > self._held_limit_bytes:
                        return Overloaded("requests", RETRY_AFTER_S)
                    self._held_bytes += len(part)
                    body.take(part, complete=not message.get("more_body", False))
        except TimeoutError:
            return BodyTooSlow(self._arrival_limit_s)
        return None


class _Body:
    """What has come of a request's body."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size_bytes = 0
        self.complete = False

    def take(self, part: bytes, *, complete: bool) -> None:
        self.parts.append(part)
        self.size_bytes += len(part)
        self.complete = complete


class _Replay:
    """Gives a body that was read, then whatever the connection says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        if self._message is None:
            return await self._receive()
        message, self._message = self._message, None
        return message


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


async def _refuse(error: WattledgerError, receive: Receive, send: Send) -> None:
    response = problem_response(error)
    headers = [*response.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_throw_away(receive), LINGER_S)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _throw_away(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
