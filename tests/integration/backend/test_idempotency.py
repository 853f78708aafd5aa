"""Idempotency keys: what is asked for twice happens once, also when the service is killed in between."""

import json
import signal
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from backend.adapters.sql import tables as t
from backend.application.accounts import Deposit
from backend.application.idempotency import KEPT_S, Once
from backend.main import Platform, open_platform
from domain.text import address_text
from tests.integration.backend.refusals import refused, wait_until
from tests.integration.backend.site import (
    TOKEN,
    Api,
    Site,
    interval_start,
    new_driver,
    new_key,
    new_meter,
    running,
)


def ask(api: Api, path: str, body: object, key: str) -> httpx.Response:
    return api.operator_http.post(path, content=json.dumps(body), headers={"Idempotency-Key": key})


def supply(at: Site) -> int:
    return int(at.reader().view("SettlementToken", "totalSupply"))


def sent(api: Api) -> int:
    return len(api.get("/v1/transactions", limit=500)["items"])


def free(api: Api, account: int) -> int:
    return int(api.get(f"/v1/accounts/{account}")["free_micro"])


def test_every_operators_request_is_carried_out_once(own_site: Site) -> None:
    with running(own_site) as api:
        driver, meter = new_driver(api), new_meter(api)
        session = driver.authorise(api, meter.station)
        meter.charge(session)
        meter.state(session)
        start = interval_start()
        requests: dict[str, Any] = {
            "/v1/accounts": {"members": [{"owner": address_text(new_key("owner").address)}]},
            f"/v1/accounts/{driver.account}/deposits": {"amount_micro": 7},
            "/v1/deposits": {"deposits": [{"account": driver.account, "amount_micro": n} for n in (1, 2)]},
            "/v1/stations": {
                "signers": [address_text(new_key("station").address)],
                "rated_power_w": 5,
                "bidirectional": False,
            },
            "/v1/tariffs": {
                "tariffs": [
                    {"direction": "charge", "price_micro_per_kwh": 1, "valid_from": start, "valid_to": start + 9}
                ]
            },
            "/v1/settlements": {"retry_refused": False},
        }
        for number, (path, body) in enumerate(requests.items()):
            first = ask(api, path, body, f"key {number}")
            count = sent(api)
            again = ask(api, path, body, f"key {number}")
            other = ask(api, path, body | {"x": 1}, f"key {number}")

            assert (first.status_code, first.json()) == (again.status_code, again.json())
            assert first.status_code in {201, 202}
            assert other.status_code in {409, 422}
            assert sent(api) == count
        api.wait_settled(first.json()["settlement"])
        assert ask(api, "/v1/settlements", requests["/v1/settlements"], "key 5").json() == first.json()
        assert api.get(f"/v1/accounts/{driver.account}")["deposited_micro"] == 10**9 + 10


def test_another_request_under_the_same_key_is_a_conflict(api: Api) -> None:
    driver = new_driver(api, 0)
    path = f"/v1/accounts/{driver.account}/deposits"
    assert ask(api, path, {"amount_micro": 5}, "one").status_code == 201

    refused(ask(api, path, {"amount_micro": 6}, "one"), 409, "idempotency-key-reused")
    refused(
        ask(api, "/v1/deposits", {"deposits": [{"account": driver.account, "amount_micro": 5}]}, "one"),
        409,
        "idempotency-key-reused",
    )
    assert ask(api, path, {"amount_micro": 6}, "two").status_code == 201
    assert free(api, driver.account) == 11


def test_what_was_refused_can_be_asked_for_again_under_its_key(api: Api) -> None:
    member = {"owner": address_text(new_key("owner").address)}
    refused(ask(api, "/v1/accounts/16000000/deposits", {"amount_micro": 1}, "refused"), 404, "unknown-account")

    assert ask(api, "/v1/accounts", {"members": [member]}, "refused").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 65, "tab\there", "caf\xe9", "\x7f"])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    headers = {b"Authorization": f"Bearer {TOKEN}".encode(), b"Idempotency-Key": key.encode("latin-1")}
    answer = api.http.post("/v1/deposits", content=b"{}", headers=list(headers.items()))

    assert answer.status_code in {400, 422}
    if answer.headers["content-type"] == "application/problem+json":
        assert "Idempotency-Key" in answer.json()["detail"]


def test_the_same_request_at_the_same_time_is_carried_out_once(api: Api) -> None:
    driver = new_driver(api, 0)
    answers: list[httpx.Response] = []

    def deposit() -> None:
        answers.append(ask(api, f"/v1/accounts/{driver.account}/deposits", {"amount_micro": 3}, "at once"))

    threads = [threading.Thread(target=deposit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert [answer.status_code for answer in answers] == [201] * 6
    assert free(api, driver.account) == 3


def test_a_kill_while_a_deposit_is_on_its_way_deposits_once(own_site: Site) -> None:
    with running(own_site) as api:
        account = new_driver(api, 0).account
        before, path = supply(own_site), f"/v1/accounts/{account}/deposits"
        own_site.request("evm_setAutomine", False)
        lost: list[Exception] = []

        def deposit() -> None:
            try:
                ask(api, path, {"amount_micro": 5}, "kill")
            except httpx.HTTPError as error:
                lost.append(error)

        asking = threading.Thread(target=deposit)
        asking.start()
        wait_until(lambda: len(api.get("/v1/transactions", state="sent", purpose="mint")["items"]) == 2)
        api.process.send_signal(signal.SIGKILL)
        api.process.wait(timeout=10)
        asking.join(timeout=10)
    own_site.request("evm_setAutomine", True)
    own_site.request("evm_mine")
    with running(own_site) as api:
        for _ in range(2):
            assert ask(api, path, {"amount_micro": 5}, "kill").json() == {
                "deposits": [{"account": account, "amount_micro": 5}]
            }
        assert free(api, account) == 5
    assert lost
    assert supply(own_site) == before + 5


class Killed(Exception):
    """Stands for the end of the process."""


def killed_at(platform: Platform, method: str, call: int, act: Callable[[], None]) -> None:
    """Runs `act`, which ends where it calls a method of the outbox for the `call`th time."""
    calls = iter(range(1, 100))
    real = getattr(platform.outbox, method)

    def stopping(*args: Any) -> Any:
        if next(calls) == call:
            raise Killed
        return real(*args)

    setattr(platform.outbox, method, stopping)
    with pytest.raises(Killed):
        act()


@pytest.mark.parametrize(("method", "call"), [("wait", 1), ("plan", 2), ("wait", 2)])
def test_a_kill_at_any_step_of_a_deposit_deposits_once(own_site: Site, method: str, call: int) -> None:
    once = Once("steps", bytes(32))
    with open_platform(own_site.settings()) as platform:
        platform.follow()
        before = supply(own_site)
        deposits = [Deposit(1, 5), Deposit(2, 6)]
        killed_at(platform, method, call, lambda: platform.services.accounts.pay_in(deposits, once))
    with open_platform(own_site.settings()) as platform:
        platform.follow()
        accounts = platform.services.accounts
        accounts.pay_in([Deposit(1, 100)])  # Uses up the allowance that the first run may have left.
        for _ in range(2):
            accounts.pay_in(deposits, once)
        paid = [accounts.get(account).balance.free_micro for account in (1, 2)]
    assert paid == [105, 6]
    assert supply(own_site) == before + 111


def test_old_keys_are_dropped(own_site: Site) -> None:
    with open_platform(own_site.settings()) as platform:
        platform.follow()
        platform.services.accounts.pay_in([Deposit(1, 5)], Once("old", bytes(32)))
        with platform.store.engine.begin() as connection:
            connection.execute(text(f"UPDATE idempotency_keys SET kept_at_s = kept_at_s - {KEPT_S} - 1"))  # noqa: S608  # A constant of ours.
        platform.services.accounts.pay_in([Deposit(1, 5)], Once("new", bytes(32)))
        with platform.store.engine.connect() as connection:
            keys = [row.key for row in connection.execute(select(t.idempotency_keys.c.key))]
            steps = {row.key for row in connection.execute(select(t.idempotency_steps.c.key))}
    assert (keys, steps) == (["new"], {"new"})
