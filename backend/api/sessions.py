"""/v1/sessions."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api import shapes
from backend.api.description import AUTHORISATION, answers, body_like
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, U24_MAX, After, Body, Integer, Limit, strict_json
from backend.application.services import Services
from domain.errors import Malformed
from domain.text import hex_text, parse_hex
from domain.wire import authorisation_from_json

_HASH_BYTES = 32
_ID = "0x" + "ab" * 32
_SESSION = AUTHORISATION | {"session": _ID, "energy_wh": 1650, "cost_micro": 511_500, "state": "charging"}


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["sessions"], default_response_class=JsonResponse)

    @routes.post(
        "/sessions",
        status_code=201,
        responses=answers(201, {"session": _ID}, 200),
        openapi_extra=body_like(AUTHORISATION),
    )
    def open_session(body: Body) -> JsonResponse:
        """Keeps a driver's authorisation; its signature is its credential. The same again is answered with 200."""
        session, is_new = services.sessions.open(authorisation_from_json(strict_json(body)))
        return JsonResponse({"session": hex_text(session)}, status_code=201 if is_new else 200)

    @routes.get("/sessions", responses=answers(200, {"items": [_SESSION], "next": None}))
    def list_sessions(
        station: Annotated[Integer | None, Query(ge=0, le=U24_MAX)] = None,
        account: Annotated[Integer | None, Query(ge=0, le=U24_MAX)] = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Sessions in the order in which they came."""
        records = services.sessions.page(after, limit, station=station, account=account)
        return JsonResponse(shapes.page(records, limit, shapes.session, lambda record: record.serial))

    @routes.get("/sessions/{session}", responses=answers(200, _SESSION))
    def get_session(session: str) -> JsonResponse:
        """One session, with what was billed to it so far."""
        try:
            session_id = parse_hex(session, _HASH_BYTES)
        except ValueError as error:
            raise Malformed(f"a session is {error}".replace("is not", "must be")) from None
        return JsonResponse(shapes.session(services.sessions.get(session_id)))

    return routes
