"""Problem details: every error has a status on purpose, and none shows more than it should."""

import inspect
import json

import pytest

from backend.api import problems
from backend.application import errors as app
from domain import errors as domain
from domain.errors import (
    HighS,
    InvalidCid,
    NotAuthorised,
    OutOfRange,
    RegisterWentBack,
    SequenceGap,
    StationIsSuspended,
    UnknownAccount,
    UnknownSession,
    WattledgerError,
    WrongSigner,
)
from scripts.anvil import ROOT


def all_errors() -> list[type[WattledgerError]]:
    return [
        kind
        for module in (domain, app, problems)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, WattledgerError)
    ]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_no_error_of_ours_is_a_failure_of_the_server(kind: type[WattledgerError]) -> None:
    error = kind.__new__(kind)

    assert problems.status_of(error) in {400, 401, 403, 404, 408, 409, 413, 422, 429, 503}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutOfRange("x", 1, 2, 3), 422),
        (InvalidCid("x"), 422),
        (HighS(), 422),
        (WrongSigner("x", bytes(20), bytes(20)), 403),
        (StationIsSuspended(1), 409),
        (UnknownAccount(1), 404),
        (UnknownSession(bytes(32)), 404),
        (SequenceGap("x", 1, 2), 409),
        (RegisterWentBack(1, "import", 2, 1), 409),
        (NotAuthorised(bytes(32), "x", 1, 2), 422),
        (app.NoDriverKey(1), 409),
        (app.SettlementRefused("SequenceMismatch"), 409),
        (app.ChainUnavailable(), 503),
        (app.EvidenceUnavailable("/ip4/127.0.0.1/tcp/5001", "no"), 503),
        (problems.NotJson(), 400),
        (ValueError(), 500),
    ],
)
def test_the_status_goes_by_the_class(error: Exception, status: int) -> None:
    assert problems.status_of(error) == status


def test_a_problem_has_type_title_and_the_errors_values() -> None:
    assert problems.problem_of(SequenceGap("station 7", 13, 14)) == {
        "type": "/v1/problems/sequence-gap",
        "title": "Sequence gap",
        "status": 409,
        "detail": "station 7: sequence 14 after 12; send 13 first",
        "who": "station 7",
        "expected": 13,
        "received": 14,
    }


def test_a_refusal_of_the_contracts_has_its_values() -> None:
    values = {"station": 3, "expected": bytes(19) + b"\x01", "root": b"\xab" * 32}
    problem = problems.problem_of(app.SettlementRefused("WrongSigner", values))

    assert problem["detail"].startswith("WrongSigner(station=3, expected=0x00")
    assert problem["values"] == {
        "station": 3,
        "expected": "0x0000000000000000000000000000000000000001",
        "root": "0x" + "ab" * 32,
    }


def test_a_huge_integer_is_described_not_repeated() -> None:
    problem = problems.problem_of(OutOfRange("import_wh", 10**4000, 0, 1))

    assert "value" not in problem
    assert len(json.dumps(problem)) < 400


def test_any_text_can_be_answered() -> None:
    body = problems.JsonResponse({"x": "\ud800 ☂"}).body

    assert json.loads(bytes(body)) == {"x": "\ud800 ☂"}


class ClosedForToday(app.ChainUnavailable):
    """An error of an adapter, which is documented nowhere."""


def test_an_error_below_a_documented_one_has_its_type() -> None:
    problem = problems.problem_of(ClosedForToday("not now"))

    assert (problem["type"], problem["status"]) == ("/v1/problems/chain-unavailable", 503)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_means(kind: type[WattledgerError]) -> None:
    assert (kind.__doc__ or "").strip()


def problems_page() -> str:
    """What docs/reference/problems.md must be."""
    kinds = problems.problem_types()
    rows = [f"| `{one.type.removeprefix(problems.TYPE_ROOT)}` | {one.status} | {one.meaning} |" for one in kinds]
    return "\n".join(
        [
            "# Problems",
            "",
            "Errors of the REST interface are problem details (RFC 9457). `type` is `/v1/problems/` and the name",
            "below; the server answers there with the same as this table, and at `/v1/problems` with all of it.",
            "Problems of HTTP itself, such as an unknown path or method, have the type `about:blank`.",
            "",
            "| type | status | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def test_the_reference_lists_every_problem() -> None:
    """If this fails, write `problems_page()` to the file."""
    assert (ROOT / "docs" / "reference" / "problems.md").read_text() == problems_page()
