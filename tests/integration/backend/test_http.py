"""How the HTTP edge behaves: body limits, hostile bodies, and never a server error."""

import http.client
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.wire import Json, authorisation_to_json, statement_to_json
from tests.integration.backend.site import TOKEN, Api, Driver, Meter, interval_start, new_driver, new_meter

MEBIBYTE = 1024 * 1024
BODY_BYTES = 200 * MEBIBYTE
RSS_MARGIN = 20 * MEBIBYTE


def connected(api: Api) -> socket.socket:
    at = urlsplit(api.url)
    return socket.create_connection((at.hostname or "", at.port or 0), timeout=10)


def answer_on(connection: socket.socket) -> tuple[int, Json]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


def test_a_body_over_the_limit_is_refused_before_it_is_sent(api: Api) -> None:
    with closing(connected(api)) as connection:
        started = time.monotonic()
        connection.sendall(f"POST /v1/readings HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_BYTES}\r\n\r\n".encode())
        status, problem = answer_on(connection)

        assert time.monotonic() - started < 0.5
        assert (status, problem["type"].rsplit("/", 1)[1]) == (413, "body-too-large")
        assert problem["limit_bytes"] == 4 * MEBIBYTE


def test_a_200_mb_body_costs_neither_time_nor_memory(api: Api) -> None:
    before = api.rss_bytes()

    def parts() -> Iterator[bytes]:
        for _ in range(BODY_BYTES // MEBIBYTE):
            yield b"[" * MEBIBYTE

    for headers in ({"Content-Length": str(BODY_BYTES)}, {}):  # With a length, then chunked.
        started = time.monotonic()
        with httpx.Client(timeout=30, trust_env=False) as client:
            try:
                answer = client.post(f"{api.url}/v1/readings", content=parts(), headers=headers)
                assert answer.status_code == 413
            except (httpx.WriteError, httpx.ReadError):
                pass  # The server closed the connection while the rest was on its way.
        assert time.monotonic() - started < 5
    assert api.rss_bytes() - before < RSS_MARGIN
    assert api.get("/v1/health")["status"] == "ok"


def test_a_chunked_body_is_refused_as_soon_as_it_is_over_the_limit(api: Api) -> None:
    before = api.rss_bytes()
    with closing(connected(api)) as connection:
        connection.sendall(b"POST /v1/readings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            connection.sendall(f"{MEBIBYTE:x}\r\n".encode() + b"x" * MEBIBYTE + b"\r\n")
        status, problem = answer_on(connection)

    assert (status, problem["title"]) == (413, "Body too large")
    assert api.rss_bytes() - before < RSS_MARGIN


def test_a_body_of_exactly_the_limit_is_read(api: Api) -> None:
    answer = api.http.post("/v1/readings", content=b'"' + b"x" * (4 * MEBIBYTE - 2) + b'"')

    assert answer.status_code == 422
    assert len(answer.content) < 1000


def test_lengths_that_lie_are_the_clients_problem(api: Api) -> None:
    for length in ("-1", "99999999999999999999999", "abc", "1, 2"):
        with closing(connected(api)) as connection:
            connection.sendall(
                f"POST /v1/readings HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{{}}".encode()
            )
            assert connection.recv(12)[9:12] in {b"400", b"413"}
    assert api.get("/v1/health")["status"] == "ok"


# --- random bodies -----------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 300), 1 << 300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
WORDS = ("station", "account", "meter", "bms", "rows", "members", "deposits", "tariffs", "signers", "session")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=JSON | st.dictionaries(st.sampled_from(WORDS), JSON, max_size=4))
def test_no_json_makes_the_server_fail(api: Api, body: Any) -> None:
    for path in POSTS:
        answer = api.operator_http.post(path, content=json.dumps(body).encode())
        assert answer.status_code < 500, (path, body, answer.text)


POSTS = ("/v1/sessions", "/v1/readings", "/v1/readings/batch", "/v1/statements", "/v1/accounts", "/v1/stations")
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    1 << 24,
    1 << 40,
    1 << 63,
    1 << 64,
    10**80,
    "",
    "0x",
    [],
    {},
    1.5,
    "\ud800",
)


def mutants(value: Any, chance: random.Random) -> Any:
    """The value with one thing in it replaced, dropped or doubled."""
    if isinstance(value, dict) and value:
        key = chance.choice(sorted(value))
        action = chance.random()
        if action < 0.15:
            return {name: one for name, one in value.items() if name != key}
        if action < 0.3:
            return value | {chance.choice(["x", "station", "account"]): 1}
        return value | {key: mutants(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        at = chance.randrange(len(value))
        return [*value[:at], mutants(value[at], chance), *value[at + 1 :]]
    return chance.choice(ODD)


def test_no_mutant_of_a_good_body_makes_the_server_fail(api: Api) -> None:
    chance = random.Random(20190711)
    driver, meter = new_driver(api, 0), new_meter(api)
    bodies = good_bodies(api, driver, meter)
    for _ in range(60):
        for path, body in bodies.items():
            mutant = mutants(body, chance)
            answer = api.operator_http.post(path, content=json.dumps(mutant).encode())
            assert answer.status_code < 500, (path, mutant, answer.text)
    assert "failed" not in (api.site.folder / "data.log").read_text()


def good_bodies(api: Api, driver: Driver, meter: Meter) -> dict[str, Json]:
    """Bodies that would be taken."""
    start = interval_start()
    meter.send([meter.next(start)])
    statement = statement_to_json(meter.draw_up())
    return {
        "/v1/sessions": authorisation_to_json(driver.authorisation(api, meter.station)),
        "/v1/readings": meter.next(start + 60),
        "/v1/readings/batch": {"meter": [meter.next(start + 120)], "bms": [driver.bms(api, 1, start)]},
        "/v1/statements": statement,
        "/v1/accounts": {"members": [{"owner": "0x" + "12" * 20, "driver_key": None}]},
        "/v1/deposits": {"deposits": [{"account": driver.account, "amount_micro": 5}]},
        "/v1/stations": {"signers": ["0x" + "34" * 20], "rated_power_w": 5, "bidirectional": False},
        "/v1/tariffs": {"tariffs": [{"direction": "charge", "price_micro_per_kwh": 1, "valid_from": 1, "valid_to": 2}]},
        "/v1/settlements": {"retry_refused": False},
    }


def test_unknown_headers_do_no_harm(api: Api) -> None:
    strange = [("X-Forwarded-For", "\xff"), ("Authorization", "Bearer " + "x" * 10_000), ("Content-Type", "a/b")]
    for name, value in strange:
        headers = [(name.encode(), value.encode("latin-1"))]
        answer = api.http.get("/v1/accounts?limit=1", headers=headers)
        assert answer.status_code == 200
    assert TOKEN not in (api.site.folder / "data.log").read_text()
