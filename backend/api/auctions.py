"""/v1/auctions and /v1/positions."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from backend.api import market_schemas as m
from backend.api import market_shapes, schemas, shapes
from backend.api.description import answers, streamed
from backend.api.problems import JsonResponse
from backend.api.requests import (
    DEFAULT_PAGE,
    After,
    Flag,
    Interval,
    IntervalNumber,
    Limit,
    Number,
    Zone,
    ZoneNumber,
)
from backend.api.streams import LastEventId, Subscription
from backend.application.feed import AUCTIONS, auction_view
from backend.application.filters import AuctionFilter, Page, PositionFilter
from backend.application.market import AuctionState
from backend.application.services import Services


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["market"], default_response_class=JsonResponse)

    @routes.get(
        "/auctions",
        responses=answers(200, {"items": [m.AUCTION_EXAMPLE], "next": 12}, schema=schemas.listing(m.AUCTION)),
    )
    def list_auctions(
        zone: Zone = None,
        interval: Interval = None,
        state: AuctionState | None = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Auctions in the order in which their books were committed."""
        wanted = AuctionFilter(zone=zone, interval_s=interval, state=state)
        records = services.market.auctions(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, auction_view, lambda record: record.place))

    @routes.get("/auctions/{zone}/stream", responses=streamed(m.EVENTS_EXAMPLE), response_class=StreamingResponse)
    def stream_auctions(zone: ZoneNumber, last_event: LastEventId = None) -> StreamingResponse:
        """Server-sent events: each auction of a zone as it is committed, cleared and concluded."""
        return Subscription(services.feed, AUCTIONS, zone).answer(last_event)

    @routes.get(
        "/auctions/{zone}/{interval}",
        responses=answers(200, m.AUCTION_WITH_WAY_EXAMPLE, schema=m.AUCTION_WITH_WAY),
    )
    def get_auction(zone: ZoneNumber, interval: IntervalNumber) -> JsonResponse:
        """One auction, and what was sent to the chain for it."""
        return JsonResponse(market_shapes.auction_way(services.market.auction(zone, interval)))

    @routes.get("/auctions/{zone}/{interval}/book", responses=answers(200, m.BOOK_EXAMPLE, schema=m.BOOK))
    def get_book(zone: ZoneNumber, interval: IntervalNumber) -> JsonResponse:
        """The committed book with all that proves it: its bytes, the claim, each signed order and its signature."""
        return JsonResponse(market_shapes.book(services.market.book(zone, interval)))

    @routes.get(
        "/positions",
        responses=answers(200, {"items": [m.POSITION_EXAMPLE], "next": 12}, schema=schemas.listing(m.POSITION)),
    )
    def list_positions(
        account: Number = None,
        zone: Zone = None,
        interval: Interval = None,
        open: Flag = None,  # noqa: A002  # The name of the parameter in the query.
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """What accounts traded and had metered, closed or not, in the order in which it began."""
        wanted = PositionFilter(account=account, zone=zone, interval_s=interval, open=open)
        records = services.market.positions(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, market_shapes.position, lambda record: record.serial))

    return routes
