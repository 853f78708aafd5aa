"""Crashes and refusals between the database and the chain: everything is settled exactly once."""

import os
import signal

from backend.application.records import OutboxState
from backend.main import open_platform
from domain.text import hex_text
from tests.integration.backend.site import (
    Api,
    Site,
    interval_start,
    new_meter,
    running,
)
from tests.integration.backend.stated import batches, state_of, stated


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
