"""/v1/sites, /v1/schedules and /v1/needs."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.params import Depends
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field

from backend.api import schemas, shapes
from backend.api import site_schemas as m
from backend.api.description import answers, body_like, body_of, streamed
from backend.api.problems import JsonResponse
from backend.api.requests import (
    DEFAULT_PAGE,
    U16_MAX,
    U24_MAX,
    U40_MAX,
    After,
    Body,
    Limit,
    LimitNumber,
    Strict,
    model_of,
    strict_json,
)
from backend.api.streams import LastEventId, Subscription
from backend.application.feed import SITES
from backend.application.filters import Page
from backend.application.scheduling import set_point_views
from backend.application.services import Services
from backend.application.site_records import (
    MAX_POWER_W,
    MAX_SITE_CIRCUITS,
    MAX_SITE_STATIONS,
    Commander,
    LimitCommand,
    SiteCircuit,
    SiteStation,
    SiteTerms,
)
from backend.application.sites import limit_view
from domain.schedule.problem import LINES
from domain.wire import need_from_json

_NAME = "^[a-z0-9][a-z0-9-]{0,31}$"
SiteName = Annotated[str, Path(pattern=_NAME)]
SiteQuery = Annotated[Annotated[str, Field(pattern=_NAME)] | None, Query(description="Of this site alone")]
Watts = Annotated[int, Field(ge=0, le=MAX_POWER_W)]


Line = Annotated[int, Field(ge=0, le=2)]


def _listed(value: object) -> object:
    """JSON has no tuples."""
    return tuple(value) if isinstance(value, list) else value


class StationBody(Strict):
    """A station of a site."""

    station: Annotated[int, Field(ge=0, le=U24_MAX)]
    lines: Annotated[tuple[Line, ...], BeforeValidator(_listed), Field(min_length=1, max_length=3)] = LINES
    least_power_w: Watts = 0
    most_power_w: Watts | None = None


class CircuitBody(Strict):
    """What some of the stations draw or give together at most."""

    limit_w: Watts
    stations: Annotated[
        tuple[Annotated[int, Field(ge=0, le=U24_MAX)], ...],
        BeforeValidator(_listed),
        Field(min_length=1, max_length=MAX_SITE_STATIONS),
    ]


class SiteBody(Strict):
    """A site. What is left out is no limit, no charge, no market and no plants."""

    site: Annotated[str, Field(pattern=_NAME)]
    zone: Annotated[str, Field(min_length=1, max_length=64)]
    stations: Annotated[list[StationBody], Field(min_length=1, max_length=MAX_SITE_STATIONS)]
    import_limit_w: Annotated[int, Field(le=MAX_POWER_W)] | None = None
    export_limit_w: Annotated[int, Field(le=MAX_POWER_W)] | None = None
    line_limit_w: Annotated[list[Watts], Field(min_length=3, max_length=3)] | None = None
    circuits: Annotated[list[CircuitBody], Field(max_length=MAX_SITE_CIRCUITS)] | None = None
    peak_target_w: Annotated[int, Field(le=MAX_POWER_W)] | None = None
    demand_micro_per_kw: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    market_zone: Annotated[int, Field(ge=0, le=U16_MAX)] | None = None
    sun_station: Annotated[int, Field(ge=1, le=U24_MAX)] | None = None
    safe_power_w: Watts = 0

    def terms(self) -> SiteTerms:
        fields = self.model_dump(exclude={"site", "stations", "line_limit_w", "circuits"})
        lines = self.line_limit_w
        return SiteTerms(
            name=self.site,
            stations=tuple(SiteStation(**one.model_dump()) for one in self.stations),
            line_limit_w=None if lines is None else (lines[0], lines[1], lines[2]),
            circuits=tuple(SiteCircuit(**one.model_dump()) for one in self.circuits or ()),
            **fields,
        )


class LimitBody(Strict):
    """A limit on what the site draws. Without `from` it holds at once."""

    import_limit_w: Watts
    from_s: Annotated[int, Field(alias="from", ge=0, le=U40_MAX)] = 0
    to_s: Annotated[int, Field(alias="to", ge=0, le=U40_MAX)]


_SENT = {name: value for name, value in m.SITE_EXAMPLE.items() if name != "changed_at"}
_LIMIT_SENT = {name: m.LIMIT_EXAMPLE[name] for name in ("import_limit_w", "from", "to")}


def router(services: Services, operator: Depends, commander: Depends) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["schedules"], default_response_class=JsonResponse)
    _add_sites(routes, services, operator)
    _add_limits(routes, services, commander)
    _add_schedules(routes, services)
    _add_needs(routes, services)
    return routes


def _add_sites(routes: APIRouter, services: Services, operator: Depends) -> None:
    @routes.post(
        "/sites",
        status_code=201,
        dependencies=[operator],
        responses=answers(201, m.SITE_EXAMPLE, 200, schema=m.SITE),
        openapi_extra=body_of(SiteBody, _SENT),
    )
    def define_site(body: Body) -> JsonResponse:
        """Says what a site is. Under a name that is known, in the place of what was said before: answered with 200."""
        record, is_new = services.scheduling.sites.define(model_of(SiteBody, body).terms())
        return JsonResponse(m.site_view(record), status_code=201 if is_new else 200)

    @routes.get(
        "/sites", responses=answers(200, {"items": [m.SITE_EXAMPLE], "next": 12}, schema=schemas.listing(m.SITE))
    )
    def list_sites(limit: Limit = DEFAULT_PAGE, after: After = 0) -> JsonResponse:
        """Sites in the order in which they came."""
        records = services.scheduling.sites.page(Page(after, limit))
        return JsonResponse(shapes.page(records, limit, m.site_view, lambda record: record.serial))

    @routes.get("/sites/{site}", responses=answers(200, m.SITE_EXAMPLE, schema=m.SITE))
    def get_site(site: SiteName) -> JsonResponse:
        """One site."""
        return JsonResponse(m.site_view(services.scheduling.sites.get(site)))


def _add_limits(routes: APIRouter, services: Services, commander: Depends) -> None:
    @routes.post(
        "/sites/{site}/limits",
        status_code=201,
        responses=answers(201, m.COMMANDED_EXAMPLE, schema=m.COMMANDED),
        openapi_extra=body_of(LimitBody, _LIMIT_SENT),
    )
    def command_limit(site: SiteName, body: Body, by: Annotated[Commander, commander]) -> JsonResponse:
        """Limits what the site draws for a time, also to nothing, and plans it anew at once."""
        wanted = model_of(LimitBody, body)
        command, plan = services.scheduling.command(
            site,
            LimitCommand(
                site=0,
                import_limit_w=wanted.import_limit_w,
                from_s=wanted.from_s or services.scheduling.clock.now_s(),
                to_s=wanted.to_s,
                taken_at_s=0,
                commanded_by=by,
            ),
        )
        return JsonResponse(m.commanded(services.scheduling.sites.get(site), command, plan), status_code=201)

    @routes.delete(
        "/sites/{site}/limits/{number}",
        responses=answers(200, m.COMMANDED_EXAMPLE, schema=m.COMMANDED),
    )
    def end_limit(site: SiteName, number: LimitNumber, by: Annotated[Commander, commander]) -> JsonResponse:
        """Ends a limit now, or before it begins, and plans the site anew at once. The same again is answered alike."""
        command, plan = services.scheduling.end(site, number, by)
        return JsonResponse(m.commanded(services.scheduling.sites.get(site), command, plan))

    @routes.get(
        "/sites/{site}/limits",
        responses=answers(200, {"items": [m.LIMIT_EXAMPLE], "next": 12}, schema=schemas.listing(m.LIMIT)),
    )
    def list_limits(site: SiteName, limit: Limit = DEFAULT_PAGE, after: After = 0) -> JsonResponse:
        """Limits that were commanded, in the order in which they came."""
        records = services.scheduling.sites.limits(site, Page(after, limit))
        return JsonResponse(
            shapes.page(records, limit, lambda record: limit_view(site, record), lambda record: record.serial)
        )


def _add_schedules(routes: APIRouter, services: Services) -> None:
    @routes.get("/sites/{site}/set-points", responses=answers(200, m.SET_POINTS_EXAMPLE, schema=m.SET_POINTS))
    def get_set_points(site: SiteName) -> JsonResponse:
        """The power of each station now. Behind `valid_until`, stations fall back to `safe_power_w`."""
        return JsonResponse(set_point_views(*services.scheduling.set_points(site)))

    @routes.get("/sites/{site}/stream", responses=streamed(m.EVENTS_EXAMPLE), response_class=StreamingResponse)
    def stream_set_points(site: SiteName, last_event: LastEventId = None) -> StreamingResponse:
        """Server-sent events `set-points`: those that changed, all of them at the beginning of each slot.

        Events `limit`: each limit of the site that is commanded or ended.
        """
        serial = services.scheduling.sites.get(site).serial
        return Subscription(services.feed, SITES, serial).answer(last_event)

    @routes.get(
        "/schedules",
        responses=answers(200, {"items": [m.SCHEDULE_EXAMPLE], "next": 12}, schema=schemas.listing(m.SCHEDULE)),
    )
    def list_schedules(site: SiteQuery = None, limit: Limit = DEFAULT_PAGE, after: After = 0) -> JsonResponse:
        """The latest plan of each site: its reason, powers by station and slot, and what is not as it should be."""
        plans = services.scheduling.schedules(Page(after, limit), site)
        shown = shapes.page(plans, limit, lambda one: m.schedule_view(*one), lambda one: one[0].serial)
        return JsonResponse(shown)


def _add_needs(routes: APIRouter, services: Services) -> None:
    @routes.post(
        "/needs",
        status_code=201,
        responses=answers(201, m.NEED_EXAMPLE, 200, schema=m.NEED),
        openapi_extra=body_like(m.NEED_SENT),
    )
    def say_need(body: Body) -> JsonResponse:
        """Keeps what a driver needs from a session; the latest counts. The same again is answered with 200."""
        record, is_new = services.needs.say(need_from_json(strict_json(body)))
        return JsonResponse(m.need_view(record), status_code=201 if is_new else 200)
