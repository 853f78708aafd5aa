"""/v1/readings."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter

from backend.api import schemas
from backend.api.description import BMS_READING, METER_READING, answers, body_like
from backend.api.problems import JsonResponse, problem_of
from backend.api.requests import Body, fields_of, strict_json
from backend.application.readings import ACCEPTED, BMS, DUPLICATE, MAX_READINGS, METER
from backend.application.records import Verdict
from backend.application.services import Services
from domain.errors import Malformed, OutOfRange
from domain.reading import SignedBmsReading, SignedMeterReading
from domain.wire import Json, bms_from_json, meter_from_json

Signed = TypeVar("Signed", SignedMeterReading, SignedBmsReading)
_REFUSAL = {
    "kind": "meter",
    "index": 17,
    "type": "/v1/problems/sequence-gap",
    "detail": "station 7: sequence 14 after 12; send 13 first",
    "expected": 13,
    "received": 14,
    "who": "station 7",
}
_SUMMARY = {"accepted": 998, "duplicate": 1, "refused": [_REFUSAL]}


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["readings"], default_response_class=JsonResponse)

    @routes.post(
        "/readings",
        status_code=201,
        responses=answers(201, {"verdict": "accepted"}, 200, schema=schemas.VERDICT),
        openapi_extra=body_like(METER_READING),
    )
    def take_reading(body: Body) -> JsonResponse:
        """Takes one reading of a meter or, with `account` in place of `station`, of a vehicle."""
        verdict = services.readings.take_one(_reading(strict_json(body)))
        return JsonResponse({"verdict": verdict.outcome}, status_code=201 if verdict.outcome == ACCEPTED else 200)

    @routes.post(
        "/readings/batch",
        responses=answers(200, _SUMMARY, schema=schemas.DELIVERY),
        openapi_extra=body_like({"meter": [METER_READING], "bms": [BMS_READING]}, partly=True),
    )
    def take_readings(body: Body) -> JsonResponse:
        """Takes up to 5000 readings, those of one station or vehicle in order; durable when it answers."""
        fields = fields_of(strict_json(body), {METER, BMS}, "delivery")
        refused: list[Verdict] = []
        meter = _parsed(METER, fields.get(METER, []), meter_from_json, refused)
        bms = _parsed(BMS, fields.get(BMS, []), bms_from_json, refused)
        verdicts = services.readings.take([one for _, one in meter], [one for _, one in bms])
        places = {METER: [index for index, _ in meter], BMS: [index for index, _ in bms]}
        for verdict in verdicts:
            if verdict.error is not None:
                place = places[verdict.kind][verdict.index]
                refused.append(Verdict(kind=verdict.kind, index=place, outcome=verdict.outcome, error=verdict.error))
        outcomes = [verdict.outcome for verdict in verdicts]
        return JsonResponse(
            {
                "accepted": outcomes.count(ACCEPTED),
                "duplicate": outcomes.count(DUPLICATE),
                "refused": [_refusal(one) for one in sorted(refused, key=lambda one: (one.kind != METER, one.index))],
            }
        )

    return routes


def _reading(value: object) -> SignedMeterReading | SignedBmsReading:
    if not isinstance(value, dict) or ("station" in value) == ("account" in value):
        raise Malformed("a reading is a JSON object with either station or account")
    return meter_from_json(value) if "station" in value else bms_from_json(value)


def _parsed(
    kind: str, values: Any, parse: Callable[[object], Signed], refused: list[Verdict]
) -> list[tuple[int, Signed]]:
    """The well-formed readings with their places; the others go to `refused`."""
    if not isinstance(values, list):
        raise Malformed(f"{kind} must be a list of readings")
    if len(values) > MAX_READINGS:
        raise OutOfRange("readings in a delivery", len(values), 0, MAX_READINGS)
    parsed: list[tuple[int, Signed]] = []
    for index, value in enumerate(values):
        try:
            parsed.append((index, parse(value)))
        except Malformed as error:
            refused.append(Verdict(kind=kind, index=index, outcome="refused", error=error))
    return parsed


def _refusal(verdict: Verdict) -> Json:
    problem = problem_of(verdict.error) if verdict.error else {}
    shown = {name: value for name, value in problem.items() if name not in ("title", "status")}
    return shown | {"kind": verdict.kind, "index": verdict.index}
