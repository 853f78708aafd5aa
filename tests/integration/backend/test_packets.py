"""Readings as bytes over HTTP: taken as their JSON form is, and refused as clearly."""

from collections.abc import Sequence

import httpx

from domain.packet import MEDIA_TYPE, pack_readings
from domain.wire import Json, bms_from_json, meter_from_json
from tests.integration.backend.site import Api, Driver, new_driver, new_meter

START = 1000


def post(api: Api, body: bytes, media_type: str = MEDIA_TYPE) -> httpx.Response:
    return api.http.post("/v1/readings/batch", content=body, headers={"Content-Type": media_type})


def packed(meter: Sequence[Json], bms: Sequence[Json] = ()) -> bytes:
    return pack_readings([meter_from_json(one) for one in meter], [bms_from_json(one) for one in bms])


def test_a_packet_is_taken_as_its_json_form_is(api: Api) -> None:
    driver: Driver = new_driver(api)
    bad, good = new_meter(api), new_meter(api)
    readings = [bad.next(START), bad.next(START + 60, taken_wh=5000), bad.next(START + 120), good.next(START)]
    bms = [driver.bms(api, 1, START), driver.bms(api, 3, START + 1)]

    answer = post(api, packed(readings, bms)).json()

    assert answer["verdicts"] == {"meter": "arra", "bms": "ar"}
    assert (answer["accepted"], answer["duplicate"]) == (3, 0)
    assert [one["type"].rsplit("/", 1)[1] for one in answer["refused"]] == [
        "more-than-rated",
        "sequence-gap",
        "sequence-gap",
    ]
    again = api.post("/v1/readings/batch", {"meter": readings, "bms": bms}).json()
    assert again["verdicts"] == {"meter": "drrd", "bms": "dr"}
    kept = api.get("/v1/readings", station=good.station)["items"]
    assert kept == [readings[3]]


def test_a_packet_that_is_none_is_refused(api: Api) -> None:
    reading = packed([new_meter(api).next(START)])
    for body, media_type, status in (
        (reading[:-1], MEDIA_TYPE, 422),
        (reading + b"\0", MEDIA_TYPE, 422),
        (b"", MEDIA_TYPE, 422),
        (b'{"meter":[]}', MEDIA_TYPE, 422),
        (reading, "application/json", 400),
    ):
        answer = post(api, body, media_type)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert post(api, reading, f"{MEDIA_TYPE.upper()}; v=1").json()["accepted"] == 1
