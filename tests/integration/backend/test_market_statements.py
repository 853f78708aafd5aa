"""Statements on the wrong side of the market are refused as the audit would name them, and no others."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from domain.statement import SignedStatement
from domain.tariff import Direction
from domain.text import address_text
from domain.wire import statement_to_json
from tests.integration.backend.market_site import ZONE, chain_time, wallet
from tests.integration.backend.refusals import refused, sequence_of, wait_until
from tests.integration.backend.site import (
    Api,
    Driver,
    Meter,
    Site,
    new_driver,
    new_meter,
    operator_address,
    running,
    site,
    tariffs_of,
)

INTERVAL_S = 900
BEGAN_AGO_S = 4 * 3_600


@dataclass(frozen=True, slots=True)
class Past:
    """A market that runs since some hours ago. Energy flows from `start_s` on."""

    api: Api
    start_s: int

    @property
    def at(self) -> Site:
        return self.api.site

    def join(self, driver: Driver, time_s: int) -> Driver:
        self.at.request("evm_setNextBlockTimestamp", time_s)
        assert self.at.transact(wallet(driver), "AuctionHouse", "join", ZONE, 0)
        wait_until(lambda: self.api.get("/v1/events", name="Joined", account=driver.account)["items"])
        return driver

    def charged(self, driver: Driver, *, traded: bool) -> tuple[Meter, SignedStatement]:
        """A station at which the driver charged, and its statement, which is not sent."""
        meter = new_meter(self.api)
        session = driver.authorise(self.api, meter.station)
        meter.charge(session, start=self.start_s)
        return meter, meter.draw_up(session, traders=[driver.account] if traded else [])


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Prices of the market begin two hours ago, as does all energy."""
    start_s = (int(time.time()) - 7_200) // INTERVAL_S * INTERVAL_S
    with (
        site(tmp_path_factory.mktemp("past"), "--timestamp", str(start_s - BEGAN_AGO_S)) as at,
        running(at, AUTO_AUCTION="false") as api,
    ):
        grid = api.get("/v1/accounts", owner=address_text(operator_address(at)))["items"][0]["account"]
        assert at.transact(at.governor, "AuctionHouse", "setZone", ZONE, (grid, 0, 10**6, 10**6))
        window = {"valid_from": start_s, "valid_to": start_s + 86_400}
        names = ("market_charge", "market_discharge")
        bodies = [{"direction": name, "price_micro_per_kwh": 400_000} | window for name in names]
        api.operate("/v1/tariffs", {"tariffs": bodies})
        assert chain_time(at) < start_s - 7_200
        yield Past(api, start_s)


def test_members_stand_where_the_audit_wants_them(past: Past) -> None:
    member, young, stranger = (new_driver(past.api) for _ in range(3))
    past.join(member, past.start_s - 3_600)
    past.join(young, past.start_s - 3_599)

    meter, plain = past.charged(member, traded=False)
    problem = refused(past.api.post("/v1/statements", statement_to_json(plain)), 422, "off-market")
    wanted = next(one for one in tariffs_of(past.api, meter.payee) if one.direction == Direction.MARKET_CHARGE)
    assert (problem["row"], problem["account"]) == (0, member.account)
    assert f"use market_charge tariff {wanted.tariff}" in problem["detail"]
    assert sequence_of(past.api, meter)[1] == 0

    meter, foreign = past.charged(stranger, traded=True)
    problem = refused(past.api.post("/v1/statements", statement_to_json(foreign)), 422, "off-market")
    assert (problem["row"], problem["account"], problem["tariff"]) == (0, stranger.account, wanted.tariff)
    assert sequence_of(past.api, meter)[1] == 0

    for driver, traded in ((member, True), (young, False), (young, True), (stranger, False)):
        _, statement = past.charged(driver, traded=traded)
        answer = past.api.post("/v1/statements", statement_to_json(statement))
        assert answer.status_code == 201, (driver, traded, answer.text)
