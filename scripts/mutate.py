"""Breaks the contracts on purpose, one small change at a time, and sees whether their tests notice.

The changes are listed in contracts/test/mutants.toml. Each is made in a copy of its own below the folder for
temporary files, never in this tree. The copy starts from a finished build, so that only what the change touches
is compiled again: 3 to 8 s for one contract, 15 s for Roles, which all the tests import.

A mutant is killed if a test fails. One that does not compile, or that compiles to the code there was before, is
broken: the list is wrong, not the tests. Running out of time counts as killed and is said on its line.
The last line is a JSON object. The status is 0 if every mutant was killed.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
MUTANTS = CONTRACTS / "test" / "mutants.toml"
FORGE = ROOT / "scripts" / "forge"
BUILD_LIMIT_S = 600
TEST_LIMIT_S = 600
# A mutant is killed by a test, not by what it costs, and how short a failure can be made is of no interest.
SETTINGS = {
    "FOUNDRY_FUZZ_SEED": "0x57",
    "FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0",
    "FORGE_SNAPSHOT_CHECK": "false",
}

KILLED, SURVIVED, BROKEN = "killed", "survived", "broken"


class MutantDoesNotApply(Exception):
    """The source no longer says what the list says it does."""


class NoBaseline(Exception):
    """The contracts as they are do not pass their tests, so that mutants would tell nothing."""


class ForgeFailed(Exception):
    """forge ended with an error that is no failed test."""


class OutOfTime(Exception):
    """forge did not end in time; it was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change. `text` stands once in `file`, or `at` does and `text` is the first one after it."""

    file: str
    text: str
    to: str
    means: str
    at: str = ""

    @property
    def name(self) -> str:
        """Contract and a digest of the change."""
        change = json.dumps([self.file, self.at, self.text, self.to]).encode()
        return f"{Path(self.file).stem}-{hashlib.sha256(change).hexdigest()[:6]}"

    def place(self, source: str) -> int:
        """Where in the source the change is made."""
        anchor = self.at or self.text
        if source.count(anchor) != 1:
            raise MutantDoesNotApply(f"{self.file}: {source.count(anchor)} times {anchor!r}")
        place = source.find(self.text, source.index(anchor))
        if place < 0:
            raise MutantDoesNotApply(f"{self.file}: no {self.text!r} after {anchor!r}")
        return place

    def applied(self, source: str) -> str:
        """The source with the change."""
        place = self.place(source)
        return source[:place] + self.to + source[place + len(self.text) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a mutant; `how` names the test that failed, or says why there was none."""

    mutant: Mutant
    verdict: str
    how: str
    timed_out: bool = False
    seconds: float = 0.0


def listed(path: Path = MUTANTS) -> list[Mutant]:
    """The mutants in the list, in its order."""
    return [Mutant(**entry) for entry in tomllib.loads(path.read_text())["mutant"]]


def run(mutants: Sequence[Mutant], jobs: int) -> Iterator[Outcome]:
    """Tries each mutant; outcomes come as they are known."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        base = _baseline(Path(folder) / "base")
        code = _code(base)
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(_try, mutant, base, code, Path(folder) / mutant.name) for mutant in mutants]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def copy_project(folder: Path, *without: str) -> None:
    """All that forge needs of this project, in a folder that does not exist yet."""
    folder.mkdir()
    shutil.copytree(CONTRACTS, folder / "contracts", ignore=shutil.ignore_patterns(".cache", *without))
    shutil.copytree(ROOT / "tests" / "vectors", folder / "tests" / "vectors")
    shutil.copy2(ROOT / "foundry.toml", folder)
    for needed in ("node_modules", "scripts"):
        (folder / needed).symlink_to(ROOT / needed)


def _baseline(base: Path) -> Path:
    """A copy of the contracts, built, whose tests pass."""
    copy_project(base, "proofs")
    refused = _build(base)
    if refused:
        raise NoBaseline(refused)
    outcomes = _outcomes(base)
    failed = [test for test, outcome in outcomes.items() if outcome["status"] == "Failure"]
    if failed or not outcomes:
        raise NoBaseline(f"{failed[0]} fails without any change" if failed else "there are no tests")
    return base


def _try(mutant: Mutant, base: Path, code: dict[str, str], folder: Path) -> Outcome:
    began = time.monotonic()
    try:
        verdict, how, timed_out = _judge(mutant, base, code, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(
        mutant=mutant, verdict=verdict, how=how, timed_out=timed_out, seconds=round(time.monotonic() - began, 1)
    )


def _judge(mutant: Mutant, base: Path, code: dict[str, str], folder: Path) -> tuple[str, str, bool]:
    """The verdict, why, and whether time ran out."""
    shutil.copytree(base, folder, symlinks=True)
    target = folder / "contracts" / mutant.file
    try:
        target.write_text(mutant.applied(target.read_text()))
        refused = _build(folder)
    except (MutantDoesNotApply, OutOfTime) as error:
        return BROKEN, str(error), False
    if refused:
        return BROKEN, refused, False
    if _code(folder) == code:
        return BROKEN, "the same code as before", False
    try:
        failed = next(filter(None, (_failed_test(folder, *options) for options in _stages(target.stem))), "")
    except OutOfTime as error:
        return KILLED, str(error), True
    except ForgeFailed as error:
        return BROKEN, str(error), False
    return (KILLED, failed, False) if failed else (SURVIVED, "no test fails", False)


def _stages(contract: str) -> list[tuple[str, str]]:
    """The tests in three parts, those that are likeliest to notice first: the contract's own, others, invariants."""
    own, invariants = f"**/{contract}*.t.sol", "**/invariants/*"
    others = f"**/{{{contract}*.t.sol,invariants/*}}"
    return [("--match-path", own), ("--no-match-path", others), ("--match-path", invariants)]


def _build(folder: Path) -> str:
    """Builds; what the compiler says if it refuses, else nothing."""
    status, _, errors = _forge(folder, BUILD_LIMIT_S, "build")
    refusal = next((line for line in errors.splitlines() if line.startswith("Error (")), errors[-500:])
    return refusal if status else ""


def _failed_test(folder: Path, *options: str) -> str:
    """The first test that fails, with its reason; nothing if all pass."""
    for name, outcome in _outcomes(folder, *options).items():
        if outcome["status"] == "Failure":
            return f"{name.partition('(')[0]}: {outcome['reason'] or 'no reason'}"
    return ""


def _outcomes(folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """What forge says of each test, up to the first that fails; empty if the options leave none."""
    status, output, errors = _forge(folder, TEST_LIMIT_S, "test", "--threads", "1", "--fail-fast", "--json", *options)
    suites = json.loads(output) if output.startswith("{") else {}
    outcomes = {
        f"{suite.rpartition(':')[2]}.{test}": outcome
        for suite, result in suites.items()
        for test, outcome in result["test_results"].items()
    }
    if status and all(outcome["status"] != "Failure" for outcome in outcomes.values()):
        raise ForgeFailed(f"forge test ended with status {status}: {(output + errors)[-500:]}")
    return outcomes


def _forge(folder: Path, limit_s: int, *arguments: str) -> tuple[int, str, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FOUNDRY_", "DAPP_"))}
    process = subprocess.Popen(
        [FORGE, *arguments],
        cwd=folder,
        env=environment | SETTINGS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=limit_s)
    except BaseException as error:
        # The compiler is a child of forge.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise OutOfTime(f"forge {arguments[0]} ran out of time after {limit_s} s") from None
        raise
    return process.returncode, output, errors


def _code(folder: Path) -> dict[str, str]:
    """The creation code of everything that was built."""
    artifacts = (folder / "out").glob("*.sol/*.json")
    return {str(file.relative_to(folder)): json.loads(file.read_text())["bytecode"]["object"] for file in artifacts}


def _line(outcome: Outcome, done: int, of: int) -> str:
    what = f"{outcome.mutant.name} in {outcome.seconds:.1f} s: {outcome.mutant.means}"
    return f"[{done:3}/{of}] {outcome.verdict:8} {what}\n{'':10}{outcome.how}"


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    def named(verdict: str) -> list[str]:
        return sorted(f"{o.mutant.name}: {o.mutant.means}" for o in outcomes if o.verdict == verdict)

    killed = len(named(KILLED))
    return {
        "mutants": len(outcomes),
        "killed": killed,
        "survived": named(SURVIVED),
        "broken": named(BROKEN),
        "timed_out": sorted(o.mutant.name for o in outcomes if o.timed_out),
        "score": round(killed / len(outcomes), 4),
    }


def main() -> int:
    """Tries the mutants that were asked for; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="only mutants with this in name or meaning")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at a time (default 1)")
    asked = parser.parse_args()
    mutants = [mutant for mutant in listed() if asked.only in f"{mutant.name}: {mutant.means}"]
    if not mutants:
        parser.error(f"no mutant has {asked.only!r} in its name or meaning")
    outcomes: list[Outcome] = []
    try:
        for outcome in run(mutants, asked.jobs):
            outcomes.append(outcome)
            sys.stdout.write(_line(outcome, len(outcomes), len(mutants)) + "\n")
            sys.stdout.flush()
    except (NoBaseline, ForgeFailed, OutOfTime) as error:
        sys.stderr.write(f"the contracts as they are: {error}\n")
        return 2
    summary = _summary(outcomes)
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0 if summary["killed"] == summary["mutants"] else 1


if __name__ == "__main__":
    sys.exit(main())
