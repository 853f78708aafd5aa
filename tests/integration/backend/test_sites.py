"""Sites over REST: defined, planned within moments, limited at once, streamed, and taken up again after a restart."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from domain.need import ChargingNeed, SignedNeed
from domain.session import Session
from domain.units import EnergyWh, UnixSeconds
from domain.wire import Json, need_to_json
from tests.integration.backend.refusals import refused, wait_until
from tests.integration.backend.site import Api, Driver, Meter, SavedSite, new_driver, new_meter, running
from tests.integration.backend.test_market_api import Subscriber, began

LIMIT_S = 20
GRID_TOKEN = "a-grid-operators-token-0123456789"
GRID = {"Authorization": f"Bearer {GRID_TOKEN}"}


@pytest.fixture(scope="module")
def api(with_contracts: SavedSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with with_contracts.restored(tmp_path_factory.mktemp("sites")) as at:
        (at.folder / "grid-token").write_text(GRID_TOKEN + "\n")
        with running(at, GRID_OPERATOR_TOKEN_FILE=str(at.folder / "grid-token")) as backend:
            yield backend


def site_of(name: str, *meters: Meter, **terms: Any) -> Json:
    return {"site": name, "zone": "Europe/Amsterdam", "stations": [{"station": one.station} for one in meters]} | terms


def need(api: Api, driver: Driver, session: Session, wh: int, **other: Any) -> Json:
    now_s = int(time.time())
    numbers: dict[str, Any] = {
        "session": session.session_id,
        "energy_wh": EnergyWh(wh),
        "departure_s": UnixSeconds(now_s + 3_600),
        "time_s": UnixSeconds(now_s),
    }
    asked = ChargingNeed(**(numbers | other))
    return need_to_json(SignedNeed(asked, driver.key.sign(api.domains[1].digest(asked.struct_hash()))))


def power_of(api: Api, name: str) -> int:
    return sum(one["power_w"] for one in api.get(f"/v1/sites/{name}/set-points")["set_points"])


def planned(api: Api, name: str) -> bool:
    return bool(api.get("/v1/schedules", site=name)["items"])


def test_site_is_planned_from_authorisation_to_limit(api: Api) -> None:
    meter, driver = new_meter(api), new_driver(api)
    circuits = [{"limit_w": 8_000, "stations": [meter.station]}]
    defined = api.operate("/v1/sites", site_of("way", meter, import_limit_w=11_000, circuits=circuits))
    assert (defined["site"], defined["circuits"]) == ("way", circuits)
    assert api.get("/v1/sites/way")["circuits"] == circuits
    wait_until(lambda: planned(api, "way"), LIMIT_S)
    serial = [one["site"] for one in api.get("/v1/sites")["items"]].index("way")
    assert serial >= 0
    events = began(Subscriber(api, "/v1/sites/way/stream"))

    session = driver.authorise(api, meter.station)
    assert api.post("/v1/needs", need(api, driver, session, 9_000)).status_code == 201
    wait_until(lambda: power_of(api, "way") > 0, LIMIT_S)
    [plan] = api.get("/v1/schedules", site="way")["items"]
    assert [(one["station"], one["need_wh"]) for one in plan["stays"]] == [(meter.station, 9_000)]
    assert max(plan["load_w"]) <= 8_000
    assert power_of(api, "way") <= 8_000

    now_s = int(time.time())
    answer = api.operate("/v1/sites/way/limits", {"import_limit_w": 0, "to": now_s + 600})
    assert [one["power_w"] for one in answer["set_points"]] == [0]
    assert power_of(api, "way") == 0
    assert answer["limit"]["to"] == now_s + 600
    assert [one["import_limit_w"] for one in api.get("/v1/sites/way/limits")["items"]] == [0]
    wait_until(lambda: events.named().count("set-points") >= 2, LIMIT_S)

    leaves_s = UnixSeconds(now_s + 2)
    assert api.post("/v1/needs", need(api, driver, session, 9_000, departure_s=leaves_s, time_s=leaves_s)).is_success
    wait_until(lambda: api.get("/v1/schedules", site="way")["items"][0]["stays"] == [], LIMIT_S)


def test_need_is_answered_and_refused_like_other_signed_messages(api: Api) -> None:
    meter, driver, other = new_meter(api), new_driver(api), new_driver(api)
    session = driver.authorise(api, meter.station, max_energy_wh=EnergyWh(10_000))
    body = need(api, driver, session, 5_000)

    assert [api.post("/v1/needs", body).status_code for _ in range(2)] == [201, 200]
    refused(api.post("/v1/needs", body | {"energy_wh": 6_000}), 403, "wrong-signer")
    refused(api.post("/v1/needs", body | {"more": 1}), 422, "malformed")
    refused(api.post("/v1/needs", need(api, driver, session, 10_001)), 422, "need-refused")
    refused(api.post("/v1/needs", need(api, other, session, 5_000)), 403, "wrong-signer")
    refused(api.post("/v1/needs", need(api, driver, session, 4_000, time_s=UnixSeconds(5))), 409, "need-outdated")
    later_s = UnixSeconds(int(time.time()) + 2)
    leave = need(api, driver, session, 5_000, departure_s=later_s, time_s=later_s)
    assert [api.post("/v1/needs", leave).status_code for _ in range(2)] == [201, 200]
    unknown = ChargingNeed(session=bytes(32), energy_wh=EnergyWh(1), departure_s=UnixSeconds(9), time_s=UnixSeconds(5))
    refused(api.post("/v1/needs", need_to_json(SignedNeed(unknown, bytes(65)))), 404, "unknown-session")


def test_bad_sites_and_limits_are_refused(api: Api) -> None:
    meter = new_meter(api)
    body = site_of("bad", meter)
    send = api.operator_http.post

    refused(api.post("/v1/sites", body), 401, "unauthorised")
    refused(send("/v1/sites", json=body | {"import_limit_w": 0}), 422, "malformed")
    refused(send("/v1/sites", json=body | {"import_limit_w": -1}), 422, "malformed")
    refused(send("/v1/sites", json=body | {"zone": "Mars"}), 422, "malformed")
    refused(send("/v1/sites", json=body | {"stations": [{"station": 9_999}]}), 404, "unknown-station")
    refused(send("/v1/sites", json=body | {"stations": [{"station": meter.station, "lines": [3]}]}), 422, "malformed")
    good: Json = {"limit_w": 5, "stations": [meter.station]}
    bad: list[Json] = [{"stations": [meter.station + 1]}, {"limit_w": 0}, {"stations": []}, {"limit_w": "5"}]
    for wrong in bad:
        refused(send("/v1/sites", json=body | {"circuits": [good | wrong]}), 422, "malformed")
    refused(send("/v1/sites", json=body | {"circuits": [good] * 51}), 422, "malformed")
    refused(send("/v1/sites", json=body | {"circuits": [good | {"limit_w": 5.0}]}), 400, "not-json")
    assert send("/v1/sites", json=body).status_code == 201
    assert send("/v1/sites", json=body | {"import_limit_w": 5}).status_code == 200
    refused(send("/v1/sites", json=body | {"site": "other"}), 409, "station-elsewhere")
    refused(
        send("/v1/sites/none/limits", json={"import_limit_w": 0, "to": int(time.time()) + 600}), 404, "unknown-site"
    )
    refused(send("/v1/sites/bad/limits", json={"import_limit_w": 0, "to": 5}), 422, "malformed")
    refused(send("/v1/sites/bad/limits", json={"import_limit_w": -1, "to": int(time.time()) + 600}), 422, "malformed")
    refused(api.post("/v1/sites/bad/limits", {"import_limit_w": 0, "to": int(time.time()) + 600}), 401, "unauthorised")
    refused(api.http.get("/v1/sites/none/set-points"), 404, "unknown-site")
    refused(api.http.get("/v1/schedules?site=none"), 404, "unknown-site")
    refused(api.http.get("/v1/sites/NONE"), 422, "malformed")


def test_grid_operator_limits_a_site_and_ends_what_it_commanded_itself(api: Api) -> None:
    meter, driver = new_meter(api), new_driver(api)
    api.operate("/v1/sites", site_of("grid", meter, import_limit_w=11_000))
    driver.authorise(api, meter.station)
    wait_until(lambda: planned(api, "grid") and power_of(api, "grid") > 0, LIMIT_S)
    events = began(Subscriber(api, "/v1/sites/grid/stream"))
    path, to_s = "/v1/sites/grid/limits", int(time.time()) + 600

    ours = api.operate(path, {"import_limit_w": 4_000, "to": to_s})["limit"]
    answer = api.http.post(path, json={"import_limit_w": 2_000, "to": to_s}, headers=GRID)
    assert answer.status_code == 201, answer.text
    theirs = answer.json()["limit"]
    assert (ours["by"], theirs["by"]) == ("operator", "grid-operator")
    assert sum(one["power_w"] for one in answer.json()["set_points"]) <= 2_000
    assert 0 < power_of(api, "grid") <= 2_000

    refused(api.operator_http.delete(f"{path}/{theirs['number']}"), 403, "limit-of-another")
    refused(api.http.delete(f"{path}/{ours['number']}", headers=GRID), 403, "limit-of-another")
    ended = [api.http.delete(f"{path}/{theirs['number']}", headers=GRID) for _ in range(2)]
    assert [one.status_code for one in ended] == [200, 200]
    assert ended[0].json()["limit"] == ended[1].json()["limit"]
    assert ended[0].json()["limit"] == theirs | {"ended_at": ended[0].json()["limit"]["ended_at"]}
    assert sum(one["power_w"] for one in ended[0].json()["set_points"]) == power_of(api, "grid") > 2_000
    listed = api.get(path)["items"]
    assert [(one["number"], one["by"], one["ended_at"] is None) for one in listed] == [
        (ours["number"], "operator", True),
        (theirs["number"], "grid-operator", False),
    ]
    wait_until(lambda: events.named().count("limit") == 3, LIMIT_S)


def test_grid_operator_may_do_nothing_else(api: Api) -> None:
    meter = new_meter(api)
    api.operate("/v1/sites", site_of("closed", meter))
    later, path = {"import_limit_w": 0, "to": int(time.time()) + 600}, "/v1/sites/closed/limits"

    for privileged in ("accounts", "deposits", "stations", "tariffs", "settlements", "sites"):
        refused(api.http.post(f"/v1/{privileged}", json={}, headers=GRID), 401, "unauthorised")
    for token in ({}, {"Authorization": f"Bearer {GRID_TOKEN}x"}, {"Authorization": f"Basic {GRID_TOKEN}"}):
        answer = api.http.post(path, json=later, headers=token)
        refused(answer, 401, "unauthorised")
        assert answer.headers["www-authenticate"] == "Bearer"
        refused(api.http.delete(f"{path}/1", headers=token), 401, "unauthorised")
    refused(api.http.delete(f"{path}/999999", headers=GRID), 404, "unknown-limit")
    refused(api.http.delete("/v1/sites/none/limits/1", headers=GRID), 404, "unknown-site")
    refused(api.http.delete(f"{path}/one", headers=GRID), 422, "malformed")
    refused(api.http.post("/v1/sites/none/limits", json=later, headers=GRID), 404, "unknown-site")
    assert api.get(path)["items"] == []


def test_without_a_grid_operator_the_operators_token_alone_opens_limits(
    with_contracts: SavedSite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with with_contracts.restored(tmp_path_factory.mktemp("alone")) as at, running(at) as backend:
        backend.operate("/v1/sites", site_of("alone", new_meter(backend)))
        body = {"import_limit_w": 0, "to": int(time.time()) + 600}
        for headers in ({"Authorization": "Bearer"}, {"Authorization": "Bearer None"}, GRID):
            answer = backend.http.post("/v1/sites/alone/limits", json=body, headers=headers)
            refused(answer, 401, "unauthorised")
        assert backend.operate("/v1/sites/alone/limits", body)["limit"]["by"] == "operator"


def test_plan_goes_on_when_the_backend_is_started_again(
    with_contracts: SavedSite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with with_contracts.restored(tmp_path_factory.mktemp("again")) as at:
        with running(at) as first:
            meter, driver = new_meter(first), new_driver(first)
            first.operate("/v1/sites", site_of("again", meter))
            session = driver.authorise(first, meter.station)
            first.post("/v1/needs", need(first, driver, session, 9_000))
            wait_until(lambda: planned(first, "again") and power_of(first, "again") > 0, LIMIT_S)
            first.operate("/v1/sites/again/limits", {"import_limit_w": 2_000, "to": int(time.time()) + 600})
        with running(at) as second:
            wait_until(lambda: second.get("/v1/sites/again/set-points")["reason"] == "start", LIMIT_S)
            assert 0 < power_of(second, "again") <= 2_000
