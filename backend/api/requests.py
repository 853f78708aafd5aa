"""What comes in: strict JSON bodies, cursors, and the tokens of operator and grid operator."""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Header, Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from backend.api.problems import NotJson, Unauthorised
from backend.application.idempotency import Once
from backend.application.site_records import Commander
from domain.errors import Malformed
from domain.evidence import parse_json
from domain.text import parse_address, parse_hex

U16_MAX = (1 << 16) - 1
U24_MAX = (1 << 24) - 1
U32_MAX = (1 << 32) - 1
U40_MAX = (1 << 40) - 1
I32_MIN, I32_MAX = -(1 << 31), (1 << 31) - 1
SERIAL_MAX = (1 << 62) - 1
HASH_BYTES = 32
MAX_PAGE = 500
DEFAULT_PAGE = 100

_DIGITS = re.compile("-?[0-9]{1,20}")

Model = TypeVar("Model", bound=BaseModel)


async def raw_body(request: Request) -> bytes:
    """The body as it came; its size is limited before."""
    return await request.body()


def strict_json(body: bytes) -> object:
    """The JSON value in a body; NotJson if it is none, or has floats, NaN or a key twice."""
    try:
        return parse_json(body)
    except Malformed as error:
        raise NotJson(str(error)) from None


def _digits(text: object) -> object:
    """Decimal digits alone, where text is taken for an integer: no 1.0, no 1e3, no 1_000."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise ValueError("not an integer")
    return text


# The bounds stand before the validator: behind it, the description would not show them.
U16 = Annotated[int, Field(ge=0, le=U16_MAX), BeforeValidator(_digits)]
U24 = Annotated[int, Field(ge=0, le=U24_MAX), BeforeValidator(_digits)]
U40 = Annotated[int, Field(ge=0, le=U40_MAX), BeforeValidator(_digits)]
Serial = Annotated[int, Field(ge=0, le=SERIAL_MAX), BeforeValidator(_digits)]
Count = Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(_digits)]
BlockBefore = Annotated[int, Field(ge=-1, le=U40_MAX), BeforeValidator(_digits)]
Body = Annotated[bytes, Depends(raw_body)]
Limit = Annotated[Count, Query(description="How many items at most")]
After = Annotated[Serial, Query(description="`next` of the page before")]


def _flag(text: object) -> object:
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text


def _hash(text: object) -> object:
    """32 bytes in hexadecimal."""
    return parse_hex(str(text), HASH_BYTES)


def _owner(text: object) -> object:
    return parse_address(str(text))


_HASH = WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"})
_ADDRESS = WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"})
Number = Annotated[U24 | None, Query()]
Zone = Annotated[U16 | None, Query()]
Wide = Annotated[U40 | None, Query()]
From = Annotated[U40 | None, Query(alias="from", description="First second that counts")]
To = Annotated[U40 | None, Query(alias="to", description="First second that does not count")]
Flag = Annotated[
    Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "string", "enum": ["true", "false"]})] | None,
    Query(),
]
Interval = Annotated[U40 | None, Query(description="First second of a market interval")]
SignatureQuery = Annotated[
    str, Query(pattern="^0x[0-9a-f]{130}$", description="65 bytes by the driver key over CancelOrder(bytes32 order)")
]
HashQuery = Annotated[Annotated[bytes, BeforeValidator(_hash), _HASH] | None, Query()]
AddressQuery = Annotated[Annotated[bytes, BeforeValidator(_owner), _ADDRESS] | None, Query()]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[ -~]{1,64}$",
        description="The same request under the same key is carried out once. 1 to 64 printable ASCII characters.",
    ),
]


async def _once(request: Request, body: Body, key: IdempotencyKey = None) -> Once | None:
    """The request's key with what it asks for: its path and its body's bytes."""
    asked = hashlib.sha256(request.url.path.encode() + b"\0" + body).digest()
    return None if key is None else Once(key, asked)


OnceOnly = Annotated[Once | None, Depends(_once)]
SettlementName = Annotated[str, Query(pattern="^[0-9a-f]{32}$", description="A settlement's id")]
AccountNumber = Annotated[U24, Path()]
StationNumber = Annotated[U24, Path()]
ZoneNumber = Annotated[U16, Path()]
IntervalNumber = Annotated[U40, Path(description="First second of the interval, a multiple of 900")]
OrderHash = Annotated[str, Path(), _HASH]
SessionId = Annotated[str, Path(), _HASH]
LimitNumber = Annotated[Serial, Path()]
StatementId = Annotated[str, Path(), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,8}-[0-9]{1,8}$"})]
Cid = Annotated[str, Path(), WithJsonSchema({"type": "string", "pattern": "^b[a-z2-7]{58}$"})]


async def known_query(request: Request) -> None:
    """Malformed if the query has a parameter that the route does not know, or one twice."""
    route = request.scope["route"]
    known = {one.alias for one in route.dependant.query_params} if isinstance(route, APIRoute) else set[str]()
    given = [name for name, _ in request.query_params.multi_items()]
    if not known.issuperset(given):
        shown = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
        raise Malformed(f"the query has a parameter that is unknown here; {shown}")
    if len(set(given)) < len(given):
        raise Malformed("the query has a parameter twice; give each once")


class Strict(BaseModel):
    """Integers are integers, text is text, and nothing else is taken."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _is_address(text: str) -> str:
    parse_address(text)
    return text


AddressText = Annotated[str, Field(min_length=42, max_length=42), AfterValidator(_is_address), _ADDRESS]


def model_of(kind: type[Model], body: bytes) -> Model:
    """A body as a model; Malformed says which known field is wrong, and never what it held."""
    value = strict_json(body)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise Malformed("; ".join(_where(one) for one in found[:5])) from None


def _where(found: Any) -> str:
    if found["type"] == "extra_forbidden":
        return "an unknown field"
    place = ".".join(str(part) for part in found["loc"])
    return f"{place or 'body'}: {found['msg']}"


def operator_only(token: bytes) -> Callable[[Request], Awaitable[None]]:
    """A dependency that lets only requests with this bearer token through; compared in constant time."""

    async def check(request: Request) -> None:
        if not _bears(request, token):
            raise Unauthorised

    return check


def commander(operator: str, grid_operator: str | None) -> Callable[[Request], Awaitable[Commander]]:
    """A dependency that lets only requests with one of these bearer tokens through, and says whose it is.

    None: there is none. Both are always compared.
    """
    tokens = {Commander.OPERATOR: operator, Commander.GRID_OPERATOR: grid_operator}
    known = {who: token.encode() for who, token in tokens.items() if token is not None}

    async def find(request: Request) -> Commander:
        found = [who for who, token in known.items() if _bears(request, token)]
        if not found:
            raise Unauthorised
        return found[0]

    return find


def _bears(request: Request, token: bytes) -> bool:
    """Whether a request has this bearer token; compared in constant time."""
    given = request.headers.get("authorization", "").encode("utf-8", "replace")
    scheme, _, credential = given.partition(b" ")
    return hmac.compare_digest(credential.strip(), token) and scheme.lower() == b"bearer"


def fields_of(value: object, names: set[str], what: str) -> dict[str, Any]:
    """An object with exactly these fields, all optional; Malformed otherwise."""
    if not isinstance(value, dict) or not value.keys() <= names:
        raise Malformed(f"a {what} is a JSON object with no other fields than {', '.join(sorted(names))}")
    return cast(dict[str, Any], value)
