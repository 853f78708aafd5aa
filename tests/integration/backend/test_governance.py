"""What governance, operators and members do on chain, as the backend follows it: and the audit finds nothing in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from backend.adapters.evidence.sources import FolderBlobs
from backend.application.audit import AuditSubject, audit
from domain.audit import Finding, Prover
from domain.batch import decode_batch
from domain.batch_chain import BatchChain, page_of
from domain.settlement import payments_of
from domain.statement import SignedStatement
from domain.text import address_text
from domain.wire import statement_to_json
from tests.integration.backend.refusals import refused, wait_until
from tests.integration.backend.site import (
    PRICE,
    Api,
    Driver,
    Meter,
    Site,
    new_driver,
    new_key,
    new_meter,
    running,
    site,
    tariffs_of,
)

DAY_S = 86_400


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A chain of its own, whose governor and clock tests may use, with a backend beside it."""
    with site(tmp_path_factory.mktemp("governed")) as at, running(at) as backend:
        yield backend


@pytest.fixture(autouse=True)
def _nothing_to_find(governed: Api) -> Iterator[None]:
    """Whatever a test does is in order: the audit finds nothing."""
    yield
    assert findings(governed.site) == []


def findings(at: Site) -> list[Finding]:
    reader = at.reader()
    subject = AuditSubject(first_block=reader.deployment.block, deployed=reader.deployment.deployed)
    deployed = subject.deployed
    blobs = FolderBlobs(at.folder / "data" / "evidence")
    proofs = Prover(blobs, stations=deployed.station_domain, accounts=deployed.account_domain)
    return list(audit(subject, reader, proofs).findings)


def govern(api: Api, contract: str, function: str, *args: object) -> None:
    assert api.site.transact(api.site.governor, contract, function, *args)


def operate(api: Api, contract: str, function: str, *args: object) -> None:
    assert api.site.transact(api.site.operator, contract, function, *args)


def stated(api: Api, driver: Driver, meter: Meter, wh: int = 50) -> SignedStatement:
    session = driver.authorise(api, meter.station)
    meter.charge(session, wh=wh)
    return meter.state(session)


def member(api: Api, deposit_micro: int = 10**9) -> tuple[Driver, LocalAccount]:
    """A driver whose owner can send transactions."""
    driver = new_driver(api, deposit_micro)
    return driver, cast(LocalAccount, Account.from_key(driver.owner.secret))


def shown(api: Api, account: int) -> Any:
    return api.get(f"/v1/accounts/{account}")


# --- suspensions and meters --------------------------------------------------------------------


@pytest.mark.parametrize("by", ["operator", "governance"])
def test_statements_of_a_suspended_station_wait_and_its_readings_are_taken(governed: Api, by: str) -> None:
    api, act = governed, operate if by == "operator" else govern
    driver, meter, other = new_driver(api), new_meter(api), new_meter(api)
    stated(api, driver, meter)
    act(api, "StationRegistry", "suspendStation", meter.station)
    wait_until(lambda: api.get(f"/v1/stations/{meter.station}")[f"suspended_by_{by}"])
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    signed = meter.draw_up(session)

    refused(api.post("/v1/statements", statement_to_json(signed)), 409, "station-is-suspended")
    stated(api, new_driver(api), other)
    assert api.settle()["statements"] == [f"{other.station}-1"]
    assert api.get(f"/v1/statements/{meter.station}-1")["state"] == "accepted"

    act(api, "StationRegistry", "reactivateStation", meter.station)
    wait_until(lambda: not api.get(f"/v1/stations/{meter.station}")[f"suspended_by_{by}"])
    assert api.post("/v1/statements", statement_to_json(signed)).status_code == 201
    assert api.settle()["statements"] == [f"{meter.station}-1", f"{meter.station}-2"]
    assert api.get(f"/v1/statements/{meter.station}-2")["state"] == "settled"


def test_a_station_goes_on_with_a_new_meter(governed: Api) -> None:
    api, driver, meter = governed, new_driver(governed), new_meter(governed)
    stated(api, driver, meter)
    api.settle()
    at_s = meter.opening.time_s if meter.opening else 0

    meter.replace(at_s + 30, (7, 0))
    wait_until(lambda: api.get(f"/v1/stations/{meter.station}")["meter_replacements"])
    stated(api, driver, meter, wh=20)

    state = api.get(f"/v1/stations/{meter.station}")
    assert (state["sequence"], state["last_statement_sequence"], state["import_wh"]) == (2, 3, 7)
    assert api.settle()["statements"] == [f"{meter.station}-3"]
    state = api.get(f"/v1/stations/{meter.station}")
    assert (state["sequence"], state["import_wh"]) == (3, 67)
    [replacement] = state["meter_replacements"]
    assert (replacement["closing_import_wh"], replacement["opening_import_wh"]) == (150, 7)


def test_a_statement_whose_number_a_new_meter_took_is_void_and_its_number_is_used_again(governed: Api) -> None:
    api, driver, meter = governed, new_driver(governed), new_meter(governed)
    stated(api, driver, meter)
    api.settle()
    assert meter.opening is not None
    before, at_s = meter.opening, meter.opening.time_s
    meter.send([meter.next(at_s + 60)])
    idle = meter.readings
    void = meter.state()

    meter.opening, meter.readings, meter.statements = before, idle, 1
    meter.replace(at_s + 90, (7, 0))
    wait_until(lambda: api.get(f"/v1/statements/{meter.station}-2")["state"] == "void")
    refused(api.operator_http.post("/v1/settlements"), 409, "nothing-to-settle")
    session = driver.authorise(api, meter.station)
    meter.send([meter.next(at_s + 120, taken_wh=11, session=session.session_id)])
    meter.state(session)

    assert api.settle()["statements"] == [f"{meter.station}-3"]
    assert api.get(f"/v1/stations/{meter.station}")["sequence"] == 3
    shown_void = api.get(f"/v1/statements/{meter.station}-2")
    assert shown_void["refusal"] == "the meter was replaced before it"
    assert shown_void["duration_s"] == void.statement.duration_s


def test_a_key_that_was_replaced_settles_what_it_signed_and_the_new_one_goes_on(governed: Api) -> None:
    api, driver, meter = governed, new_driver(governed), new_meter(governed)
    stated(api, driver, meter)
    former, meter.key = meter.key, new_key("station")
    operate(api, "StationRegistry", "rotateKey", meter.station, meter.key.address)
    wait_until(lambda: api.get(f"/v1/stations/{meter.station}")["signer"] == address_text(meter.key.address))
    [kept] = api.get(f"/v1/stations/{meter.station}")["former_keys"]
    assert kept["signer"] == address_text(former.address)
    assert api.settle()["state"] == "settled"
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    meter.state(session)
    assert api.settle()["state"] == "settled"


# --- money -------------------------------------------------------------------------------------


def test_a_paused_escrow_makes_settlement_wait_and_says_so(governed: Api) -> None:
    api, driver, meter = governed, new_driver(governed), new_meter(governed)
    stated(api, driver, meter)
    govern(api, "Escrow", "pause")
    wait_until(lambda: api.get("/v1/health")["settlement"] == "paused")

    refused(api.operator_http.post("/v1/settlements"), 409, "settlement-paused")
    refused(
        api.operator_http.post(f"/v1/accounts/{driver.account}/deposits", json={"amount_micro": 1}),
        409,
        "transaction-refused",
    )
    assert api.get(f"/v1/statements/{meter.station}-1")["state"] == "accepted"

    govern(api, "Escrow", "unpause")
    wait_until(lambda: api.get("/v1/health")["settlement"] == "running")
    assert api.settle()["state"] == "settled"


def test_what_a_daily_cap_leaves_unpaid_is_a_debt_until_a_deposit_pays_it(governed: Api) -> None:
    api = governed
    driver, owner = member(api)
    meter = new_meter(api)
    assert api.site.transact(owner, "Escrow", "setDailyCap", driver.account, 1_000)
    wait_until(lambda: shown(api, driver.account)["daily_cap_micro"] == 1_000)
    assert shown(api, driver.account)["spendable_micro"] == 1_000
    stated(api, driver, meter)

    [amount] = api.settle()["amounts"]
    owed = -(-150 * PRICE // 1000)
    assert amount["set_aside"]
    view = shown(api, driver.account)
    assert (view["owed_micro"], view["free_micro"]) == (owed, 10**9)
    [debt] = view["debts"]
    assert api.get("/v1/debts", debtor=driver.account, open="true")["items"] == [debt]
    assert api.get("/v1/debts", debtor=driver.account, open="false")["items"] == []
    assert debt == {
        "debtor": driver.account,
        "open": True,
        "number": 0,
        "creditor": meter.payee,
        "batch": debt["batch"],
        "owed_micro": owed,
        "share_micro": 150 * PRICE // 1000,
    }

    api.operate(f"/v1/accounts/{driver.account}/deposits", {"amount_micro": owed})
    view = shown(api, driver.account)
    assert (view["owed_micro"], view["debts"], view["free_micro"]) == (0, [], 10**9)
    assert view["spendable_micro"] == 0


def test_a_debt_that_is_given_up_is_owed_no_more(governed: Api) -> None:
    api, driver, meter = governed, new_driver(governed, 0), new_meter(governed)
    stated(api, driver, meter)
    api.settle()
    assert shown(api, driver.account)["owed_micro"] > 0
    govern(api, "Escrow", "writeOff", driver.account, 0)
    wait_until(lambda: shown(api, driver.account)["owed_micro"] == 0)


def test_a_member_leaves_and_comes_back(governed: Api) -> None:
    api = governed
    driver, owner = member(api, 0)
    assert api.site.transact(owner, "AccountRegistry", "closeAccount", driver.account)
    wait_until(lambda: shown(api, driver.account)["closed"])
    assert shown(api, driver.account)["driver_key"] is None
    govern(api, "AccountRegistry", "reopenAccount", driver.account)
    wait_until(lambda: not shown(api, driver.account)["closed"])


# --- disputes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proven:
    """A settled row with what proves it to the dispute court."""

    signed: SignedStatement
    proof: tuple[object, ...]


def proven(api: Api, signed: SignedStatement, row: int = 0) -> Proven:
    """Built from the chain alone: the events' digests and the batch's transaction."""
    reader = api.site.reader()
    events = [e for e in reader.events(0, reader.head()) if e.name == "BatchSettled"]
    wanted = (signed.statement.station, signed.statement.sequence)
    for event in events:
        data = reader.call_of(event.tx).data
        batch = decode_batch(data[68 : 68 + int.from_bytes(data[36:68], "big")])
        places = [(one.statement.station, one.statement.sequence) for one in batch.statements]
        if wanted in places:
            break
    else:
        raise AssertionError("it was not settled")
    number = event.args["batch"]
    aside = [e.args["payer"] for e in reader.events(event.block, event.block) if e.name == "RowSetAside"]
    page, _ = page_of(number)
    s = signed.statement
    fields = (s.station, s.sequence, s.start_s, s.duration_s, s.import_wh, s.export_wh, s.tariff_base, s.telemetry_root)
    return Proven(
        signed,
        (
            number,
            BatchChain.of(e.args["digest"] for e in events).page(page),
            batch.evidence,
            [one.statement.struct_hash() for one in batch.statements],
            list(dict.fromkeys(aside)),
            places.index(wanted),
            fields,
            s.packed_rows(),
            row,
        ),
    )


def pass_time(api: Api, seconds: int) -> None:
    api.site.request("evm_increaseTime", seconds)
    api.site.request("evm_mine")


def row_of(api: Api, signed: SignedStatement, row: int = 0) -> Any:
    return api.get(f"/v1/statements/{signed.statement.station}-{signed.statement.sequence}")["rows"][row]


def authorisation_fields(session: Any) -> tuple[object, ...]:
    a = session.authorisation
    return (
        a.account,
        a.station,
        a.max_energy_wh,
        a.max_price_micro_per_kwh,
        a.max_cost_micro,
        a.discharge_allowed,
        a.not_before_s,
        a.expiry_s,
        a.nonce,
    )


def split(signature: bytes) -> Sequence[bytes]:
    vs = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32], vs.to_bytes(32, "big")


def test_a_disputed_row_is_justified_by_the_drivers_authorisation(governed: Api) -> None:
    api = governed
    (driver, owner), meter = member(api), new_meter(api)
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    signed = meter.state(session)
    api.settle()

    assert api.site.transact(owner, "DisputeCourt", "dispute", proven(api, signed).proof)
    wait_until(lambda: row_of(api, signed)["dispute"] == "disputed")
    assert shown(api, driver.account)["locked_micro"] == 1_000_000
    place = (meter.station, 1, 0)
    fields = authorisation_fields(session)
    operate(api, "DisputeCourt", "justify", *place, fields, *split(session.signature))
    wait_until(lambda: row_of(api, signed)["dispute"] == "justified")
    assert shown(api, driver.account)["locked_micro"] == 0


@pytest.mark.parametrize("aside", [False, True], ids=["paid", "on a debt"])
def test_a_row_that_nobody_justifies_is_reversed(governed: Api, aside: bool) -> None:
    api = governed
    (driver, owner), (_, disputer) = member(api), member(api)
    meter = new_meter(api)
    if aside:
        assert api.site.transact(owner, "Escrow", "setDailyCap", driver.account, 1)
    signed = stated(api, driver, meter)
    api.settle()
    before = shown(api, driver.account)
    [payment] = payments_of(signed.statement, tariffs_of(api, meter.payee))

    assert api.site.transact(disputer, "DisputeCourt", "dispute", proven(api, signed).proof)
    assert not api.site.transact(disputer, "DisputeCourt", "reverse", meter.station, 1, 0, 0)
    pass_time(api, 7 * DAY_S + 1)
    assert api.site.transact(disputer, "DisputeCourt", "reverse", meter.station, 1, 0, 0)
    wait_until(lambda: row_of(api, signed)["dispute"] == "reversed")
    after = shown(api, driver.account)
    if aside:
        assert (before["owed_micro"], after["owed_micro"]) == (payment.owed_micro, 0)
    else:
        assert after["free_micro"] - before["free_micro"] == payment.owed_micro
    assert not api.site.transact(disputer, "DisputeCourt", "dispute", proven(api, signed).proof)
