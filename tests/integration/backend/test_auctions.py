"""Auctions of several members, from their orders to the money, on a real chain."""

from tests.integration.backend.market_site import Market, new_market
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Site, running


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
