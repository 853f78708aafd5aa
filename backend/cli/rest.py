"""What commands ask a backend over REST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

DEFAULT_BACKEND = "http://127.0.0.1:8000"
TIMEOUT_S = 10
_REFUSED = 400


class BackendFailed(Exception):
    """The backend does not answer, or refuses; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A backend at an address."""

    address: str

    def get(self, path: str, **query: object) -> Any:
        given = {name: _text(value) for name, value in query.items() if value is not None}
        return self._ask("GET", path, params=given)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        return self._ask("POST", path, json=body)

    def delete(self, path: str, **query: object) -> Any:
        return self._ask("DELETE", path, params={name: _text(value) for name, value in query.items()})

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        try:
            answer = httpx.request(
                method, f"{self.address.rstrip('/')}{path}", timeout=TIMEOUT_S, trust_env=False, **given
            )
            shown = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise BackendFailed(f"no backend answers at {self.address} ({error}); give --backend") from error
        if answer.status_code >= _REFUSED:
            detail = shown.get("detail") if isinstance(shown, dict) else None
            raise BackendFailed(str(detail or f"{path} answers {answer.status_code}"))
        return shown


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
