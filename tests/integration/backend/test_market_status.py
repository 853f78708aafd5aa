"""The status names auctions that are stuck and positions that could be closed, while nobody runs them."""

from tests.integration.backend.market_site import INTERVAL_S, move_to, new_market
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Site, running

NEVER = {"AUTO_AUCTION": "false"}


def test_what_is_stuck_is_counted_until_somebody_goes_on(own_site: Site) -> None:
    with running(own_site, **NEVER) as api:
        market = new_market(api)
        buyer, seller = market.member(), market.member()
        market.bid(buyer, 2_000, 300_000)
        market.bid(seller, 2_000, 100_000, sell=True)
        nothing = {
            "auctions": {"without_book": 0, "unsettled": 0, "oldest": None},
            "positions": {"closable": 0, "oldest": None},
        }
        assert api.get("/v1/status")["market"] == nothing
        market.to_commit()
        stuck = {"without_book": 1, "unsettled": 0, "oldest": market.interval_s}
        wait_until(lambda: api.get("/v1/status")["market"]["auctions"] == stuck)
    with running(own_site) as api:
        market.api = api
        market.wait_for("concluded")
        assert api.get("/v1/status")["market"] == nothing
    move_to(own_site, market.interval_s + 4 * INTERVAL_S)
    with running(own_site, **NEVER) as api:
        found = api.get("/v1/status")
        assert found["market"]["positions"] == {"closable": 2, "oldest": market.interval_s}
        assert [one for one in found["attention"] if one.startswith("2 positions are open although they can be closed")]
    with running(own_site) as api:
        wait_until(lambda: api.get("/v1/status")["market"] == nothing, 20)
        assert api.get("/v1/status")["attention"] == []
