"""Reads the part of YAML that our configuration files keep to; everything else is an error.

Block mappings and lists, text with or without quotes, whole numbers, true and false, empty mappings. No
anchors, tags, folded text, flow collections or tabs: files that need them should be plainer.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_ENTRY = re.compile(r"(?P<key>[A-Za-z_][\w.-]*):(?: +(?P<value>.+))?")
_PLAIN = re.compile(r"[A-Za-z0-9./_@$-][^\s#{}\[\]&*!|>'\"%`]*(?: [A-Za-z0-9./_-]+)*")


class NotPlain(ValueError):
    """A line that this reader does not take."""


@dataclass(frozen=True)
class _Line:
    indent: int
    text: str


def read(text: str) -> Any:
    """The value that `text` stands for; NotPlain if it uses more of YAML than is read here."""
    lines = [
        _Line(len(line) - len(line.lstrip(" ")), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    if "\t" in text:
        raise NotPlain("a tab")
    value, rest = _block(lines, 0)
    if rest:
        raise NotPlain(rest[0].text)
    return value


def _block(lines: list[_Line], indent: int) -> tuple[Any, list[_Line]]:
    return _sequence(lines, indent) if lines[0].text.startswith("- ") else _mapping(lines, indent)


def _mapping(lines: list[_Line], indent: int) -> tuple[dict[str, Any], list[_Line]]:
    found: dict[str, Any] = {}
    while lines and lines[0].indent == indent and not lines[0].text.startswith("- "):
        match = _ENTRY.fullmatch(lines[0].text)
        if match is None or match["key"] in found:
            raise NotPlain(lines[0].text)
        lines = lines[1:]
        if match["value"] is not None:
            found[match["key"]] = _scalar(match["value"])
        elif lines and lines[0].indent > indent:
            found[match["key"]], lines = _block(lines, lines[0].indent)
        else:
            raise NotPlain(f"nothing below {match['key']}")
    if lines and lines[0].indent > indent:
        raise NotPlain(lines[0].text)
    return found, lines


def _sequence(lines: list[_Line], indent: int) -> tuple[list[Any], list[_Line]]:
    found: list[Any] = []
    while lines and lines[0].indent == indent and lines[0].text.startswith("- "):
        first, rest = _Line(indent + 2, lines[0].text[2:]), lines[1:]
        if _ENTRY.fullmatch(first.text) and not first.text.startswith('"'):
            value, lines = _mapping([first, *rest], indent + 2)
        else:
            value, lines = _scalar(first.text), rest
        found.append(value)
    return found, lines


def _scalar(text: str) -> Any:
    if text.startswith('"'):
        value = json.loads(text)
        if not isinstance(value, str):
            raise NotPlain(text)
        return value
    if text == "{}":
        return {}
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"0|[1-9][0-9]*", text):
        return int(text)
    if text in ("yes", "no", "on", "off", "null", "~") or not _PLAIN.fullmatch(text) or text.endswith(":"):
        raise NotPlain(text)
    return text
