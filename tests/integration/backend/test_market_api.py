"""The market over REST and from the command line: orders, their refusals, streams, books and lists."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from typer.testing import CliRunner, Result

from backend.cli.main import app
from domain.auction.book import book_digest
from domain.auction.order import SignedOrder
from domain.keccak import keccak
from domain.wire import order_to_json
from tests.integration.backend.market_site import INTERVAL_S, ZONE, Market, new_market, wallet
from tests.integration.backend.refusals import high_s, refused, wait_until
from tests.integration.backend.site import PASSPHRASE, TLS, Api, SavedSite, new_driver, new_key, running

LIMIT_S = 20


@pytest.fixture(scope="module")
def api(with_contracts: SavedSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A backend on a chain whose time this file moves on."""
    with with_contracts.restored(tmp_path_factory.mktemp("market")) as at, running(at) as backend:
        yield backend


@pytest.fixture(scope="module")
def market(api: Api) -> Market:
    return new_market(api)


def next_interval(market: Market) -> None:
    """Another interval for a test that ends one."""
    market.interval_s += INTERVAL_S


class Subscriber:
    """Reads server-sent events in a thread of its own."""

    def __init__(self, api: Api, path: str, last_event: str | None = None) -> None:
        self.events: list[dict[str, str]] = []
        self.ended = threading.Event()
        self._headers = {} if last_event is None else {"Last-Event-ID": last_event}
        self._url = api.url + path
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with httpx.stream("GET", self._url, headers=self._headers, timeout=60, verify=TLS, trust_env=False) as answer:
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                elif event:
                    self.events.append(event)
                    event = {}
        self.ended.set()

    def named(self) -> list[str]:
        return [one["event"] for one in self.events if "event" in one]

    def wait(self, *names: str) -> None:
        wait_until(lambda: self.named() == list(names), LIMIT_S)


def began(subscriber: Subscriber) -> Subscriber:
    wait_until(lambda: subscriber.events, LIMIT_S)
    return subscriber


# --- orders ------------------------------------------------------------------------------------


def test_order_is_answered_with_what_is_kept_and_again_alike(api: Api, market: Market) -> None:
    driver = market.member()
    body = order_to_json(market.order(driver.account, driver.key, 1_000, 300_000))

    first, again = api.post("/v1/orders", body), api.post("/v1/orders", body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json() == api.get(f"/v1/orders/{first.json()['order']}")
    assert [one["order"] for one in api.get("/v1/orders", account=driver.account)["items"]] == [first.json()["order"]]


def test_several_orders_in_one_request(api: Api, market: Market) -> None:
    driver = market.member()
    bodies = [order_to_json(market.order(driver.account, driver.key, 1_000, 300_000)) for _ in range(2)]
    spoiled = bodies[1] | {"quantity_wh": 0}

    answer = api.post("/v1/orders/batch", {"orders": [bodies[0], bodies[0], spoiled, 7, bodies[1]]}).json()

    assert (answer["accepted"], answer["duplicate"]) == (2, 1)
    assert [(one["index"], one["type"].rsplit("/", 1)[1]) for one in answer["refused"]] == [
        (2, "out-of-range"),
        (3, "malformed"),
    ]
    assert [one is None for one in answer["orders"]] == [False, False, True, True, False]
    refused(api.post("/v1/orders/batch", {"orders": []}), 422, "malformed")


def test_refusals_over_http(api: Api, market: Market) -> None:
    driver, stranger = market.member(), new_driver(api, 0)
    signed = market.order(driver.account, driver.key, 1_000, 300_000)
    body = order_to_json(signed)

    refused(api.post("/v1/orders", body | {"signature": high_s(body["signature"])}), 422, "high-s")
    refused(api.post("/v1/orders", body | {"quantity_wh": 999}), 403, "wrong-signer")
    refused(api.post("/v1/orders", body | {"more": 1}), 422, "malformed")
    refused(api.post("/v1/orders", body | {"sell": 1}), 422, "malformed")
    refused(api.http.get("/v1/orders/0x12"), 422, "malformed")
    refused(api.http.get("/v1/orders/0x" + "12" * 32), 404, "unknown-order")
    unjoined = market.order(stranger.account, stranger.key, 1_000, 300_000)
    refused(api.post("/v1/orders", order_to_json(unjoined)), 409, "not-joined")
    poor = market.member(deposit_micro=299_999)
    dear = market.order(poor.account, poor.key, 1_000, 300_000)
    assert refused(api.post("/v1/orders", order_to_json(dear)), 409, "balance-too-low")["free_micro"] == 299_999
    past = market.order(driver.account, driver.key, 1, 100, interval_s=INTERVAL_S)
    refused(api.post("/v1/orders", order_to_json(past)), 409, "gate-closed")


def test_account_that_sends_too_much_is_told_when_to_come_again(api: Api, market: Market) -> None:
    driver = market.member()

    def order(later: int) -> SignedOrder:
        return market.order(driver.account, driver.key, 1, 100, interval_s=market.interval_s + INTERVAL_S * later)

    for later in range(1, 20):
        orders = [order_to_json(order(later)) for _ in range(64)]
        refusals = api.post("/v1/orders/batch", {"orders": orders}).json()["refused"]
        if refusals:
            break
    assert {one["type"] for one in refusals} == {"/v1/problems/too-many-orders"}
    for _ in range(60):
        answer = api.post("/v1/orders", order_to_json(order(25)))
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) >= 1
            return
    raise AssertionError("nothing was held back")


def test_nonce_that_the_owner_cancels_on_chain_cancels_the_order(api: Api, market: Market) -> None:
    driver = market.member()
    order = market.bid(driver, 1_000, 300_000)

    assert api.site.transact(wallet(driver), "AuctionHouse", "cancel", ZONE, market.interval_s, 0)

    wait_until(lambda: market.state(order) == "cancelled")
    again = market.order(driver.account, driver.key, 5, 300_000, nonce=0)
    refused(api.post("/v1/orders", order_to_json(again)), 409, "nonce-used")


# --- streams -----------------------------------------------------------------------------------


def test_subscribers_are_told_and_go_on_where_they_were(api: Api, market: Market) -> None:
    driver = market.member()
    path = f"/v1/orders/stream?zone={ZONE}"
    subscriber = began(Subscriber(api, path))

    order = market.bid(driver, 1_000, 300_000)
    subscriber.wait("open")
    assert json.loads(subscriber.events[-1]["data"])["order"] == order
    market.cancel(driver, order)
    subscriber.wait("open", "cancelled")

    behind = began(Subscriber(api, path, subscriber.events[-2]["id"]))
    behind.wait("cancelled")
    lost = began(Subscriber(api, path, "999999999999"))
    lost.wait("reset")
    assert api.http.get(path, headers={"Last-Event-ID": "x"}).status_code == 422


def test_subscribers_are_bounded_and_their_places_are_given_back(api: Api) -> None:
    path = f"/v1/auctions/{ZONE + 1}/stream"
    with httpx.Client(base_url=api.url, timeout=30, verify=TLS, trust_env=False) as client:
        streams = []
        for _ in range(70):
            answer = client.send(client.build_request("GET", path), stream=True)
            streams.append(answer)
            if answer.status_code != 200:
                break
        assert streams[-1].status_code == 503
        assert len(streams) <= 65
        for one in streams:
            one.close()

    def again() -> bool:
        with httpx.stream("GET", api.url + path, timeout=30, verify=TLS, trust_env=False) as answer:
            return answer.status_code == 200

    wait_until(again, LIMIT_S)


def test_streams_end_when_the_service_stops(with_contracts: SavedSite, tmp_path: Path) -> None:
    with with_contracts.restored(tmp_path / "stop") as at, running(at) as api:
        subscriber = began(Subscriber(api, f"/v1/auctions/{ZONE}/stream"))
        begun_s = time.monotonic()
        api.process.terminate()
        assert subscriber.ended.wait(LIMIT_S)
        api.process.wait(timeout=LIMIT_S)
        assert time.monotonic() - begun_s < LIMIT_S


# --- an auction, and what everybody may see of it ----------------------------------------------


def command(api: Api, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--backend", api.url])


def run(api: Api, *words: str) -> Any:
    """What a command prints as JSON."""
    done = command(api, *words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def keystore(api: Api, secret: bytes) -> list[str]:
    """A key as the options of a command name it."""
    folder = api.site.folder
    file = folder / f"{keccak(secret).hex()[:8]}.json"
    file.write_text(json.dumps(Account.encrypt(secret, PASSPHRASE, kdf="pbkdf2", iterations=1000)))
    return ["--keystore", str(file), "--passphrase-file", str(folder / "passphrase")]


def test_bids_from_the_command_line_trade(api: Api, market: Market) -> None:
    next_interval(market)
    buyer, seller = market.member(), market.member(margin_micro=10**6)
    at = ["--zone", str(ZONE), "--interval", str(market.interval_s)]
    told = began(Subscriber(api, f"/v1/auctions/{ZONE}/stream"))

    bid = run(
        api,
        "bid",
        *keystore(api, buyer.key.secret),
        *at,
        "--account",
        str(buyer.account),
        "--wh",
        "900",
        "--limit",
        "300000",
    )
    second = run(
        api,
        "bid",
        *keystore(api, buyer.key.secret),
        *at,
        "--account",
        str(buyer.account),
        "--wh",
        "100",
        "--limit",
        "200000",
    )
    gone = run(api, "bid", *keystore(api, buyer.key.secret), "--cancel", second["order"])
    forced = run(
        api, "bid", *keystore(api, seller.owner.secret), *at, "--account", str(seller.account), "--wh", "900",
        "--limit", "100000", "--sell", "--force", "--rpc", api.site.rpc,
        "--deployment", str(api.site.folder / "deployment.json"),
    )  # fmt: skip

    waited: list[Any] = []
    words = [*keystore(api, buyer.key.secret), *at, "--account", str(buyer.account), "--wh", "1", "--limit", "100"]
    waiting = threading.Thread(target=lambda: waited.append(run(api, "bid", *words, "--wait")), daemon=True)
    waiting.start()
    wait_until(lambda: len(api.get("/v1/orders", account=buyer.account)["items"]) == 3)

    assert (bid["nonce"], second["nonce"], gone["state"], forced["nonce"]) == (0, 1, "cancelled", 0)
    market.to_commit()
    market.wait_for("concluded")
    assert api.get(f"/v1/orders/{bid['order']}")["filled_wh"] == 900
    waiting.join(LIMIT_S)
    assert [(one["state"], one["filled_wh"]) for one in waited] == [("settled", 0)]
    told.wait("committed", "cleared", "concluded")
    book_is_proven(api, market)
    [auction] = run(api, "auctions", "--zone", str(ZONE), "--interval", str(market.interval_s), "--json")["items"]
    assert (auction["volume_wh"], auction["price_micro_per_kwh"]) == (900, 190_000)
    positions = run(api, "positions", "--interval", str(market.interval_s), "--json")["items"]
    assert {one["account"] for one in positions} == {buyer.account, seller.account}


def book_is_proven(api: Api, market: Market) -> None:
    """Its bytes have the digest that was committed, and its lines are signed by whose they are."""
    book = api.get(f"/v1/auctions/{ZONE}/{market.interval_s}/book")
    chunks = [bytes.fromhex(one[2:]) for one in book["chunks"]]
    assert book["digest"] == "0x" + book_digest(ZONE, market.interval_s, len(book["lines"]), chunks).hex()  # type: ignore[arg-type]  # Plain numbers.
    assert market.auction()["digest"] == book["digest"]
    signed = [one for one in book["lines"] if not one["forced"]]
    assert [one["order"] for one in signed] == sorted(one["order"] for one in signed)
    assert sum(one["filled_wh"] for one in book["lines"] if one["sell"]) == book["claim"]["volumeWh"]


def test_bid_that_cannot_be_sent_says_why(api: Api, market: Market) -> None:
    at = ["--interval", str(market.interval_s + 2 * INTERVAL_S), *keystore(api, new_key("x").secret)]
    whole = ["--account", "999", "--wh", "1", "--limit", "100"]
    for words, said in (
        ([], "--account"),
        (whole, "account 999 does not exist"),
        ([*whole, "--force"], "--rpc"),
        (["--cancel", "0x12"], "64 hexadecimal digits"),
    ):
        done = command(api, "bid", *at, *words)
        assert (done.exit_code, said in done.stderr) == (2, True), done.output


def test_unknown_auctions_and_books_are_told(api: Api) -> None:
    refused(api.http.get(f"/v1/auctions/{ZONE}/900"), 404, "unknown-auction")
    refused(api.http.get(f"/v1/auctions/{ZONE}/900/book"), 404, "unknown-auction")
    assert api.get("/v1/positions", account=16_000_000)["items"] == []
