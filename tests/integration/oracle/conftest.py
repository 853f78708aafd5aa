"""A backend for oracles to talk to: in memory, over real HTTP, with the domain's own checks."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.errors import Malformed, StationIsSuspended, WattledgerError
from domain.membership import check_sides
from domain.metering import Basis
from domain.need import ChargingNeed, check_need
from domain.packet import unpack_readings
from domain.reading import BmsReading, MeterReading, VerifiedMeterReading, verify_bms, verify_meter
from domain.session import Session, Usage, open_session
from domain.signing import SigningDomain
from domain.station import Station
from domain.tariff import Direction, Tariff, TariffTable
from domain.text import address_text, hex_text
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, StationId, TariffId, UnixSeconds
from domain.verification import verify_statement
from domain.wire import (
    authorisation_from_json,
    bms_from_json,
    bms_to_json,
    meter_from_json,
    meter_to_json,
    need_from_json,
    replacement_to_json,
    statement_from_json,
)
from oracle import keystore
from oracle.client import MAX_BATCH
from oracle.replay import ReplaySession, read_sessions
from tests.integration.oracle.day import DAY, SMALL

CHAIN_ID = 31_337
ACCOUNT_REGISTRY, STATION_REGISTRY = b"\xa1" * 20, b"\x57" * 20
ACCOUNTS, STATIONS = SigningDomain(CHAIN_ID, ACCOUNT_REGISTRY), SigningDomain(CHAIN_ID, STATION_REGISTRY)
NOW_S = UnixSeconds(2_000_000_000)
PASSPHRASE = "correct horse"
OPERATOR = AccountId(3)
Answer = tuple[int, dict[str, Any]]


@dataclass
class FakeBackend:
    """Accepts what the domain accepts. `faults` are answers given, in turn, before any real one.

    `suspends` is a station whose statements are refused although nobody was told of its suspension before.
    `need_faults` are statuses given, in turn, to needs before any is taken.
    `joins` are accounts that have joined the market of operator 3 once this was asked and denied so often;
    `later_tariffs` are published when the others were fetched for the first time.
    """

    stations: dict[int, Station] = field(default_factory=dict)
    driver_keys: dict[int, bytes] = field(default_factory=dict)
    tariffs: list[Tariff] = field(default_factory=list)
    sessions: dict[bytes, Session] = field(default_factory=dict)
    session_items: list[dict[str, Any]] = field(default_factory=list)
    readings: dict[int, list[VerifiedMeterReading]] = field(default_factory=dict)
    bms: dict[int, list[BmsReading]] = field(default_factory=dict)
    statements: dict[int, list[Any]] = field(default_factory=dict)
    usage: dict[bytes, Usage] = field(default_factory=dict)
    needs: list[ChargingNeed] = field(default_factory=list)
    need_faults: list[int] = field(default_factory=list)
    bodies: dict[tuple[str, int, int], str] = field(default_factory=dict)
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    suspends: int | None = None
    joins: dict[int, int] = field(default_factory=dict)
    later_tariffs: list[Tariff] = field(default_factory=list)
    page: int = 500
    lock: threading.RLock = field(default_factory=threading.RLock)
    url: str = ""

    def previous(self, station: int) -> MeterReading | None:
        known = self.readings.get(station)
        return known[-1].reading if known else None

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        with self.lock:
            self.requests[f"{method} {path}"] += 1
            try:
                if method == "GET":
                    return self._get(path, query)
                return self._readings(body) if path == "/v1/readings/batch" else self._post(path, json.loads(body))
            except WattledgerError as error:
                name = re.sub("(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
                return 422, {"type": f"https://x/problems/{name}", "detail": str(error)}

    def _get(self, path: str, query: dict[str, str]) -> Answer:
        _, _, kind, *rest = path.split("/")
        if kind == "network":
            contracts = {
                "AccountRegistry": address_text(ACCOUNT_REGISTRY),
                "StationRegistry": address_text(STATION_REGISTRY),
            }
            return 200, {"chain_id": CHAIN_ID, "contracts": contracts, "deploy_block": 1}
        if kind == "stations":
            return 200, self._station(int(rest[0]))
        if kind == "accounts":
            return 200, {"account": int(rest[0]), "driver_key": address_text(self.driver_keys[int(rest[0])])}
        if kind in ("events", "tariffs"):
            return self._paged(self._market_events(query), query) if kind == "events" else self._published(query)
        if rest:
            known = any(hex_text(session_id) == rest[0] for session_id in self.sessions)
            return (200, {"session": rest[0]}) if known else (404, {"type": "unknown-session", "detail": "no"})
        return self._paged([i for i in self.session_items if i["station"] == int(query["station"])], query)

    def _published(self, query: dict[str, str]) -> Answer:
        answer = self._paged([_tariff_json(t) for t in self.tariffs], query)
        self.tariffs += self.later_tariffs
        self.later_tariffs.clear()
        return answer

    def _market_events(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """Events of zone 1, whose grid account is 3. Without `joins` there is no market."""
        name, account = query["name"], int(query["account"])
        if name == "Joined" and self.joins.get(account, 0) > 0:
            self.joins[account] -= 1
            return []
        told = account in self.joins if name == "Joined" else bool(self.joins) and account == OPERATOR
        return [{"name": name, "args": {"zone": 1, "account": account}}] if told else []

    def _paged(self, items: list[dict[str, Any]], query: dict[str, str]) -> Answer:
        first = int(query.get("after", "0"))
        following = first + self.page
        return 200, {"items": items[first:following], "next": following if following < len(items) else None}

    def _station(self, number: int) -> dict[str, Any]:
        station, last = self.stations[number], self.previous(number)
        return {
            "station": number,
            "signer": address_text(station.signer) if station.signer else None,
            "former_keys": [
                {"signer": address_text(key), "valid_until": until_s} for key, until_s in station.former_keys.items()
            ],
            "payee": station.payee,
            "rated_power_w": station.rated_power_w,
            "bidirectional": station.bidirectional,
            "suspended_by_operator": station.suspended_by_operator,
            "suspended_by_governance": station.suspended_by_governance,
            "registered_import_wh": station.import_wh,
            "registered_export_wh": station.export_wh,
            "meter_replacements": [replacement_to_json(one) for one in station.replacements],
            "import_wh": 0,
            "export_wh": 0,
            "sequence": 0,
            "last_reading_sequence": last.sequence if last else 0,
            "last_statement_sequence": len(self.statements.get(number, [])),
        }

    def _post(self, path: str, value: dict[str, Any]) -> Answer:
        if path == "/v1/sessions":
            signed = authorisation_from_json(value)
            account = signed.authorisation.account
            session = open_session(signed, driver_key=self.driver_keys[account], domain=ACCOUNTS)
            if session.session_id not in self.sessions:
                self.sessions[session.session_id] = session
                extra = {"session": hex_text(session.session_id), "energy_wh": 0, "state": "authorised"}
                self.session_items.append(value | extra)
            return 201, {"session": hex_text(session.session_id)}
        if path == "/v1/statements":
            return self._statement(value)
        if path == "/v1/needs":
            return self._need(value)
        return 404, {"type": "x/problems/not-found", "detail": path}

    def _need(self, value: dict[str, Any]) -> Answer:
        if self.need_faults:
            return self.need_faults.pop(0), {"type": "x/problems/fault", "detail": "no needs now"}
        signed = need_from_json(value)
        limits = self.sessions[signed.need.session].authorisation
        check_need(signed, limits, driver_key=self.driver_keys[limits.account], domain=ACCOUNTS, now_s=NOW_S)
        self.needs.append(signed.need)
        return 201, value

    def _readings(self, body: bytes) -> Answer:
        """Takes a packed delivery."""
        meter, bms = unpack_readings(body, MAX_BATCH)
        lists = {
            "meter": [meter_to_json(one) for one in meter if not isinstance(one, Malformed)],
            "bms": [bms_to_json(one) for one in bms if not isinstance(one, Malformed)],
        }
        assert len(lists["meter"]) + len(lists["bms"]) == len(meter) + len(bms)
        counts = {"accepted": 0, "duplicate": 0}
        refused = []
        for kind, take in (("meter", self._meter), ("bms", self._bms)):
            for index, item in enumerate(lists[kind]):
                try:
                    counts[take(item)] += 1
                except WattledgerError as error:
                    refused.append({"kind": kind, "index": index, "type": "x/problems/r", "detail": str(error)})
        return 200, {**counts, "refused": refused}

    def _seen(self, kind: str, device: int, sequence: int, item: dict[str, Any]) -> bool:
        text = json.dumps(item, sort_keys=True)
        before = self.bodies.get((kind, device, sequence))
        if before not in (None, text):
            self.conflicts.append(f"{kind} {device} {sequence}")
        return before == text

    def _keep(self, kind: str, device: int, sequence: int, item: dict[str, Any]) -> None:
        self.bodies[kind, device, sequence] = json.dumps(item, sort_keys=True)

    def _meter(self, item: dict[str, Any]) -> str:
        signed = meter_from_json(item)
        reading = signed.reading
        if self._seen("meter", reading.station, reading.sequence, item):
            return "duplicate"
        station = self.stations[reading.station]
        previous = self.previous(reading.station)
        verified = verify_meter(signed, station=station, previous=previous, domain=STATIONS, now_s=NOW_S)
        self.readings.setdefault(reading.station, []).append(verified)
        self._keep("meter", reading.station, reading.sequence, item)
        return "accepted"

    def _bms(self, item: dict[str, Any]) -> str:
        signed = bms_from_json(item)
        reading = signed.reading
        if self._seen("bms", reading.account, reading.sequence, item):
            return "duplicate"
        series = self.bms.setdefault(reading.account, [])
        key = self.driver_keys[reading.account]
        previous = series[-1] if series else None
        verify_bms(signed, driver_key=key, previous=previous, domain=ACCOUNTS, now_s=NOW_S)
        assert reading.session in self.sessions
        series.append(reading)
        self._keep("bms", reading.account, reading.sequence, item)
        return "accepted"

    def _statement(self, item: dict[str, Any]) -> Answer:
        signed = statement_from_json(item)
        statement = signed.statement
        if statement.station == self.suspends:
            raise StationIsSuspended(statement.station)
        if self._seen("statement", statement.station, statement.sequence, item):
            return 200, {}
        before = self.statements.setdefault(statement.station, [])
        start_s = before[-1].end_s if before else -1
        readings = self.readings[statement.station]
        basis = Basis(
            station=self.stations[statement.station],
            opening=next((r.reading for r in readings if r.reading.time_s == start_s), None),
            readings=[r for r in readings if start_s < r.reading.time_s <= statement.end_s],
            sessions=self.sessions,
            tariffs=TariffTable(self.tariffs),
        )
        verified = verify_statement(
            signed, last_sequence=len(before), basis=basis, usage=self.usage, domain=STATIONS, now_s=NOW_S
        )
        members = {AccountId(account): UnixSeconds(0) for account, denied in self.joins.items() if not denied}
        check_sides(statement, basis.tariffs, payee=OPERATOR, members=members)
        self.usage.update(verified.usage)
        before.append(statement)
        self._keep("statement", statement.station, statement.sequence, item)
        return 201, {}


def _tariff_json(tariff: Tariff) -> dict[str, Any]:
    return {
        "tariff": tariff.tariff,
        "payee": tariff.payee,
        "direction": tariff.direction.label,
        "price_micro_per_kwh": tariff.price_micro_per_kwh,
        "valid_from": tariff.valid_from_s,
        "valid_to": tariff.valid_to_s,
    }


def _handler(backend: FakeBackend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together, without waiting for an acknowledgment

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = urlsplit(self.path)
            headers: dict[str, str] = {}
            if backend.faults:
                status, headers = backend.faults.pop(0)
                answer: dict[str, Any] = {"type": "x/problems/fault", "detail": "a fault"}
                if status == 0:
                    self.close_connection = True
                    return
            else:
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                status, answer = backend.answer(self.command, parts.path, query, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _serve  # noqa: N815 (named by http.server)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    fake = FakeBackend()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Site:
    """A replayable day with its keys, registered at the fake backend."""

    folder: Path
    sessions: list[ReplaySession]
    backend: FakeBackend
    day: date

    def command(self, service: str, *more: str, map_name: str = "map.json", day: date | None = None) -> list[str]:
        at = self.folder
        return [
            service,
            *("--backend", self.backend.url, "--keystore", str(at / service)),
            *("--passphrase-file", str(at / "passphrase"), "--spool", str(at / f"{service}.db")),
            *("--sessions", str(at / "sessions.csv"), "--date", str(day or self.day)),
            *("--stations", str(at / map_name), "--progress", str(at / f"{service}.progress")),
            *more,
        ]

    def progress(self, service: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.folder / f"{service}.progress").read_text())
        return value


@pytest.fixture
def make_site(tmp_path: Path, backend: FakeBackend) -> Callable[..., Site]:
    def make(csv_text: str, day: date, *, bidirectional: bool = True) -> Site:
        (tmp_path / "sessions.csv").write_text(csv_text)
        (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
        sessions = read_sessions(tmp_path / "sessions.csv", day)
        names = sorted({s.station_name for s in sessions})
        station_keys = keystore.create(tmp_path / "stations", names, PASSPHRASE, iterations=2)
        drivers = keystore.numbered("driver", len(sessions))
        driver_keys = keystore.create(tmp_path / "vehicles", drivers, PASSPHRASE, iterations=2)
        numbers = {name: number for number, name in enumerate(names, 1)}
        accounts = {s.session_id: 100 + i for i, s in enumerate(sessions)}
        for name, number in numbers.items():
            backend.stations[number] = Station(
                station=StationId(number),
                signer=station_keys[name],
                payee=OPERATOR,
                rated_power_w=PowerW(22_000),
                bidirectional=bidirectional,
                import_wh=EnergyWh(1_000 * number),
                export_wh=EnergyWh(7),
            )
        backend.driver_keys = dict(zip(accounts.values(), driver_keys.values(), strict=True))
        backend.tariffs = [
            Tariff(
                tariff=TariffId(i + 1),
                payee=OPERATOR,
                direction=direction,
                price_micro_per_kwh=PriceMicroPerKwh(200_000 + 10_000 * i),
                valid_from_s=UnixSeconds(0),
                valid_to_s=UnixSeconds(2**40 - 1),
            )
            for i, direction in enumerate((Direction.CHARGE, Direction.DISCHARGE))
        ]
        mapped = {
            "stations": {name: {"station": number} for name, number in numbers.items()},
            "sessions": {key: {"account": account} for key, account in accounts.items()},
            "rated_power_w": 22_000,
        }
        (tmp_path / "map.json").write_text(json.dumps(mapped))
        return Site(tmp_path, sessions, backend, day)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site(SMALL, DAY)
