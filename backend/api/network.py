"""/v1/health, /v1/network, /v1/events and /v1/audit."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api import shapes
from backend.api.description import ADDRESS, answers
from backend.api.problems import JsonResponse
from backend.api.requests import DEFAULT_PAGE, SERIAL_MAX, U40_MAX, Integer, Limit
from backend.application.services import Services
from domain.text import address_text

_EVENT = {
    "block": 21,
    "log_index": 0,
    "contract": "Escrow",
    "name": "Deposited",
    "args": {"account": 12, "from": ADDRESS, "amountMicro": 25_000_000},
    "tx": "0x" + "ab" * 32,
}
_HEALTH = {"status": "ok", "chain_id": 1, "block": 21, "indexed_block": 21, "settlement": "running"}
_LAST_LOG = (1 << shapes.LOG_INDEX_BITS) - 1
HOW = "wattledger audit --rpc <node> --deployment <deployments file> --evidence <this service or a folder>"


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["network"], default_response_class=JsonResponse)
    network = services.network

    @routes.get("/health", responses=answers(200, _HEALTH))
    def get_health() -> JsonResponse:
        """Whether the chain answers, how far it was read, and whether settlement is paused by governance."""
        health = network.health()
        return JsonResponse(
            {
                "status": "ok",
                "chain_id": health.chain_id,
                "block": health.block,
                "indexed_block": health.indexed_block,
                "settlement": "paused" if health.paused else "running",
            }
        )

    @routes.get(
        "/network", responses=answers(200, {"chain_id": 1, "contracts": {"Escrow": ADDRESS}, "deploy_block": 0})
    )
    def get_network() -> JsonResponse:
        """The chain and our contracts on it."""
        contracts = {name: address_text(address) for name, address in network.contracts.items()}
        return JsonResponse(
            {"chain_id": network.chain_id, "contracts": contracts, "deploy_block": network.deploy_block}
        )

    @routes.get("/events", responses=answers(200, {"items": [_EVENT], "next": None}))
    def list_events(
        after_block: Annotated[Integer, Query(ge=-1, le=U40_MAX)] = -1,
        limit: Limit = DEFAULT_PAGE,
        after: Annotated[Integer | None, Query(ge=0, le=SERIAL_MAX, description="`next` of the page before")] = None,
    ) -> JsonResponse:
        """Events of our contracts in the order of the chain."""
        place = (after_block, _LAST_LOG) if after is None else (after >> shapes.LOG_INDEX_BITS, after & _LAST_LOG)
        found = network.events(place, limit)
        return JsonResponse(shapes.page(found, limit, shapes.event, shapes.event_cursor))

    @routes.get("/audit", responses=answers(200, {"head": 21, "batches": 3, "how": HOW}))
    def get_audit() -> JsonResponse:
        """How to audit all of it from the chain and the evidence, without trust in this service."""
        head, batches = network.batches()
        return JsonResponse({"head": head, "batches": batches, "how": HOW})

    return routes
