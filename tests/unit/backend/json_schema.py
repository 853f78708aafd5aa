"""Just as much of JSON Schema as our descriptions use; anything else in a schema is an error."""

import re
from collections.abc import Iterator
from typing import Any

_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "anyOf",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "format",
    "title",
    "description",
    "default",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "contentMediaType",
}


def faults(schema: Any, value: Any, place: str = "$") -> Iterator[str]:
    """What is wrong with a value."""
    assert set(schema) <= _KNOWN, f"{place}: {set(schema) - _KNOWN}"
    if "anyOf" in schema:
        tried = [list(faults(one, value, place)) for one in schema["anyOf"]]
        if all(tried):
            yield f"{place}: {min(tried, key=len)}"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, _KINDS[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{place}: {value!r} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place}: {value!r} is not {schema['pattern']}"
    if kind == "integer" and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{place}: {value} is out of range"
    if kind == "array":
        for at, item in enumerate(value):
            yield from faults(schema["items"], item, f"{place}[{at}]")
    if kind == "object":
        yield from _in_object(schema, value, place)


def _in_object(schema: Any, value: dict[str, Any], place: str) -> Iterator[str]:
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in set(schema.get("required", [])) - set(value):
        yield f"{place}.{name} is missing"
    for name, one in value.items():
        if name in known:
            yield from faults(known[name], one, f"{place}.{name}")
        elif rest is False:
            yield f"{place}.{name} is too much"
        elif isinstance(rest, dict):
            yield from faults(rest, one, f"{place}.{name}")
