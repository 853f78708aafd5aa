"""scripts/mutate.py tells a mutant that the tests notice from one they do not, and from one that is none."""

import pytest

from scripts.mutate import BROKEN, CONTRACTS, KILLED, SURVIVED, Mutant, run
from tests.services.environment import LIMIT_S

LOOP = "i < owners.length"
CASES = {
    "i + 1 < owners.length": KILLED,
    # Code of another kind that does the same.
    "i != owners.length": SURVIVED,
    "i << owners.length": BROKEN,
    "i  < owners.length": BROKEN,
}

pytestmark = [pytest.mark.services, pytest.mark.timeout(LIMIT_S)]


def test_each_mutant_is_told_by_what_the_tests_say() -> None:
    before = {path: path.read_bytes() for path in CONTRACTS.rglob("*.sol")}
    mutants = [Mutant(file="AccountRegistry.sol", text=LOOP, to=to, means="a test of the tool") for to in CASES]
    assert {outcome.mutant.to: outcome.verdict for outcome in run(mutants, jobs=1)} == CASES
    assert {path: path.read_bytes() for path in CONTRACTS.rglob("*.sol")} == before
