"""Live bidding: which interval is next, what prices hold, and who is there after a new start."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from domain.bidding.stay import Moved
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, StationId, UnixSeconds
from oracle.acn import ReplaySession
from oracle.course import Planned
from oracle.plan_file import add_plan
from oracle.sitemap import SiteMap
from oracle.visits import Visit
from scripts.bidders import LiveMarket, LivePrices, next_interval
from scripts.market import SET_POINTS, Bidders
from scripts.platform import Platform, PlatformFailed

NOW_S = 1_800_000_000
CAR, OTHER = AccountId(57), AccountId(58)


@dataclass
class Tariffs:
    """A backend that lists tariffs."""

    listed: list[dict[str, Any]]

    def items(self, path: str, **_: object) -> Iterator[dict[str, Any]]:
        assert path == "/v1/tariffs"
        return iter(self.listed)


@dataclass
class Desk:
    """Bidders that only remember who came."""

    came: set[int] = field(default_factory=set)
    moved: dict[int, Moved] = field(default_factory=dict)

    def arrive(self, account: AccountId, _: ReplaySession) -> None:
        self.came.add(account)

    def metered(self, _: int, account: AccountId, moved: Moved) -> None:
        self.moved[account] = moved


def tariff(direction: str, price: int, from_s: int, to_s: int) -> dict[str, Any]:
    return {"direction": direction, "price_micro_per_kwh": price, "valid_from": from_s, "valid_to": to_s}


def prices(*listed: dict[str, Any]) -> LivePrices:
    found = LivePrices(cast(Platform, Tariffs(list(listed))))
    found.refresh()
    return found


def visit(account: AccountId, arrival_s: int, departure_s: int) -> Visit:
    session = ReplaySession(
        session_id=f"{account}@{arrival_s}",
        station_name="A",
        arrival_s=UnixSeconds(arrival_s),
        departure_s=UnixSeconds(departure_s),
        estimated_departure_s=UnixSeconds(departure_s),
        requested_wh=EnergyWh(5_000),
        delivered_wh=EnergyWh(5_000),
        utc_offset_s=0,
    )
    return Visit(session=session, station=StationId(1), account=account)


@pytest.mark.parametrize(("before_s", "later"), [(331, 0), (330, 0), (329, 1), (1, 1), (0, 1)])
def test_next_interval_is_one_whose_gate_is_still_open(before_s: int, later: int) -> None:
    assert next_interval(NOW_S - before_s) == NOW_S + later * MARKET_INTERVAL_S


def test_prices_are_those_that_hold_in_the_interval() -> None:
    found = prices(
        tariff("market_charge", 300_000, NOW_S, NOW_S + 900),
        tariff("market_charge", 400_000, NOW_S + 900, NOW_S + 1_800),
        tariff("market_discharge", 100_000, NOW_S, NOW_S + 900),
        tariff("market_discharge", 90_000, NOW_S + 900, NOW_S + 1_800),
        tariff("charge", 999_999, NOW_S, NOW_S + 1_800),
    )
    assert (found.charge_at(UnixSeconds(NOW_S)), found.discharge_at(UnixSeconds(NOW_S))) == (300_000, 100_000)
    later = UnixSeconds(NOW_S + 900)
    assert (found.charge_at(later), found.discharge_at(later)) == (400_000, 90_000)


def test_where_no_price_is_known_yet_the_worst_one_counts() -> None:
    found = prices(
        tariff("market_charge", 300_000, NOW_S, NOW_S + 900),
        tariff("market_charge", 250_000, NOW_S + 900, NOW_S + 1_800),
        tariff("market_discharge", 100_000, NOW_S, NOW_S + 1_800),
    )
    far = UnixSeconds(NOW_S + 9_000)
    assert (found.charge_at(far), found.discharge_at(far)) == (300_000, 100_000)


def test_without_market_tariffs_nobody_bids() -> None:
    with pytest.raises(PlatformFailed, match="no market tariffs"):
        prices(tariff("charge", 1, NOW_S, NOW_S + 900))


def test_who_is_there_after_a_new_start_goes_on_from_what_it_was_told(tmp_path: Path) -> None:
    points = tmp_path / SET_POINTS
    for ago_s in range(1_800, -1, -300):
        told_wh = EnergyWh({1_500: 500, 1_200: 200}.get(ago_s, 0))
        add_plan(points, UnixSeconds(NOW_S - ago_s), {CAR: Planned(told_wh, EnergyWh(0))})
    coming = [
        visit(OTHER, NOW_S - 7_200, NOW_S - 10),
        visit(CAR, NOW_S - 1_700, NOW_S + 3_600),
        visit(AccountId(99), NOW_S - 1_000, NOW_S + 3_600),
        *(visit(OTHER, NOW_S + at, NOW_S + at + 60) for at in itertools.chain([20], range(10_000, 20_000, 1_000))),
    ]
    desk = Desk()
    site = SiteMap(stations={}, accounts={}, traders=[CAR, OTHER])
    market = LiveMarket(cast(Bidders, desk), prices(*MARKET), iter(coming), site, tmp_path)
    market.arrivals(NOW_S + 10)
    market.meter(NOW_S + 10, UnixSeconds(NOW_S + 900))
    assert desk.moved == {CAR: Moved(700, 0)}
    market.arrivals(NOW_S + 20)
    assert desk.came == {CAR, OTHER}


MARKET = (
    tariff("market_charge", 300_000, NOW_S, NOW_S + 900),
    tariff("market_discharge", 100_000, NOW_S, NOW_S + 900),
)
