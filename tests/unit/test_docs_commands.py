"""Every command in the README and the documents is run: here, by another test, or by .ci/run itself."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from scripts.anvil import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?:make|ape|\.venv/bin/\S+|node_modules/\.bin/\S+|scripts/\S+|python3?) ")
RUN_ELSEWHERE = {
    "make setup": ".ci/run",
    "make check": ".ci/run",
    "make test": ".ci/run",
    "make test-services": ".ci/run",
    "make demo": "tests/e2e/test_demo.py",
    "make serve": "tests/e2e/test_serve.py",
    "make gas": "tests/unit/test_forge.py",
    "make bench": "tests/integration/test_bench.py",
    ".venv/bin/python -m bench.gas": "tests/integration/test_bench_gas.py",
    ".venv/bin/python -m bench.audit": "tests/integration/test_bench.py",
    ".venv/bin/python -m bench.ingest": "tests/integration/test_bench.py",
    ".venv/bin/python -m bench.settle": "tests/integration/test_bench.py",
    ".venv/bin/python -m bench.auction": "tests/integration/test_bench_plans.py",
    ".venv/bin/python -m bench.schedule_speed": "tests/integration/test_bench_plans.py",
    ".venv/bin/python -m bench.schedule": "tests/unit/bench/test_schedule_cases.py",
    ".venv/bin/wattledger audit": "tests/e2e/test_serve.py",
    ".venv/bin/wattledger status": "tests/e2e/test_serve.py",
    ".venv/bin/wattledger bid": "tests/integration/backend/test_market_api.py",
    ".venv/bin/wattledger auctions": "tests/integration/backend/test_market_api.py",
    ".venv/bin/wattledger plan data/": "tests/unit/backend/test_plan_command.py",
    ".venv/bin/wattledger positions": "tests/integration/backend/test_market_api.py",
    ".venv/bin/wattledger events": "tests/integration/backend/test_events_command.py",
    ".venv/bin/wattledger evidence": "tests/unit/backend/test_evidence_command.py",
    ".venv/bin/python -m scripts.deploy --rpc URL --keystore": "tests/integration/test_deploy.py",
    ".venv/bin/python -m scripts.deploy --check": "tests/integration/test_deploy_check.py",
    ".venv/bin/python -m scripts.govern": "tests/integration/test_govern.py",
    "ape run deploy": "tests/services/test_ape.py",
    ".venv/bin/python -m tests.vectors.make_vectors": "tests/unit/domain/test_vectors.py",
}


def _commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```(?:sh|bash|console)?\n(.*?)```", document.read_text(), re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(document.name, line.strip()) for line in lines if COMMAND.match(line.strip())]
    return found


def test_readme_opens_with_a_picture_and_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.index("```mermaid") < text.index("```sh\nmake demo\nmake test\n```") < 3_000


@pytest.mark.parametrize(("document", "command"), _commands())
def test_command_in_a_document_is_run_by_something(document: str, command: str) -> None:
    if command.endswith("--help"):
        words = shlex.split(command)
        done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0
        return
    place = next((place for start, place in RUN_ELSEWHERE.items() if command.startswith(start)), None)
    assert place is not None, f"{document}: nothing runs {command!r}"
    assert Path(ROOT / place).exists()
