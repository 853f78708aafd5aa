"""/v1/transactions: what this service sent to the chain, never the bytes it signed."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api import schemas, shapes
from backend.api.description import ADDRESS, answers
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, After, HashQuery, Limit, Wide
from backend.application.filters import Page, TransactionFilter
from backend.application.records import OutboxState
from backend.application.services import Services

_PURPOSE = "^[a-z]{1,20}(:[0-9a-z-]{1,43})?$"
_TRANSACTION = {
    "tx": "0x" + "ab" * 32,
    "sender": ADDRESS,
    "nonce": 7,
    "purpose": "deposits",
    "state": "mined",
    "block": 21,
    "succeeded": True,
    "gas_used": 61_000,
}


def router(services: Services) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/v1", tags=["network"], default_response_class=JsonResponse)

    @routes.get(
        "/transactions",
        responses=answers(200, {"items": [_TRANSACTION], "next": 12}, schema=schemas.listing(schemas.TRANSACTION)),
    )
    def list_transactions(
        state: OutboxState | None = None,
        purpose: Annotated[
            str | None, Query(pattern=_PURPOSE, description="All of it, or `settlement` or `auction`")
        ] = None,
        nonce: Wide = None,
        block: Wide = None,
        tx: HashQuery = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Transactions of the operator's key, in the order in which they were signed."""
        wanted = TransactionFilter(state=state, purpose=purpose, nonce=nonce, block=block, transaction=tx)
        records = services.lists.transactions(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, shapes.transaction, lambda record: record.serial))

    return routes
