"""What the status says is what the lists hold, and what needs attention is named."""

import sqlite3
import subprocess
import time
from contextlib import closing

from tests import programs
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Api, Site, running
from tests.integration.backend.stated import stated


def shown(api: Api, *options: str) -> "subprocess.CompletedProcess[str]":
    return programs.run("backend.cli.main", "status", "--backend", api.url, *options)


def test_counts_are_those_of_the_lists(own_site: Site) -> None:
    with running(own_site) as api:
        before = api.get("/v1/status")
        assert (before["readings"], before["statements"]["accepted"]) == ({"meter": 0, "bms": 0, "newest": None}, 0)
        meters = [stated(api) for _ in range(3)]
        standing = api.get("/v1/status")
        readings = [api.get(f"/v1/stations/{meter.station}")["last_reading_sequence"] for meter in meters]
        assert standing["readings"]["meter"] == sum(readings) > 0
        assert standing["statements"]["accepted"] == len(api.get("/v1/statements", state="accepted")["items"]) == 3
        assert standing["statements"]["oldest_waiting"] <= time.time()
        assert standing["members"]["stations"] == len(api.get("/v1/stations")["items"]) == 3
        assert standing["members"]["accounts"] == len(api.get("/v1/accounts")["items"])
        assert standing["sessions"]["authorised"] == len(api.get("/v1/sessions")["items"]) == 3
        assert standing["chain"]["block"] == api.get("/v1/health")["block"]

        api.settle()
        wait_until(lambda: api.get("/v1/status")["statements"]["settled"] == 3)
        after = api.get("/v1/status")
        assert (after["statements"]["accepted"], after["statements"]["oldest_waiting"]) == (0, None)
        assert after["settlements"]["settled"] == len(api.get("/v1/settlements", state="settled")["items"])
        assert after["transactions"]["mined"] == len(api.get("/v1/transactions", state="mined", limit=500)["items"])
        assert (after["status"], after["attention"]) == ("ok", [])

        told = shown(api)
        assert told.returncode == 0, told.stderr
        assert "nothing needs attention" in told.stdout


def test_sessions_that_are_over_are_not_open(own_site: Site) -> None:
    with running(own_site) as api:
        stated(api)
        [session] = api.get("/v1/sessions")["items"]
        open_now = int(session["not_before"] <= time.time() < session["expiry"])
        assert api.get("/v1/status")["sessions"] == {"authorised": 1, "open": open_now}


def test_statement_that_waits_too_long_needs_attention(own_site: Site) -> None:
    with running(own_site) as api:
        stated(api)
    with closing(sqlite3.connect(own_site.folder / "data" / "wattledger.sqlite")) as database:
        database.execute("UPDATE statements SET accepted_at_s = accepted_at_s - 10000")
        database.commit()
    with running(own_site) as api:
        [sentence] = api.get("/v1/status")["attention"]
        assert sentence.startswith("a statement waits for its batch since 10")
        told = shown(api)
        assert told.returncode == 1
        assert "a statement waits" in told.stdout
