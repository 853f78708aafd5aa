"""/v1/health, /v1/status, /v1/network and /v1/audit."""

from fastapi import APIRouter

from backend.api import schemas, shapes
from backend.api.description import ADDRESS, answers
from backend.api.problems import JsonResponse
from backend.application.services import Services
from domain.text import address_text

_HEALTH = {"status": "ok", "chain_id": 1, "block": 21, "indexed_block": 21, "settlement": "running"}
_STATUS = {
    "status": "attention",
    "attention": ["governance has paused settlement"],
    "time": 1_795_420_800,
    "chain": {"chain_id": 1, "block": 21, "indexed_block": 21},
    "settlement": "paused",
    "evidence": "answers",
    "members": {"accounts": 110, "stations": 52, "stations_suspended": 0},
    "sessions": {"authorised": 760, "open": 31},
    "readings": {"meter": 132_780, "bms": 132_780, "newest": 1_795_420_795},
    "statements": {
        "accepted": 4,
        "batched": 0,
        "settled": 910,
        "refused": 0,
        "void": 0,
        "oldest_waiting": 1_795_420_770,
    },
    "settlements": {"built": 0, "sent": 0, "settled": 60, "failed": 0},
    "transactions": {"queued": 0, "sent": 0, "mined": 180, "lost": 0},
    "market": {
        "auctions": {"without_book": 1, "unsettled": 0, "oldest": 1_795_420_800},
        "positions": {"closable": 12, "oldest": 1_795_418_100},
    },
}
HOW = "wattledger audit --rpc <node> --deployment <deployments file> --evidence <this service or a folder>"


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["network"], default_response_class=JsonResponse)
    network = services.network

    @routes.get("/health", responses=answers(200, _HEALTH, schema=schemas.HEALTH))
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

    @routes.get("/status", responses=answers(200, _STATUS, schema=schemas.STATUS))
    def get_status() -> JsonResponse:
        """How much came in, what waits, and what somebody should look at. It answers also while the chain does not."""
        return JsonResponse(shapes.status(services.status.standing()))

    @routes.get(
        "/network",
        responses=answers(
            200, {"chain_id": 1, "contracts": {"Escrow": ADDRESS}, "deploy_block": 0}, schema=schemas.NETWORK
        ),
    )
    def get_network() -> JsonResponse:
        """The chain and our contracts on it."""
        contracts = {name: address_text(address) for name, address in network.contracts.items()}
        return JsonResponse(
            {"chain_id": network.chain_id, "contracts": contracts, "deploy_block": network.deploy_block}
        )

    @routes.get("/audit", responses=answers(200, {"head": 21, "batches": 3, "how": HOW}, schema=schemas.AUDIT))
    def get_audit() -> JsonResponse:
        """How to audit all of it from the chain and the evidence, without trust in this service."""
        head, batches = network.batches()
        return JsonResponse({"head": head, "batches": batches, "how": HOW})

    return routes
