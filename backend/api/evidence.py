"""/v1/evidence."""

from fastapi import APIRouter, Response

from backend.api.description import answers
from backend.api.problems import JsonResponse
from backend.api.requests import Cid
from backend.application.services import Services

_BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}
_BLOB = '{"type":"statement"}'


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["evidence"], default_response_class=JsonResponse)
    blob = {
        "description": "The blob, gzip over canonical JSON",
        "content": {"application/gzip": {"schema": _BYTES, "example": _BLOB}},
    }

    @routes.get("/evidence/{cid}", response_class=Response, responses=answers(200, None, schema={}) | {200: blob})
    def get_evidence(cid: Cid) -> Response:
        """An evidence blob, checked against its CID before it is served."""
        data = services.evidence.get(cid)
        headers = {"ETag": f'"{cid}"', "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(data, media_type="application/gzip", headers=headers)

    return routes
