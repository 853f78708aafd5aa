"""The settlement loop: batches by size, age and gas, several on their way at a time, in order."""

from backend.application.settlements import BatchPolicy
from backend.main import open_platform
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Site, running
from tests.integration.backend.stated import batches, state_of, stated

AT_ONCE = BatchPolicy(statements=1, age_s=0, in_flight=2)


def test_batches_on_their_way_are_settled_in_order_and_no_more_than_allowed(own_site: Site) -> None:
    with running(own_site) as api:
        meters = [stated(api) for _ in range(3)]
    own_site.request("evm_setAutomine", False)
    with open_platform(own_site.settings(BATCH_GAS="130000")) as platform:
        settlements = platform.services.settlements
        built = []
        for _ in range(2):
            assert settlements.due(AT_ONCE)
            built.append(settlements.build())
            platform.outbox.deliver()
        assert not settlements.due(AT_ONCE), "two are on their way, which is as many as may be"
        assert batches(own_site) == 0

        own_site.request("evm_mine")
        platform.follow()
        assert [platform.services.ways.settlement(one).record.batch for one in built] == [1, 2]
        assert settlements.due(AT_ONCE)
    own_site.request("evm_setAutomine", True)

    with running(own_site, AUTO_SETTLE="true", BATCH_STATEMENTS="1") as api:
        wait_until(lambda: all(state_of(api, meter) == "settled" for meter in meters))
    assert batches(own_site) == 3


def test_a_batch_holds_as_many_statements_as_its_gas_allows(own_site: Site) -> None:
    with running(own_site) as api:
        for _ in range(4):
            stated(api)
    with open_platform(own_site.settings(BATCH_GAS="160000")) as platform:
        one = platform.services.settlements.build()
        assert len(platform.services.ways.settlement(one).record.statements) == 2
    with open_platform(own_site.settings()) as platform:
        rest = platform.services.settlements.build()
        assert len(platform.services.ways.settlement(rest).record.statements) == 2


def test_what_has_waited_long_enough_is_settled_alone(own_site: Site) -> None:
    with running(own_site) as api:
        stated(api)
    with open_platform(own_site.settings()) as platform:
        assert not platform.services.settlements.due(BatchPolicy(statements=2, age_s=3600, in_flight=1))
        assert platform.services.settlements.due(BatchPolicy(statements=2, age_s=0, in_flight=1))
