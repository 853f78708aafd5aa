"""The service as a process: its loop, its data folder, and how it stops."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from backend.adapters.sql import tables as t
from backend.application.errors import OtherDeployment
from backend.main import Platform, open_platform
from tests.integration.backend.refusals import wait_until
from tests.integration.backend.site import Site, running, site
from tests.integration.backend.stated import state_of, stated


def test_the_loop_settles_by_itself(own_site: Site) -> None:
    with running(own_site, AUTO_SETTLE="true", BATCH_STATEMENTS="2", BATCH_AGE_S="3600") as api:
        first = stated(api)
        time.sleep(1.2)
        assert state_of(api, first) == "accepted"
        second = stated(api)
        wait_until(lambda: state_of(api, second) == "settled")
        assert state_of(api, first) == "settled"


def test_one_process_holds_the_data_folder(own_site: Site) -> None:
    with open_platform(own_site.settings()) as platform:
        assert isinstance(platform, Platform)
        with pytest.raises(BlockingIOError, match="another process"), open_platform(own_site.settings()):
            pass


def test_a_data_folder_of_another_deployment_is_refused(own_site: Site, tmp_path: Path) -> None:
    with open_platform(own_site.settings()) as platform, platform.store.read() as unit:
        assert unit.blocks.last() is None
    with site(tmp_path) as other:
        settings = other.settings(DATA_DIR=str(own_site.folder / "data"))
        with pytest.raises(OtherDeployment, match="another deployment"), open_platform(settings):
            pass


def test_no_nonce_is_used_twice(own_site: Site) -> None:
    with running(own_site) as api:
        stated(api)
        api.settle()
    with open_platform(own_site.settings()) as platform, platform.store.engine.connect() as connection:
        nonces = [row.nonce for row in connection.execute(select(t.outbox.c.nonce).order_by(t.outbox.c.nonce))]
    assert nonces == list(range(len(nonces)))


def test_what_was_accepted_is_soon_in_the_database_file_alone(own_site: Site, tmp_path: Path) -> None:
    def readings_without_log() -> int:
        alone = Path(shutil.copyfile(own_site.folder / "data" / "wattledger.sqlite", tmp_path / "alone.sqlite"))
        try:
            with closing(sqlite3.connect(alone)) as connection:
                return int(connection.execute("SELECT count(*) FROM meter_readings").fetchone()[0])
        except sqlite3.DatabaseError:
            return 0  # Copied before the first checkpoint, or in the middle of one.

    with running(own_site) as api:
        meter = stated(api)
        wait_until(lambda: readings_without_log() == len(api.get("/v1/readings", station=meter.station)["items"]) > 0)


def test_it_stops_when_it_is_told_to(own_site: Site) -> None:
    with running(own_site, AUTO_SETTLE="true") as api:
        stated(api)
        api.process.terminate()
        assert api.process.wait(timeout=20) == 0
    log = (own_site.folder / "data.log").read_text()
    assert "Traceback" not in log
    assert "exception" not in log
