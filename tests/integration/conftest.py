"""One chain and one backend for all tests that do not need their own."""

from collections.abc import Iterator

import pytest

from tests.integration.backend.site import Api, Site, running, site


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A chain with the contracts."""
    with site(tmp_path_factory.mktemp("site")) as at:
        yield at


@pytest.fixture(scope="session")
def api(shared_site: Site) -> Iterator[Api]:
    """A running backend that settles only when it is asked to."""
    with running(shared_site) as backend:
        yield backend


@pytest.fixture
def own_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A chain that a test may stop, reorganise or leave behind as it likes."""
    with site(tmp_path_factory.mktemp("own")) as at:
        yield at
