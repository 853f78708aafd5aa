"""/v1/sessions."""

from fastapi import APIRouter

from backend.api import schemas, shapes
from backend.api.description import ANCHOR, AUTHORISATION, READINGS, ROW, STATEMENT_STATE, answers, body_like
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, HASH_BYTES, After, Body, From, Limit, Number, SessionId, To, strict_json
from backend.application.filters import Page, SessionFilter
from backend.application.records import SessionState
from backend.application.services import Services
from domain.errors import Malformed
from domain.text import hex_text, parse_hex
from domain.wire import authorisation_from_json

_ID = "0x" + "ab" * 32
_SESSION = AUTHORISATION | {"session": _ID, "energy_wh": 1650, "cost_micro": 511_500, "state": "charging"}

_WAY = {
    "readings": READINGS,
    "statements": [STATEMENT_STATE | {"readings": READINGS, "rows": [ROW]} | ANCHOR],
    "more_statements": False,
}


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["sessions"], default_response_class=JsonResponse)

    @routes.post(
        "/sessions",
        status_code=201,
        responses=answers(201, {"session": _ID}, 200, schema=schemas.record(session=schemas.HASH)),
        openapi_extra=body_like(AUTHORISATION),
    )
    def open_session(body: Body) -> JsonResponse:
        """Keeps a driver's authorisation; its signature is its credential. The same again is answered with 200."""
        session, is_new = services.sessions.open(authorisation_from_json(strict_json(body)))
        return JsonResponse({"session": hex_text(session)}, status_code=201 if is_new else 200)

    @routes.get(
        "/sessions",
        responses=answers(200, {"items": [_SESSION], "next": 12}, schema=schemas.listing(schemas.SESSION)),
    )
    def list_sessions(
        station: Number = None,
        account: Number = None,
        state: SessionState | None = None,
        from_s: From = None,
        to_s: To = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Sessions in the order in which they came; their time is the first second of the authorisation."""
        wanted = SessionFilter(station=station, account=account, state=state, from_s=from_s, to_s=to_s)
        records = services.lists.sessions(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, shapes.session, lambda record: record.serial))

    @routes.get("/sessions/{session}", responses=answers(200, _SESSION | _WAY, schema=schemas.SESSION_WITH_WAY))
    def get_session(session: SessionId) -> JsonResponse:
        """One session: its readings, the statements over them with the rows that billed it, and where they settled."""
        try:
            session_id = parse_hex(session, HASH_BYTES)
        except ValueError as error:
            raise Malformed(f"a session is {error}".replace("is not", "must be")) from None
        return JsonResponse(shapes.session_way(services.ways.session(session_id)))

    return routes
