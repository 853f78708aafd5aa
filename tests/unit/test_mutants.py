"""The list of mutants fits the contracts as they are, so that a run of scripts/mutate.py means something."""

import re
import tomllib

import pytest

from scripts.mutate import CONTRACTS, Mutant, MutantDoesNotApply, listed

LEAST = 60
MUTANTS = listed()
PROOFS = CONTRACTS / "test" / "proofs"
SOURCE = "if (a) f();\nif (b) f();\nif (b) g();\n"


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_changes_the_present_source_in_one_place(mutant: Mutant) -> None:
    source = (CONTRACTS / mutant.file).read_text()
    assert mutant.applied(source) != source


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= LEAST


def test_no_two_mutants_are_the_same() -> None:
    changed = [(mutant.file, mutant.applied((CONTRACTS / mutant.file).read_text())) for mutant in MUTANTS]
    assert len(set(changed)) == len(MUTANTS)
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_every_mutant_says_what_would_be_wrong() -> None:
    assert all(len(mutant.means.split()) > 1 for mutant in MUTANTS)


def test_every_proof_has_a_change_that_it_must_notice() -> None:
    changes = tomllib.loads((PROOFS / "broken.toml").read_text())["broken"]
    proofs = [name for path in PROOFS.glob("*.sol") for name in re.findall(r"function (check_\w+)\(", path.read_text())]
    assert sorted(change.pop("proof") for change in changes) == sorted(proofs)
    for change in changes:
        source = (CONTRACTS / change["file"]).read_text()
        assert Mutant(**change, means="the proof's property").applied(source) != source


def _mutant(text: str, at: str = "") -> Mutant:
    return Mutant(file="A.sol", text=text, at=at, to="X", means="nothing works")


def test_text_that_stands_once_is_replaced() -> None:
    assert _mutant("g()").applied(SOURCE) == "if (a) f();\nif (b) f();\nif (b) X;\n"


def test_first_text_after_a_context_that_stands_once_is_replaced() -> None:
    assert _mutant("(b)", at="(a)").applied(SOURCE) == "if (a) f();\nif X f();\nif (b) g();\n"


@pytest.mark.parametrize(("text", "at"), [("f()", ""), ("h()", ""), ("f()", "(b)"), ("f()", "(c)"), ("(a)", "g()")])
def test_text_that_is_not_in_one_place_is_refused(text: str, at: str) -> None:
    with pytest.raises(MutantDoesNotApply):
        _mutant(text, at).applied(SOURCE)
