"""/v1/stations."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.params import Depends
from pydantic import Field

from backend.api import schemas, shapes
from backend.api.description import ADDRESS, answers, body_of
from backend.api.problems import JsonResponse
from backend.api.requests import (
    DEFAULT_PAGE,
    AddressText,
    After,
    Body,
    Flag,
    Limit,
    Number,
    OnceOnly,
    StationNumber,
    Strict,
    model_of,
)
from backend.application.filters import Page, StationFilter
from backend.application.services import Services
from backend.application.stations import MAX_RATED_POWER_W, MAX_STATIONS
from domain.text import parse_address

_STATION = {
    "station": 7,
    "signer": ADDRESS,
    "former_keys": [{"signer": ADDRESS, "valid_until": 1561968000}],
    "payee": 4,
    "rated_power_w": 22000,
    "bidirectional": False,
    "suspended_by_operator": False,
    "suspended_by_governance": False,
    "registered_import_wh": 0,
    "registered_export_wh": 0,
    "meter_replacements": [],
    "import_wh": 46560,
    "export_wh": 0,
    "sequence": 1,
    "last_reading_sequence": 12,
    "last_statement_sequence": 2,
}


class StationsBody(Strict):
    """Keys of the stations to register, all alike."""

    signers: Annotated[list[AddressText], Field(min_length=1, max_length=MAX_STATIONS)]
    rated_power_w: Annotated[int, Field(ge=1, le=MAX_RATED_POWER_W)]
    bidirectional: bool


def router(services: Services, operator: Depends) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["stations"], default_response_class=JsonResponse)

    @routes.get(
        "/stations",
        responses=answers(200, {"items": [_STATION], "next": 12}, schema=schemas.listing(schemas.STATION)),
    )
    def list_stations(
        payee: Number = None, suspended: Flag = None, limit: Limit = DEFAULT_PAGE, after: After = 0
    ) -> JsonResponse:
        """Stations by number, with registers and sequence of the last settled statement."""
        records = services.lists.stations(Page(after, limit), StationFilter(payee=payee, suspended=suspended))
        return JsonResponse(shapes.page(records, limit, shapes.station, lambda record: record.station.station))

    @routes.get("/stations/{station}", responses=answers(200, _STATION, schema=schemas.STATION))
    def get_station(station: StationNumber) -> JsonResponse:
        """One station."""
        return JsonResponse(shapes.station(services.stations.get(station)))

    @routes.post(
        "/stations",
        status_code=201,
        dependencies=[operator],
        responses=answers(201, {"stations": [7]}, schema=schemas.record(stations=schemas.array(schemas.U24))),
        openapi_extra=body_of(StationsBody, {"signers": [ADDRESS], "rated_power_w": 22000, "bidirectional": False}),
    )
    def register_stations(body: Body, once: OnceOnly) -> JsonResponse:
        """Registers stations on chain under the operator's account; stations keep their keys."""
        wanted = model_of(StationsBody, body)
        stations = services.stations.register(
            [parse_address(signer) for signer in wanted.signers],
            rated_power_w=wanted.rated_power_w,
            bidirectional=wanted.bidirectional,
            once=once,
        )
        return JsonResponse({"stations": stations}, status_code=201)

    return routes
