"""Readings and authorisations that must not be accepted: status, problem type, and that nothing changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from domain.session import SignedAuthorisation
from domain.signing import SigningDomain
from domain.text import address_text, hex_text
from domain.units import AccountId, EnergyWh, UnixSeconds
from domain.wire import Json, authorisation_to_json, meter_to_json
from tests.integration.backend.refusals import START, high_s, refused, sequence_of, wait_until
from tests.integration.backend.site import (
    Api,
    Driver,
    Meter,
    new_driver,
    new_key,
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


def changed(meter: Meter, **fields: Any) -> Json:
    """A third reading, honestly signed, with some fields of its own."""
    last = meter.readings[1].reading
    values: dict[str, Any] = {"sequence": 3, "time_s": last.time_s + 60, "import_wh": last.import_wh + 100} | fields
    return meter_to_json(meter.signed(replace(last, **values)))


READINGS: list[tuple[str, int, str, Callable[[Meter], Json]]] = [
    ("high-s", 422, "high-s", lambda m: (r := changed(m)) | {"signature": high_s(r["signature"])}),
    ("no signature", 422, "bad-signature", lambda m: changed(m) | {"signature": "0x" + "00" * 65}),
    ("altered", 403, "wrong-signer", lambda m: changed(m) | {"import_wh": 150}),
    ("unknown station", 404, "unknown-station", lambda m: changed(m) | {"station": 16_000_000}),
    ("used number, other content", 409, "sequence-reused", lambda m: changed(m, sequence=2)),
    ("used number, altered", 403, "wrong-signer", lambda m: changed(m, sequence=2) | {"import_wh": 7}),
    ("gap", 409, "sequence-gap", lambda m: changed(m, sequence=4)),
    ("register back", 409, "register-went-back", lambda m: changed(m, import_wh=99)),
    ("more than rated", 422, "more-than-rated", lambda m: changed(m, import_wh=2_000)),
    ("from the future", 422, "from-the-future", lambda m: changed(m, time_s=START + 10**6)),
    ("time back", 409, "time-went-back", lambda m: changed(m, time_s=START + 60)),
    ("export of a one-way station", 422, "export-not-possible", lambda m: changed(m, export_wh=5)),
    ("across intervals", 422, "spans-intervals", lambda m: changed(m, time_s=START + 1000)),
    ("unknown session", 404, "unknown-session", lambda m: changed(m, session=b"\x07" * 32)),
]


@pytest.mark.parametrize(("status", "kind", "make"), [r[1:] for r in READINGS], ids=[r[0] for r in READINGS])
def test_a_reading_that_does_not_hold_is_refused(
    api: Api, meter: Meter, status: int, kind: str, make: Callable[[Meter], Json]
) -> None:
    before = sequence_of(api, meter)
    reading = make(meter)

    problem = refused(api.post("/v1/readings", reading), status, kind)
    batch = api.post("/v1/readings/batch", {"meter": [reading]}).json()

    assert (batch["accepted"], batch["duplicate"]) == (0, 0)
    assert batch["refused"] == [
        {k: v for k, v in problem.items() if k not in {"status", "title"}} | {"kind": "meter", "index": 0}
    ]
    assert sequence_of(api, meter) == before


@pytest.mark.parametrize("wrong", ["chain", "contract"])
def test_a_signature_for_another_chain_or_contract_is_refused(api: Api, meter: Meter, wrong: str) -> None:
    domain = api.domains[0]
    other = SigningDomain(domain.chain_id + 1, domain.contract)
    if wrong == "contract":
        other = SigningDomain(domain.chain_id, api.domains[1].contract)
    reading = changed(meter)
    right = replace(meter.readings[1].reading, sequence=3, time_s=UnixSeconds(START + 120), import_wh=EnergyWh(200))
    reading["signature"] = hex_text(meter.key.sign(other.digest(right.struct_hash())))

    refused(api.post("/v1/readings", reading), 403, "wrong-signer")


def test_a_key_that_was_cut_off_is_refused_for_what_it_signed_later(api: Api) -> None:
    meter = new_meter(api)
    first, second = meter.next(START), meter.next(START + 60)
    address = meter.key.address
    assert api.site.transact(api.site.operator, "StationRegistry", "revokeKey", meter.station, address, START)
    wait_until(lambda: api.get(f"/v1/stations/{meter.station}")["signer"] is None)
    former = [{"signer": address_text(address), "valid_until": START}]
    assert api.get(f"/v1/stations/{meter.station}")["former_keys"] == former

    meter.send([first])
    refused(api.post("/v1/readings", second), 403, "key-no-longer-valid")
    assert sequence_of(api, meter) == (1, 0)


def test_a_session_of_another_station_is_refused(api: Api, meter: Meter, driver: Driver) -> None:
    elsewhere = driver.authorise(api, new_meter(api).station)

    refused(api.post("/v1/readings", changed(meter, session=elsewhere.session_id)), 404, "unknown-session")


def test_after_a_refused_reading_the_later_ones_of_its_station_wait(api: Api, driver: Driver) -> None:
    bad, good = new_meter(api), new_meter(api)
    readings = [bad.next(START), bad.next(START + 60, taken_wh=5000), bad.next(START + 120), good.next(START)]
    bms = [driver.bms(api, 1, START), driver.bms(api, 3, START + 1)]

    answer = api.post("/v1/readings/batch", {"meter": readings, "bms": bms}).json()

    assert (answer["accepted"], answer["duplicate"]) == (3, 0)
    assert [(one["kind"], one["index"], one["type"].rsplit("/", 1)[1]) for one in answer["refused"]] == [
        ("meter", 1, "more-than-rated"),
        ("meter", 2, "sequence-gap"),
        ("bms", 1, "sequence-gap"),
    ]


VALUES: list[tuple[str, Any]] = [
    ("float", 100.0),
    ("exponent", 1e3),
    ("string", "100"),
    ("boolean", True),
    ("null", None),
    ("list", [100]),
    ("negative", -1),
    ("too wide", 1 << 40),
    ("huge", 10**4000),
]


@pytest.mark.parametrize("value", [value for _, value in VALUES], ids=[name for name, _ in VALUES])
def test_only_integers_that_fit_are_integers(api: Api, meter: Meter, value: Any) -> None:
    answer = api.post("/v1/readings", changed(meter) | {"import_wh": value})

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 1000
    assert sequence_of(api, meter) == (2, 0)


def test_authorisations_are_checked(api: Api, meter: Meter, driver: Driver) -> None:
    signed = driver.authorisation(api, meter.station)
    good = authorisation_to_json(signed)
    wrong = SignedAuthorisation(signed.authorisation, new_key("thief").sign(b"\x01" * 32))
    keyless = replace(signed.authorisation, account=AccountId(meter.payee))

    refused(api.post("/v1/sessions", authorisation_to_json(wrong)), 403, "wrong-signer")
    refused(api.post("/v1/sessions", good | {"signature": high_s(good["signature"])}), 422, "high-s")
    refused(api.post("/v1/sessions", good | {"max_cost_micro": 5}), 403, "wrong-signer")
    refused(api.post("/v1/sessions", good | {"account": 16_000_000}), 404, "unknown-account")
    refused(api.post("/v1/sessions", good | {"station": 16_000_000}), 404, "unknown-station")
    refused(api.post("/v1/sessions", good | {"expiry": 1}), 422, "authorisation-refused")
    refused(api.post("/v1/sessions", good | {"discharge_allowed": 1}), 422, "malformed")
    body = authorisation_to_json(SignedAuthorisation(keyless, signed.signature))
    refused(api.post("/v1/sessions", body), 409, "no-driver-key")
    assert api.get("/v1/sessions", account=driver.account, station=meter.station)["items"] == []


def test_readings_cannot_be_of_station_and_account(api: Api, meter: Meter) -> None:
    refused(api.post("/v1/readings", changed(meter) | {"account": 1}), 422, "malformed")


@pytest.mark.parametrize(
    ("limits", "given_wh"),
    [({"expiry_s": START + 90}, 0), ({"not_before_s": START + 61}, 0), ({"discharge_allowed": False}, 10)],
    ids=["after its expiry", "before its start", "giving back without consent"],
)
def test_reading_that_its_session_could_never_be_billed_for_is_refused_at_once(
    api: Api, driver: Driver, limits: dict[str, Any], given_wh: int
) -> None:
    """Taken, it would block the station: no statement over it could ever be accepted."""
    meter = new_meter(api, bidirectional=True)
    meter.send([meter.next(START), meter.next(START + 60, taken_wh=100)])
    session = driver.authorise(api, meter.station, **limits)
    before = sequence_of(api, meter)
    reading = meter.next(
        START + 120, taken_wh=100 if not given_wh else 0, given_wh=given_wh, session=session.session_id
    )

    refused(api.post("/v1/readings", reading), 422, "not-authorised")

    assert sequence_of(api, meter) == before
    meter.readings.pop()
    meter.send([meter.next(START + 120, taken_wh=100)])
