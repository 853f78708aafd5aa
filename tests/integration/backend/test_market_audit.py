"""What the backend carries through of a market, the audit re-derives without a finding."""

from backend.adapters.evidence.sources import FolderBlobs
from backend.application.audit import AuditResult, AuditSubject, audit
from domain.audit import Prover
from tests.integration.backend.market_site import new_market
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Site, running


def audited(at: Site) -> AuditResult:
    """The audit of all that is on the chain."""
    reader = at.reader()
    deployed = reader.deployment.deployed
    blobs = FolderBlobs(at.folder / "data" / "evidence")
    proofs = Prover(blobs, stations=deployed.station_domain, accounts=deployed.account_domain)
    return audit(AuditSubject(first_block=reader.deployment.block, deployed=deployed), reader, proofs)


def test_auction_of_the_backend_is_audited_from_its_orders_to_the_money(own_site: Site) -> None:
    with running(own_site) as api:
        market = new_market(api)
        buyer, seller = (market.member() for _ in range(2))
        forcing = market.member(margin_micro=10**8)
        market.bid(buyer, 5_000, 300_000)
        market.bid(buyer, 500, 120_000)
        market.bid(seller, 4_000, 150_000, sell=True)
        market.backstop(10**6, 800_000, sell=True)
        market.force(forcing, 2_000, 900_000)
        wait_until(lambda: api.get("/v1/events", name="BidForced")["items"])
        market.to_commit()
        market.wait_for("concluded")

        while_open = audited(own_site)
        assert list(while_open.findings) == []
        assert (while_open.tally.auctions, while_open.tally.orders, while_open.tally.traded_wh) == (1, 5, 4_000)
        assert while_open.tally.positions == 0

        market.to_close()
        wait_until(lambda: not api.get("/v1/positions", open="true")["items"], 20)
        closed = audited(own_site)
        assert list(closed.findings) == []
        assert closed.tally.positions == 3
