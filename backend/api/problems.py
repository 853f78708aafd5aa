"""Errors as problem details (RFC 9457), with one HTTP status for each class.

| status | what went wrong                                                                      |
|--------|--------------------------------------------------------------------------------------|
| 400    | the body is no strict JSON: syntax, floats, NaN, a key named twice, nested too deeply |
| 401    | the bearer token is missing or wrong                                                 |
| 403    | signed by another key, or by one that no longer counts; commanded by somebody else   |
| 404    | what the request names does not exist                                                |
| 408    | the body did not arrive in time                                                      |
| 409    | it conflicts with what was accepted before, or the contracts refuse it now           |
| 413    | the body is larger than the limit                                                    |
| 422    | the content is not possible: a field, a signature, an energy, a time, rows           |
| 429    | one account sends faster than it may                                                 |
| 503    | more waits than the service takes on, or chain or evidence store do not answer      |

A problem never contains a part of the request's body, only values of known fields.
"""

import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from backend.application import errors as app
from domain import errors as domain
from domain.text import address_text, hex_text

TYPE_ROOT = "/v1/problems/"
MEDIA_TYPE = "application/problem+json"
MAX_TEXT = 500
_DOCUMENTED = frozenset({domain.__name__, app.__name__, __name__})
_ADDRESS_BYTES = 20
_WIDEST_INTEGER = 1 << 256

log = structlog.get_logger()


class NotJson(domain.Malformed):
    """A body that is no strict JSON."""


class Unauthorised(domain.WattledgerError):
    """The bearer token is missing or wrong."""

    def __init__(self) -> None:
        super().__init__("this needs the operator's token in the header Authorization: Bearer <token>")


class UnknownProblem(domain.NotFound):
    """No kind of problem has this name."""


class BodyTooLarge(domain.WattledgerError):
    """The body is larger than the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is larger than {limit_bytes} bytes; send it in parts")
        self.limit_bytes = limit_bytes


class BodyTooSlow(domain.WattledgerError):
    """The body did not arrive in time."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the body did not arrive within {limit_s:g} s")


_STATUS: dict[type[Exception], int] = {
    domain.WattledgerError: 409,
    domain.Malformed: 422,
    NotJson: 400,
    domain.BadSignature: 422,
    domain.WrongSigner: 403,
    domain.KeyNoLongerValid: 403,
    domain.NotFound: 404,
    domain.ReadingRefused: 409,
    domain.FromTheFuture: 422,
    domain.MoreThanRated: 422,
    domain.ExportNotPossible: 422,
    domain.SpansIntervals: 422,
    domain.AuthorisationRefused: 422,
    domain.NotAuthorised: 422,
    domain.StationIsSuspended: 409,
    domain.StatementRefused: 422,
    domain.NeedOutdated: 409,
    domain.NothingToSettle: 409,
    domain.EvidenceAltered: 409,
    app.NoDriverKey: 409,
    app.StationElsewhere: 409,
    app.LimitOfAnother: 403,
    app.TransactionRefused: 409,
    app.SettlementPaused: 409,
    app.ChainUnavailable: 503,
    app.Overloaded: 503,
    app.TooManyOrders: 429,
    app.EvidenceUnavailable: 503,
    app.TransactionPending: 503,
    Unauthorised: 401,
    BodyTooLarge: 413,
    BodyTooSlow: 408,
}


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem: what `type`, `title` and `status` say of it, and what it means."""

    type: str
    title: str
    status: int
    meaning: str


def problem_types() -> list[ProblemType]:
    """All kinds of problems that have a type of ours, by name."""
    modules = (domain, app, sys.modules[__name__])
    found = {kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass)}
    ours = [kind for kind in found if issubclass(kind, domain.WattledgerError) and kind is not domain.WattledgerError]
    kinds = [kind for kind in ours if not issubclass(kind, app.AuditStopped)]
    return sorted((_type_of(kind) for kind in kinds), key=lambda one: one.type)


def status_of(error: Exception) -> int:
    """The HTTP status of an error: that of its class, or of the nearest class above it."""
    return _status_of(type(error))


def problem_of(error: Exception) -> dict[str, Any]:
    """An error's problem details: type, title, status, detail, and the error's values."""
    kind = _type_of(type(error))
    values = {key: shown for key, value in vars(error).items() if (shown := _shown(value)) is not None}
    return {key: value for key, value in values.items() if not key.startswith("_")} | {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": str(error)[:MAX_TEXT],
    }


class JsonResponse(Response):
    """JSON in ASCII, which any text can be put into."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


RETRY_AFTER_S = 2


class ProblemResponse(JsonResponse):
    """Problem details."""

    media_type = MEDIA_TYPE


def problem_response(error: Exception) -> ProblemResponse:
    """The answer to a request that ended in this error."""
    status = status_of(error)
    headers = {}
    if isinstance(error, Unauthorised):
        headers["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(getattr(error, "retry_after_s", RETRY_AFTER_S))
    return ProblemResponse(problem_of(error), status_code=status, headers=headers)


def plain_problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """Problem details without a type of ours (RFC 9457, section 4.2.1)."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail[:MAX_TEXT]}
    return ProblemResponse(content, status_code=status, headers=dict(headers or {}))


def install(app_: FastAPI) -> None:
    """Makes the application answer every error with problem details."""
    app_.add_exception_handler(domain.WattledgerError, _on_ours)
    app_.add_exception_handler(RequestValidationError, _on_invalid)
    app_.add_exception_handler(HTTPException, _on_http)
    app_.add_exception_handler(Exception, _on_unknown)


async def _on_ours(_: Request, error: Exception) -> Response:
    return problem_response(error)


async def _on_invalid(_: Request, error: Exception) -> Response:
    """Path and query parameters only: bodies are read by us. Says where and why, never what."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    detail = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:5])
    return problem_response(domain.Malformed(detail))


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _on_unknown(request, error)
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(sorted(_methods_of(request)))}
    return plain_problem(error.status_code, str(error.detail), str(error.detail), headers)


def _methods_of(request: Request) -> set[str]:
    """All methods of a path; the framework names those of its first route alone."""
    described: Mapping[str, Mapping[str, Any]] = request.app.openapi()["paths"]
    like = (
        item for path, item in described.items() if re.fullmatch(re.sub("{[a-z]+}", "[^/]+", path), request.url.path)
    )
    return {method.upper() for item in like for method in item} or {"GET"}


async def _on_unknown(request: Request, error: Exception) -> Response:
    return internal_error(request.url.path, error)


def internal_error(path: str, error: Exception) -> ProblemResponse:
    """The answer when the service itself failed: the log has the cause, the answer nothing of it."""
    log.error("failed", path=path, error=type(error).__name__, exc_info=error)
    return plain_problem(500, "Internal error", "the service failed; the operator finds the cause in its log")


def _type_of(kind: type[Exception]) -> ProblemType:
    """That of the class, or of the nearest class above it that is documented."""
    named = next((one for one in kind.__mro__ if one.__module__ in _DOCUMENTED), kind)
    words = _words(named.__name__)
    meaning = " ".join((inspect.getdoc(named) or "").split("\n\n")[0].split())
    return ProblemType(TYPE_ROOT + "-".join(words), " ".join(words).capitalize(), _status_of(kind), meaning)


def _status_of(kind: type[Exception]) -> int:
    return next((_STATUS[one] for one in kind.__mro__ if one in _STATUS), 500)


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall("[A-Z][a-z0-9]*", name)]


def _shown(value: object) -> Any:
    """A value as JSON: hexadecimal for bytes, nothing for an integer of no use to anybody."""
    if isinstance(value, bytes):
        return address_text(value) if len(value) == _ADDRESS_BYTES else hex_text(value)
    if isinstance(value, int):
        return value if abs(value) < _WIDEST_INTEGER else None
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, Mapping):
        return {str(key): _shown(one) for key, one in value.items()}
    return None
