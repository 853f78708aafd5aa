"""Lists and details as users ask for them: filters, cursors, and the way from the meter to the block."""

import time
from typing import Any

import pytest

from domain.cid import raw_digest
from domain.text import address_text, hex_text
from domain.wire import meter_to_json
from tests.integration.backend.refusals import refused
from tests.integration.backend.site import Api, Driver, Meter, new_driver, new_meter
from tests.unit.backend.json_schema import faults


@pytest.fixture(scope="module")
def way(api: Api) -> tuple[Driver, Meter, str, Any]:
    """A driver, its station, its session and the settlement, with another driver's session before it."""
    stranger, driver, meter = new_driver(api), new_driver(api), new_meter(api)
    other = stranger.authorise(api, meter.station)
    meter.charge(other)
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    meter.state(other, session)
    return driver, meter, hex_text(session.session_id), api.settle()


def items(api: Api, path: str, **query: object) -> list[Any]:
    """All items of a list, a few at a time."""
    found, after = list[Any](), None
    while True:
        page = api.get(path, limit=3, **query, **({} if after is None else {"after": after}))
        found += page["items"]
        after = page["next"]
        if after is None:
            return found


def test_lists_are_narrowed_down(api: Api, way: tuple[Driver, Meter, str, Any]) -> None:
    driver, meter, session, settlement = way
    station, account, statement = meter.station, driver.account, f"{meter.station}-1"
    start = api.get(f"/v1/statements/{statement}")["start"]
    assert [one["account"] for one in items(api, "/v1/accounts", owner=address_text(driver.owner.address))] == [account]
    assert all("operator" in one["roles"] for one in items(api, "/v1/accounts", role="operator"))
    assert station in [one["station"] for one in items(api, "/v1/stations", payee=meter.payee, suspended="false")]
    assert items(api, "/v1/tariffs", payee=meter.payee, direction="charge", valid_at=start)
    tariffs = items(api, "/v1/tariffs")
    early = [one for one in tariffs if one["valid_from"] <= 5 <= one["valid_to"]]
    assert items(api, "/v1/tariffs", valid_at=5) == early != tariffs
    assert [one["session"] for one in items(api, "/v1/sessions", account=account, state="settled")] == [session]
    for query in (
        {"station": station},
        {"account": account},
        {"settlement": settlement["settlement"], "account": account},
        {"batch": settlement["batch"], "station": station, "state": "settled"},
        {"from": start, "to": start + 1, "station": station},
    ):
        assert [one["id"] for one in items(api, "/v1/statements", **query)] == [statement]
    assert items(api, "/v1/statements", station=station, state="accepted") == []
    found = items(api, "/v1/settlements", batch=settlement["batch"])
    assert [one["settlement"] for one in found] == [settlement["settlement"]]
    assert items(api, "/v1/debts", debtor=account) == items(api, "/v1/disputes", station=station) == []


def test_readings_are_narrowed_down_by_time_and_session(api: Api, way: tuple[Driver, Meter, str, Any]) -> None:
    driver, meter, session, _ = way
    readings = items(api, "/v1/readings", station=meter.station)
    times = [one["time"] for one in readings]
    named = [one for one in readings if one["session"] == session]

    assert len(readings) == 7
    assert len(named) == 3
    assert items(api, "/v1/readings", session=session) == named
    assert items(api, "/v1/readings", session=session, station=meter.station) == named
    assert items(api, "/v1/readings", station=meter.station, **{"from": times[2], "to": times[5]}) == readings[2:5]
    assert items(api, "/v1/readings", account=driver.account, session=session) == []


def test_bms_readings_of_a_session_are_narrowed_down(api: Api) -> None:
    driver, meter = new_driver(api, 0), new_meter(api)
    session = driver.authorise(api, meter.station)
    at = session.authorisation.not_before_s
    bodies = [driver.bms(api, n, at + 60 * n, session.session_id if n > 1 else bytes(32)) for n in (1, 2, 3)]
    assert api.post("/v1/readings/batch", {"bms": bodies}).json()["accepted"] == 3

    assert items(api, "/v1/readings", account=driver.account, session=hex_text(session.session_id)) == bodies[1:]
    assert items(api, "/v1/readings", account=driver.account, to=at + 120) == bodies[:1]


def test_a_session_shows_the_way_of_its_energy(api: Api, way: tuple[Driver, Meter, str, Any]) -> None:
    driver, meter, session, settlement = way

    shown = api.get(f"/v1/sessions/{session}")

    assert shown["account"] == driver.account
    assert shown["readings"] == {"station": meter.station, "first": 5, "last": 7}
    [statement] = shown["statements"]
    assert (statement["id"], statement["state"], statement["batch"]) == (
        f"{meter.station}-1",
        "settled",
        settlement["batch"],
    )
    assert [(row["account"], row["energy_wh"]) for row in statement["rows"]] == [(driver.account, 150)]
    assert sum(row["owed_micro"] for row in statement["rows"]) == shown["cost_micro"]
    assert statement["manifest"] == settlement["evidence"]
    assert statement["tx"] == settlement["tx"]
    assert api.http.get(f"/v1/evidence/{statement['evidence']}").status_code == 200
    assert statement["confirmations"] == api.get("/v1/health")["indexed_block"] - statement["block"] + 1


def test_a_statement_and_a_settlement_name_their_block(api: Api, way: tuple[Driver, Meter, str, Any]) -> None:
    _, meter, _, settlement = way

    [event] = items(api, "/v1/events", name="BatchSettled", batch=settlement["batch"])
    statement = api.get(f"/v1/statements/{meter.station}-1")
    settled = api.get(f"/v1/settlements/{settlement['settlement']}")
    [sent] = items(api, "/v1/transactions", tx=settled["tx"])

    for shown in (statement, settled):
        assert (shown["block"], shown["tx"]) == (event["block"], event["tx"])
        assert hex_text(raw_digest(shown["manifest"])) == event["args"]["evidence"]
        assert shown["confirmations"] >= 1
    assert (sent["block"], sent["state"], sent["succeeded"]) == (event["block"], "mined", True)
    assert statement["readings"] == {"station": meter.station, "first": 1, "last": 7}
    assert [item for item in items(api, "/v1/events", station=meter.station) if item == event]


def test_what_is_not_settled_has_no_block(api: Api) -> None:
    driver, meter = new_driver(api), new_meter(api)
    session = driver.authorise(api, meter.station)
    before = api.get(f"/v1/sessions/{hex_text(session.session_id)}")
    meter.charge(session)
    charging = api.get(f"/v1/sessions/{hex_text(session.session_id)}")
    meter.state(session)
    statement = api.get(f"/v1/statements/{meter.station}-1")
    api.settle()

    assert (before["readings"], before["statements"], before["state"]) == (None, [], "authorised")
    assert (charging["readings"]["last"], charging["statements"], charging["state"]) == (4, [], "charging")
    assert [statement[name] for name in ("manifest", "tx", "block", "confirmations")] == [None, None, None, 0]


def test_transactions_never_show_what_was_signed(api: Api, way: tuple[Driver, Meter, str, Any]) -> None:
    shown = items(api, "/v1/transactions", state="mined")

    assert {one["purpose"].split(":")[0] for one in shown} >= {"accounts", "stations", "deposits", "mint", "settlement"}
    assert all(set(one) == set(shown[0]) and "raw" not in one for one in shown)
    [nonce] = {one["nonce"] for one in items(api, "/v1/transactions", nonce=shown[0]["nonce"])}
    assert nonce == shown[0]["nonce"]
    assert items(api, "/v1/transactions", block=shown[0]["block"])
    assert all(one["purpose"].startswith("settlement:") for one in items(api, "/v1/transactions", purpose="settlement"))


EMPTY = {"/v1/debts", "/v1/disputes", "/v1/orders", "/v1/auctions", "/v1/positions"}


def test_answers_are_what_the_description_says(api: Api, way: tuple[Driver, Meter, str, Any]) -> None:
    driver, meter, session, settlement = way
    paths = api.get("/v1/openapi.json")["paths"]
    site = {"site": "listed", "zone": "UTC", "stations": [{"station": meter.station}]}
    api.operate("/v1/sites", site)
    api.operate("/v1/sites/listed/limits", {"import_limit_w": 1, "to": int(time.time()) + 60})
    names = {
        "site": "listed",
        "account": driver.account,
        "station": meter.station,
        "session": session,
        "statement": f"{meter.station}-1",
        "settlement": settlement["settlement"],
        "problem": "malformed",
    }
    for path, item in paths.items():
        if "get" not in item or any(part in path for part in ("{cid}", "{order}", "{zone}", "/stream")):
            continue  # blobs are no JSON, and of the market there is nothing here: see test_market_api.py
        query = {"station": meter.station} if path == "/v1/readings" else {}
        content = item["get"]["responses"]["200"]["content"]["application/json"]
        answer = api.get(path.format(**names), **query)
        assert answer.get("items") != [] or path in EMPTY
        assert list(faults(content["schema"], answer)) == [], path


def test_a_cursor_goes_on_where_it_was_while_items_arrive(api: Api) -> None:
    meter = new_meter(api)
    meter.send([meter.next(1000 + 60 * n) for n in range(3)])
    first = api.get("/v1/readings", station=meter.station, limit=2)
    meter.send([meter.next(2000 + 60 * n) for n in range(2)])
    rest = api.get("/v1/readings", station=meter.station, after=first["next"])

    assert first["items"] + rest["items"] == [meter_to_json(one) for one in meter.readings]
    assert rest["next"] is None


LISTS = (
    "/v1/accounts",
    "/v1/stations",
    "/v1/tariffs",
    "/v1/sessions",
    "/v1/readings?station=1",
    "/v1/statements",
    "/v1/settlements",
    "/v1/debts",
    "/v1/disputes",
    "/v1/transactions",
    "/v1/events",
)
BAD_FOR_ALL = (
    "limit=0",
    "limit=-1",
    "limit=501",
    "limit=1.0",
    "limit=1e2",
    "limit=+5",
    "limit=",
    "limit=١",
    "limit=1&limit=2",
    "after=-1",
    "after=1.5",
    "after=nothing",
    "after=",
    "after=4611686018427387905",
    "after=" + "9" * 5000,
    "unknown=1",
    "Limit=1",
    "%00=1",
    "limit%20=1",
)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", BAD_FOR_ALL)
def test_every_list_refuses_the_same_bad_input(api: Api, path: str, query: str) -> None:
    problem = refused(api.http.get(f"{path}{'&' if '?' in path else '?'}{query}"), 422, "malformed")

    assert len(problem["detail"]) <= 500


BAD = [
    "/v1/accounts?role=king",
    "/v1/accounts?role=GOVERNOR",
    "/v1/accounts?closed=1",
    "/v1/accounts?closed=yes",
    "/v1/accounts?owner=0x12",
    "/v1/accounts?owner=0x70997970c51812dc3A010C7d01b50e0d17dc79C8",
    "/v1/stations?payee=-1",
    "/v1/stations?payee=16777216",
    "/v1/stations?suspended=maybe",
    "/v1/tariffs?direction=up",
    "/v1/tariffs?valid_at=1.0",
    "/v1/tariffs?valid_at=1099511627776",
    "/v1/sessions?state=gone",
    "/v1/sessions?from=-1",
    "/v1/sessions?to=1e9",
    "/v1/sessions?from_s=1",
    "/v1/readings?station=1&account=1",
    "/v1/readings?session=0x12",
    "/v1/readings?session=" + "zz" * 33,
    "/v1/readings",
    "/v1/statements?state=Settled",
    "/v1/statements?settlement=1",
    "/v1/statements?settlement=" + "A" * 32,
    "/v1/statements?batch=-1",
    "/v1/statements?batch=NaN",
    "/v1/settlements?state=lost",
    "/v1/debts?open=2",
    "/v1/debts?debtor=x",
    "/v1/disputes?state=open",
    "/v1/transactions?state=new",
    "/v1/transactions?purpose='%20OR%201=1",
    "/v1/transactions?nonce=-1",
    "/v1/transactions?tx=0x",
    "/v1/events?contract=Nothing",
    "/v1/events?name=Nothing",
    "/v1/events?contract=%25",
    "/v1/events?account=16777216",
    "/v1/events?from_block=-1",
    "/v1/events?to_block=1.5",
    "/v1/health?x=1",
    "/v1/accounts/1?x=1",
]


@pytest.mark.parametrize("path", BAD)
def test_a_filter_that_cannot_be_is_named(api: Api, path: str) -> None:
    assert refused(api.http.get(path), 422, "malformed")["detail"]


@pytest.mark.parametrize("path", LISTS)
def test_the_last_cursor_there_can_be_ends_a_list(api: Api, path: str) -> None:
    if "station=1" in path:
        path = path.replace("station=1", f"station={new_meter(api).station}")
    page = api.http.get(f"{path}{'&' if '?' in path else '?'}after={(1 << 62) - 1}").json()

    assert page == {"items": [], "next": None}
