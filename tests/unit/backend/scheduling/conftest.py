"""A site in a store of its own, for tests of how it is planned."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.backend.site_world import World, site_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with site_world(tmp_path) as made:
        yield made
