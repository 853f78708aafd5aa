"""/v1/statements."""

import re

from fastapi import APIRouter

from backend.api import schemas, shapes
from backend.api.description import ANCHOR, CID, READINGS, ROW, STATEMENT, STATEMENT_STATE, answers, body_like
from backend.api.problems import JsonResponse
from backend.api.requests import (
    DEFAULT_PAGE,
    After,
    Body,
    From,
    Limit,
    Number,
    SettlementName,
    StatementId,
    To,
    Wide,
    strict_json,
)
from backend.application.filters import Page, StatementFilter
from backend.application.records import StatementState
from backend.application.services import Services
from domain.errors import Malformed
from domain.wire import statement_from_json

_PLACE = re.compile(r"([0-9]{1,8})-([0-9]{1,8})")
_STATEMENT = STATEMENT | STATEMENT_STATE


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["statements"], default_response_class=JsonResponse)
    _add_intake(routes, services)
    _add_list(routes, services)
    _add_view(routes, services)
    return routes


def _add_intake(routes: APIRouter, services: Services) -> None:
    @routes.post(
        "/statements",
        status_code=201,
        responses=answers(
            201,
            {"statement": "7-2", "evidence": CID},
            200,
            schema=schemas.record(statement=schemas.PLACE, evidence=schemas.CID),
        ),
        openapi_extra=body_like(STATEMENT),
    )
    def take_statement(body: Body) -> JsonResponse:
        """Takes a station's statement, after all its readings. The same again is answered with 200."""
        record, is_new = services.statements.take(statement_from_json(strict_json(body)))
        content = {"statement": shapes.statement_id(record.place), "evidence": record.evidence}
        return JsonResponse(content, status_code=201 if is_new else 200)


def _add_list(routes: APIRouter, services: Services) -> None:
    @routes.get(
        "/statements",
        responses=answers(200, {"items": [_STATEMENT], "next": 12}, schema=schemas.listing(schemas.STATEMENT)),
    )
    def list_statements(
        station: Number = None,
        account: Number = None,
        state: StatementState | None = None,
        settlement: SettlementName | None = None,
        batch: Wide = None,
        from_s: From = None,
        to_s: To = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Statements in the order in which they were accepted; their time is their first second."""
        wanted = StatementFilter(
            station=station,
            account=account,
            state=state,
            settlement=settlement,
            batch=batch,
            from_s=from_s,
            to_s=to_s,
        )
        records = services.lists.statements(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, shapes.statement, lambda record: record.serial))


def _add_view(routes: APIRouter, services: Services) -> None:
    @routes.get(
        "/statements/{statement}",
        responses=answers(
            200, _STATEMENT | ANCHOR | {"readings": READINGS, "rows": [ROW]}, schema=schemas.STATEMENT_WITH_WAY
        ),
    )
    def get_statement(statement: StatementId) -> JsonResponse:
        """One statement, `<station>-<sequence>`, with what its rows move and where it settled."""
        place = _PLACE.fullmatch(statement)
        if place is None:
            raise Malformed("a statement is named <station>-<sequence>, such as 7-2")
        return JsonResponse(shapes.statement_way(services.ways.statement(int(place[1]), int(place[2]))))
