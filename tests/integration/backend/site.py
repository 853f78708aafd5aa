"""A chain with deployed contracts, the backend as a process beside it, and people who sign things."""

import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from backend.adapters.chain.deployment import load_deployment
from backend.adapters.chain.reader import ChainReader
from backend.config import Settings, load_settings
from domain.drawing import draw_up
from domain.metering import Basis
from domain.reading import (
    NO_SESSION,
    BmsReading,
    MeterReading,
    SignedBmsReading,
    SignedMeterReading,
    VerifiedMeterReading,
)
from domain.session import Session, SessionAuthorisation, SignedAuthorisation
from domain.signing import SigningDomain, compact
from domain.statement import IntervalStatement, SignedStatement
from domain.station import MeterReplacement, Station
from domain.tariff import Direction, Tariff, TariffTable
from domain.text import address_text, parse_address
from domain.units import (
    AccountId,
    BasisPoints,
    DeciCelsius,
    EnergyWh,
    MoneyMicro,
    PowerW,
    PriceMicroPerKwh,
    StationId,
    TariffId,
    UnixSeconds,
)
from domain.wire import Json, authorisation_to_json, bms_to_json, meter_to_json, statement_to_json
from scripts.anvil import anvil, free_port
from scripts.deploy import Deployer, Plan, connect
from tests.programs import Program, start
from tests.vectors.world import Key

TOKEN = "a-token-for-tests-0123456789"
PASSPHRASE = "for tests"
RATED_POWER_W = 22_000
PRICE = 300_001
START_LIMIT_S = 120
TLS = ssl.create_default_context()
"""Made once, because a client that makes its own takes longer for it than for many requests; nothing here uses it."""

_numbers = iter(range(1, 1_000_000))


def new_key(what: str) -> Key:
    """A key that no other test uses."""
    return Key(f"{what} {os.getpid()} {next(_numbers)} {time.time_ns()}")


@dataclass(frozen=True, slots=True)
class Site:
    """One chain, its contracts, and the operator's keys and settings."""

    folder: Path
    rpc: str
    governor: LocalAccount
    operator: LocalAccount

    def environment(self, data: str = "data", **more: str) -> dict[str, str]:
        """The backend's settings."""
        values = {
            "DATA_DIR": str(self.folder / data),
            "RPC_URL": self.rpc,
            "DEPLOYMENT_FILE": str(self.folder / "deployment.json"),
            "OPERATOR_KEYSTORE_FILE": str(self.folder / "operator.json"),
            "OPERATOR_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "API_TOKEN_FILE": str(self.folder / "token"),
            "AUTO_SETTLE": "false",
            "POLL_MS": "50",
        }
        return {f"WATTLEDGER_{name}": value for name, value in (values | more).items()}

    def settings(self, data: str = "data", **more: str) -> Settings:
        return load_settings(self.environment(data, **more))

    def reader(self) -> ChainReader:
        return ChainReader(self.rpc, load_deployment(self.folder / "deployment.json"))

    def request(self, method: str, *parameters: object) -> Any:
        """A JSON-RPC request to the node."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        answer = httpx.post(self.rpc, json=body, timeout=20, verify=TLS, trust_env=False).json()
        assert "error" not in answer, answer
        return answer["result"]

    def transact(self, key: LocalAccount, contract: str, function: str, *args: object) -> bool:
        """Sends a call with a key of its own; whether it succeeded."""
        reader = self.reader()
        call = reader.contract(contract).functions[function](*args)
        transaction = call.build_transaction(
            {
                "from": key.address,
                "nonce": reader.web3.eth.get_transaction_count(key.address),
                "gas": 3_000_000,
                "gasPrice": Web3.to_wei(0, "wei"),
                "chainId": reader.deployment.chain_id,
            }
        )
        signed = key.sign_transaction(cast(dict[str, Any], transaction))
        sent = reader.web3.eth.send_raw_transaction(signed.raw_transaction)
        return bool(reader.web3.eth.wait_for_transaction_receipt(sent, timeout=20)["status"] == 1)


@contextmanager
def site(folder: Path, *anvil_options: str) -> Iterator[Site]:
    """A chain of its own with the contracts on it."""
    governor, operator = (cast(LocalAccount, Account.create()) for _ in range(2))
    _keystore(folder / "operator.json", operator)
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    (folder / "token").write_text(TOKEN + "\n")
    with anvil(*anvil_options) as rpc:
        plan = Plan(
            house=address_text(bytes([0xA1] * 20)),
            dust=address_text(bytes([0xA2] * 20)),
            operator=operator.address,
            close_after_s=900,
        )
        Deployer(connect(rpc), governor, folder / "deployment.json", lambda _: None).run(plan)
        yield Site(folder, rpc, governor, operator)


@dataclass(frozen=True, slots=True)
class SavedSite:
    """A site that has ended: its files, and the state of its chain for others to begin with."""

    at: Site
    state: str

    @contextmanager
    def restored(self, folder: Path) -> Iterator[Site]:
        """A chain of its own that goes on where the saved one ended."""
        shutil.copytree(self.at.folder, folder, dirs_exist_ok=True)
        with anvil() as rpc:
            at = replace(self.at, folder=folder, rpc=rpc)
            assert at.request("anvil_loadState", self.state)
            yield at


def saved_site(folder: Path) -> SavedSite:
    """The contracts, deployed once."""
    with site(folder) as at:
        return SavedSite(at, at.request("anvil_dumpState"))


def _keystore(file: Path, key: LocalAccount) -> None:
    file.write_text(json.dumps(Account.encrypt(key.key, PASSPHRASE, kdf="pbkdf2", iterations=1000)))


@dataclass(slots=True)
class Api:
    """A running backend as its users see it."""

    site: Site
    url: str
    process: Program
    http: httpx.Client
    operator_http: httpx.Client
    domains: tuple[SigningDomain, SigningDomain] = field(init=False)

    def __post_init__(self) -> None:
        deployment = load_deployment(self.site.folder / "deployment.json")
        self.domains = deployment.station_domain, deployment.account_domain

    def get(self, path: str, **query: object) -> Any:
        answer = self.http.get(path, params=cast(Any, query))
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def post(self, path: str, body: object) -> httpx.Response:
        return self.http.post(path, content=json.dumps(body))

    def operate(self, path: str, body: object) -> Any:
        """An operator's request that must succeed."""
        answer = self.operator_http.post(path, content=json.dumps(body))
        assert answer.status_code in (201, 202), (path, answer.status_code, answer.text)
        return answer.json()

    def settle(self) -> Any:
        """Settles all that waits; the settlement when it is done."""
        return self.wait_settled(self.operate("/v1/settlements", {})["settlement"])

    def wait_settled(self, settlement: str, limit_s: float = 20) -> Any:
        deadline = time.monotonic() + limit_s
        while True:
            shown = self.get(f"/v1/settlements/{settlement}")
            if shown["state"] in {"settled", "failed"} or time.monotonic() > deadline:
                return shown
            time.sleep(0.02)

    def rss_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running(at: Site, data: str = "data", **more: str) -> Iterator[Api]:
    """The backend as a process; it is asked to stop at the end, and made to if it does not."""
    port = free_port()
    environment = {**os.environ, **at.environment(data, PORT=str(port), **more)}
    process = start("backend.main", out=at.folder / f"{data}.log", environment=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        with _client(url) as http, _client(url, {"Authorization": f"Bearer {TOKEN}"}) as operator_http:
            _wait(http, process, at.folder / f"{data}.log")
            yield Api(at, url, process, http, operator_http)
    finally:
        stop(process)


def _client(url: str, headers: dict[str, str] | None = None) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60, trust_env=False, headers=headers, verify=TLS)


def stop(process: Program) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def _wait(http: httpx.Client, process: Program, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            http.get("/v1/health", timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the backend did not come up: {log.read_text()[-2000:]}")


def interval_start(ago_s: int = 7200) -> int:
    """The first second of a market interval in the past."""
    return (int(time.time()) - ago_s) // 900 * 900


@dataclass(slots=True)
class Driver:
    """A member with a vehicle."""

    account: AccountId
    owner: Key
    key: Key

    def authorise(self, api: Api, station: int, **limits: Any) -> Session:
        """A session that the backend knows."""
        signed = self.authorisation(api, station, **limits)
        answer = api.post("/v1/sessions", authorisation_to_json(signed))
        assert answer.status_code == 201, answer.text
        return Session(signed.authorisation.session_id(api.domains[1]), signed.authorisation, signed.signature)

    def authorisation(self, api: Api, station: int, **limits: Any) -> SignedAuthorisation:
        start = interval_start()
        wanted = SessionAuthorisation(
            account=self.account,
            station=StationId(station),
            max_energy_wh=EnergyWh(1_000_000),
            max_price_micro_per_kwh=PriceMicroPerKwh(900_000),
            max_cost_micro=MoneyMicro(10**12),
            discharge_allowed=False,
            not_before_s=UnixSeconds(start - 86_400),
            expiry_s=UnixSeconds(start + 86_400),
            nonce=next(_numbers),
        )
        wanted = replace(wanted, **limits)
        return SignedAuthorisation(wanted, self.key.sign(wanted.session_id(api.domains[1])))

    def bms(self, api: Api, sequence: int, time_s: int, session: bytes = NO_SESSION, **other: Any) -> Json:
        """A signed BMS reading as JSON."""
        reading = BmsReading(
            account=self.account,
            sequence=sequence,
            time_s=UnixSeconds(time_s),
            state_of_charge_bp=BasisPoints(5000),
            state_of_health_bp=BasisPoints(9700),
            temperature_deci_c=DeciCelsius(251),
            pack_millivolt=380_000,
            pack_milliampere=17_000,
            session=session,
        )
        reading = replace(reading, **other)
        return bms_to_json(SignedBmsReading(reading, self.key.sign(api.domains[1].digest(reading.struct_hash()))))


@dataclass(slots=True)
class Meter:
    """A registered station that signs what its meter shows."""

    api: Api
    station: StationId
    key: Key
    payee: AccountId
    readings: list[SignedMeterReading] = field(default_factory=list)
    opening: MeterReading | None = None
    statements: int = 0
    replacements: tuple[MeterReplacement, ...] = ()
    _new_registers: tuple[int, int] | None = None

    def signed(self, reading: MeterReading) -> SignedMeterReading:
        return SignedMeterReading(reading, self.key.sign(self.api.domains[0].digest(reading.struct_hash())))

    def next(self, time_s: int, *, taken_wh: int = 0, given_wh: int = 0, session: bytes = NO_SESSION) -> Json:
        """The next reading of the series as JSON."""
        last = self.readings[-1].reading if self.readings else self.opening
        registers = self._new_registers or ((last.import_wh, last.export_wh) if last else (0, 0))
        self._new_registers = None
        reading = MeterReading(
            station=self.station,
            sequence=last.sequence + 1 if last else 1,
            time_s=UnixSeconds(time_s),
            import_wh=EnergyWh(registers[0] + taken_wh),
            export_wh=EnergyWh(registers[1] + given_wh),
            power_w=PowerW(0),
            session=session,
        )
        self.readings.append(self.signed(reading))
        return meter_to_json(self.readings[-1])

    def send(self, readings: Sequence[Json]) -> None:
        answer = self.api.post("/v1/readings/batch", {"meter": readings})
        assert answer.json()["verdicts"] == {"meter": "a" * len(readings), "bms": ""}, answer.text

    def charge(self, session: Session, steps: int = 3, wh: int = 50, start: int | None = None) -> None:
        """An opening reading, if it is the first, and `steps` minutes of charging, all sent."""
        last = self.readings[-1].reading if self.readings else self.opening
        at = (last.time_s if last else start or interval_start()) + (60 if last else 0)
        readings = [] if last else [self.next(at)]
        at += 0 if last else 60
        readings += [self.next(at + 60 * i, taken_wh=wh, session=session.session_id) for i in range(steps)]
        self.send(readings)

    def draw_up(self, *sessions: Session, traders: Collection[AccountId] = ()) -> SignedStatement:
        """The statement that follows from the readings since the last one. `traders` are in the operator's market."""
        api = self.api
        known = Station(
            station=self.station,
            signer=self.key.address,
            payee=self.payee,
            rated_power_w=PowerW(RATED_POWER_W),
            bidirectional=True,
            import_wh=EnergyWh(0),
            export_wh=EnergyWh(0),
            replacements=self.replacements,
        )
        statement = draw_up(
            self.statements + 1,
            Basis(
                station=known,
                opening=self.opening,
                readings=[VerifiedMeterReading(one.reading, one.signature) for one in self.readings],
                sessions={session.session_id: session for session in sessions},
                tariffs=tariffs_of(api, self.payee),
                traders=traders,
            ),
        )
        return self.sign(statement)

    def replace(self, time_s: int, opening: tuple[int, int]) -> None:
        """A new meter takes the place of the old one, after its last settled statement."""
        last = self.readings[-1].reading if self.readings else self.opening
        assert last is not None
        replacement = MeterReplacement(
            station=self.station,
            sequence=self.statements + 1,
            time_s=UnixSeconds(time_s),
            closing_import_wh=last.import_wh,
            closing_export_wh=last.export_wh,
            opening_import_wh=EnergyWh(opening[0]),
            opening_export_wh=EnergyWh(opening[1]),
        )
        signature = compact(self.key.sign(self.api.domains[0].digest(replacement.struct_hash())))
        fields = (replacement.station, replacement.sequence, replacement.time_s, *replacement.closing, *opening)
        at = self.api.site
        assert at.transact(at.operator, "StationRegistry", "replaceMeter", fields, signature[:32], signature[32:])
        self.replacements, self._new_registers = (*self.replacements, replacement), opening
        self.statements += 1

    def sign(self, statement: IntervalStatement) -> SignedStatement:
        return SignedStatement(statement, self.key.sign(self.api.domains[0].digest(statement.struct_hash())))

    def state(self, *sessions: Session) -> SignedStatement:
        """Sends the statement, which must be accepted, and goes on after it."""
        signed = self.draw_up(*sessions)
        answer = self.api.post("/v1/statements", statement_to_json(signed))
        assert answer.status_code == 201, answer.text
        self.opening, self.readings, self.statements = self.readings[-1].reading, [], self.statements + 1
        return signed


def tariffs_of(api: Api, payee: int) -> TariffTable:
    items = api.get("/v1/tariffs", payee=payee, limit=500)["items"]
    return TariffTable(
        Tariff(
            tariff=TariffId(item["tariff"]),
            payee=AccountId(item["payee"]),
            direction=Direction[item["direction"].upper()],
            price_micro_per_kwh=PriceMicroPerKwh(item["price_micro_per_kwh"]),
            valid_from_s=UnixSeconds(item["valid_from"]),
            valid_to_s=UnixSeconds(item["valid_to"]),
        )
        for item in items
    )


def publish(api: Api, price: int = PRICE, direction: str = "charge") -> int:
    start = interval_start()
    body = {
        "direction": direction,
        "price_micro_per_kwh": price,
        "valid_from": start - 86_400,
        "valid_to": start + 86_400,
    }
    return int(api.operate("/v1/tariffs", {"tariffs": [body]})["tariffs"][0])


def new_meter(api: Api, *, bidirectional: bool = False) -> Meter:
    """A registered station of the backend's operator, who has a tariff for it."""
    key = new_key("station")
    body = {"signers": [address_text(key.address)], "rated_power_w": RATED_POWER_W, "bidirectional": bidirectional}
    [station] = api.operate("/v1/stations", body)["stations"]
    payee = AccountId(api.get(f"/v1/stations/{station}")["payee"])
    start = interval_start()
    if not any(
        known.direction is Direction.CHARGE and known.covers(start, start + 7200) for known in tariffs_of(api, payee)
    ):
        publish(api)
    return Meter(api, StationId(station), key, payee)


def new_driver(api: Api, deposit_micro: int = 10**9) -> Driver:
    owner, key = new_key("owner"), new_key("driver")
    member = {"owner": address_text(owner.address), "driver_key": address_text(key.address)}
    [account] = api.operate("/v1/accounts", {"members": [member]})["accounts"]
    if deposit_micro:
        api.operate(f"/v1/accounts/{account}/deposits", {"amount_micro": deposit_micro})
    return Driver(AccountId(account), owner, key)


def operator_address(at: Site) -> bytes:
    return parse_address(at.operator.address)
