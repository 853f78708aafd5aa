"""An audit compares what a running server says at a block at which both stand, and names no honest server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from backend.adapters import claims as adapter
from backend.adapters.claims import fetch_claims
from backend.application.audit import MEETINGS, AuditResult, audit
from backend.application.errors import ClaimsNotComparable
from bench.audit_life import claims_of
from bench.audit_snapshot import Snapshot
from domain.audit import Claims, FindingCode
from domain.errors import Malformed
from domain.units import UnixSeconds
from tests.unit.audit.chain_of import chain_of
from tests.unit.audit.record import settled_world

CHAIN = chain_of(settled_world())


def as_of(block: int) -> Claims:
    """What an honest server says once it has read the chain up to `block`."""
    part = CHAIN.copied()
    part.log = [event for event in CHAIN.log if event.block <= block]
    part.at = block
    return claims_of(part)


def audited(claims: Callable[[int], Claims]) -> AuditResult:
    return audit(CHAIN.subject(), CHAIN, CHAIN.prover(), claims=claims)


@pytest.mark.parametrize("behind", [0, 1, 3, 10])
def test_server_that_is_behind_is_compared_where_it_is_and_the_rest_audited(behind: int) -> None:
    block = CHAIN.head() - behind
    result = audited(lambda _: as_of(block))
    assert (result.count, result.claims_block, result.head.number) == (0, block, CHAIN.head())
    assert result.claims > 0
    assert result.tally.batches == 2


def test_server_that_goes_on_meanwhile_is_followed_until_both_stand_at_one_block() -> None:
    blocks = iter(range(CHAIN.head() - 12, CHAIN.head() + 1, 3))
    asked: list[int] = []

    def claims(least: int) -> Claims:
        asked.append(least)
        # It goes on between the first three questions, and then stands still.
        return as_of(next(blocks) if len(asked) <= 3 else least)

    result = audited(claims)
    assert result.count == 0
    assert (result.claims_block, result.head.number) == (CHAIN.head() - 6, CHAIN.head())
    assert asked == [CHAIN.first_block - 1, CHAIN.head() - 12, CHAIN.head() - 9, CHAIN.head() - 6]


@pytest.mark.parametrize("behind", [0, 2])
def test_lie_is_found_at_whatever_block_it_is_told(behind: int) -> None:
    block = CHAIN.head() - behind

    def claims(_: int) -> Claims:
        told = as_of(block)
        account = next(iter(told.balances))
        return Claims(
            block=block,
            amounts=told.amounts,
            balances={**told.balances, account: told.balances[account] + 1},
            stations=told.stations,
        )

    assert [f.code for f in audited(claims).findings] == [FindingCode.CLAIM_BALANCE]


def test_what_was_settled_up_to_the_block_must_be_claimed() -> None:
    told = as_of(CHAIN.head())
    missing = Claims(block=told.block, amounts=[], balances=told.balances, stations=told.stations)
    assert {f.code for f in audited(lambda _: missing).findings} == {FindingCode.CLAIM_MISSING}


def test_server_that_never_stands_still_is_no_finding_but_an_audit_that_could_not_run() -> None:
    moving = Snapshot(
        **{name: getattr(CHAIN, name) for name in ("deployed", "first_block", "log", "calls", "answers", "blobs")}
    )
    moving.blocks = dict.fromkeys(range(CHAIN.head() + MEETINGS + 2), CHAIN.blocks[CHAIN.head()])
    nothing = iter(range(CHAIN.head(), CHAIN.head() + MEETINGS + 2))
    with pytest.raises(ClaimsNotComparable, match="run the audit again"):
        audit(
            moving.subject(),
            moving,
            moving.prover(),
            claims=lambda _: Claims(block=next(nothing), amounts=[], balances={}, stations={}),
        )


def test_server_ahead_of_the_node_is_not_compared() -> None:
    ahead = Claims(block=CHAIN.head() + 1, amounts=[], balances={}, stations={})
    with pytest.raises(ClaimsNotComparable, match=f"at block {CHAIN.head() + 1}, the node only at {CHAIN.head()}"):
        audited(lambda _: ahead)


# The server's side of it, over HTTP.


class Waiting:
    """A clock on which nothing takes time but waiting."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def now_s(self) -> UnixSeconds:
        return UnixSeconds(0)

    def monotonic_s(self) -> float:
        return self.slept_s

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds


@contextmanager
def server(heads: Iterator[int]) -> Iterator[str]:
    """Says another head each time; its balances are those of the head that it said last."""
    head = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal head
            path = self.path.split("?")[0]
            if path == "/v1/audit":
                head = next(heads)
            settled = [{"settlement": "a" * 32, "state": "settled"}, {"settlement": "b" * 32, "state": "settled"}]
            amount = {"statement": "1-1", "row": 0, "payer": 1, "payee": 2, "owed_micro": 5, "received_micro": 5}
            shown = {"zone": 1, "interval": 900, "price_micro_per_kwh": 300}
            answers: dict[str, Any] = {
                "/v1/audit": {"head": head},
                "/v1/accounts": {"items": [{"account": 1, "free_micro": 100 * head}], "next": None},
                "/v1/stations": {"items": [], "next": None},
                "/v1/auctions": {"items": [shown, shown | {"interval": 1_800}], "next": None},
                "/v1/auctions/1/900/book": {"chunks": ["0x0102"], "lines": [{"filled_wh": 7}]},
                "/v1/settlements": {"items": settled, "next": None},
                f"/v1/settlements/{'a' * 32}": {"block": 7, "amounts": [amount | {"set_aside": False}]},
                f"/v1/settlements/{'b' * 32}": {"block": 99, "amounts": [amount | {"row": 1, "set_aside": False}]},
            }
            body = json.dumps(answers.get(path, {})).encode()
            self.send_response(200 if path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def test_claims_are_those_of_one_block() -> None:
    with server(iter([7, 8, 9, 10, 11, 11])) as address:
        claimed = fetch_claims(address, 0, Waiting())
        assert (claimed.block, claimed.balances) == (11, {1: 1_100})
        assert [(a.station, a.row) for a in claimed.amounts] == [(1, 0)]
        # The book of the other auction was built elsewhere.
        [book] = claimed.books
        assert (book.zone, book.interval_s, book.chunks, book.fills) == (1, 900, [b"\x01\x02"], [7])
        assert book.price_micro_per_kwh == 300


def test_server_is_waited_for_until_it_has_read_so_far() -> None:
    with server(iter([3, 5, 9, 9])) as address:
        assert fetch_claims(address, 9, Waiting()).block == 9


def test_server_that_stays_behind_is_given_up() -> None:
    with server(iter([3] * 1_000)) as address, pytest.raises(Malformed, match="up to block 3 only, and 9 was audited"):
        fetch_claims(address, 9, Waiting())


def test_server_that_takes_in_blocks_all_the_time_is_given_up() -> None:
    clock = Waiting()
    with server(iter(range(10_000))) as address, pytest.raises(Malformed, match="faster than it can be asked"):
        fetch_claims(address, 0, clock)
    assert clock.slept_s == pytest.approx(adapter.WAIT_LIMIT_S, abs=1)
