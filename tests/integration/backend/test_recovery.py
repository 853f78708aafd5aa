"""Crashes, reorganisations and refusals between the database and the chain: everything is settled exactly once."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update

from backend.adapters.sql import tables as t
from backend.application.errors import OtherDeployment
from backend.application.records import OutboxState
from backend.main import Platform, open_platform
from domain.text import hex_text
from domain.wire import statement_to_json
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import (
    Api,
    Meter,
    Site,
    interval_start,
    new_driver,
    new_meter,
    publish,
    running,
    site,
)


def batches(at: Site) -> int:
    return int(at.reader().view("SessionSettlement", "batchCount"))


def stated(api: Api) -> Meter:
    """A station with an accepted statement of a driver who can pay."""
    driver, meter = new_driver(api), new_meter(api)
    session = driver.authorise(api, meter.station)
    meter.charge(session)
    meter.state(session)
    return meter


def state_of(api: Api, meter: Meter, sequence: int = 1) -> str:
    return str(api.get(f"/v1/statements/{meter.station}-{sequence}")["state"])


def test_a_kill_between_commit_and_broadcast_settles_exactly_once(own_site: Site) -> None:
    with running(own_site) as api:
        meter = stated(api)
        api.process.send_signal(signal.SIGKILL)
        api.process.wait(timeout=10)
    with open_platform(own_site.settings()) as platform:
        # As if the process had died right after the commit: built and kept, but never sent.
        settlement = platform.services.settlements.build()
        assert platform.services.ways.settlement(settlement).record.state == "built"
    assert batches(own_site) == 0

    with running(own_site) as api:
        assert api.wait_settled(settlement)["state"] == "settled"
        assert state_of(api, meter) == "settled"
    with running(own_site) as api:
        assert api.get("/v1/settlements")["items"][0]["settlement"] == settlement
    assert batches(own_site) == 1


def test_a_kill_after_broadcast_settles_exactly_once(own_site: Site) -> None:
    with running(own_site) as api:
        stated(api)
    with open_platform(own_site.settings()) as platform:
        settlement = platform.services.settlements.build()
        with platform.store.read() as unit:
            [entry] = unit.outbox.open(platform.outbox.operator)
        # As if the process had died after the broadcast, before anything was noted.
        own_site.request("eth_sendRawTransaction", hex_text(entry.raw))
        assert entry.state == OutboxState.QUEUED

    with running(own_site) as api:
        assert api.wait_settled(settlement)["state"] == "settled"
    assert batches(own_site) == 1


def test_readings_are_durable_when_the_answer_is_there(own_site: Site) -> None:
    with running(own_site) as api:
        meter = new_meter(api)
        meter.send([meter.next(interval_start())])
        os.kill(api.process.pid, signal.SIGKILL)
        api.process.wait(timeout=10)
    with running(own_site) as api:
        assert api.get(f"/v1/stations/{meter.station}")["last_reading_sequence"] == 1


def test_the_same_batch_a_second_time_is_refused_on_chain(api: Api) -> None:
    meter = stated(api)
    settled = api.settle()
    reader = api.site.reader()
    call = reader.call_of(bytes.fromhex(settled["tx"][2:]))
    count, free = batches(api.site), reader.view("Escrow", "freeOf", meter.payee)
    _, batch = reader.contract("SessionSettlement").decode_function_input(hex_text(call.data))

    assert not api.site.transact(api.site.operator, "SessionSettlement", "settle", batch["batch"])

    assert (batches(api.site), reader.view("Escrow", "freeOf", meter.payee)) == (count, free)


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


def test_a_reorganisation_is_rolled_back_and_settled_again(own_site: Site) -> None:
    with running(own_site) as api:
        meter = stated(api)
        price = len(api.get("/v1/tariffs")["items"])
        publish(api, 123)
        settled = api.settle()
        assert settled["state"] == "settled"
        before = api.get("/v1/events", limit=500)["items"]
        old_hash = own_site.reader().block(own_site.reader().head()).block_hash

        own_site.request("anvil_reorg", 2, [])

        wait_until(lambda: batches(own_site) == 1)
        wait_until(lambda: state_of(api, meter) == "settled")
        wait_until(lambda: len(api.get("/v1/tariffs")["items"]) == price + 1)
        again = api.wait_settled(settled["settlement"])
        assert (again["state"], again["tx"], again["batch"]) == ("settled", settled["tx"], 1)
        after = api.get("/v1/events", limit=500)["items"]
        key = [(one["name"], one["args"]) for one in before]
        assert sorted(map(str, key)) == sorted(str((one["name"], one["args"])) for one in after)
        assert own_site.reader().block(own_site.reader().head()).block_hash != old_hash
        meter.charge(new_driver(api).authorise(api, meter.station))


def test_a_reorganisation_while_the_service_is_down_is_found(own_site: Site) -> None:
    with running(own_site) as api:
        publish(api)
        owner = new_driver(api, 0)
        assert len(api.get("/v1/accounts")["items"]) == 5
    own_site.request("anvil_reorg", 1, [])
    with running(own_site) as api:
        # The transaction that opened the account vanished with its block; the outbox sends it again.
        wait_until(lambda: len(api.get("/v1/accounts")["items"]) == 5)
        assert api.get(f"/v1/accounts/{owner.account}")["driver_key"] is not None


def test_a_transaction_overtaken_by_another_with_its_nonce_is_given_up(own_site: Site) -> None:
    with running(own_site) as api:
        meter = stated(api)
    with open_platform(own_site.settings()) as platform:
        first = platform.services.settlements.build()
        # The operator's key is used elsewhere for the same nonce.
        own_site.transact(own_site.operator, "SettlementToken", "approve", own_site.governor.address, 1)
    with running(own_site) as api:
        assert api.wait_settled(first)["state"] == "failed"
        assert state_of(api, meter) == "accepted"
        assert api.settle()["state"] == "settled"
        assert api.get(f"/v1/settlements/{first}")["state"] == "settled"


def test_the_loop_settles_by_itself(own_site: Site) -> None:
    with running(own_site, AUTO_SETTLE="true", BATCH_STATEMENTS="2", BATCH_AGE_S="3600") as api:
        first = stated(api)
        time.sleep(1.2)
        assert state_of(api, first) == "accepted"
        second = stated(api)
        wait_until(lambda: state_of(api, second) == "settled")
        assert state_of(api, first) == "settled"


class Relay:
    """Passes connections on to a node until it is closed: then the node is gone, as its users see it."""

    def __init__(self, node: str) -> None:
        self._node = (urlsplit(node).hostname or "", urlsplit(node).port or 0)
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._listener, *self._open):
            # A thread that waits in accept or recv is woken up by the shutdown alone.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._node, timeout=10)
                self._open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)


def test_a_chain_that_is_gone_is_unavailable_not_a_failure(own_site: Site) -> None:
    relay = Relay(own_site.rpc)
    try:
        with running(own_site, RPC_URL=relay.url) as api:
            meter = stated(api)
            relay.close()

            for answer in (
                api.http.get("/v1/health"),
                api.http.get("/v1/accounts"),
                api.operator_http.post("/v1/settlements"),
            ):
                assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[1]) == (503, "chain-unreachable")
                assert int(answer.headers["Retry-After"]) > 0
            assert meter.opening is not None
            assert api.post("/v1/readings", meter.next(meter.opening.time_s + 60)).status_code == 201
            assert api.post("/v1/statements", statement_to_json(meter.draw_up())).status_code == 201
    finally:
        relay.close()


def test_one_process_holds_the_data_folder(own_site: Site) -> None:
    with open_platform(own_site.settings()) as platform:
        assert isinstance(platform, Platform)
        with pytest.raises(BlockingIOError, match="another process"), open_platform(own_site.settings()):
            pass


def test_a_data_folder_of_another_deployment_is_refused(own_site: Site, tmp_path: Path) -> None:
    with open_platform(own_site.settings()) as platform, platform.store.read() as unit:
        assert unit.blocks.last() is None
    with site(tmp_path) as other:
        settings = other.settings(DATA_DIR=str(own_site.folder / "data"))
        with pytest.raises(OtherDeployment, match="another deployment"), open_platform(settings):
            pass


def test_no_nonce_is_used_twice(own_site: Site) -> None:
    with running(own_site) as api:
        stated(api)
        api.settle()
    with open_platform(own_site.settings()) as platform, platform.store.engine.connect() as connection:
        nonces = [row.nonce for row in connection.execute(select(t.outbox.c.nonce).order_by(t.outbox.c.nonce))]
    assert nonces == list(range(len(nonces)))


def test_it_stops_when_it_is_told_to(own_site: Site) -> None:
    with running(own_site, AUTO_SETTLE="true") as api:
        stated(api)
        api.process.terminate()
        assert api.process.wait(timeout=20) == 0
    log = (own_site.folder / "data.log").read_text()
    assert "Traceback" not in log
    assert "exception" not in log


def test_with_confirmations_events_count_later(own_site: Site) -> None:
    with running(own_site, CONFIRMATIONS="2") as api:
        [account] = api.operate("/v1/accounts", {"members": [{"owner": "0x" + "77" * 20}]})["accounts"]
        assert api.http.get(f"/v1/accounts/{account}").status_code == 404

        own_site.request("anvil_mine", "0x2")

        wait_until(lambda: api.http.get(f"/v1/accounts/{account}").status_code == 200)
        health = api.get("/v1/health")
        assert health["indexed_block"] == health["block"] - 2
