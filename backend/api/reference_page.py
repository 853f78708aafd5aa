"""/docs: the OpenAPI description as a page that loads nothing from anywhere else, and runs no script."""

import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from jinja2 import Environment, StrictUndefined

from domain.wire import Json

STYLE_PATH = "/docs/style.css"
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_METHODS = ("get", "post", "put", "patch", "delete")


def router(description: Callable[[], Json]) -> APIRouter:
    """The page and its style. `description` gives the OpenAPI document."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    def get_page() -> Response:
        """The page."""
        return Response(page_of(description()), media_type="text/html", headers=_HEADERS)

    @routes.get(STYLE_PATH)
    def get_style() -> Response:
        """How it looks."""
        return Response(_STYLE, media_type="text/css", headers=_HEADERS)

    return routes


def page_of(document: Json) -> str:
    """The page that shows an OpenAPI document."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method] | {"path": path, "method": method.upper()}
                groups.setdefault((operation.get("tags") or ["other"])[0], []).append(operation)
    return _PAGE.render(info=document["info"], groups=groups, style=STYLE_PATH)


def _shown(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _kind(schema: Json) -> str:
    """A parameter's schema in a few words."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    one = kinds[0] if kinds else {}
    if "enum" in one:
        return " | ".join(map(str, one["enum"]))
    bounds = [f"{word} {one[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in one]
    return " ".join([str(one.get("type", "")), *bounds, str(one.get("pattern", ""))]).strip()


_environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_environment.filters |= {"shown": _shown, "kind": _kind}
_PAGE = _environment.from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ info.title }} {{ info.version }}: REST</title>
<link rel="stylesheet" href="{{ style }}">
</head>
<body>
<h1>{{ info.title }}</h1>
<p>{{ info.get("description", "") }} The same as <a href="/v1/openapi.json">OpenAPI</a>;
what <a href="/v1/problems">problems</a> mean.</p>
<nav>{% for group in groups %}<a href="#{{ group }}">{{ group }}</a> {% endfor %}</nav>
{% for group, operations in groups.items() %}
<h2 id="{{ group }}">{{ group }}</h2>
{% for one in operations %}
<details id="{{ one.operationId }}">
<summary><b class="{{ one.method }}">{{ one.method }}</b> <code>{{ one.path }}</code>
{{ one.get("description", "") }}</summary>
{% if one.get("parameters") %}
<table>
<tr><th>parameter</th><th>in</th><th>takes</th><th></th></tr>
{% for parameter in one.parameters %}
<tr><td><code>{{ parameter.name }}</code></td><td>{{ parameter["in"] }}</td><td>{{ parameter.schema | kind }}</td>
<td>{{ parameter.get("description", "") }}</td></tr>
{% endfor %}
</table>
{% endif %}
{% if one.get("requestBody") %}
<h3>Body</h3>
{% for type, content in one.requestBody.content.items() %}
<pre>{{ content.example | shown }}</pre>
<details><summary>schema of {{ type }}</summary><pre>{{ content.schema | shown }}</pre></details>
{% endfor %}
{% endif %}
{% for status, answer in one.responses.items() %}
<h3>{{ status }}: {{ answer.description }}</h3>
{% for type, content in answer.get("content", {}).items() %}
<pre>{{ content.get("example") | shown }}</pre>
<details><summary>schema of {{ type }}</summary><pre>{{ content.get("schema") | shown }}</pre></details>
{% endfor %}
{% endfor %}
</details>
{% endfor %}
{% endfor %}
</body>
</html>
""")
_STYLE = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: #8881; overflow-x: auto; padding: 0.75rem; }
details { border-top: 1px solid #8884; padding: 0.4rem 0; }
details details { border: 0; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 3.5rem; }
.POST { color: #b45309; }
.GET { color: #0369a1; }
h2 { margin-top: 2rem; }
h3 { font-size: 1rem; margin: 1rem 0 0; }
table { border-collapse: collapse; }
td, th { padding: 0.1rem 1rem 0.1rem 0; text-align: left; vertical-align: top; }
"""
