"""Server-sent events of the market: who subscribes is told what changes, and can go on where a connection broke."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Scope, Send

from backend.api.requests import SERIAL_MAX
from backend.application.feed import PAGE, Feed
from backend.application.market import FeedEntry

HEARTBEAT_S = 15.0
LOOK_EVERY_S = 0.25
RETRY_MS = 2_000
MEDIA_TYPE = "text/event-stream"
_RESET = "reset"

LastEventId = Annotated[
    Annotated[str, Field(pattern="^[0-9]{1,19}$")] | None,
    Header(alias="Last-Event-ID", description="The `id` of the last event that came: goes on behind it"),
]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscriber of a topic in a zone."""

    feed: Feed
    topic: str
    zone: int

    def answer(self, last_event: str | None) -> StreamingResponse:
        """Begins now, or behind the last event; Overloaded if too many subscribe. It takes the place at once."""
        self.feed.subscribe()
        events = self._events(None if last_event is None else min(int(last_event), SERIAL_MAX))
        return _Stream(events, self.feed)

    async def _events(self, after: int | None) -> AsyncIterator[bytes]:
        """Events as they come, a comment now and then while nothing does, until the service stops.

        What was missed and is kept no longer shows as an event `reset`: read the lists anew.
        """
        yield f"retry: {RETRY_MS}\n\n".encode()
        newest = await asyncio.to_thread(self.feed.newest)
        if after is not None and await asyncio.to_thread(self.feed.has_gap, after):
            yield f"id: {newest}\nevent: {_RESET}\ndata: {{}}\n\n".encode()
            after = newest
        at, quiet_s = newest if after is None else after, 0.0
        while not self.feed.stopping.is_set():
            found = await asyncio.to_thread(self._found, at)
            for entry in found:
                yield _text(entry).encode()
            at, quiet_s = (found[-1].serial, 0.0) if found else (at, quiet_s + LOOK_EVERY_S)
            if quiet_s >= HEARTBEAT_S:
                yield b": still here\n\n"
                quiet_s = 0.0
            if len(found) < PAGE:
                await asyncio.sleep(LOOK_EVERY_S)

    def _found(self, at: int) -> list[FeedEntry]:
        if self.feed.newest() <= at:
            return []
        return list(self.feed.page(at, self.topic, self.zone))


class _Stream(StreamingResponse):
    """Gives the subscriber's place back when the answer ends, however it does."""

    def __init__(self, events: AsyncIterator[bytes], feed: Feed) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type=MEDIA_TYPE, headers=headers)
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave()


def _text(entry: FeedEntry) -> str:
    return f"id: {entry.serial}\nevent: {entry.kind}\ndata: {entry.data}\n\n"
