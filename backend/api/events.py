"""/v1/events."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api import schemas, shapes
from backend.api.description import ADDRESS, answers
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, BlockBefore, Limit, Number, Serial, Wide
from backend.application.filters import EventFilter, Page
from backend.application.services import Services
from domain.errors import Malformed

_EVENT = {
    "block": 21,
    "log_index": 0,
    "contract": "Escrow",
    "name": "Deposited",
    "args": {"account": 12, "from": ADDRESS, "amountMicro": 25_000_000},
    "tx": "0x" + "ab" * 32,
}
_NAME = "^[A-Za-z]{1,32}$"


def router(services: Services) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/v1", tags=["network"], default_response_class=JsonResponse)

    @routes.get(
        "/events", responses=answers(200, {"items": [_EVENT], "next": 12}, schema=schemas.listing(schemas.EVENT))
    )
    def list_events(
        contract: Annotated[str | None, Query(pattern=_NAME)] = None,
        name: Annotated[str | None, Query(pattern=_NAME)] = None,
        account: Annotated[Number, Query(description="A number of an account among the arguments")] = None,
        station: Annotated[Number, Query(description="A number of a station among the arguments")] = None,
        batch: Annotated[Wide, Query(description="A number of a batch among the arguments")] = None,
        from_block: Wide = None,
        to_block: Wide = None,
        after_block: Annotated[BlockBefore, Query(description="The block before `from_block`")] = -1,
        limit: Limit = DEFAULT_PAGE,
        after: Annotated[Serial | None, Query(description="`next` of the page before")] = None,
    ) -> JsonResponse:
        """Events of our contracts in the order of the chain."""
        if contract is not None and contract not in services.network.contracts:
            raise Malformed(f"no contract has this name; there are {', '.join(sorted(services.network.contracts))}")
        if name is not None and name not in services.network.events:
            raise Malformed(f"no event has this name; there are {', '.join(sorted(services.network.events))}")
        wanted = EventFilter(
            contract=contract,
            name=name,
            account=account,
            station=station,
            batch=batch,
            from_block=max(from_block or 0, after_block + 1),
            to_block=to_block,
        )
        found = services.lists.events(Page(-1 if after is None else after, limit), wanted)
        return JsonResponse(shapes.page(found, limit, shapes.event, lambda event: event.place))

    return routes
