"""The body limit by itself: what is read, what is held, what is answered."""

import asyncio
from collections.abc import Iterable

from starlette.types import Message, Receive, Scope, Send

from backend.api.body import LINGER_BYTES, BodyLimit

LIMIT = 1000


class Connection:
    """A client that sends these messages, and keeps what it is sent."""

    def __init__(self, messages: Iterable[Message], length: str | None = None) -> None:
        self._messages = iter(messages)
        self.scope: Scope = {
            "type": "http",
            "headers": [] if length is None else [(b"content-length", length.encode())],
        }
        self.reads = 0
        self.sent: list[Message] = []
        self.reads_when_answered = 0

    async def receive(self) -> Message:
        self.reads += 1
        try:
            return next(self._messages)
        except StopIteration:
            await asyncio.sleep(3600)
            raise

    async def send(self, message: Message) -> None:
        if not self.sent:
            self.reads_when_answered = self.reads
        self.sent.append(message)


class Application:
    """Reads the body and answers with nothing."""

    def __init__(self) -> None:
        self.body: bytes | None = None

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        message = await receive()
        assert message["more_body"] is False
        self.body = message["body"]


class Held:
    """Keeps its requests until it may go on."""

    def __init__(self) -> None:
        self.requests = 0
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        self.requests += 1
        self.arrived.set()
        await self.go_on.wait()


def part(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


def handle(connection: Connection, arrival_limit_s: float = 5) -> Application:
    application = Application()
    limited = BodyLimit(application, LIMIT, arrival_limit_s)
    asyncio.run(asyncio.wait_for(limited(connection.scope, connection.receive, connection.send), 10))
    return application


def status(connection: Connection) -> int:
    return int(connection.sent[0]["status"])


def test_a_body_within_the_limit_is_handed_on_as_a_whole() -> None:
    connection = Connection([part(b"a" * 600), part(b"b" * 400, more=False)])

    assert handle(connection).body == b"a" * 600 + b"b" * 400
    assert connection.sent == []


def test_a_length_over_the_limit_is_answered_before_anything_is_read() -> None:
    connection = Connection([part(b"x", more=False)], length=str(LIMIT + 1))

    assert handle(connection).body is None
    assert (status(connection), connection.reads_when_answered) == (413, 0)
    assert (b"connection", b"close") in connection.sent[0]["headers"]
    assert connection.sent[-1]["more_body"] is False


def test_a_chunked_body_is_answered_at_the_first_byte_over_the_limit() -> None:
    connection = Connection([part(b"x" * LIMIT), part(b"x"), part(b"x" * LIMIT, more=False)])

    assert handle(connection).body is None
    assert (status(connection), connection.reads_when_answered) == (413, 2)


def test_what_still_comes_is_thrown_away_for_a_limited_amount() -> None:
    chunk = b"x" * 1_000_000
    connection = Connection([part(chunk) for _ in range(100)], length="100000000")

    handle(connection)

    assert connection.reads <= LINGER_BYTES // len(chunk) + 1


def test_a_length_that_is_a_lie_does_not_help() -> None:
    connection = Connection([part(b"x" * (LIMIT + 1), more=False)], length="10")

    assert handle(connection).body is None
    assert status(connection) == 413


def test_a_body_that_never_ends_runs_out_of_time() -> None:
    connection = Connection([part(b"x")])

    assert handle(connection, arrival_limit_s=0.05).body is None
    assert status(connection) == 408


def test_a_client_that_goes_away_is_let_go() -> None:
    connection = Connection([part(b"x"), {"type": "http.disconnect"}])

    assert handle(connection).body is None
    assert connection.sent == []


def test_all_bodies_together_are_bounded_and_room_comes_back() -> None:
    held = Held()
    limited = BodyLimit(held, LIMIT, held_limit_bytes=1500)
    first, refused, third = (Connection([part(b"x" * LIMIT, more=False)]) for _ in range(3))

    async def run() -> None:
        holding = asyncio.create_task(limited(first.scope, first.receive, first.send))
        await held.arrived.wait()
        await limited(refused.scope, refused.receive, refused.send)
        held.go_on.set()
        await holding
        await limited(third.scope, third.receive, third.send)

    asyncio.run(asyncio.wait_for(run(), 10))
    assert status(refused) == 503
    assert (b"retry-after", b"2") in refused.sent[0]["headers"]
    assert held.requests == 2
