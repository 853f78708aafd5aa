"""A record to audit: a chain with the real contracts, signed readings, evidence blobs and settled batches."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.types import TxReceipt

from backend.adapters.chain.deployment import Deployment, load_deployment
from backend.adapters.evidence.embedded import EmbeddedEvidence
from bench.audit_stations import RATED_POWER_W, Made, StationPlan, address, driver_key, made, station_key
from bench.consortium import address_of, key_of
from domain.batch import SettlementBatch, encode_batch, table_bits_for
from domain.cid import raw_digest
from domain.evidence import Manifest, manifest_blob
from domain.settlement import accounts_met
from domain.tariff import Direction, Tariff, TariffTable
from domain.text import address_text
from domain.units import AccountId, PriceMicroPerKwh, TariffId, UnixSeconds
from scripts.anvil import anvil
from scripts.chain import connect
from scripts.deploy import Deployer
from scripts.plan import DAY_S, Plan

START_S = 1_782_864_000
"""The first second of a day."""
CHARGE_PRICES = (280_123, 360_451, 490_787)
SELL_PRICE = 210_333
DEPOSIT_MICRO = 10**11
RECEIPT_LIMIT_S = 60
MEMBERS_AT_ONCE = 200
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is metered: by each station, in each batch, a statement of so many minutes, with a reading a minute."""

    stations: int = 16
    batches: int = 4
    minutes: int = 240

    @classmethod
    def of_readings(cls, readings: int, stations: int = 16, minutes: int = 240) -> "Size":
        """The least size with at least so many readings; vehicles make about 0.23 for each of a meter."""
        a_statement = minutes * 123 // 100
        return cls(stations=stations, minutes=minutes, batches=max(1, -(-readings // (a_statement * stations))))


@dataclass(slots=True)
class Record:
    """Where everything is, and who can sign what."""

    rpc: str
    folder: Path
    size: Size
    web3: Web3 = field(init=False)
    deployment: Deployment = field(init=False)
    operator: int = 0
    others: int = 0
    """Accounts that are open before the drivers'."""
    tariffs: tuple[Tariff, ...] = ()
    batches: list[list[Made]] = field(default_factory=list)
    readings: int = 0
    replaced: int | None = None

    @property
    def deployment_file(self) -> Path:
        return self.folder / "deployment.json"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    def key(self, name: str) -> LocalAccount:
        return cast(LocalAccount, Account.from_key(key_of(name).secret))

    def drivers_of(self, station: int) -> tuple[int, int]:
        before = self.others + 2 * (station - 1)
        return before + 1, before + 2

    def plan(self, station: int) -> StationPlan:
        """What a station meters."""
        return StationPlan(
            station=station,
            payee=self.operator,
            drivers=self.drivers_of(station),
            start_s=START_S,
            statements=self.size.batches,
            minutes=self.size.minutes,
            replaced=self.replaced == station,
            tariffs=self.tariffs,
            station_domain=self.deployment.station_domain,
            account_domain=self.deployment.account_domain,
            evidence=self.evidence,
        )

    def send(self, contract: str, function: str, *args: object, sender: str = "operator") -> TxReceipt:
        """A call of a contract, mined; ValueError if it was reverted."""
        deployed = self.deployment.contracts[contract]
        at = self.web3.eth.contract(address=Web3.to_checksum_address(deployed.address), abi=deployed.abi)
        key = self.key(sender)
        nonce = self.web3.eth.get_transaction_count(key.address)
        fields: dict[str, Any] = {"from": key.address, "nonce": nonce, "gasPrice": 0, "gas": 900_000_000}
        transaction = at.functions[function](*args).build_transaction(cast(Any, fields))
        signed = key.sign_transaction(cast(dict[str, Any], transaction))
        self.web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(signed.hash, RECEIPT_LIMIT_S, 0.01)
        if receipt["status"] != 1:
            raise ValueError(f"{contract}.{function} was reverted")
        return receipt

    def settle(self, made_now: Sequence[Made]) -> TxReceipt:
        """Settles these statements in one batch, with their manifest."""
        manifest = Manifest(
            statements={(m.signed.statement.station, m.signed.statement.sequence): m.cid for m in made_now},
            vehicles={place: cid for m in made_now for place, cid in m.vehicles.items()},
        )
        digest = raw_digest(EmbeddedEvidence(self.evidence).put(manifest_blob(manifest)))
        signed = tuple(m.signed for m in made_now)
        bits = table_bits_for(accounts_met([s.statement for s in signed], TariffTable(self.tariffs)))
        self.batches.append(list(made_now))
        self.readings += sum(m.readings for m in made_now)
        return self.send("SessionSettlement", "settle", encode_batch(SettlementBatch(digest, signed, bits)))


@contextmanager
def recorded(
    folder: Path,
    size: Size,
    say: Say,
    *,
    replaced: int | None = None,
    before: Callable[[Record, int], None] = lambda _, __: None,
) -> Iterator[Record]:
    """A settled record on a chain of its own, which ends with the context.

    `replaced` is a station whose meter is replaced in its last statement, `before` acts before each batch, by its
    number.
    """
    end_s = START_S + (size.batches * size.minutes * 60 // DAY_S + 1) * DAY_S
    with anvil("--timestamp", str(end_s)) as rpc:
        record = Record(rpc, folder, size)
        _deploy(record)
        say("contracts are deployed")
        _enrol(record)
        say(f"{size.stations} stations and {2 * size.stations} drivers are enrolled")
        record.replaced = replaced
        for number, batch in enumerate(zip(*_statements(record, say), strict=True), 1):
            before(record, number)
            record.settle(batch)
            if number % 10 == 0 or number == size.batches:
                say(f"{number} of {size.batches} batches are settled, {record.readings:,} readings")
        yield record


def _deploy(record: Record) -> None:
    house, dust, operator, governor = (address_of(key_of(n)) for n in ("house", "dust", "operator", "governor"))
    plan = Plan(house=house, dust=dust, operator=operator, governor=governor, close_after_s=900)
    record.web3 = Web3(HTTPProvider(record.rpc, request_kwargs={"timeout": RECEIPT_LIMIT_S}))
    Deployer(connect(record.rpc), record.key("deployer"), record.deployment_file, lambda _: None).run(plan)
    record.deployment = load_deployment(record.deployment_file)


def _enrol(record: Record) -> None:
    owner = address_of(key_of("operator"))
    accounts = record.deployment.contracts["AccountRegistry"]
    registry = record.web3.eth.contract(address=Web3.to_checksum_address(accounts.address), abi=accounts.abi)
    record.operator = registry.functions.accountOf(owner).call()
    record.others = registry.functions.accountCount().call()
    drivers = [account for station in _numbers(record.size) for account in record.drivers_of(station)]
    for at in range(0, len(drivers), MEMBERS_AT_ONCE):
        part = drivers[at : at + MEMBERS_AT_ONCE]
        owners = [address_of(key_of(f"owner {account}")) for account in part]
        keys = [address_text(address(driver_key(account))) for account in part]
        record.send("AccountRegistry", "openAccounts", owners, keys)
    signers = [address_text(address(station_key(station))) for station in _numbers(record.size)]
    record.send("StationRegistry", "registerStations", signers, RATED_POWER_W, True)
    _publish(record)
    total = DEPOSIT_MICRO * (len(drivers) + 1)
    record.send("SettlementToken", "mint", owner, total)
    record.send("SettlementToken", "approve", address_text(record.deployment.contracts["Escrow"].address), total)
    for account in (record.operator, *drivers):
        record.send("Escrow", "deposit", account, DEPOSIT_MICRO)


def _publish(record: Record) -> None:
    operator = record.operator
    days = record.size.batches * record.size.minutes * 60 // DAY_S + 1
    third = DAY_S // len(CHARGE_PRICES)
    windows = [(START_S + at * third, price) for at, price in enumerate(CHARGE_PRICES * days)]
    offers = [(Direction.CHARGE, price, start_s, start_s + third) for start_s, price in windows]
    offers.append((Direction.DISCHARGE, SELL_PRICE, START_S, START_S + days * DAY_S))
    record.send(
        "TariffBook",
        "publish",
        [(operator, int(direction), price, start_s, end_s) for direction, price, start_s, end_s in offers],
    )
    record.tariffs = tuple(
        Tariff(
            tariff=TariffId(number),
            payee=AccountId(operator),
            direction=direction,
            price_micro_per_kwh=PriceMicroPerKwh(price),
            valid_from_s=UnixSeconds(start_s),
            valid_to_s=UnixSeconds(end_s),
        )
        for number, (direction, price, start_s, end_s) in enumerate(offers)
    )


def _statements(record: Record, say: Say) -> list[list[Made]]:
    """What each station makes, in processes of their own."""
    size = record.size
    plans = [record.plan(station) for station in _numbers(size)]
    began = time.monotonic()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        tasks = {pool.submit(made, plan): plan.station for plan in plans}
        done: dict[int, list[Made]] = {}
        for task in as_completed(tasks):
            done[tasks[task]] = task.result()
            say(f"{len(done)} of {size.stations} stations have signed, {time.monotonic() - began:.0f} s")
    return [done[plan.station] for plan in plans]


def _numbers(size: Size) -> range:
    return range(1, size.stations + 1)
