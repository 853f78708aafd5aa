"""The whole way of a kWh through the backend: authorisation, readings, statement, settlement, balances."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.cid import cid_of, raw_digest
from domain.evidence import parse_manifest, parse_statement_blob, parse_vehicle_blob
from domain.text import address_text, hex_text
from domain.wire import authorisation_to_json, meter_to_json, statement_to_json
from tests.integration.backend.site import PRICE, Api, interval_start, new_driver, new_key, new_meter, publish


@pytest.fixture(autouse=True)
def nothing_waits(api: Api) -> None:
    """Settles what other tests left, so that a batch holds only what the test put into it."""
    while (answer := api.operator_http.post("/v1/settlements")).status_code == 202:
        api.wait_settled(answer.json()["settlement"])


def free_of(api: Api, account: int) -> int:
    """The account's balance as the chain says, past the backend."""
    return int(api.site.reader().view("Escrow", "freeOf", account))


def test_a_kwh_goes_from_the_meter_to_the_payment(api: Api) -> None:
    driver, meter = new_driver(api), new_meter(api)
    operator_before = free_of(api, meter.payee)
    session = driver.authorise(api, meter.station)
    meter.charge(session, steps=3, wh=51)
    api.post("/v1/readings", driver.bms(api, 1, meter.readings[0].reading.time_s, session.session_id))
    signed = meter.state(session)

    settled = api.settle()

    owed, received = -(-153 * PRICE // 1000), 153 * PRICE // 1000
    assert settled["state"] == "settled"
    assert settled["statements"] == [f"{meter.station}-1"]
    assert (settled["paid_micro"], settled["dust_micro"], settled["rows"]) == (owed, owed - received, 1)
    assert settled["gas_used"] > 21_000
    assert settled["amounts"] == [
        {
            "statement": f"{meter.station}-1",
            "row": 0,
            "payer": driver.account,
            "payee": meter.payee,
            "owed_micro": owed,
            "received_micro": received,
            "set_aside": False,
        }
    ]
    assert free_of(api, driver.account) == 10**9 - owed
    assert free_of(api, meter.payee) == operator_before + received
    assert api.get(f"/v1/accounts/{driver.account}") == {
        "account": driver.account,
        "owner": address_text(driver.owner.address),
        "driver_key": address_text(driver.key.address),
        "roles": [],
        "closed": False,
        "free_micro": 10**9 - owed,
        "spendable_micro": 10**9 - owed,
        "locked_micro": 0,
        "owed_micro": 0,
        "daily_cap_micro": None,
        "deposited_micro": 10**9,
        "debts": [],
    }
    station = api.get(f"/v1/stations/{meter.station}")
    assert (station["sequence"], station["import_wh"]) == (1, 153)
    assert (station["last_reading_sequence"], station["last_statement_sequence"]) == (4, 1)
    shown = api.get(f"/v1/sessions/{hex_text(session.session_id)}")
    assert (shown["state"], shown["energy_wh"], shown["cost_micro"]) == ("settled", 153, owed)
    statement = api.get(f"/v1/statements/{meter.station}-1")
    assert (statement["state"], statement["batch"]) == ("settled", settled["batch"])
    assert statement["rows"][0]["owed_micro"] == owed
    assert statement["signature"] == hex_text(signed.signature)


def test_the_evidence_of_a_batch_leads_to_every_reading(api: Api) -> None:
    driver, meter = new_driver(api), new_meter(api)
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    readings = [meter_to_json(one) for one in meter.readings]
    api.post("/v1/readings/batch", {"bms": [driver.bms(api, n, 1000 + n) for n in (1, 2, 3)]})
    signed = meter.state(session)
    settled = api.settle()

    manifest = parse_manifest(api.http.get(f"/v1/evidence/{settled['evidence']}").content)
    cid = manifest.statements[(meter.station, 1)]
    blob = api.http.get(f"/v1/evidence/{cid}").content
    evidence = parse_statement_blob(blob)
    vehicle = parse_vehicle_blob(api.http.get(f"/v1/evidence/{manifest.vehicles[(driver.account, 1, 3)]}").content)
    events = [one for one in api.get("/v1/events", limit=500)["items"] if one["name"] == "BatchSettled"]

    assert cid_of(blob) == cid
    assert [meter_to_json(one) for one in evidence.readings] == readings
    assert evidence.statement == signed
    assert [one.authorisation for one in evidence.authorisations] == [session.authorisation]
    assert [one.reading.sequence for one in vehicle.readings] == [1, 2, 3]
    assert events[-1]["args"]["evidence"] == hex_text(raw_digest(settled["evidence"]))
    assert events[-1]["tx"] == settled["tx"]


def test_v2g_pays_the_driver_for_energy_given_back(api: Api) -> None:
    driver, meter = new_driver(api, 0), new_meter(api, bidirectional=True)
    api.operate(f"/v1/accounts/{meter.payee}/deposits", {"amount_micro": 10**8})
    publish(api, 250_000, "discharge")
    session = driver.authorise(api, meter.station, discharge_allowed=True)
    start = interval_start()
    meter.send([meter.next(start), meter.next(start + 120, given_wh=400, session=session.session_id)])
    meter.state(session)

    settled = api.settle()

    assert settled["amounts"][0]["payee"] == driver.account
    assert free_of(api, driver.account) == 100_000


def test_bms_readings_alone_are_anchored(api: Api) -> None:
    driver = new_driver(api, 0)
    assert api.post("/v1/readings", driver.bms(api, 1, 5000)).status_code == 201

    settled = api.settle()

    assert (settled["state"], settled["statements"]) == ("settled", [])
    manifest = parse_manifest(api.http.get(f"/v1/evidence/{settled['evidence']}").content)
    assert (driver.account, 1, 1) in manifest.vehicles


def test_nothing_that_waits_is_a_conflict(api: Api) -> None:
    answer = api.operator_http.post("/v1/settlements")

    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/nothing-to-settle")


def test_an_insolvent_payer_is_set_aside_and_reported(api: Api) -> None:
    poor, rich = new_driver(api, 0), new_driver(api)
    first, second = new_meter(api), new_meter(api)
    for driver, meter in ((poor, first), (rich, second)):
        session = driver.authorise(api, meter.station)
        meter.charge(session)
        meter.state(session)

    settled = api.settle()

    aside = {amount["payer"]: amount["set_aside"] for amount in settled["amounts"]}
    assert aside == {poor.account: True, rich.account: False}
    assert api.get(f"/v1/statements/{first.station}-1")["rows"][0]["set_aside"] is True
    assert settled["paid_micro"] == -(-150 * PRICE // 1000)
    assert free_of(api, poor.account) == 0


def test_a_later_statement_follows_on_the_one_before(api: Api) -> None:
    driver, meter = new_driver(api), new_meter(api)
    session = driver.authorise(api, meter.station)
    for _ in range(2):
        meter.charge(session)
        meter.state(session)

    settled = api.settle()

    assert settled["statements"] == [f"{meter.station}-1", f"{meter.station}-2"]
    assert api.get(f"/v1/stations/{meter.station}")["import_wh"] == 300


def test_everything_signed_can_be_sent_again(api: Api) -> None:
    driver, meter = new_driver(api), new_meter(api)
    signed = driver.authorisation(api, meter.station)
    answers = [api.post("/v1/sessions", authorisation_to_json(signed)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()

    reading = meter.next(1000)
    first, again = (api.post("/v1/readings", reading) for _ in range(2))
    assert (first.status_code, first.json()) == (201, {"verdict": "accepted"})
    assert (again.status_code, again.json()) == (200, {"verdict": "duplicate"})
    batch = api.post("/v1/readings/batch", {"meter": [reading, meter.next(1060), reading]})
    verdicts = {"meter": "dad", "bms": ""}
    assert batch.json() == {"accepted": 1, "duplicate": 2, "refused": [], "verdicts": verdicts}

    statement = statement_to_json(meter.draw_up())
    first, again = (api.post("/v1/statements", statement) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_lists_are_paged(api: Api) -> None:
    for _ in range(3):
        new_driver(api, 0)
    pages: list[int] = []
    after = 0
    while True:
        page = api.get("/v1/accounts", limit=2, after=after)
        pages += [item["account"] for item in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    seen = [(one["block"], one["log_index"]) for one in api.get("/v1/events", limit=500)["items"]]

    assert pages == sorted(set(pages))
    assert len(pages) >= 3
    assert seen == sorted(set(seen))


def test_many_deposits_are_paid_in_at_once(api: Api) -> None:
    members = [{"owner": address_text(new_key(f"member {n}").address), "driver_key": None} for n in range(30)]
    accounts = api.operate("/v1/accounts", {"members": members})["accounts"]

    answer = api.operate("/v1/deposits", {"deposits": [{"account": a, "amount_micro": 1000 + a} for a in accounts]})

    assert len(answer["deposits"]) == 30
    assert {free_of(api, account) - account for account in accounts} == {1000}


def test_openapi_names_every_operation_once(api: Api) -> None:
    document = api.get("/v1/openapi.json")
    operations = [one for path in document["paths"].values() for one in path.values()]

    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all("example" in str(one["responses"]) or "gzip" in str(one["responses"]) for one in operations)


def test_many_at_once_are_all_settled_exactly_once(api: Api) -> None:
    drivers, meters = [new_driver(api) for _ in range(8)], [new_meter(api) for _ in range(8)]

    def charge(place: int) -> set[int]:
        meter, driver = meters[place], drivers[place]
        session = driver.authorise(api, meter.station)
        for _ in range(3):
            meter.charge(session, steps=5)
            meter.state(session)
        return {api.operator_http.post("/v1/settlements").status_code for _ in range(3)}

    with ThreadPoolExecutor(8) as pool:
        codes = set().union(*pool.map(charge, range(8)))
    deadline = time.monotonic() + 20
    while [api.get(f"/v1/stations/{meter.station}")["sequence"] for meter in meters] != [3] * 8:
        assert time.monotonic() < deadline
        codes.add(api.operator_http.post("/v1/settlements").status_code)

    assert codes <= {202, 409}
    assert {free_of(api, driver.account) for driver in drivers} == {10**9 - 3 * -(-250 * PRICE // 1000)}
    assert {one["state"] for one in api.get("/v1/settlements", limit=500)["items"]} == {"settled"}
