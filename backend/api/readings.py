"""/v1/readings."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api import schemas
from backend.api.description import BMS_READING, METER_READING, answers, body_like, or_bytes
from backend.api.problems import JsonResponse, internal_error, problem_of, problem_response
from backend.api.requests import Body, fields_of, strict_json
from backend.application.intake import Intake
from backend.application.readings import ACCEPTED, DUPLICATE, MAX_READINGS, Delivery, Outcome, Outcomes
from backend.application.services import Services
from domain.errors import Malformed, OutOfRange, WattledgerError
from domain.packet import MAGIC, MEDIA_TYPE, unpack_readings
from domain.reading import SignedBmsReading, SignedMeterReading
from domain.wire import Json, bms_from_json, meter_from_json

Signed = TypeVar("Signed", SignedMeterReading, SignedBmsReading)
METER, BMS = "meter", "bms"
_LETTERS = {ACCEPTED: "a", DUPLICATE: "d"}
_REFUSED = "r"
_REFUSAL = {
    "kind": "meter",
    "index": 2,
    "type": "/v1/problems/sequence-gap",
    "detail": "station 7: sequence 14 after 12; send 13 first",
    "expected": 13,
    "received": 14,
    "who": "station 7",
}
_DELIVERY = {"meter": [METER_READING], "bms": [BMS_READING]}
_SUMMARY = {
    "accepted": 2,
    "duplicate": 1,
    "refused": [_REFUSAL],
    "verdicts": {"meter": "dar", "bms": "a"},
}


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["readings"], default_response_class=JsonResponse)

    @routes.post(
        "/readings",
        status_code=201,
        responses=answers(201, {"verdict": "accepted"}, 200, schema=schemas.VERDICT),
        openapi_extra=body_like(METER_READING),
    )
    async def take_reading(request: Request, body: Body) -> Response:
        """Takes one reading of a meter or, with `account` in place of `station`, of a vehicle."""
        return await single(services.intake, request.headers.get("content-type", ""), body)

    @routes.post(
        "/readings/batch",
        responses=answers(200, _SUMMARY, schema=schemas.DELIVERY),
        openapi_extra=or_bytes(
            body_like({"meter": [METER_READING], "bms": [BMS_READING]}, partly=True), MEDIA_TYPE, MAGIC.decode()
        ),
    )
    async def take_readings(request: Request, body: Body) -> Response:
        """Takes up to 5000 readings, those of one station or vehicle in order; durable when it answers.

        As JSON, or as bytes (docs/reference/readings-packet.md). `verdicts` has a letter for each reading: a accepted,
        d a duplicate of one accepted before, r refused, for the reason in `refused`.
        """
        return await batch(services.intake, request.headers.get("content-type", ""), body)

    return routes


class Shortcut:
    """Readings' way round the framework, whose dozen layers cost a single reading more than its signature.

    Pure ASGI, between the body limit and the application. Whatever is no POST of readings goes on to the application.
    """

    def __init__(self, app: ASGIApp, intake: Intake) -> None:
        self._app, self._intake = app, intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        handler = _HANDLERS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        body = (await receive())["body"]
        try:
            response = await handler(self._intake, _media_type(scope), body)
        except WattledgerError as error:
            response = problem_response(error)
        except Exception as error:
            response = internal_error(scope["path"], error)
        await response(scope, receive, send)


async def single(intake: Intake, _media_type: str, body: bytes) -> Response:
    """The answer to one reading."""
    verdict = (await _taken(intake, body, _single)).only
    return JsonResponse({"verdict": verdict}, status_code=201 if verdict == ACCEPTED else 200)


async def batch(intake: Intake, media_type: str, body: bytes) -> Response:
    """The answer to many readings, in JSON or packed."""
    packed = media_type.partition(";")[0].strip().lower() == MEDIA_TYPE
    return JsonResponse(_summary(await _taken(intake, body, _packed if packed else _listed)))


_HANDLERS = {"/v1/readings": single, "/v1/readings/batch": batch}


def _media_type(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")


async def _taken(intake: Intake, body: bytes, read: Callable[[bytes], Delivery]) -> Outcomes:
    return await asyncio.wrap_future(intake.submit(len(body), lambda: read(body)))


def _single(body: bytes) -> Delivery:
    value = strict_json(body)
    if not isinstance(value, dict) or ("station" in value) == ("account" in value):
        raise Malformed("a reading is a JSON object with either station or account")
    if "station" in value:
        return Delivery(meter=[meter_from_json(value)])
    return Delivery(bms=[bms_from_json(value)])


def _packed(body: bytes) -> Delivery:
    meter, bms = unpack_readings(body, MAX_READINGS)
    return Delivery(meter=meter, bms=bms)


def _listed(body: bytes) -> Delivery:
    fields = fields_of(strict_json(body), {METER, BMS}, "delivery")
    meter = _parsed(METER, fields.get(METER, []), meter_from_json)
    return Delivery(meter=meter, bms=_parsed(BMS, fields.get(BMS, []), bms_from_json))


def _parsed(kind: str, values: Any, parse: Callable[[object], Signed]) -> list[Signed | Malformed]:
    """The readings, with a Malformed in place of each that is none."""
    if not isinstance(values, list):
        raise Malformed(f"{kind} must be a list of readings")
    if len(values) > MAX_READINGS:
        raise OutOfRange("readings in a delivery", len(values), 0, MAX_READINGS)
    parsed: list[Signed | Malformed] = []
    for value in values:
        try:
            parsed.append(parse(value))
        except Malformed as error:
            parsed.append(error)
    return parsed


def _summary(outcomes: Outcomes) -> Json:
    lists = {METER: outcomes.meter, BMS: outcomes.bms}
    verdicts = {kind: "".join(map(_letter, found)) for kind, found in lists.items()}
    letters = "".join(verdicts.values())
    return {
        "accepted": letters.count(_LETTERS[ACCEPTED]),
        "duplicate": letters.count(_LETTERS[DUPLICATE]),
        "refused": [refusal for kind, found in lists.items() for refusal in _refusals(kind, found)],
        "verdicts": verdicts,
    }


def _letter(outcome: Outcome) -> str:
    return _REFUSED if isinstance(outcome, Exception) else _LETTERS[outcome]


def _refusals(kind: str, outcomes: Sequence[Outcome]) -> Iterator[Json]:
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Exception):
            shown = {name: value for name, value in problem_of(outcome).items() if name not in ("title", "status")}
            yield shown | {"kind": kind, "index": index}
