"""/v1/settlements."""

from fastapi import APIRouter
from fastapi.params import Depends

from backend.api import schemas, shapes
from backend.api.description import ANCHOR, CID, SETTLEMENT, answers, body_of
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, After, Body, Limit, OnceOnly, Strict, Wide, model_of
from backend.application.filters import Page, SettlementFilter
from backend.application.records import SettlementState
from backend.application.services import Services

_SETTLEMENT = {
    "settlement": SETTLEMENT,
    "batch": 3,
    "state": "settled",
    "tx": "0x" + "ab" * 32,
    "evidence": CID,
    "statements": ["7-2"],
    "rows": 1,
    "paid_micro": 511_500,
    "dust_micro": 0,
    "gas_used": 91_000,
}
_AMOUNT = {
    "statement": "7-2",
    "row": 0,
    "payer": 12,
    "payee": 4,
    "owed_micro": 511_500,
    "received_micro": 511_500,
    "set_aside": False,
}


class SettleBody(Strict):
    """With `retry_refused`, statements that the contracts refused before are tried again."""

    retry_refused: bool = False


def router(services: Services, operator: Depends) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["settlements"], default_response_class=JsonResponse)

    @routes.post(
        "/settlements",
        status_code=202,
        dependencies=[operator],
        responses=answers(202, {"settlement": SETTLEMENT}, schema=schemas.record(settlement=schemas.SETTLEMENT)),
        openapi_extra=body_of(SettleBody, {"retry_refused": False}, required=False),
    )
    def settle(body: Body, once: OnceOnly) -> JsonResponse:
        """Builds a batch of all that waits and sends it; its state follows under the id."""
        wanted = model_of(SettleBody, body) if body.strip() else SettleBody()
        if once is None:
            settlement = services.settlements.submit(retry_refused=wanted.retry_refused)
        else:
            settlement = services.keys.settle(services.settlements, once, retry_refused=wanted.retry_refused)
        return JsonResponse({"settlement": settlement}, status_code=202)

    @routes.get(
        "/settlements",
        responses=answers(200, {"items": [_SETTLEMENT], "next": 12}, schema=schemas.listing(schemas.SETTLEMENT_STATE)),
    )
    def list_settlements(
        state: SettlementState | None = None, batch: Wide = None, limit: Limit = DEFAULT_PAGE, after: After = 0
    ) -> JsonResponse:
        """Settlements in the order in which they were built."""
        records = services.lists.settlements(Page(after, limit), SettlementFilter(state=state, batch=batch))
        return JsonResponse(shapes.page(records, limit, shapes.settlement, lambda record: record.serial))

    @routes.get(
        "/settlements/{settlement}",
        responses=answers(200, _SETTLEMENT | ANCHOR | {"amounts": [_AMOUNT]}, schema=schemas.SETTLEMENT_WITH_WAY),
    )
    def get_settlement(settlement: str) -> JsonResponse:
        """One settlement, with what each billed row moves and where it is on chain."""
        return JsonResponse(shapes.settlement_way(services.ways.settlement(settlement)))

    return routes
