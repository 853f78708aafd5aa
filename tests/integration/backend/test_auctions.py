"""Auctions of several members, from their orders to the money, on a real chain."""

from eth_abi.abi import encode

from domain.keccak import keccak
from domain.text import address_text
from domain.wire import order_to_json
from tests.integration.backend.market_site import (
    GATE_S,
    INTERVAL_S,
    SETTLE_WITHIN_S,
    ZONE,
    Market,
    move_to,
    new_market,
    wallet,
)
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Driver, Site, new_key, running


def filled(market: Market, order: str) -> int | None:
    found = market.api.get(f"/v1/orders/{order}")
    return None if found["state"] != "settled" else int(found["filled_wh"])


def test_members_trade_and_pay_what_they_traded(own_site: Site) -> None:
    with running(own_site) as api:
        market = new_market(api)
        buyer, other, seller = (market.member() for _ in range(3))
        forcing = market.member(margin_micro=10**8)
        bought = market.bid(buyer, 5_000, 300_000)
        too_low = market.bid(other, 5_000, 100_000)
        sold = market.bid(seller, 4_000, 150_000, sell=True)
        offered = market.backstop(10**6, 800_000, sell=True)
        cancelled = market.bid(other, 1_000, 400_000)
        assert market.cancel(other, cancelled).status_code == 200
        market.force(forcing, 2_000, 900_000)
        wait_until(lambda: api.get("/v1/events", name="BidForced")["items"])

        market.to_commit()
        cleared = market.wait_for("concluded")

        assert (cleared["forced"], cleared["orders"]) == (1, 5)
        price = cleared["price_micro_per_kwh"]
        assert 150_000 <= price <= 280_000
        assert cleared["volume_wh"] == 4_000
        assert [filled(market, order) for order in (bought, too_low, sold, offered)] == [2_000, 0, 4_000, 0]
        assert market.state(cancelled) == "cancelled"
        open_wh = {account: one["open"] for account, one in market.positions().items()}
        assert {a: (o["bought_wh"], o["sold_wh"]) for a, o in open_wh.items()} == {
            buyer.account: (2_000, 0),
            seller.account: (0, 4_000),
            forcing.account: (2_000, 0),
        }

        market.to_close()
        wait_until(lambda: not api.get("/v1/positions", open="true")["items"], 20)

        money = {account: one["net_micro"] for account, one in market.positions().items()}
        # Nothing was metered: what was bought is sold back, what was sold is bought, each at the imbalance price.
        assert money[buyer.account] == -(-2_000 * (price + 20_000) // 1_000) - 2_000 * 50_000 // 1_000
        assert money[seller.account] == 4_000 * (900_000 - price) // 1_000
        assert api.get(f"/v1/accounts/{buyer.account}")["free_micro"] == 10**9 - money[buyer.account]


def margin(market: Market, driver: Driver) -> int:
    owner = address_text(driver.owner.address)
    return int(market.at.reader().view("AuctionHouse", "seatOf", ZONE, owner)[1])


def test_auction_in_which_nothing_crosses_gives_back_what_was_forced(own_site: Site) -> None:
    with running(own_site) as api:
        market = new_market(api)
        forcing, seller = market.member(margin_micro=10**6), market.member()
        market.force(forcing, 2_000, 100_000)
        offered = market.bid(seller, 1_000, 900_000, sell=True)
        assert margin(market, forcing) == 800_000

        market.to_commit()
        ended = market.wait_for("concluded")

        assert (ended["price_micro_per_kwh"], ended["volume_wh"]) == (None, 0)
        assert filled(market, offered) == 0
        assert market.positions() == {}
        wait_until(lambda: margin(market, forcing) == 10**6, 20)


def test_orders_of_a_missed_auction_end_and_forced_money_returns(own_site: Site) -> None:
    with running(own_site, AUTO_AUCTION="false") as api:
        market = new_market(api)
        forcing, buyer = market.member(margin_micro=10**6), market.member()
        market.force(forcing, 2_000, 300_000)
        missed = market.bid(buyer, 1_000, 300_000)
    move_to(own_site, market.interval_s + INTERVAL_S + SETTLE_WITHIN_S + 2)
    with running(own_site) as api:
        market.api = api
        wait_until(lambda: market.state(missed) == "left_out", 20)
        wait_until(lambda: margin(market, forcing) == 10**6, 20)
        assert api.get(f"/v1/orders/{missed}")["reason"] == "no book was committed in time"
        ended = market.auction()
        assert (ended["state"], ended["orders"], ended["reason"]) == ("skipped", 2, "no book was committed in time")


def test_sealed_order_that_is_revealed_after_the_gate_is_in_the_book(own_site: Site) -> None:
    with running(own_site) as api:
        market = new_market(api)
        sealing, seller = market.member(margin_micro=10**7), market.member()
        market.bid(seller, 1_000, 100_000, sell=True)
        word, salt = market.word(sealing, 700, 300_000, nonce=5), b"\x07" * 32
        commitment = keccak(encode(["uint24", "bytes32", "bytes32"], [sealing.account, word, salt]))
        assert own_site.transact(wallet(sealing), "AuctionHouse", "seal", ZONE, market.interval_s, commitment)
        market.to(market.interval_s - GATE_S + 2)
        assert own_site.transact(wallet(sealing), "AuctionHouse", "reveal", word, salt)

        market.to_commit()
        ended = market.wait_for("concluded")

        assert (ended["sealed"], ended["forced"], ended["volume_wh"]) == (1, 1, 700)
        assert market.positions()[sealing.account]["open"]["bought_wh"] == 700


def test_order_whose_key_was_replaced_before_the_gate_is_left_out(own_site: Site) -> None:
    with running(own_site) as api:
        market = new_market(api)
        buyer, seller = market.member(), market.member()
        stale = market.bid(buyer, 1_000, 300_000)
        market.bid(seller, 1_000, 100_000, sell=True)
        new = address_text(new_key("new").address)
        assert own_site.transact(wallet(buyer), "AccountRegistry", "setDriverKey", buyer.account, new)

        market.to_commit()
        ended = market.wait_for("concluded")

        assert (market.state(stale), ended["orders"], ended["volume_wh"]) == ("left_out", 1, 0)


def test_book_of_several_chunks_is_settled_chunk_by_chunk(own_site: Site) -> None:
    with running(own_site) as api:
        market = new_market(api)
        members = market.members(16)
        orders = [market.order(one.account, one.key, 10, 300_000) for one in members for _ in range(64)]
        for at in range(0, len(orders), 400):
            bodies = [order_to_json(one) for one in orders[at : at + 400]]
            answer = api.post("/v1/orders/batch", {"orders": bodies}).json()
            assert answer["accepted"] == len(bodies), answer["refused"][:1]
        market.backstop(10_000, 100_000, sell=True)

        market.to_commit()
        ended = market.wait_for("concluded", 60)

        assert (ended["orders"], ended["chunks_settled"], ended["volume_wh"]) == (1_025, 2, 10_000)
        assert sum(one["open"]["bought_wh"] for one in market.positions().values()) == 10_000
