"""`wattledger events`: the same events as over REST, from the node alone."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.cli.events import _cell
from scripts.anvil import ROOT
from tests import programs
from tests.integration.backend.site import Api, new_driver, new_meter


def run(api: Api, *options: str) -> subprocess.CompletedProcess[str]:
    at = api.site
    words = ["events", "--rpc", at.rpc, "--deployment", str(at.folder / "deployment.json"), *options]
    return programs.run("backend.cli.main", *words)


def exported(api: Api, *options: str) -> list[dict[str, Any]]:
    done = run(api, "--format", "jsonl", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def served(api: Api, **query: object) -> list[Any]:
    page = api.get("/v1/events", limit=500, **query)
    assert page["next"] is None
    return [
        {key: value for key, value in one.items() if key != "name"} | {"event": one["name"]} for one in page["items"]
    ]


@pytest.fixture(scope="module")
def settled(api: Api) -> tuple[int, int]:
    """An account and a station of a settled batch."""
    driver, meter = new_driver(api), new_meter(api)
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    meter.state(session)
    api.settle()
    return driver.account, meter.station


def test_a_node_says_the_same_as_the_server(api: Api, settled: tuple[int, int]) -> None:
    found = exported(api)

    assert [{key: one[key] for key in one if key != "time"} for one in found] == served(api)
    assert {one["time"] for one in found if one["block"] == found[-1]["block"]} == {
        api.site.reader().time_of(found[-1]["block"])
    }
    assert list(found[0]) == ["block", "time", "tx", "log_index", "contract", "event", "args"]


def test_events_are_narrowed_down(api: Api, settled: tuple[int, int]) -> None:
    account, station = settled
    everything = exported(api)
    [batch] = exported(api, "--event", "BatchSettled", "--station", str(station))
    block = str(batch["block"])

    assert station in {int(word, 16) >> 232 for word in batch["args"]["statements"]}
    assert exported(api, "--contract", "Escrow") == [one for one in everything if one["contract"] == "Escrow"]
    assert [one["event"] for one in exported(api, "--account", str(account))] == ["AccountOpened", "Deposited"]
    assert exported(api, "--from-block", block, "--to-block", block) == [
        one for one in everything if one["block"] == batch["block"]
    ]


def test_csv_has_a_column_for_each_argument_of_one_event(api: Api, settled: tuple[int, int]) -> None:
    done = run(api, "--event", "Deposited", "--account", str(settled[0]))
    [row] = csv.DictReader(io.StringIO(done.stdout))

    assert list(row) == ["block", "time", "tx", "log_index", "contract", "event", "account", "from", "amountMicro"]
    assert (row["account"], row["amountMicro"], row["contract"]) == (str(settled[0]), str(10**9), "Escrow")
    assert "1 events of blocks" in done.stderr


def test_csv_of_mixed_events_has_the_arguments_in_one_column(api: Api, tmp_path: Path) -> None:
    out = tmp_path / "events.csv"
    done = run(api, "--out", str(out))
    rows = list(csv.DictReader(io.StringIO(out.read_text())))

    assert (done.stdout, done.returncode) == ("", 0)
    assert [json.loads(row["args"]) for row in rows] == [one["args"] for one in exported(api)]
    assert [path.name for path in tmp_path.iterdir()] == ["events.csv"]


WRONG = [
    ("--contract", "Nothing"),
    ("--event", "Nothing"),
    ("--to-block", "999999999"),
    ("--from-block", "-1"),
    ("--account", "1.5"),
    ("--format", "xml"),
    ("--deployment", "nowhere.json"),
    ("--rpc", "http://127.0.0.1:9"),
    ("--out", "/nowhere/at/all.csv"),
]


@pytest.mark.parametrize("options", WRONG)
def test_what_cannot_be_exported_is_said_and_ends_with_2(api: Api, options: tuple[str, str]) -> None:
    done = run(api, *options)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_enough_is_no_error(api: Api) -> None:
    at = api.site
    command = f"{sys.executable} -m backend.cli events --rpc {at.rpc} --deployment {at.folder / 'deployment.json'}"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "block,time,tx,log_index,contract,event,args\n"
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("0xab", "0xab"),
        (-5, "-5"),
        (1 << 96, str(1 << 96)),
        (True, "true"),
        (["0x1"], '["0x1"]'),
    ],
)
def test_no_cell_is_a_formula(value: object, cell: str) -> None:
    assert _cell(value) == cell
