"""`make serve` goes on with all it has after whatever ended it or a part of it."""

import os
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from functools import partial

import pytest

from scripts.kubo import BUILD_LIMIT_S, GoMissing, program
from tests.e2e.serving import Served, check_audit, serving, wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(BUILD_LIMIT_S + 600)]


def go_is_there() -> bool:
    """Whether there is a Kubo; it is built now if need be."""
    try:
        program(lambda line: print(line, file=sys.stderr, flush=True))
    except GoMissing:
        return False
    return True


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With its evidence on a real IPFS node; without Go, which builds that, in a folder."""
    kinds = ("--ipfs", "kubo") if go_is_there() else ()
    if not kinds:
        warnings.warn("NOT TESTED ON A REAL IPFS NODE: there is no Go to build Kubo with", stacklevel=1)
    with serving(tmp_path_factory.mktemp("serve"), *kinds) as made:
        yield made


def test_whatever_is_killed_runs_again_and_nothing_is_lost(served: Served) -> None:
    before = served.settled()
    for part in served.pids:
        pid = served.pids[part]
        os.kill(pid, signal.SIGKILL)
        wait_until(partial(_is_another, served, part, pid))
        wait_until(lambda: served.settled() >= before)
    assert [service["starts"] for service in served.facts["services"]] == [2] * len(served.pids)
    assert all(f"{part} was killed (SIGKILL); it is started again" in served.said() for part in served.pids)
    wait_until(lambda: served.settled() > before)
    check_audit(served)


def test_platform_that_is_killed_or_stopped_goes_on_with_all_it_had(served: Served) -> None:
    for end in (served.kill, served.stop):
        before = served.status()
        end()
        served.start()
        after = served.status()
        assert after["readings"]["meter"] >= before["readings"]["meter"] > 0
        assert after["statements"]["settled"] >= before["statements"]["settled"] > 0
        wait_until(partial(_has_settled, served, before["statements"]["settled"] + 1))
    check_audit(served)


def test_blocks_that_a_power_cut_took_come_again(served: Served) -> None:
    """The chain's file is set back to what it was before some batches: the backend knows them, the chain does not."""
    kept, copied = served.folder / "chain.json.gz", served.folder.with_suffix(".chain")
    shutil.copy(kept, copied)
    before = served.status()
    wait_until(lambda: served.settled() >= before["statements"]["settled"] + 2)
    served.kill()
    after_kill = kept.stat().st_size
    shutil.copy(copied, kept)
    assert kept.stat().st_size != after_kill
    served.start()
    wait_until(lambda: served.settled() >= before["statements"]["settled"] + 3)
    check_audit(served)


def _is_another(served: Served, part: str, pid: int) -> bool:
    return served.pids[part] != pid


def _has_settled(served: Served, count: int) -> bool:
    return served.settled() >= count
