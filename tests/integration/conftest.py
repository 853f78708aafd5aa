"""One chain for all tests that do not need their own, and one backend for those of a file; one deployment for all."""

from collections.abc import Iterator

import pytest

from tests.integration.backend.site import Api, SavedSite, Site, running, saved_site


@pytest.fixture(scope="session")
def with_contracts(tmp_path_factory: pytest.TempPathFactory) -> SavedSite:
    """What each chain below begins with."""
    return saved_site(tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="session")
def shared_site(with_contracts: SavedSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A chain with the contracts."""
    with with_contracts.restored(tmp_path_factory.mktemp("site")) as at:
        yield at


@pytest.fixture(scope="module")
def api(shared_site: Site) -> Iterator[Api]:
    """A running backend that settles only when it is asked to. It ends with the file, because it polls all the time."""
    with running(shared_site) as backend:
        yield backend


@pytest.fixture
def own_site(with_contracts: SavedSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A chain that a test may stop, reorganise or leave behind as it likes."""
    with with_contracts.restored(tmp_path_factory.mktemp("own")) as at:
        yield at
