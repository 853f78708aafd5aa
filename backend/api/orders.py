"""/v1/orders."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from backend.api import market_schemas as m
from backend.api import market_shapes, schemas, shapes
from backend.api.description import answers, body_like, streamed
from backend.api.problems import JsonResponse
from backend.api.requests import (
    DEFAULT_PAGE,
    HASH_BYTES,
    U16,
    After,
    Body,
    Interval,
    Limit,
    Number,
    OrderHash,
    SignatureQuery,
    Zone,
    strict_json,
)
from backend.api.streams import LastEventId, Subscription
from backend.application.feed import ORDERS, order_view
from backend.application.filters import OrderFilter, Page
from backend.application.market import OrderState
from backend.application.orders import MAX_AT_ONCE, Verdict
from backend.application.services import Services
from domain.auction.order import SignedOrder
from domain.errors import Malformed, WattledgerError
from domain.signing import SIGNATURE_BYTES
from domain.text import parse_hex
from domain.wire import order_from_json


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["market"], default_response_class=JsonResponse)

    @routes.post(
        "/orders",
        status_code=201,
        responses=answers(201, m.ORDER_EXAMPLE, 200, schema=m.ORDER),
        openapi_extra=body_like(m.ORDER_SENT),
    )
    def place_order(body: Body) -> JsonResponse:
        """Keeps a signed order for an interval's auction. The same again is answered with 200, and alike."""
        record, is_new = services.orders.place(order_from_json(strict_json(body)))
        return JsonResponse(order_view(record), status_code=201 if is_new else 200)

    @routes.post(
        "/orders/batch",
        responses=answers(200, m.PLACED_EXAMPLE, schema=m.PLACED),
        openapi_extra=body_like({"orders": [m.ORDER_SENT]}),
    )
    def place_orders(body: Body) -> JsonResponse:
        """Keeps several signed orders, at most 500; each is judged by itself."""
        return JsonResponse(market_shapes.placed(_placed(services, _listed(strict_json(body)))))

    @routes.get(
        "/orders",
        responses=answers(200, {"items": [m.ORDER_EXAMPLE], "next": 12}, schema=schemas.listing(m.ORDER)),
    )
    def list_orders(
        account: Number = None,
        zone: Zone = None,
        interval: Interval = None,
        state: OrderState | None = None,
        limit: Limit = DEFAULT_PAGE,
        after: After = 0,
    ) -> JsonResponse:
        """Orders in the order in which they came."""
        wanted = OrderFilter(account=account, zone=zone, interval_s=interval, state=state)
        records = services.orders.page(Page(after, limit), wanted)
        return JsonResponse(shapes.page(records, limit, order_view, lambda record: record.serial))

    @routes.get("/orders/stream", responses=streamed(m.EVENTS_EXAMPLE), response_class=StreamingResponse)
    def stream_orders(zone: Annotated[U16, Query()], last_event: LastEventId = None) -> StreamingResponse:
        """Server-sent events: each order of a zone as it comes, is cancelled or left out. `event` is its state."""
        return Subscription(services.feed, ORDERS, zone).answer(last_event)

    @routes.get("/orders/{order}", responses=answers(200, m.ORDER_EXAMPLE, schema=m.ORDER))
    def get_order(order: OrderHash) -> JsonResponse:
        """One order, and what became of it."""
        return JsonResponse(order_view(services.orders.get(_hash(order))))

    @routes.delete("/orders/{order}", responses=answers(200, m.ORDER_EXAMPLE | _CANCELLED, schema=m.ORDER))
    def cancel_order(order: OrderHash, signature: SignatureQuery) -> JsonResponse:
        """Cancels an order before the gate: the operator leaves it out. On chain its nonce still counts."""
        record = services.orders.cancel(_hash(order), parse_hex(signature, SIGNATURE_BYTES))
        return JsonResponse(order_view(record))

    return routes


_CANCELLED = {"state": "cancelled", "reason": "its driver cancelled it"}


def _hash(text: str) -> bytes:
    try:
        return parse_hex(text, HASH_BYTES)
    except ValueError as error:
        raise Malformed(f"an order is {error}".replace("is not", "must be")) from None


def _listed(value: object) -> list[Any]:
    orders = value.get("orders") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(orders, list) or not 1 <= len(orders) <= MAX_AT_ONCE:
        raise Malformed(f"the body is an object with orders alone: a list of 1 to {MAX_AT_ONCE}")
    return orders


def _placed(services: Services, listed: list[Any]) -> list[Verdict]:
    """One malformed order does not spoil the others."""
    read: list[SignedOrder | WattledgerError] = [_read(one) for one in listed]
    good = [one for one in read if isinstance(one, SignedOrder)]
    verdicts = iter(services.orders.place_many(good) if good else [])
    return [Verdict(None, refusal=one) if isinstance(one, WattledgerError) else next(verdicts) for one in read]


def _read(value: object) -> SignedOrder | WattledgerError:
    try:
        return order_from_json(value)
    except WattledgerError as error:
        return error
