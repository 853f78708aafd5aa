"""Statements that must not be accepted: status, problem type, and that nothing changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from domain.statement import SignedStatement
from domain.text import hex_text
from domain.units import AccountId, TariffId, UnixSeconds
from domain.wire import statement_to_json
from tests.integration.backend.refusals import START, high_s, refused, sequence_of, wait_until
from tests.integration.backend.site import (
    Api,
    Driver,
    Meter,
    new_driver,
    new_meter,
)


@pytest.fixture(scope="module")
def driver(api: Api) -> Driver:
    return new_driver(api)


@pytest.fixture(scope="module")
def charged(api: Api, driver: Driver) -> tuple[Meter, SignedStatement]:
    """A station that charged, with the honest statement, which is not sent."""
    meter = new_meter(api)
    session = driver.authorise(api, meter.station)
    meter.charge(session, steps=3, wh=100)
    return meter, meter.draw_up(session)


def with_row(signed: SignedStatement, **fields: Any) -> Any:
    statement = signed.statement
    return replace(statement, rows=(replace(statement.rows[0], **fields), *statement.rows[1:]))


STATEMENTS: list[tuple[str, int, str, Callable[[SignedStatement], Any]]] = [
    ("rows that do not sum", 422, "rows-do-not-sum", lambda s: with_row(s, energy_wh=299)),
    ("another account", 422, "rows-differ", lambda s: with_row(s, account=AccountId(3))),
    ("unknown tariff", 404, "unknown-tariff", lambda s: replace(s.statement, tariff_base=TariffId(16_000_000))),
    ("another root", 422, "telemetry-root-differs", lambda s: replace(s.statement, telemetry_root=b"\x01" * 32)),
    ("a gap", 409, "sequence-gap", lambda s: replace(s.statement, sequence=2)),
    (
        "the future",
        422,
        "from-the-future",
        lambda s: replace(s.statement, start_s=UnixSeconds(s.statement.start_s + 10**6)),
    ),
    ("nobody billed", 422, "rows-differ", lambda s: with_row(s, tariff_offset=255)),
    (
        "another start",
        422,
        "telemetry-root-differs",
        lambda s: replace(s.statement, start_s=UnixSeconds(s.statement.start_s - 1)),
    ),
]


@pytest.mark.parametrize(("status", "kind", "alter"), [s[1:] for s in STATEMENTS], ids=[s[0] for s in STATEMENTS])
def test_a_statement_that_its_evidence_does_not_bear_out_is_refused(
    api: Api, charged: tuple[Meter, SignedStatement], status: int, kind: str, alter: Callable[[SignedStatement], Any]
) -> None:
    meter, signed = charged

    refused(api.post("/v1/statements", statement_to_json(meter.sign(alter(signed)))), status, kind)

    assert sequence_of(api, meter) == (4, 0)
    assert api.http.get(f"/v1/statements/{meter.station}-1").status_code == 404


def test_an_altered_statement_has_a_wrong_signer(api: Api, charged: tuple[Meter, SignedStatement]) -> None:
    meter, signed = charged
    good = statement_to_json(signed)

    refused(api.post("/v1/statements", good | {"import_wh": 1}), 403, "wrong-signer")
    refused(api.post("/v1/statements", good | {"rows": []}), 403, "wrong-signer")
    refused(api.post("/v1/statements", good | {"signature": high_s(good["signature"])}), 422, "high-s")
    refused(api.post("/v1/statements", good | {"station": 16_000_000}), 404, "unknown-station")
    assert sequence_of(api, meter) == (4, 0)


def test_the_tariff_of_another_operator_is_refused(api: Api, charged: tuple[Meter, SignedStatement]) -> None:
    meter, signed = charged
    other = other_operators_tariff(api)
    statement = replace(with_row(signed, tariff_offset=0), tariff_base=TariffId(other))

    problem = refused(api.post("/v1/statements", statement_to_json(meter.sign(statement))), 422, "tariff-not-valid")

    assert "belongs to operator" in problem["detail"]


def test_limits_of_the_driver_bind(api: Api, driver: Driver) -> None:
    meter = new_meter(api)
    session = driver.authorise(api, meter.station, max_energy_wh=299)
    meter.charge(session, steps=3, wh=100)

    problem = refused(api.post("/v1/statements", statement_to_json(meter.draw_up(session))), 422, "not-authorised")

    assert (problem["limit"], problem["allowed"], problem["asked"]) == ("maximum energy", 299, 300)
    assert api.get(f"/v1/sessions/{hex_text(session.session_id)}")["energy_wh"] == 0


def test_a_statement_number_is_used_once(api: Api) -> None:
    meter = new_meter(api)
    meter.send([meter.next(START)])
    first = meter.state()
    other = meter.sign(replace(first.statement, telemetry_root=b"\x02" * 32))

    refused(api.post("/v1/statements", statement_to_json(other)), 409, "sequence-reused")


def other_operators_tariff(api: Api) -> int:
    """A tariff that another operator, made here, publishes past the backend."""
    at = api.site
    other = Account.create()
    assert at.transact(at.governor, "AccountRegistry", "openAccount", other.address, "0x" + "00" * 20)
    account = at.reader().view("AccountRegistry", "accountOf", other.address)
    assert at.transact(at.governor, "AccountRegistry", "grantRole", account, 2)
    terms = (account, 0, 1000, START - 86_400, START + 86_400)
    assert at.transact(other, "TariffBook", "publish", [terms])
    number = int(at.reader().view("TariffBook", "tariffCount")) - 1
    wait_until(lambda: api.get("/v1/tariffs", payee=account)["items"])
    return number
