"""Intervals without imbalance prices: nothing is traded in them, and everybody sees why."""

from domain.wire import order_to_json
from tests.integration.backend.market_site import (
    INTERVAL_S,
    SETTLE_WITHIN_S,
    Market,
    move_to,
    new_market,
)
from tests.integration.backend.refusals import refused, wait_until
from tests.integration.backend.site import Api, Site, running


def unpriced_market(api: Api) -> Market:
    """A market whose next interval but one has no prices."""
    market = new_market(api, priced_s=INTERVAL_S)
    market.interval_s += INTERVAL_S
    return market


def publish(market: Market, *directions: str) -> None:
    """Prices for the interval alone."""
    window = {"valid_from": market.interval_s, "valid_to": market.interval_s + INTERVAL_S}
    bodies = [{"direction": one, "price_micro_per_kwh": 300_000} | window for one in directions]
    market.api.operate("/v1/tariffs", {"tariffs": bodies})


def held_back(at: Site) -> bool:
    """Whether the backend came to commit a book and did not."""
    return "no book is committed" in (at.folder / "data.log").read_text()


def test_without_prices_orders_are_refused_and_what_was_forced_ends_with_a_reason(own_site: Site) -> None:
    with running(own_site) as api:
        market = unpriced_market(api)
        buyer, forcing = market.member(), market.member(margin_micro=10**6)
        problem = refused(
            api.post("/v1/orders", order_to_json(market.order(buyer.account, buyer.key, 1_000, 300_000))),
            409,
            "no-imbalance-price",
        )
        assert problem["missing"] == "market_charge and market_discharge"
        assert problem["grid"] == market.grid
        market.force(forcing, 2_000, 300_000)
        wait_until(lambda: api.get("/v1/events", name="BidForced")["items"])
        publish(market, "market_charge")

        market.to_commit()
        wait_until(lambda: held_back(own_site))
        assert market.auction() == {"state": "none"}
        market.to(market.interval_s)
        skipped = market.wait_for("skipped")

        assert (skipped["orders"], skipped["digest"], skipped["tx"], skipped["sent"]) == (1, None, None, [])
        assert "no market_discharge tariff" in skipped["reason"]
        [listed] = api.get("/v1/auctions", state="skipped")["items"]
        assert (listed["interval"], listed["reason"]) == (market.interval_s, skipped["reason"])
        assert api.get("/v1/events", name="BidsCommitted")["items"] == []

        move_to(own_site, market.interval_s + INTERVAL_S + SETTLE_WITHIN_S + 2)
        wait_until(lambda: api.get("/v1/events", name="AuctionVoided")["items"], 20)
        assert market.auction()["state"] == "skipped"


def test_book_is_held_back_until_prices_are_published(own_site: Site) -> None:
    with running(own_site) as api:
        market = unpriced_market(api)
        forcing = market.member(margin_micro=10**6)
        market.force(forcing, 2_000, 300_000)
        wait_until(lambda: api.get("/v1/events", name="BidForced")["items"])
        market.to_commit()
        wait_until(lambda: held_back(own_site))
        assert market.auction() == {"state": "none"}
        publish(market, "market_charge", "market_discharge")
        assert market.wait_for("concluded")["reason"] is None
