"""The running backend while its Kubo is down: it says so, loses nothing, and goes on by itself."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bench.fleet import Fleet, Stated
from domain.packet import MEDIA_TYPE
from scripts.anvil import ROOT
from scripts.kubo import GoMissing, KuboNode
from scripts.platform import Platform, platform
from tests.services.kubo import LIMIT_S

pytestmark = [pytest.mark.services, pytest.mark.timeout(LIMIT_S)]

STATIONS, ROWS = 4, 3
WAIT_LIMIT_S = 60
REQUEST_LIMIT_S = 30
SETTINGS = {"WATTLEDGER_BATCH_AGE_S": "4", "WATTLEDGER_POLL_MS": "50"}


@contextmanager
def on_kubo(folder: Path) -> Iterator[tuple[Platform, KuboNode, httpx.Client]]:
    """The platform on a Kubo of its own. Without Go the test is skipped, and says so."""
    try:
        with (
            platform(folder, lambda _: None, ipfs="kubo", settings=SETTINGS) as at,
            httpx.Client(base_url=at.url, timeout=REQUEST_LIMIT_S, trust_env=False) as http,
        ):
            assert at.kubo is not None
            yield at, at.kubo, http
    except GoMissing as error:
        pytest.skip(f"NOT TESTED ON A REAL IPFS NODE: {error}")


def test_backend_outlives_its_kubo_and_everything_is_settled(tmp_path: Path) -> None:
    with on_kubo(tmp_path) as (at, node, http):
        fleet = Fleet(at, STATIONS)
        before = fleet.stated(1, ROWS)
        assert [send(http, one).status_code for one in before] == [201] * STATIONS
        node.kill()

        later = fleet.stated(2, ROWS)
        for one in later:
            refused = send(http, one)
            assert refused.status_code == 503
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert refused.json()["type"] == "/v1/problems/evidence-unavailable"
            assert int(refused.headers["Retry-After"]) >= 1
            assert http.get(f"/v1/statements/{one.station}-2").status_code == 404
        wait_until(lambda: "EvidenceUnavailable" in (tmp_path / "backend.log").read_text(), "the loop was not held up")
        assert states(at) == {"accepted"}

        node.start()
        for one in later:
            assert sent_until_taken(http, one) == 201
        wait_until(lambda: states(at) == {"settled"}, "not all is settled")
        assert {one["id"] for one in at.items("/v1/statements")} == {
            f"{meter.station}-{number}" for meter in fleet.meters for number in (1, 2)
        }
        for meter in fleet.meters:
            assert meter.last is not None
            kept = [one["sequence"] for one in at.items("/v1/readings", station=meter.station)]
            assert kept == list(range(1, meter.last.sequence + 1))
        assert at.backend is not None
        assert at.backend.poll() is None
        audit(at)


def send(http: httpx.Client, stated: Stated) -> httpx.Response:
    """Sends a station's readings, which are kept whatever becomes of the statement, and the statement."""
    taken = http.post("/v1/readings/batch", content=stated.readings, headers={"Content-Type": MEDIA_TYPE})
    assert taken.status_code == 200, taken.text
    assert taken.json()["refused"] == []
    return http.post("/v1/statements", content=stated.statement)


def sent_until_taken(http: httpx.Client, stated: Stated) -> int:
    """As an oracle does: again after as long as it is told."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while (answer := http.post("/v1/statements", content=stated.statement)).status_code == 503:
        assert time.monotonic() < deadline, answer.text
        time.sleep(int(answer.headers["Retry-After"]))
    return answer.status_code


def states(at: Platform) -> set[str]:
    return {one["state"] for one in at.items("/v1/statements")}


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def audit(at: Platform) -> None:
    """Everything, with the blobs from Kubo: no finding."""
    report = at.folder / "report.json"
    command = [sys.executable, "-m", "backend.cli", "audit", "--rpc", at.rpc, "--deployment", str(at.deployment)]
    command += [*at.evidence_options, "--claims", at.url, "--report", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["findings"] == []
    assert found["tally"]["statements"] == 2 * STATIONS
