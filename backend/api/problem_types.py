"""/v1/problems: what the types of problem details mean."""

from dataclasses import asdict

from fastapi import APIRouter

from backend.api import schemas
from backend.api.description import answers
from backend.api.problems import TYPE_ROOT, JsonResponse, UnknownProblem, problem_types

_EXAMPLE = {
    "type": TYPE_ROOT + "sequence-gap",
    "title": "Sequence gap",
    "status": 409,
    "meaning": "Something before it is missing.",
}


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["problems"], default_response_class=JsonResponse)
    kinds = {kind.type.removeprefix(TYPE_ROOT): asdict(kind) for kind in problem_types()}

    @routes.get(
        "/problems",
        responses=answers(200, {"items": [_EXAMPLE]}, schema=schemas.record(items=schemas.array(schemas.PROBLEM_TYPE))),
    )
    def list_problems() -> JsonResponse:
        """All types of problems, by name, on one page."""
        return JsonResponse({"items": list(kinds.values())})

    @routes.get("/problems/{problem}", responses=answers(200, _EXAMPLE, schema=schemas.PROBLEM_TYPE))
    def get_problem(problem: str) -> JsonResponse:
        """One type of problems: where the `type` of problem details leads."""
        if problem not in kinds:
            raise UnknownProblem("no type of problem has this name; /v1/problems lists them")
        return JsonResponse(kinds[problem])

    return routes
