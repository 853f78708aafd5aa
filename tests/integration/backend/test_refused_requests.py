"""Requests that are malformed, not allowed, or name what is not there."""

import json
from typing import Any

import pytest

from domain.compression import compress
from domain.evidence import unpack
from domain.text import hex_text
from tests.integration.backend.refusals import POSTS, START, refused
from tests.integration.backend.site import (
    Api,
    Driver,
    Meter,
    new_driver,
    new_meter,
)


@pytest.fixture(scope="module")
def meter(api: Api) -> Meter:
    """A station with two readings of one minute."""
    meter = new_meter(api)
    meter.send([meter.next(START), meter.next(START + 60, taken_wh=100)])
    return meter


@pytest.fixture(scope="module")
def driver(api: Api) -> Driver:
    return new_driver(api)


BODIES: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("no JSON", b"station=1"),
    ("half", b'{"station": 1'),
    ("NaN", b'{"station": NaN}'),
    ("infinity", b'{"station": -Infinity}'),
    ("a key twice", b'{"station": 1, "station": 1}'),
    ("5000 digits", b'{"station": ' + b"9" * 5000 + b"}"),
    ("deep lists", b"[" * 100_000),
    ("deep objects", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    ("not UTF-8", b'{"station": "\xff\xfe"}'),
    ("UTF-16", '{"station": 1}'.encode("utf-16")),
    ("a lone surrogate", b'{"\\ud800": "\\udfff"}'),
    ("null bytes", b'{"station": "\\u0000"}\x00'),
    ("a list", b"[]"),
    ("a number", b"1"),
    ("null", b"null"),
]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", [body for _, body in BODIES], ids=[name for name, _ in BODIES])
def test_a_body_that_is_no_strict_json_is_a_problem_of_the_client(api: Api, path: str, body: bytes) -> None:
    if path == "/v1/settlements" and not body:
        pytest.skip("an empty body is fine here")
    answer = api.operator_http.post(path, content=body)

    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"99999" not in answer.content


OPERATORS = [path for path in POSTS if path.split("/")[2] not in {"sessions", "readings", "statements"}]
TOKENS = {
    "none": None,
    "wrong": "Bearer nothing",
    "empty": "Bearer",
    "basic": "Basic a-token-for-tests-0123456789",
    "bare": "a-token-for-tests-0123456789",
    "longer": "Bearer a-token-for-tests-01234567890",
    "latin": "Bearer \xe9\xff",
}


@pytest.mark.parametrize("path", OPERATORS)
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_privileged_requests_need_the_token(api: Api, path: str, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": token.encode("latin-1")}
    answer = api.http.post(path, content=b"{}", headers=headers)  # type: ignore[arg-type]

    refused(answer, 401, "unauthorised")
    assert answer.headers["www-authenticate"] == "Bearer"


MODELS: list[tuple[str, Any]] = [
    ("/v1/accounts", {"members": [{"owner": "0x12", "driver_key": None}]}),
    ("/v1/accounts", {"members": []}),
    ("/v1/accounts", {"members": [{"owner": "0x70997970c51812dc3A010C7d01b50e0d17dc79C8", "driver_key": None}]}),
    ("/v1/accounts", {"members": [], "secret": "leak-me"}),
    ("/v1/stations", {"signers": ["0x" + "11" * 20], "rated_power_w": "22000", "bidirectional": False}),
    ("/v1/stations", {"signers": ["0x" + "11" * 20], "rated_power_w": 22000, "bidirectional": 0}),
    ("/v1/stations", {"signers": ["0x" + "11" * 20] * 2, "rated_power_w": 22000, "bidirectional": False}),
    ("/v1/stations", {"signers": ["0x" + "11" * 20], "rated_power_w": 10**3000, "bidirectional": False}),
    ("/v1/tariffs", {"tariffs": [{"direction": "up", "price_micro_per_kwh": 1, "valid_from": 0, "valid_to": 1}]}),
    (
        "/v1/tariffs",
        {"tariffs": [{"direction": "charge", "price_micro_per_kwh": True, "valid_from": 0, "valid_to": 1}]},
    ),
    ("/v1/deposits", {"deposits": [{"account": 1, "amount_micro": 0}]}),
    ("/v1/deposits", {"deposits": [{"account": 1, "amount_micro": 1 << 63}]}),
    ("/v1/accounts/1/deposits", {"amount_micro": -5}),
    ("/v1/settlements", {"retry_refused": 1}),
]


@pytest.mark.parametrize(("path", "body"), MODELS)
def test_operators_bodies_are_strict(api: Api, path: str, body: Any) -> None:
    answer = api.operator_http.post(path, content=json.dumps(body))

    problem = refused(answer, 422, "malformed")
    assert "leak-me" not in json.dumps(problem)


def test_what_the_contracts_refuse_is_a_conflict_and_uses_no_nonce(api: Api, driver: Driver, meter: Meter) -> None:
    owner = hex_text(driver.owner.address)
    taken = {"signers": [hex_text(meter.key.address)], "rated_power_w": 1, "bidirectional": False}
    window = {"direction": "charge", "price_micro_per_kwh": 1, "valid_from": 5, "valid_to": 5}
    at = api.site.reader().web3.eth
    nonce = at.get_transaction_count(api.site.operator.address)

    account = api.operator_http.post("/v1/accounts", json={"members": [{"owner": owner}]})
    station = api.operator_http.post("/v1/stations", json=taken)
    tariff = api.operator_http.post("/v1/tariffs", json={"tariffs": [window]})
    deposit = api.operator_http.post("/v1/accounts/16000000/deposits", json={"amount_micro": 1})

    problem = refused(account, 409, "transaction-refused")
    assert (problem["name"], problem["values"]["account"]) == ("AlreadyMember", driver.account)
    assert refused(station, 409, "transaction-refused")["name"] == "SignerTaken"
    assert refused(tariff, 409, "transaction-refused")["name"] == "EmptyWindow"
    refused(deposit, 404, "unknown-account")
    assert at.get_transaction_count(api.site.operator.address) == nonce


CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
MISSING = [
    ("/v1/accounts/16000000", "unknown-account"),
    ("/v1/accounts/0", "unknown-account"),
    ("/v1/stations/16000000", "unknown-station"),
    ("/v1/sessions/0x" + "11" * 32, "unknown-session"),
    ("/v1/statements/16000000-1", "unknown-statement"),
    ("/v1/settlements/" + "00" * 16, "unknown-settlement"),
    ("/v1/settlements/nothing", "unknown-settlement"),
    ("/v1/evidence/" + CID, "evidence-missing"),
    ("/v1/readings?station=16000000", "unknown-station"),
    ("/v1/readings?account=16000000", "unknown-account"),
]


@pytest.mark.parametrize(("path", "kind"), MISSING)
def test_what_is_not_there_is_not_found(api: Api, path: str, kind: str) -> None:
    refused(api.http.get(path), 404, kind)


INVALID = [
    "/v1/accounts/99999999999999999999999",
    "/v1/accounts/-1",
    "/v1/accounts/one",
    "/v1/stations/1.0",
    "/v1/sessions/0x12",
    "/v1/sessions/nothing",
    "/v1/statements/1",
    "/v1/statements/1-2-3",
    "/v1/statements/" + "9" * 5000 + "-1",
    "/v1/accounts?limit=0",
    "/v1/accounts?limit=501",
    "/v1/accounts?after=-1",
    "/v1/accounts?after=99999999999999999999",
    "/v1/accounts?limit=NaN",
    "/v1/statements?state=gone",
    "/v1/events?after_block=1e3",
    "/v1/readings",
    "/v1/readings?station=1&account=1",
]


@pytest.mark.parametrize("path", INVALID)
def test_a_name_or_query_that_cannot_be_is_malformed(api: Api, path: str) -> None:
    refused(api.http.get(path), 422, "malformed")


CIDS = [
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2ftoken",
    "b" * 59,
    CID.upper(),
    CID + "=",
    CID[:-1],
    CID[:-1] + "a",
    "bafkrei%00",
    "Qm" + "a" * 44,
    "b",
    "%F0%9F%94%8C",
    "b" + "a" * 60_000,
    "\\..\\..\\etc",
    "file:%2f%2f%2fetc",
]


@pytest.mark.parametrize("cid", CIDS)
def test_a_cid_that_is_none_never_comes_near_the_file_system(api: Api, cid: str) -> None:
    answer = api.http.get(f"/v1/evidence/{cid}")

    assert answer.status_code in {404, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_altered_blob_is_not_served(api: Api) -> None:
    meter = new_meter(api)
    meter.send([meter.next(START)])
    meter.state()
    cid = api.get(f"/v1/statements/{meter.station}-1")["evidence"]
    file = api.site.folder / "data" / "evidence" / cid[-2:] / cid
    content = file.read_bytes()
    file.write_bytes(compress(unpack(content).replace(b'"import_wh":0', b'"import_wh":1')))

    refused(api.http.get(f"/v1/evidence/{cid}"), 409, "evidence-altered")

    file.write_bytes(content)
    assert api.http.get(f"/v1/evidence/{cid}").content == content


def test_wrong_methods_and_paths_are_problems_too(api: Api) -> None:
    for answer, status in ((api.http.delete("/v1/accounts"), 405), (api.http.get("/nothing"), 404)):
        assert answer.status_code == status
        assert answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
