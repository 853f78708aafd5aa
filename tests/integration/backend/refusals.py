"""What tests of refusals share: the problem that is expected, and how to spoil what is good."""

import time
from collections.abc import Callable

import httpx

from domain.signing import CURVE_ORDER
from domain.text import hex_text
from domain.wire import Json
from tests.integration.backend.site import (
    Api,
    Meter,
    interval_start,
)

START = interval_start()


def refused(answer: httpx.Response, status: int, kind: str) -> Json:
    """The problem of an answer that must be this one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: Json = answer.json()
    assert problem["type"] == f"/v1/problems/{kind}", problem
    assert problem["status"] == status
    assert problem["title"]
    return problem


def high_s(signature: str) -> str:
    """The other valid signature with the same r."""
    raw = bytes.fromhex(signature[2:])
    s = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    return hex_text(raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]]))


def sequence_of(api: Api, meter: Meter) -> tuple[int, int]:
    shown = api.get(f"/v1/stations/{meter.station}")
    return shown["last_reading_sequence"], shown["last_statement_sequence"]


POSTS = [
    "/v1/sessions",
    "/v1/readings",
    "/v1/readings/batch",
    "/v1/statements",
    "/v1/accounts",
    "/v1/accounts/1/deposits",
    "/v1/deposits",
    "/v1/stations",
    "/v1/tariffs",
    "/v1/settlements",
]


def wait_until(holds: Callable[[], object], limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)
