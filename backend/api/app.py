"""The application: routes, problem details, and the body limit around it all."""

from dataclasses import dataclass, field

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from backend.api import (
    accounts,
    auctions,
    debts,
    events,
    evidence,
    network,
    orders,
    problem_types,
    readings,
    readings_list,
    reference_page,
    sessions,
    settlements,
    sites,
    statements,
    stations,
    tariffs,
    transactions,
)
from backend.api.body import ARRIVAL_LIMIT_S, BodyLimit
from backend.api.problems import JsonResponse, install
from backend.api.requests import commander, known_query, operator_only
from backend.application.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """The bearer tokens of operator and grid operator (None: there is none), and what a request may cost."""

    token: str = field(repr=False)
    grid_operator_token: str | None = field(default=None, repr=False)
    body_limit_bytes: int = 4 * 1024 * 1024
    arrival_limit_s: float = ARRIVAL_LIMIT_S


def create_app(services: Services, options: ApiOptions) -> FastAPI:
    """The ASGI application over these use cases."""
    app = FastAPI(
        title="Wattledger",
        version="1",
        description="Signed meter readings in, settlement on chain and evidence for everybody out.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        default_response_class=JsonResponse,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        dependencies=[Depends(known_query)],
    )
    install(app)
    operator = Depends(operator_only(options.token.encode()))
    app.include_router(network.router(services))
    app.include_router(accounts.router(services, operator))
    app.include_router(stations.router(services, operator))
    app.include_router(tariffs.router(services, operator))
    app.include_router(sessions.router(services))
    app.include_router(readings.router(services))
    app.include_router(readings_list.router(services))
    app.include_router(statements.router(services))
    app.include_router(settlements.router(services, operator))
    app.include_router(orders.router(services))
    app.include_router(auctions.router(services))
    app.include_router(sites.router(services, operator, Depends(commander(options.token, options.grid_operator_token))))
    app.include_router(debts.router(services))
    app.include_router(transactions.router(services))
    app.include_router(events.router(services))
    app.include_router(evidence.router(services))
    app.include_router(problem_types.router())
    app.include_router(reference_page.router(app.openapi))
    app.add_middleware(readings.Shortcut, intake=services.intake)
    app.add_middleware(BodyLimit, limit_bytes=options.body_limit_bytes, arrival_limit_s=options.arrival_limit_s)
    return app


def _operation_id(route: APIRoute) -> str:
    """The name of the route's function: it does not change when paths do."""
    return route.name
