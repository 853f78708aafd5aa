"""Auctions whose operator is stopped between any two steps, killed, or caught by a reorganisation."""

import os
import signal
import time
from collections.abc import Callable

from backend.main import Platform, open_platform
from tests.integration.backend.market_site import ZONE, Market, move_to, new_market
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Driver, Site, running

NEVER = {"AUTO_AUCTION": "false"}
ENDED = ["commit-0", "clear-0", "settle-0", "close-0"]


def with_orders(market: Market) -> tuple[Driver, Driver]:
    """A buyer and a seller that trade 2 kWh."""
    buyer, seller = market.member(), market.member()
    market.bid(buyer, 2_000, 300_000)
    market.bid(seller, 2_000, 100_000, sell=True)
    return buyer, seller


def steps(platform: Platform, market: Market) -> list[str]:
    """What blocks hold of an auction's steps, in the order in which they were sent."""
    with platform.store.read() as unit:
        sent = unit.books.transactions(ZONE, market.interval_s)
        found = [(record, step, place) for step, place, tx in sent if (record := unit.outbox.record(tx))]
    assert all(record.succeeded in (None, True) for record, _, _ in found)
    return [f"{step.value}-{place}" for record, step, place in sorted(found, key=lambda one: one[0].nonce)]


def stop_and_go(at: Site, *acts: Callable[[Platform], object]) -> None:
    """Each act in a process life of its own: nothing but the store is left of the one before."""
    for act in acts:
        with open_platform(at.settings(**NEVER)) as platform:
            act(platform)


def test_an_auction_goes_on_after_a_stop_between_any_two_steps(own_site: Site) -> None:
    with running(own_site, **NEVER) as api:
        market = new_market(api)
        with_orders(market)
        market.to_commit()
    seen: list[str] = []

    def advance(platform: Platform) -> None:
        """The step is kept, and the process ends before anything is sent."""
        platform.indexer.sync()
        assert platform.services.auctions.advance() == 1
        assert platform.services.auctions.advance() == 0

    def follow(platform: Platform) -> None:
        """The next one sends it, and ends once a block holds it."""
        wait_until(lambda: _delivered(platform))
        seen[:] = steps(platform, market)

    for expected in (1, 2, 3):
        stop_and_go(own_site, advance, follow)
        assert seen == ENDED[:expected]
    stop_and_go(own_site, _idle)
    move_to(own_site, market.interval_s + 1_805)
    stop_and_go(own_site, advance, follow, _idle)
    assert seen == ENDED


def settled_in(at: Site) -> bytes | None:
    """Hash of the block in which a book was settled."""
    reader = at.reader()
    return next((one.block_hash for one in reader.events(0, reader.head()) if one.name == "BookSettled"), None)


def _delivered(platform: Platform) -> bool:
    """Whether blocks hold all that was sent."""
    platform.outbox.deliver()
    with platform.store.read() as unit:
        return unit.outbox.count_open(platform.outbox.operator) == 0


def _idle(platform: Platform) -> None:
    platform.follow()
    assert platform.services.auctions.advance() == 0


def test_a_backend_that_is_killed_again_and_again_ends_each_auction_once(own_site: Site) -> None:
    with running(own_site, **NEVER) as api:
        market = new_market(api)
        buyer, _ = with_orders(market)
        market.to_commit()
    for life_s in (0.0, 0.6):
        with running(own_site) as api:
            time.sleep(life_s)
            os.kill(api.process.pid, signal.SIGKILL)
            api.process.wait(timeout=10)
    with running(own_site) as api:
        market.api = api
        market.wait_for("concluded")
        market.to_close()
        wait_until(lambda: not api.get("/v1/positions", open="true")["items"], 20)
        sent = api.get(f"/v1/auctions/{ZONE}/{market.interval_s}")["sent"]
        names = [f"{one['step']}-{one['place']}" for one in sent]
        assert sorted(names) == sorted(ENDED)
        assert len(api.get("/v1/events", name="BidsCommitted")["items"]) == 1
        assert len(api.get("/v1/events", name="PositionClosed", account=buyer.account)["items"]) == 1


def test_a_reorganisation_takes_an_auction_back_and_it_is_carried_through_again(own_site: Site) -> None:
    with running(own_site) as api:
        market = new_market(api)
        buyer, seller = with_orders(market)
        market.to_commit()
        before = market.wait_for("concluded")
        positions = market.positions()

        settled = settled_in(own_site)

        own_site.request("anvil_reorg", 2, [])

        wait_until(lambda: settled_in(own_site) not in (None, settled), 20)
        after = market.wait_for("concluded")
        wait_until(lambda: market.positions() == positions, 20)
        assert {name: after[name] for name in ("digest", "price_micro_per_kwh", "volume_wh")} == {
            name: before[name] for name in ("digest", "price_micro_per_kwh", "volume_wh")
        }
        assert positions[buyer.account]["open"]["bought_wh"] == positions[seller.account]["open"]["sold_wh"] == 2_000
