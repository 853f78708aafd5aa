"""What OpenAPI says of bodies and answers."""

from typing import Any

from pydantic import BaseModel

from backend.api import schemas
from domain.wire import Json

_HASH, _SIGNATURE = "0x" + "ab" * 32, "0x" + "cd" * 64 + "1b"
CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
SETTLEMENT = "5f" * 16
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

METER_READING: Json = {
    "station": 7,
    "sequence": 12,
    "time": 1561972500,
    "import_wh": 48210,
    "export_wh": 0,
    "power_w": 6600,
    "session": _HASH,
    "signature": _SIGNATURE,
}
BMS_READING: Json = {
    "account": 12,
    "sequence": 3,
    "time": 1561972500,
    "state_of_charge_bp": 6150,
    "state_of_health_bp": 9700,
    "temperature_deci_c": 283,
    "pack_millivolt": 380000,
    "pack_milliampere": 17000,
    "session": _HASH,
    "signature": _SIGNATURE,
}
AUTHORISATION: Json = {
    "account": 12,
    "station": 7,
    "max_energy_wh": 30000,
    "max_price_micro_per_kwh": 450000,
    "max_cost_micro": 13500000,
    "discharge_allowed": False,
    "not_before": 1561968000,
    "expiry": 1562011200,
    "nonce": 1,
    "signature": _SIGNATURE,
}
STATEMENT: Json = {
    "station": 7,
    "sequence": 2,
    "start": 1561971600,
    "duration_s": 900,
    "import_wh": 48210,
    "export_wh": 0,
    "tariff_base": 0,
    "telemetry_root": _HASH,
    "rows": [{"account": 12, "energy_wh": 1650, "start_offset_s": 0, "duration_s": 900, "tariff_offset": 0}],
    "signature": _SIGNATURE,
}
ROW: Json = {
    "row": 0,
    "account": 12,
    "energy_wh": 1650,
    "start": 1561971600,
    "end": 1561972500,
    "tariff": 0,
    "direction": "charge",
    "price_micro_per_kwh": 310_000,
    "payer": 12,
    "payee": 4,
    "owed_micro": 511_500,
    "received_micro": 511_500,
    "set_aside": False,
    "dispute": "disputed",
}
STATEMENT_STATE: Json = {"id": "7-2", "evidence": CID, "state": "settled", "batch": 3, "settlement": SETTLEMENT}
READINGS: Json = {"station": 7, "first": 9, "last": 12}
ANCHOR: Json = {"manifest": CID, "tx": _HASH, "block": 21, "confirmations": 4}
PROBLEM: Json = {
    "type": "/v1/problems/sequence-gap",
    "title": "Sequence gap",
    "status": 409,
    "detail": "station 7: sequence 14 after 12; send 13 first",
    "who": "station 7",
    "expected": 13,
    "received": 14,
}


def body_like(example: Json, *, partly: bool = False) -> dict[str, Any]:
    """A JSON body that has exactly the fields of the example, or `partly` some of them, of the same kinds."""
    return _body(_schema_of(example) | ({"required": []} if partly else {}), example)


def or_bytes(body: dict[str, Any], media_type: str, example: str) -> dict[str, Any]:
    """The body, which may also come in a binary form; the example is its start."""
    schema = {"type": "string", "format": "binary"}
    content = body["requestBody"]["content"] | {media_type: {"schema": schema, "example": example}}
    return {"requestBody": body["requestBody"] | {"content": content}}


def body_of(model: type[BaseModel], example: Json, *, required: bool = True) -> dict[str, Any]:
    """A JSON body that a model takes."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return _body(_inlined(schema, definitions), example, required=required)


def answers(status: int, example: object, *more: int, schema: Json) -> dict[int | str, dict[str, Any]]:
    """The answer when all is well, with an example; `more` are other such statuses. Errors are problem details."""
    fine = {"description": "Done", "content": {"application/json": {"schema": schema, "example": example}}}
    problem = {
        "description": "Problem details (RFC 9457); /v1/problems lists them",
        "content": {"application/problem+json": {"schema": schemas.PROBLEM, "example": PROBLEM}},
    }
    return {status: fine, **dict.fromkeys(more, fine), "default": problem}


def streamed(example: str) -> dict[int | str, dict[str, Any]]:
    """An answer of server-sent events, with an example of one."""
    found = answers(200, example, schema={"type": "string"})
    found[200]["content"] = {"text/event-stream": found[200]["content"]["application/json"]}
    return found


def _body(schema: Json, example: Json, *, required: bool = True) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": required, "content": content}}


def _schema_of(example: object) -> Json:
    if isinstance(example, bool):
        return {"type": "boolean"}
    if isinstance(example, int):
        return {"type": "integer"}
    if isinstance(example, str):
        return {"type": "string", "pattern": f"^0x[0-9a-f]{{{len(example) - 2}}}$"}
    if isinstance(example, list):
        return {"type": "array", "items": _schema_of(example[0])}
    if isinstance(example, dict):
        properties = {name: _schema_of(value) for name, value in example.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    return {}


def _inlined(schema: Any, definitions: Json) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items()}
