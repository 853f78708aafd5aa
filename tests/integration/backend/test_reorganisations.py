"""Chains that change their past, are gone, or are not certain yet."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit

from domain.wire import statement_to_json
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import (
    Site,
    new_driver,
    publish,
    running,
)
from tests.integration.backend.stated import batches, state_of, stated


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


def test_with_confirmations_events_count_later(own_site: Site) -> None:
    with running(own_site, CONFIRMATIONS="2") as api:
        [account] = api.operate("/v1/accounts", {"members": [{"owner": "0x" + "77" * 20}]})["accounts"]
        assert api.http.get(f"/v1/accounts/{account}").status_code == 404

        own_site.request("anvil_mine", "0x2")

        wait_until(lambda: api.http.get(f"/v1/accounts/{account}").status_code == 200)
        health = api.get("/v1/health")
        assert health["indexed_block"] == health["block"] - 2
