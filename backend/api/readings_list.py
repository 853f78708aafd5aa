"""GET /v1/readings."""

from fastapi import APIRouter

from backend.api import schemas, shapes
from backend.api.description import METER_READING, answers
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, After, From, HashQuery, Limit, Number, To
from backend.application.filters import Page, ReadingFilter
from backend.application.services import Services
from domain.errors import Malformed
from domain.wire import bms_to_json, meter_to_json

_READINGS = schemas.listing({"anyOf": [schemas.METER_READING, schemas.BMS_READING]})


def router(services: Services) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/v1", tags=["readings"], default_response_class=JsonResponse)

    @routes.get("/readings", responses=answers(200, {"items": [METER_READING], "next": 12}, schema=_READINGS))
    def list_readings(
        station: Number = None,
        account: Number = None,
        session: HashQuery = None,
        from_s: From = None,
        to_s: To = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Readings of one station's meter or one account's vehicle, by sequence; or the meter's of one session."""
        if station is not None and account is not None:
            raise Malformed("give station or account, not both")
        if station is None and account is None and session is None:
            raise Malformed("give station, account or session")
        page, wanted = Page(after, limit), ReadingFilter(session=session, from_s=from_s, to_s=to_s)
        if account is not None:
            vehicle = services.lists.bms_readings(account, page, wanted)
            return JsonResponse(shapes.page(vehicle, limit, bms_to_json, lambda one: one.reading.sequence))
        found = services.lists.meter_readings(station, page, wanted)
        return JsonResponse(shapes.page(found, limit, meter_to_json, lambda one: one.reading.sequence))

    return routes
