"""Load over HTTP: many kept-open connections, each sending its next request as soon as the last one is answered."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

ANSWER_LIMIT_S = 60
_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request was answered with, and after how long."""

    status: int
    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """What came of all requests, in no certain order, and how long they took together."""

    answers: list[Answer]
    seconds: float

    def latency_ms(self, share: float) -> float:
        """The time within which this share of the requests was answered, ms."""
        ordered = sorted(answer.seconds for answer in self.answers)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post_all(port: int, path: str, media_type: str, bodies: Sequence[bytes], *, connections: int, senders: int) -> Load:
    """Posts every body over so many connections, at most. The bodies are of so many senders, who come in turn.

    A sender's bodies all go over one connection, so that none overtakes the one before it.
    """
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: "
    lanes: list[deque[bytes]] = [deque() for _ in range(min(connections, senders))]
    for number, body in enumerate(bodies):
        lane = lanes[number % senders % len(lanes)]
        lane.append(head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body)
    answers: list[Answer] = []
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(port, lanes, answers))
    return Load(answers, time.perf_counter() - started)


async def _run(port: int, lanes: Sequence[deque[bytes]], answers: list[Answer]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for requests in lanes:
            tasks.create_task(_connection(port, requests, answers))


async def _connection(port: int, requests: deque[bytes], answers: list[Answer]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while requests:
        request = requests.popleft()
        sent = time.perf_counter()
        writer.write(request)
        async with asyncio.timeout(ANSWER_LIMIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            at = head.lower().index(_LENGTH) + len(_LENGTH)
            body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
        answers.append(Answer(int(head.split(b" ", 2)[1]), body, time.perf_counter() - sent))
    writer.close()
