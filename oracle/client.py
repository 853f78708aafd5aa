"""The backend's REST interface, as far as oracles need it.

Everything posted is signed and idempotent, so a request whose answer was lost is simply sent again. No redirect
is followed, no proxy is taken from the environment, and every wait has an end.
"""

import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from domain.errors import Malformed
from domain.packet import MEDIA_TYPE, pack_readings
from domain.reading import SignedBmsReading, SignedMeterReading
from domain.session import SignedAuthorisation
from domain.signing import SigningDomain
from domain.station import MeterReplacement, Station
from domain.tariff import Direction, Tariff, TariffTable
from domain.text import address_text, hex_text, parse_address
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, StationId, TariffId, UnixSeconds
from domain.wire import authorisation_from_json, replacement_from_json
from oracle.clock import Clock
from oracle.errors import BackendAnswerInvalid, BackendRefused, BackendUnavailable

MAX_BATCH = 1_000
PAGE = 500

_TRIES = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONGEST_RETRY_AFTER_S = 0.25, 8.0, 60.0
_TIMEOUT = httpx.Timeout(connect=5, read=60, write=30, pool=5)
_QUICK_TIMEOUT = httpx.Timeout(5)
_TRY_AGAIN = (429, 502, 503, 504)
_NOT_FOUND = 404
_MAX_PAGES = 10_000
_AUTHORISATION_KEYS = (
    "account",
    "station",
    "max_energy_wh",
    "max_price_micro_per_kwh",
    "max_cost_micro",
    "discharge_allowed",
    "not_before",
    "expiry",
    "nonce",
    "signature",
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The chain that signatures are made for."""

    chain_id: int
    account_registry: bytes
    station_registry: bytes

    @property
    def accounts_domain(self) -> SigningDomain:
        """What drivers and vehicles sign for."""
        return SigningDomain(self.chain_id, self.account_registry)

    @property
    def stations_domain(self) -> SigningDomain:
        """What stations sign for."""
        return SigningDomain(self.chain_id, self.station_registry)

    def __str__(self) -> str:
        accounts, stations = address_text(self.account_registry), address_text(self.station_registry)
        return f"chain {self.chain_id}, AccountRegistry {accounts}, StationRegistry {stations}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRecord:
    """A station as on chain, and how far the backend's series of it reaches."""

    station: Station
    last_reading_sequence: int
    last_statement_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A reading of a batch that the backend does not accept. `index` counts within its list."""

    kind: str
    index: int
    problem: str
    detail: str


class BackendClient:
    """One connection pool to one backend."""

    def __init__(self, url: str, clock: Clock, *, tries: int = _TRIES) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BackendAnswerInvalid(url, "the backend's URL starts with http:// or https:// and a host")
        self._clock = clock
        self._tries = tries
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/v1",
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept": "application/json"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def network(self) -> Network:
        answer = self._get("/network")
        contracts = _field(answer, "contracts", dict, "/network")
        return Network(
            chain_id=_field(answer, "chain_id", int, "/network"),
            account_registry=_address(contracts, "AccountRegistry", "/network"),
            station_registry=_address(contracts, "StationRegistry", "/network"),
        )

    def station(self, station: StationId) -> StationRecord:
        path = f"/stations/{station}"
        answer = self._get(path)
        return StationRecord(
            station=Station(
                station=StationId(_field(answer, "station", int, path)),
                signer=None if answer.get("signer") is None else _address(answer, "signer", path),
                payee=AccountId(_field(answer, "payee", int, path)),
                rated_power_w=PowerW(_field(answer, "rated_power_w", int, path)),
                bidirectional=_field(answer, "bidirectional", bool, path),
                import_wh=EnergyWh(_field(answer, "registered_import_wh", int, path)),
                export_wh=EnergyWh(_field(answer, "registered_export_wh", int, path)),
                former_keys=_former_keys(answer, path),
                suspended_by_operator=_field(answer, "suspended_by_operator", bool, path),
                suspended_by_governance=_field(answer, "suspended_by_governance", bool, path),
                replacements=_replacements(answer, path),
            ),
            last_reading_sequence=_field(answer, "last_reading_sequence", int, path),
            last_statement_sequence=_field(answer, "last_statement_sequence", int, path),
        )

    def driver_key(self, account: AccountId) -> bytes | None:
        """Address of the key that signs for the account; None if it has none."""
        path = f"/accounts/{account}"
        answer = self._get(path)
        return None if answer.get("driver_key") is None else _address(answer, "driver_key", path)

    def traders_among(self, accounts: Collection[AccountId], operator: AccountId) -> set[AccountId]:
        """Those of the accounts that joined the market zone whose grid account is the operator's."""
        zones = self._zones_of({"name": "ZoneOpened", "account": operator}) if accounts else set()
        if not zones:
            return set()
        return {one for one in accounts if zones & self._zones_of({"name": "Joined", "account": one})}

    def tariffs(self) -> TariffTable:
        return TariffTable(map(_tariff, self._pages("/tariffs", {})))

    def authorisations(self, station: StationId) -> list[SignedAuthorisation]:
        """What drivers authorised at this station, with signatures that nobody has checked yet."""
        found = []
        for item in self._pages("/sessions", {"station": station}):
            try:
                found.append(authorisation_from_json({k: item[k] for k in _AUTHORISATION_KEYS if k in item}))
            except Malformed as error:
                _log.warning("station %d: the backend lists a session that is none: %s", station, error)
        return found

    def knows_session(self, session_id: bytes) -> bool:
        try:
            self._get(f"/sessions/{hex_text(session_id)}")
        except BackendRefused as refused:
            if refused.status == _NOT_FOUND:
                return False
            raise
        return True

    def post_authorisation(self, body: str) -> None:
        self._post("/sessions", body)

    def post_need(self, body: str) -> None:
        """Tries once and not for long: what is more important may wait behind it."""
        self._ask("POST", "/needs", body=body.encode("ascii"), quick=True)

    def planned_powers(self, site: str, time_s: int) -> dict[AccountId, PowerW]:
        """The power of each vehicle that the site's latest plan has for a time; none if it has no plan for it."""
        path, powers = "/schedules", dict[AccountId, PowerW]()
        for plan in self._pages(path, {"site": site}):
            edges = _field(plan, "slots", list, path)
            slot = sum(type(edge) is int and edge <= time_s for edge in edges) - 1
            for stay in _field(plan, "stays", list, path):
                listed = _field(stay if isinstance(stay, dict) else {}, "power_w", list, path)
                if 0 <= slot < min(len(listed), len(edges) - 1) and type(listed[slot]) is int:
                    powers[AccountId(_field(stay, "account", int, path))] = PowerW(listed[slot])
        return powers

    def post_order(self, body: str) -> None:
        self._post("/orders", body)

    def post_statement(self, body: str) -> None:
        self._post("/statements", body)

    def post_readings(
        self, *, meter: Sequence[SignedMeterReading] = (), bms: Sequence[SignedBmsReading] = ()
    ) -> list[Refusal]:
        """Sends at most `MAX_BATCH` readings; those that were refused. All others are accepted and durable.

        They go packed: a third of the bytes, and less work for the backend.
        """
        path = "/readings/batch"
        answer = self._ask("POST", path, body=pack_readings(meter, bms), media_type=MEDIA_TYPE)
        refused = [_refusal(item, len(meter), len(bms)) for item in _field(answer, "refused", list, path)]
        taken = _field(answer, "accepted", int, path) + _field(answer, "duplicate", int, path)
        if taken + len(refused) != len(meter) + len(bms):
            raise BackendAnswerInvalid(path, f"{taken} taken and {len(refused)} refused of {len(meter) + len(bms)}")
        return refused

    # --- inside --------------------------------------------------------------------------------

    def _zones_of(self, query: Mapping[str, int | str]) -> set[int]:
        """The zones that events are about."""
        path = "/events"
        return {_field(_field(item, "args", dict, path), "zone", int, path) for item in self._pages(path, query)}

    def _pages(self, path: str, query: Mapping[str, int | str]) -> Iterator[dict[str, Any]]:
        after: object = None
        for _ in range(_MAX_PAGES):
            answer = self._get(path, {**query, "limit": PAGE} | ({} if after is None else {"after": after}))
            for item in _field(answer, "items", list, path):
                if not isinstance(item, dict):
                    raise BackendAnswerInvalid(path, "an item is no object")
                yield item
            following = answer.get("next")
            if following is None:
                return
            if following == after or not isinstance(following, int | str):
                break
            after = following
        raise BackendAnswerInvalid(path, "its pages do not end")

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._ask("GET", path, query=query)

    def _post(self, path: str, body: str) -> dict[str, Any]:
        return self._ask("POST", path, body=body.encode("ascii"))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        media_type: str = "application/json",
        quick: bool = False,
    ) -> dict[str, Any]:
        pause_s, reason = _FIRST_PAUSE_S, ""
        headers = {"Content-Type": media_type}
        tries, timeout = (1, _QUICK_TIMEOUT) if quick else (self._tries, _TIMEOUT)
        for attempt in range(1, tries + 1):
            wait_s = pause_s
            try:
                response = self._http.request(
                    method, path, params=query, content=body, headers=headers, timeout=timeout
                )
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            else:
                if response.status_code not in _TRY_AGAIN:
                    return _answer(path, response)
                reason = f"status {response.status_code}"
                wait_s = max(pause_s, _retry_after_s(response))
            if attempt == tries or self._clock.stopped:
                break
            _log.info("%s %s: %s; trying again in %.2f s", method, path, reason, wait_s)
            self._clock.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise BackendUnavailable(f"{self._http.base_url}{path.lstrip('/')}", attempt, reason)


def _answer(path: str, response: httpx.Response) -> dict[str, Any]:
    try:
        value = json.loads(response.content)
    except ValueError:
        value = None
    fields = value if isinstance(value, dict) else {}
    if response.is_success:
        if not isinstance(value, dict):
            raise BackendAnswerInvalid(path, "no JSON object")
        return fields
    problem = str(fields.get("type", "about:blank")).rsplit("/", 1)[-1]
    detail = fields.get("detail") or fields.get("title") or response.reason_phrase
    raise BackendRefused(path, response.status_code, problem[:100], str(detail)[:500])


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds that the backend asks us to wait, within reason."""
    text = response.headers.get("retry-after", "")
    return min(float(text), _LONGEST_RETRY_AFTER_S) if text.isascii() and text.isdigit() else 0.0


def _field(value: Mapping[str, Any], key: str, kind: type, path: str) -> Any:
    found = value.get(key)
    if type(found) is not kind:
        raise BackendAnswerInvalid(path, f"{key} is missing or no {kind.__name__}")
    return found


def _address(value: Mapping[str, Any], key: str, path: str) -> bytes:
    try:
        return parse_address(_field(value, key, str, path))
    except ValueError:
        raise BackendAnswerInvalid(path, f"{key} is no address") from None


def _former_keys(answer: Mapping[str, Any], path: str) -> dict[bytes, UnixSeconds]:
    items = [item if isinstance(item, dict) else {} for item in _field(answer, "former_keys", list, path)]
    return {_address(item, "signer", path): UnixSeconds(_field(item, "valid_until", int, path)) for item in items}


def _replacements(answer: Mapping[str, Any], path: str) -> tuple[MeterReplacement, ...]:
    try:
        return tuple(map(replacement_from_json, _field(answer, "meter_replacements", list, path)))
    except Malformed as error:
        raise BackendAnswerInvalid(path, f"a meter replacement is none: {error}") from None


def _tariff(item: Mapping[str, Any]) -> Tariff:
    path = "/tariffs"
    try:
        direction = Direction[_field(item, "direction", str, path).upper()]
    except KeyError:
        raise BackendAnswerInvalid(path, f"direction is none of {', '.join(one.label for one in Direction)}") from None
    return Tariff(
        tariff=TariffId(_field(item, "tariff", int, path)),
        payee=AccountId(_field(item, "payee", int, path)),
        direction=direction,
        price_micro_per_kwh=PriceMicroPerKwh(_field(item, "price_micro_per_kwh", int, path)),
        valid_from_s=UnixSeconds(_field(item, "valid_from", int, path)),
        valid_to_s=UnixSeconds(_field(item, "valid_to", int, path)),
    )


def _refusal(item: object, meters: int, batteries: int) -> Refusal:
    path = "/readings/batch"
    fields = item if isinstance(item, dict) else {}
    kind, index = _field(fields, "kind", str, path), _field(fields, "index", int, path)
    if not 0 <= index < {"meter": meters, "bms": batteries}.get(kind, 0):
        raise BackendAnswerInvalid(path, f"it refuses {kind[:20]} {index}, which was not sent")
    problem = str(fields.get("type", "about:blank")).rsplit("/", 1)[-1]
    return Refusal(kind=kind, index=index, problem=problem[:100], detail=str(fields.get("detail", ""))[:500])
