"""The description of the REST interface: complete, stable, and shown without help from elsewhere."""

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from backend.api.app import ApiOptions, create_app
from backend.api.problems import TYPE_ROOT, problem_types
from backend.application.services import Services
from tests.unit.backend.json_schema import faults

OPERATIONS = Path(__file__).parent / "operations.txt"
APP = create_app(
    cast(Services, SimpleNamespace(network=None, intake=None)), ApiOptions(token="a-token-for-tests-0123456789")
)
DOCUMENT: dict[str, Any] = APP.openapi()
ALL = [
    (method.upper(), path, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
]
NAMED = pytest.mark.parametrize(("method", "path", "operation"), ALL, ids=[one["operationId"] for _, _, one in ALL])


def get(path: str) -> httpx.Response:
    """What the application answers, without a server."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://x") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_operations_are_those_that_clients_know() -> None:
    """Names and paths of operations are for good. A new one is added to the file."""
    found = sorted(f"{operation['operationId']} {method} {path}" for method, path, operation in ALL)

    assert found == OPERATIONS.read_text().splitlines()


@NAMED
def test_every_answer_has_a_schema_and_an_example_of_it(method: str, path: str, operation: Any) -> None:
    fine = {status: one for status, one in operation["responses"].items() if status.startswith("2")}

    assert fine
    for answer in fine.values():
        for content in answer["content"].values():
            assert content["schema"]
            assert list(faults(content["schema"], content["example"])) == []
    problem = operation["responses"]["default"]["content"]["application/problem+json"]
    assert list(faults(problem["schema"], problem["example"])) == []


@NAMED
def test_every_body_has_a_schema_and_an_example_of_it(method: str, path: str, operation: Any) -> None:
    body = operation.get("requestBody")

    assert (body is not None) == (method == "POST")
    if body is not None:
        content = body["content"]["application/json"]
        assert list(faults(content["schema"], content["example"])) == []


@NAMED
def test_every_operation_says_what_it_does(method: str, path: str, operation: Any) -> None:
    assert operation["description"].endswith(".")
    named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
    assert named == set(re.findall(r"{(\w+)}", path))


LISTS = [path for _, path, one in ALL if "'next'" in str(one["responses"].get("200"))]


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_paged_alike(path: str) -> None:
    names = {one["name"] for one in DOCUMENT["paths"][path]["get"].get("parameters", [])}

    assert {"limit", "after"} <= names


@NAMED
def test_every_number_and_name_in_a_query_or_path_is_bounded(method: str, path: str, operation: Any) -> None:
    for one in operation.get("parameters", []):
        kinds = [kind for kind in one["schema"].get("anyOf", [one["schema"]]) if kind.get("type") != "null"]
        for kind in kinds:
            bounded = {"minimum", "maximum"} <= set(kind) or bool({"pattern", "enum", "$ref"} & set(kind))
            assert bounded or one["name"] in {"settlement", "problem"}, (one["name"], kind)


def test_a_wrong_method_is_told_all_that_there_are() -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://x") as client:
            return await client.delete("/v1/accounts")

    answer = asyncio.run(ask())

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_operators_requests_take_an_idempotency_key() -> None:
    keyed = {path for _, path, one in ALL for each in one.get("parameters", []) if each["name"] == "Idempotency-Key"}

    assert keyed == {
        "/v1/accounts",
        "/v1/accounts/{account}/deposits",
        "/v1/deposits",
        "/v1/stations",
        "/v1/tariffs",
        "/v1/settlements",
    }


# --- the page ----------------------------------------------------------------------------------


class References(HTMLParser):
    """What a page refers to, and the names of its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in {"src", "href", "action", "srcset", "style"}]


def test_the_page_and_what_it_loads_name_no_other_host() -> None:
    page = get("/docs")
    references = References()
    references.feed(page.text)
    style = get("/docs/style.css")

    assert page.headers["content-type"].startswith("text/html")
    assert not {"script", "iframe", "img", "base", "form", "style", "object"} & references.tags
    assert all(re.match(r"#|/[^/]", one) for one in references.found), references.found
    assert "//" not in style.text
    assert "url(" not in style.text
    assert "@import" not in style.text
    for answer in (page, style):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_shows_every_operation() -> None:
    page = get("/docs").text

    assert all(f'id="{operation["operationId"]}"' in page for _, _, operation in ALL)


# --- problems ----------------------------------------------------------------------------------


def test_the_type_of_a_problem_leads_to_its_meaning() -> None:
    listed = get("/v1/problems").json()["items"]

    assert [one["type"] for one in listed] == [one.type for one in problem_types()]
    for one in listed:
        assert one["type"].startswith(TYPE_ROOT)
        assert get(one["type"]).json() == one
    unknown = get(TYPE_ROOT + "nothing")
    assert (unknown.status_code, unknown.json()["type"]) == (404, TYPE_ROOT + "unknown-problem")
    assert get(unknown.json()["type"]).status_code == 200
