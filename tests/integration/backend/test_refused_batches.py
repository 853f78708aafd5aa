"""Batches that the contracts refuse: the rest goes on, and nothing is lost."""

from collections.abc import Callable

from sqlalchemy import update

from backend.adapters.sql import tables as t
from backend.main import open_platform
from tests.integration.backend.site import (
    Api,
    Meter,
    Site,
    running,
)
from tests.integration.backend.stated import state_of, stated


def test_one_statement_that_the_contracts_refuse_does_not_hold_up_the_rest(own_site: Site) -> None:
    with running(own_site) as api:
        good, bad = stated(api), stated(api)
        with open_store(own_site, api) as tamper:
            tamper(bad)
    with running(own_site) as api:
        settled = api.settle()

        assert settled["statements"] == [f"{good.station}-1"]
        refused = api.get(f"/v1/statements/{bad.station}-1")
        assert refused["state"] == "refused"
        assert refused["refusal"].startswith(f"WrongSigner(station={bad.station}, ")
        answer = api.operator_http.post("/v1/settlements", json={})
        assert answer.json()["type"].endswith("/nothing-to-settle")
        again = api.operator_http.post("/v1/settlements", json={"retry_refused": True})
        assert again.json()["type"].endswith("/nothing-to-settle")
        assert state_of(api, bad) == "refused"


class open_store:  # noqa: N801
    """Changes a kept statement's root in the database, so that its signature no longer holds."""

    def __init__(self, at: Site, api: Api) -> None:
        self._at, self._api = at, api

    def __enter__(self) -> Callable[[Meter], None]:
        self._api.process.terminate()
        self._api.process.wait(timeout=20)
        return self._tamper

    def __exit__(self, *_: object) -> None:
        return None

    def _tamper(self, meter: Meter) -> None:
        with open_platform(self._at.settings()) as platform, platform.store.engine.begin() as connection:
            connection.execute(
                update(t.statements).where(t.statements.c.station == meter.station).values(telemetry_root=bytes(32))
            )


def test_a_lost_settler_role_is_a_conflict_and_everything_waits(own_site: Site) -> None:
    with running(own_site) as api:
        meter = stated(api)
        account = own_site.reader().view("AccountRegistry", "accountOf", own_site.operator.address)
        assert own_site.transact(own_site.governor, "AccountRegistry", "revokeRole", account, 4)

        answer = api.operator_http.post("/v1/settlements")

        assert answer.status_code == 409
        assert (answer.json()["type"].rsplit("/", 1)[1], answer.json()["name"]) == (
            "settlement-refused",
            "MissingRole",
        )
        assert state_of(api, meter) == "accepted"
        assert own_site.transact(own_site.governor, "AccountRegistry", "grantRole", account, 4)
        assert api.settle()["state"] == "settled"
