"""Our dataclasses as plain JSON values and back, led by their type hints: what an audit keeps between two runs.

Bytes are hexadecimal, mappings are lists of pairs in their order, dataclasses lists of their fields. Reading is
strict: whatever does not fit its type to the letter is Malformed.
"""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from domain.errors import Malformed

T = TypeVar("T")


def plain(value: object) -> Any:
    """`value` in lists, texts, integers, booleans and None."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return [[plain(key), plain(one)] for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    raise TypeError(f"{type(value).__name__} has no plain form")


def shaped(kind: type[T], value: object) -> T:
    """The value of this type that `plain` made `value` of; Malformed if it is none."""
    try:
        made: T = _shaped(kind, value)
    except (TypeError, ValueError, KeyError) as error:
        raise Malformed(f"not a {kind.__name__}: {error!r}"[:200]) from error
    return made


def _shaped(kind: Any, value: Any) -> Any:  # noqa: PLR0911 - one way out for each shape
    kind = getattr(kind, "__supertype__", kind)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        some = next(part for part in parts if part is not type(None))
        return None if value is None else _shaped(some, value)
    if origin in (list, tuple):
        return _listed(origin, parts, value)
    if origin is not None and issubclass(origin, Mapping):
        return {_shaped(parts[0], key): _shaped(parts[1], one) for key, one in _list(value)}
    if is_dataclass(kind):
        return _dataclass(kind, _list(value))
    if kind is bytes:
        return bytes.fromhex(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind not in (int, str, bool) or type(value) is not kind:
        raise ValueError(f"{value!r} is not of type {kind}")
    return value


def _listed(origin: Any, parts: tuple[Any, ...], value: object) -> Any:
    values = _list(value)
    if origin is list or parts[1:] == (...,):
        return origin(_shaped(parts[0], one) for one in values)
    return tuple(_shaped(part, one) for part, one in zip(parts, values, strict=True))


def _dataclass(kind: Any, values: list[object]) -> Any:
    hints = _hints(kind)
    names = [field.name for field in fields(kind)]
    if len(names) != len(values):
        raise ValueError(f"{len(values)} values for the {len(names)} fields of {kind.__name__}")
    return kind(**{name: _shaped(hints[name], value) for name, value in zip(names, values, strict=True)})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value
