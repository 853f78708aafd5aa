"""/v1/debts and /v1/disputes."""

from fastapi import APIRouter

from backend.api import schemas, shapes
from backend.api.description import answers
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, After, Flag, Limit, Number
from backend.application.filters import DebtFilter, DisputeFilter, Page
from backend.application.records import DisputeState
from backend.application.services import Services

DEBT = {
    "debtor": 12,
    "number": 0,
    "creditor": 4,
    "batch": 3,
    "owed_micro": 511_500,
    "share_micro": 511_500,
    "open": True,
}
_DISPUTE = {"statement": "7-2", "row": 0, "state": "disputed", "disputer": 12, "answer_until": 1562576400}


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["debts and disputes"], default_response_class=JsonResponse)

    @routes.get("/debts", responses=answers(200, {"items": [DEBT], "next": 12}, schema=schemas.listing(schemas.DEBT)))
    def list_debts(
        debtor: Number = None,
        creditor: Number = None,
        open: Flag = None,  # noqa: A002  # The name of the parameter in the query.
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """What accounts owe or owed, in the order in which it was recorded."""
        wanted = DebtFilter(debtor=debtor, creditor=creditor, open=open)
        records = services.lists.debts(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, shapes.debt, lambda record: record.place))

    @routes.get(
        "/disputes",
        responses=answers(200, {"items": [_DISPUTE], "next": 12}, schema=schemas.listing(schemas.DISPUTE)),
    )
    def list_disputes(
        station: Number = None,
        disputer: Number = None,
        state: DisputeState | None = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Rows that were disputed, in the order in which they were."""
        wanted = DisputeFilter(station=station, disputer=disputer, state=state)
        records = services.lists.disputes(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, shapes.dispute, lambda record: record.place))

    return routes
