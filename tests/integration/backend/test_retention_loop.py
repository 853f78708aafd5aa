"""Retention in the running service: from its start on, and only if the settings say so."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.fleet import Fleet
from domain.packet import MEDIA_TYPE
from scripts.platform import Platform
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import TOKEN, Api, Site, running, site

DAY_S = 86_400
DAYS = 366
"""The least that the settings allow."""


@pytest.fixture
def old_site(tmp_path: Path) -> Iterator[Site]:
    """A chain whose blocks are of last year at first."""
    with site(tmp_path, "--timestamp", str(int(time.time()) - (DAYS + 1) * DAY_S)) as at:
        yield at


def test_evidence_of_an_old_batch_goes_when_the_service_starts_and_a_young_one_stays(old_site: Site) -> None:
    with running(old_site) as api:
        fleet = Fleet(Platform(old_site.folder, lambda _: None, rpc=old_site.rpc, url=api.url, token=TOKEN), 1)
        old = settled(api, fleet, 1)
        old_site.request("evm_increaseTime", 2 * DAY_S)
        young = settled(api, fleet, 2)
    with running(old_site) as api:
        time.sleep(1)
        assert kept(api, old) == kept(api, young) == [True] * 2, "no setting, and evidence goes"
    with running(old_site, EVIDENCE_RETENTION_DAYS=str(DAYS)) as api:
        wait_until(lambda: kept(api, old) == [False] * 2)
        wait_until(lambda: '"batches": 1' in (old_site.folder / "data.log").read_text())
        assert kept(api, young) == [True] * 2


def settled(api: Api, fleet: Fleet, number: int) -> list[str]:
    """A batch of one statement: the CIDs of its blob and of its manifest."""
    [stated] = fleet.stated(number, 2)
    taken = api.http.post("/v1/readings/batch", content=stated.readings, headers={"Content-Type": MEDIA_TYPE})
    assert taken.json()["refused"] == []
    blob = api.http.post("/v1/statements", content=stated.statement).json()["evidence"]
    settlement = api.settle()
    assert settlement["state"] == "settled"
    return [blob, settlement["evidence"]]


def kept(api: Api, cids: list[str]) -> list[bool]:
    found = [api.http.get(f"/v1/evidence/{cid}").status_code for cid in cids]
    assert set(found) <= {httpx.codes.OK, httpx.codes.NOT_FOUND}
    return [status == httpx.codes.OK for status in found]
