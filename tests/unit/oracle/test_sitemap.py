"""Maps from names to on-chain numbers."""

import json
from pathlib import Path

import pytest

from oracle.errors import SiteMapInvalid
from oracle.sitemap import read_site_map


def written(folder: Path, value: object) -> Path:
    path = folder / "map.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_numbers_are_read_plainly_or_in_objects(tmp_path: Path) -> None:
    value = {"stations": {"A": 1, "B": {"station": 2}}, "sessions": {"s": {"account": 57}}, "rated_power_w": 11_000}
    site = read_site_map(written(tmp_path, value))
    assert (site.station_of("A"), site.station_of("B"), site.account_of("s")) == (1, 2, 57)
    assert site.rated_power_w == 11_000


@pytest.mark.parametrize(
    "value",
    [
        "{",
        [],
        {},
        {"stations": {"A": 1}},
        {"stations": {"A": 0}, "sessions": {}},
        {"stations": {"A": True}, "sessions": {}},
        {"stations": {"A": "1"}, "sessions": {}},
        {"stations": {"A": 1.0}, "sessions": {}},
        {"stations": {"A": 1, "B": {"station": 1}}, "sessions": {}},
        {"stations": {"A": 1}, "sessions": {"s": {}}},
        {"stations": {"A": 1 << 24}, "sessions": {}},
        {"stations": {"A": 1}, "sessions": {}, "rated_power_w": 0},
    ],
)
def test_maps_that_do_not_fit_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(SiteMapInvalid):
        read_site_map(written(tmp_path, value))


def test_names_that_are_not_in_the_map_are_named(tmp_path: Path) -> None:
    site = read_site_map(written(tmp_path, {"stations": {}, "sessions": {}}))
    with pytest.raises(SiteMapInvalid, match="'A'"):
        site.station_of("A")
    with pytest.raises(SiteMapInvalid, match="'s'"):
        site.account_of("s")
