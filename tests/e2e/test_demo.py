"""The main job as a user runs it: a day in, a table, a report and an audit out; then four tamperings, all named."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.anvil import ROOT
from tests import programs

DAY = "2019-07-20"
"""A Saturday with few sessions, so that the test is quick."""
LIMIT_S = 110


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    text: str
    folder: Path


def demo(folder: Path, *options: str) -> Outcome:
    command = [sys.executable, "-m", "scripts.demo", "--folder", str(folder), *options]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            text, _ = process.communicate(timeout=LIMIT_S)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # With the chain, the backend and the oracles that it started.
            raise
    return Outcome(process.returncode, text, folder)


@pytest.fixture(scope="module")
def tampered(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One small day, audited, tampered with, audited again."""
    return demo(tmp_path_factory.mktemp("demo") / "day", "--date", DAY, "--tamper")


def test_day_ends_with_a_table_and_no_findings(tampered: Outcome) -> None:
    table = tampered.text.split("Now somebody tampers")[0]
    assert "audit findings    │ 0" in table
    for line in (
        "sessions",
        "energy charged",
        "energy sold back",
        "energy traded",
        "euro moved",
        "gas per session",
        "readings verified",
    ):
        assert line in table
    assert "modelled" in table


def test_day_is_shown_uncontrolled_and_scheduled(tampered: Outcome) -> None:
    table = tampered.text.split("The site, uncontrolled and scheduled")[1].split("report:")[0]
    for line in ("peak of the vehicles", "cost", "renewable share", "sessions satisfied"):
        assert line in table
    satisfied = next(line for line in table.splitlines() if "sessions satisfied" in line)
    assert satisfied.count("100.0%") == 2
    assert "Uncontrolled and scheduled" in (tampered.folder / "report.html").read_text()


def test_oracles_followed_the_schedule_of_every_vehicle(tampered: Outcome) -> None:
    site = json.loads((tampered.folder / "site.json").read_text())
    lines = [json.loads(line) for line in (tampered.folder / "set-points.jsonl").read_text().splitlines()]
    scheduled = {int(account) for line in lines for account in line["moves"]}
    assert scheduled == set(site["scheduled"]) > set(site["traders"])
    told_wh = sum(moves[0] for line in lines for moves in line["moves"].values())
    tally = json.loads((tampered.folder / "audit.json").read_text())["tally"]
    assert tally["imported_wh"] == told_wh


def test_contracts_are_compared_with_this_build_and_the_deployer_has_let_go(tampered: Outcome) -> None:
    assert "no differences in" in tampered.text
    check = (tampered.folder / "check.log").read_text()
    deployment = json.loads((tampered.folder / "deployment.json").read_text())
    assert f"of {deployment['deployer']} (closed): none" in check
    assert f"of {deployment['roles']['governor']} (open): governor" in check
    assert (tampered.folder / "keys" / "governor" / "governor.json").exists()


def test_report_is_one_page_with_plots(tampered: Outcome) -> None:
    page = (tampered.folder / "report.html").read_text()
    assert page.count("<svg") == 7
    assert "No findings" in page
    assert "CC BY 4.0" in page
    assert "src=" not in page


def test_every_interval_was_cleared_on_chain_and_cleared_again_by_the_audit(tampered: Outcome) -> None:
    auctions = int(tampered.text.split("trading the day: ")[1].split(" auctions")[0])
    assert f"{auctions} auctions over" in tampered.text
    tally = json.loads((tampered.folder / "audit.json").read_text())["tally"]
    assert tally["auctions"] == auctions > 0
    assert tally["positions"] > 0
    assert tally["orders"] > 2 * auctions


def test_each_of_four_tamperings_is_named_and_the_status_is_1(tampered: Outcome) -> None:
    assert tampered.status == 1
    findings = json.loads((tampered.folder / "audit.json").read_text())["findings"]
    done = [line for line in tampered.text.splitlines() if "✂" in line]
    assert len(done) == 4
    altered, host = (line.split("blob ")[1].split(":")[0] for line in done[:2])
    expected = {
        ("evidence-altered", altered),
        ("reading-signature", altered),
        ("evidence-altered", host),
        ("reading-swapped", host),
    }
    assert {(f["code"], f["where"].split("blob ")[-1].split(":")[0]) for f in findings} >= expected
    claims = [f for f in findings if f["code"] == "claim-amount"]
    assert len(claims) == 1
    assert claims[0]["expected"] != claims[0]["found"]
    [fill] = [f for f in findings if f["code"] == "claim-book"]
    line, interval = done[3].split("line ")[1].split(" ")[0], done[3].split("interval ")[1].split(",")[0]
    assert fill["where"] == f"claim: book of zone 1, interval {interval}, line {line} (Wh filled)"
    assert done[3].endswith(f"now got {fill['found']} Wh instead of {fill['expected']}")
    assert {f["code"] for f in findings} == {
        "evidence-altered",
        "reading-signature",
        "reading-swapped",
        "telemetry-root",
        "claim-amount",
        "claim-book",
    }


def test_no_key_and_no_token_is_in_a_log(tampered: Outcome) -> None:
    secrets = [(tampered.folder / "keys" / name).read_text().strip() for name in ("passphrase", "api-token")]
    for log in tampered.folder.glob("*.log"):
        text = log.read_text()
        assert not any(secret in text for secret in secrets)


def refused(folder: Path, *options: str) -> tuple[int, str]:
    """How a demo ends that never begins, and all that it says."""
    done = programs.run("scripts.demo", "--folder", str(folder / "day"), *options)
    assert not (folder / "day" / "deployment.json").exists()
    return done.returncode, done.stdout + done.stderr


def test_day_without_sessions_is_refused_with_the_days_that_there_are(tmp_path: Path) -> None:
    status, text = refused(tmp_path, "--date", "2001-01-01")
    assert status == 1
    assert "2019-07-08" in text
    assert "Traceback" not in text


def test_text_that_is_no_day_is_refused_with_an_example(tmp_path: Path) -> None:
    status, text = refused(tmp_path, "--date", "2019-13-40")
    assert status == 2
    assert "write it as YYYY-MM-DD, such as 2019-07-10" in text


def test_file_that_is_not_there_or_no_sessions_file_is_refused(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.csv"
    nonsense.write_text("a,b\n1,2\n")
    for path in (tmp_path / "nowhere.csv", nonsense):
        status, text = refused(tmp_path, "--sessions", str(path))
        assert status == 1
        assert path.name in text
        assert "Traceback" not in text
