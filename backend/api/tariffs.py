"""/v1/tariffs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.params import Depends
from pydantic import Field

from backend.api import schemas, shapes
from backend.api.description import answers, body_of
from backend.api.problems import JsonResponse
from backend.api.requests import (
    DEFAULT_PAGE,
    I32_MAX,
    I32_MIN,
    U40_MAX,
    Body,
    Limit,
    Number,
    OnceOnly,
    Serial,
    Strict,
    Wide,
    model_of,
)
from backend.application.filters import Page, TariffFilter
from backend.application.services import Services
from backend.application.tariffs import MAX_TARIFFS, Price
from domain.tariff import Direction

Time = Annotated[int, Field(ge=0, le=U40_MAX)]
DirectionLabel = Literal["charge", "discharge", "market_charge", "market_discharge"]
_PRICE = {"direction": "charge", "price_micro_per_kwh": 310_000, "valid_from": 1561939200, "valid_to": 1564617600}


class PriceBody(Strict):
    """A price, micro-euro per kWh, valid from its first second up to `valid_to`."""

    direction: DirectionLabel
    price_micro_per_kwh: Annotated[int, Field(ge=I32_MIN, le=I32_MAX)]
    valid_from: Time
    valid_to: Time


class PricesBody(Strict):
    """Prices to publish, in order."""

    tariffs: Annotated[list[PriceBody], Field(min_length=1, max_length=MAX_TARIFFS)]


def router(services: Services, operator: Depends) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["tariffs"], default_response_class=JsonResponse)

    @routes.get(
        "/tariffs",
        responses=answers(
            200, {"items": [{"tariff": 0, "payee": 4} | _PRICE], "next": 12}, schema=schemas.listing(schemas.TARIFF)
        ),
    )
    def list_tariffs(
        payee: Number = None,
        direction: DirectionLabel | None = None,
        valid_at: Wide = None,
        limit: Limit = DEFAULT_PAGE,
        after: Annotated[Serial | None, Query(description="`next` of the page before")] = None,
    ) -> JsonResponse:
        """Published prices by number; the first one is 0."""
        wanted = TariffFilter(
            payee=payee, direction=Direction[direction.upper()] if direction else None, valid_at_s=valid_at
        )
        found = services.lists.tariffs(Page(-1 if after is None else after, limit), wanted)
        return JsonResponse(shapes.page(found, limit, shapes.tariff, lambda one: one.tariff))

    @routes.post(
        "/tariffs",
        status_code=201,
        dependencies=[operator],
        responses=answers(201, {"tariffs": [0]}, schema=schemas.record(tariffs=schemas.array(schemas.U24))),
        openapi_extra=body_of(PricesBody, {"tariffs": [_PRICE]}),
    )
    def publish_tariffs(body: Body, once: OnceOnly) -> JsonResponse:
        """Publishes prices for the operator's own account; they can never change."""
        wanted = model_of(PricesBody, body).tariffs
        numbers = services.tariffs.publish(
            [
                Price(
                    direction=Direction[one.direction.upper()],
                    price_micro_per_kwh=one.price_micro_per_kwh,
                    valid_from_s=one.valid_from,
                    valid_to_s=one.valid_to,
                )
                for one in wanted
            ],
            once,
        )
        return JsonResponse({"tariffs": numbers}, status_code=201)

    return routes
