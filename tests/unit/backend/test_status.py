"""What needs attention, and how the command tells it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from backend.adapters.sql import tables as t
from backend.adapters.sql.database import SqlStore
from backend.api import schemas, shapes
from backend.api.network import _STATUS
from backend.application.errors import ChainUnreachable, EvidenceUnavailable
from backend.application.settlements import BatchPolicy
from backend.application.status import BLOCKS_BEHIND, LATE_S, Standing, Status
from backend.cli.main import app
from domain.units import UnixSeconds
from tests.unit.backend.json_schema import faults
from tests.unit.backend.stores import new_store

NOW_S = UnixSeconds(1_800_000_000)
SETTLE_WITHIN_S, CLOSE_AFTER_S = 21_600, 900
POLICY = BatchPolicy(statements=32, age_s=60, in_flight=4)


class Now:
    def now_s(self) -> UnixSeconds:
        return NOW_S


class Chain:
    """A chain whose head is `block`; None if it does not answer."""

    def __init__(self, block: int | None) -> None:
        self.block = block

    def head(self) -> int:
        if self.block is None:
            raise ChainUnreachable("nobody there")
        return self.block


class House:
    """Waiting times of the market's contracts."""

    def settle_within_s(self) -> int:
        return SETTLE_WITHIN_S

    def close_after_s(self) -> int:
        return CLOSE_AFTER_S


class Store:
    """An evidence store that answers or not."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers

    def has(self, _: str) -> bool:
        if not self.answers:
            raise EvidenceUnavailable("kubo:", "refused")
        return False


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = new_store(tmp_path / "status.sqlite")
    yield made
    made.close()


def standing(store: SqlStore, *, block: int | None = 0, answers: bool = True, confirmations: int = 0) -> Standing:
    status = Status(
        store=store,
        chain=Chain(block),  # type: ignore[arg-type] # all that is asked of it
        house=House(),  # type: ignore[arg-type] # the same
        evidence=Store(answers=answers),  # type: ignore[arg-type] # the same
        clock=Now(),  # type: ignore[arg-type] # the same
        market_clock=Now(),  # type: ignore[arg-type] # the same
        policy=POLICY,
        chain_id=1,
        confirmations=confirmations,
    )
    return status.standing()


def put(store: SqlStore, table: Any, **values: object) -> None:
    with store.engine.begin() as connection:
        connection.execute(insert(table), [values])


def statement(state: str, accepted_at_s: int) -> dict[str, object]:
    numbers = dict.fromkeys(
        ("start_s", "duration_s", "import_wh", "export_wh", "tariff_base", "first_reading", "last_reading"), 1
    )
    return {
        **numbers,
        "station": 1,
        "sequence": 1,
        "telemetry_root": bytes(32),
        "signature": bytes(65),
        "evidence": "",
        "accepted_at_s": accepted_at_s,
        "state": state,
    }


def station(**suspended: bool) -> dict[str, object]:
    numbers = dict.fromkeys(
        ("payee", "rated_power_w", "opening_import_wh", "opening_export_wh", "import_wh", "export_wh", "sequence"), 1
    )
    return {
        "station": 1,
        **numbers,
        "bidirectional": True,
        "suspended_by_operator": False,
        "suspended_by_governance": False,
        **suspended,
    }


def test_new_platform_needs_no_attention(store: SqlStore) -> None:
    found = standing(store)
    assert found.attention == ()
    assert not list(faults(schemas.STATUS, shapes.status(found)))
    assert not list(faults(schemas.STATUS, _STATUS))


def test_chain_that_does_not_answer_is_named_and_no_error(store: SqlStore) -> None:
    found = standing(store, block=None)
    assert found.block is None
    assert found.attention == ("the chain does not answer; nothing is settled until it does",)
    assert not list(faults(schemas.STATUS, shapes.status(found)))


def test_evidence_store_that_does_not_answer_is_named(store: SqlStore) -> None:
    (sentence,) = standing(store, answers=False).attention
    assert sentence.startswith("the evidence store does not answer")


@pytest.mark.parametrize(("behind", "named"), [(BLOCKS_BEHIND + 6, False), (BLOCKS_BEHIND + 7, True)])
def test_blocks_that_are_not_read_beyond_the_confirmations_are_named(store: SqlStore, behind: int, named: bool) -> None:
    put(store, t.blocks, number=100, block_hash=bytes(32), parent_hash=bytes(32), time_s=1)
    assert bool(standing(store, block=100 + behind, confirmations=6).attention) is named


@pytest.mark.parametrize("who", ["suspended_by_operator", "suspended_by_governance"])
def test_suspended_station_is_named(store: SqlStore, who: str) -> None:
    put(store, t.stations, **station(**{who: True}))
    assert standing(store).attention == ("1 stations are suspended; their statements wait",)


def test_refused_statement_is_named(store: SqlStore) -> None:
    put(store, t.statements, **statement("refused", NOW_S))
    (sentence,) = standing(store).attention
    assert sentence.startswith("1 statements were refused by the contracts")


@pytest.mark.parametrize(("waited_s", "named"), [(POLICY.age_s + LATE_S, False), (POLICY.age_s + LATE_S + 1, True)])
def test_statement_that_waits_too_long_is_named(store: SqlStore, waited_s: int, named: bool) -> None:
    put(store, t.statements, **statement("accepted", NOW_S - waited_s))
    assert bool(standing(store).attention) is named


def test_readings_are_counted_by_their_last_numbers(store: SqlStore) -> None:
    put(store, t.stations, **station())
    for sequence in (1, 2, 3):
        reading = dict.fromkeys(("import_wh", "export_wh", "power_w"), 0)
        put(
            store,
            t.meter_readings,
            **reading,
            station=1,
            sequence=sequence,
            time_s=1_000 + sequence,
            session=bytes(32),
            signature=bytes(65),
        )
    counts = standing(store).counts
    assert (counts.meter_readings, counts.newest_reading_s) == (3, 1_003)


# The command.


@contextmanager
def backend(answer: object) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200 if self.path == "/v1/status" else 404)
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


def run(*options: str) -> Any:
    return CliRunner().invoke(app, ["status", *options], env={"COLUMNS": "200"})


def test_command_shows_what_needs_attention_and_ends_with_1() -> None:
    with backend(_STATUS) as url:
        done = run("--backend", url)
        assert done.exit_code == 1
        assert "! governance has paused settlement" in done.output
        assert "132,780" in done.output
        value = json.loads(run("--backend", url, "--json").output)
        assert value == _STATUS | {"backend": url}


def test_command_ends_with_0_if_nothing_needs_attention() -> None:
    with backend(_STATUS | {"attention": [], "status": "ok"}) as url:
        assert run("--backend", url).exit_code == 0


@pytest.mark.parametrize("answer", [[], {}, {"attention": 3}])
def test_somebody_else_who_answers_is_no_backend(answer: object) -> None:
    with backend(answer) as url:
        done = run("--backend", url)
    assert done.exit_code == 2
    assert "no backend answers" in done.output


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "nonsense", "http://[", "ftp://127.0.0.1"])
def test_nobody_who_answers_ends_with_2_and_says_what_to_do(address: str) -> None:
    done = run("--backend", address)
    assert done.exit_code == 2
    assert "give --backend, or start one" in done.output


def written(folder: Path, url: str, pid: int) -> Path:
    service = {"name": "backend", "pid": pid, "since": int(time.time()) - 7_200, "starts": 3}
    (folder / "serve.json").write_text(json.dumps({"api": url, "services": [service]}))
    (folder / "progress-stations.json").write_text(json.dumps({"state": "running", "stations_halted": 2}))
    return folder


def test_folder_of_a_platform_shows_its_processes_and_halted_stations(tmp_path: Path) -> None:
    with backend(_STATUS | {"attention": [], "status": "ok"}) as url:
        done = run("--folder", str(written(tmp_path, url, threading.get_native_id())))
    assert done.exit_code == 1
    assert "2 stations were halted by their oracle" in done.output
    assert "since 2 h, started 3 times" in done.output


def test_folder_of_a_platform_that_is_down_is_told_as_such(tmp_path: Path) -> None:
    done = run("--folder", str(written(tmp_path, "http://127.0.0.1:1", 1 << 22)))
    assert done.exit_code == 1
    assert "does not answer" in done.output
    assert "not running: backend" in done.output


@pytest.mark.parametrize("content", [None, "{", "{}", "[]", '{"api": "x", "services": 3}'])
def test_folder_without_a_platform_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "serve.json").write_text(content)
    done = run("--folder", str(tmp_path))
    assert done.exit_code == 2
    assert "is no data folder of a platform" in done.output
