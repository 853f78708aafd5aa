"""The site's planner over a recorded day keeps what agents committed to, and shaves the peak where that is worth it."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from domain.bidding.stay import Battery, Stay
from domain.errors import PlanNotFound
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds
from oracle.acn import ReplaySession
from oracle.course import Planned
from scripts import site_day
from scripts.market import Prices
from scripts.schedule_report import schedule_figures
from scripts.site_day import SiteDay, usual_peak_w

START_S = UnixSeconds(1_562_774_400)
ALICE, BOB = AccountId(6), AccountId(7)
NOTHING = Planned(EnergyWh(0), EnergyWh(0))


@dataclass(frozen=True)
class Flat:
    """The same prices at any time, or another one after the first interval."""

    charge: int = 300_000
    discharge: int = 100_000
    later: int | None = None

    def charge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        return PriceMicroPerKwh(self.charge if self.later is None or interval_s == START_S else self.later)

    def discharge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:
        return PriceMicroPerKwh(min(self.discharge, self.charge_at(interval_s)))


def stay(need_wh: int, hours: float = 2, *, export_w: int = 0, after_s: int = 0) -> Stay:
    battery = Battery(
        capacity_wh=EnergyWh(40_000),
        stored_wh=EnergyWh(20_000),
        floor_wh=EnergyWh(5_000),
        efficiency_bp=8_100,
        wear_micro_per_kwh=PriceMicroPerKwh(13_000),
    )
    return Stay(
        arrival_s=UnixSeconds(START_S + after_s),
        departure_s=UnixSeconds(START_S + after_s + int(hours * 3_600)),
        need_wh=EnergyWh(need_wh),
        power_w=PowerW(6_600),
        export_power_w=PowerW(export_w),
        battery=battery,
    )


def day(site: SiteDay, commitments: dict[AccountId, list[Planned]], count: int = 8) -> list[dict[AccountId, Planned]]:
    return [
        site.set_points(
            UnixSeconds(START_S + number * 900),
            {account: plans[number] for account, plans in commitments.items() if number < len(plans)},
        )
        for number in range(count)
    ]


def test_purchase_is_taken_though_energy_would_be_cheaper_later() -> None:
    bought = Planned(EnergyWh(1_650), EnergyWh(0))
    prices = Flat(later=200_000)
    commits = SiteDay({ALICE: stay(3_300, export_w=6_600)}, [ALICE], prices, level_w=100_000)
    waits = SiteDay({ALICE: stay(3_300, export_w=6_600)}, [ALICE], prices, level_w=100_000)

    assert commits.set_points(START_S, {ALICE: bought}) == {ALICE: bought}
    assert waits.set_points(START_S, {ALICE: NOTHING}) == {ALICE: NOTHING}
    assert (commits.moved(ALICE).imported_wh, waits.moved(ALICE).imported_wh) == (1_650, 0)


def test_sale_that_was_committed_is_made_and_bought_again() -> None:
    site = SiteDay({ALICE: stay(0, export_w=6_600)}, [ALICE], Flat(later=150_000), level_w=100_000)
    found = day(site, {ALICE: [Planned(EnergyWh(0), EnergyWh(810)), *[NOTHING] * 7]})

    assert found[0][ALICE] == Planned(EnergyWh(0), EnergyWh(810))
    assert sum(one[ALICE].import_wh for one in found) == pytest.approx(1_000, abs=1)


def test_peak_is_shaved_where_that_is_worth_more_than_differing_costs() -> None:
    stays = {ALICE: stay(3_300), BOB: stay(3_300)}
    found = day(SiteDay(stays, [], Flat()), {})

    assert sum(one[ALICE].import_wh for one in found) == sum(one[BOB].import_wh for one in found) == 3_300
    assert max(one[ALICE].import_wh + one[BOB].import_wh for one in found) <= 825 + 2


def test_vehicle_that_does_not_trade_sells_nothing_and_gets_its_need() -> None:
    site = SiteDay({BOB: stay(5_000, hours=1, after_s=450)}, [], Flat(charge=100, discharge=100))
    found = day(site, {}, 6)

    assert sum(one[BOB].import_wh for one in found if BOB in one) == 5_000
    assert not any(one[BOB].export_wh for one in found if BOB in one)
    assert BOB not in found[5]


def test_commitments_count_where_no_plan_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise PlanNotFound("Time limit reached", 5.0)

    monkeypatch.setattr(site_day, "optimum", fails)
    site = SiteDay({ALICE: stay(3_300), BOB: stay(3_300)}, [ALICE], Flat())
    bought = Planned(EnergyWh(700), EnergyWh(0))

    assert site.set_points(START_S, {ALICE: bought}) == {ALICE: bought}


def session(name: str, wh: int, hours: float = 2) -> ReplaySession:
    return ReplaySession(
        session_id=name,
        station_name=name,
        arrival_s=START_S,
        departure_s=UnixSeconds(START_S + int(hours * 3_600)),
        estimated_departure_s=UnixSeconds(START_S + 7_200),
        requested_wh=EnergyWh(wh),
        delivered_wh=EnergyWh(wh),
        utc_offset_s=0,
    )


def test_usual_peak_is_that_of_the_best_plan_for_the_day_before() -> None:
    before = [replace(session(name, 6_600), arrival_s=UnixSeconds(START_S - 86_400),
              departure_s=UnixSeconds(START_S - 86_400 + 7_200)) for name in "ab"]  # fmt: skip
    span = (START_S, START_S + 7_200)

    assert usual_peak_w(before, 86_400, Flat(), span) == pytest.approx(6_600, abs=8)
    assert usual_peak_w([], 86_400, Flat(), span) == 0


def test_report_sets_what_was_settled_beside_charging_at_once() -> None:
    drivers = {ALICE: session("a", 3_300), BOB: session("b", 3_300)}
    intervals = range(START_S, START_S + 7_200, 900)
    prices = Prices(dict.fromkeys(intervals, PriceMicroPerKwh(300_000)), dict.fromkeys(intervals, PriceMicroPerKwh(0)))

    def row(account: int, number: int, wh: int, direction: str = "charge", payer: int | None = None) -> dict[str, Any]:
        return {
            "account": account,
            "start": START_S + number * 900,
            "energy_wh": wh,
            "direction": direction,
            "payer": payer,
            "owed_micro": 990_000,
            "received_micro": 990_000,
        }

    rows = [row(ALICE, 0, 3_300), row(BOB, 1, 3_200, payer=BOB), row(60, 0, 1_000, "discharge")]
    positions = [{"account": ALICE, "net_micro": 500_000}, {"account": 60, "net_micro": -400_000}]
    figures = schedule_figures(drivers, prices, rows=rows, positions=positions, sun_account=60)

    assert figures.uncontrolled.peak_w == 13_200
    assert figures.uncontrolled.energy_micro == 1_980_000
    assert figures.scheduled.peak_w == 13_200
    assert figures.scheduled.energy_micro == 1_490_000
    assert (figures.uncontrolled.satisfied, figures.scheduled.satisfied) == (2, 1)
    assert figures.scheduled.renewable(figures.sun_wh) == pytest.approx(1_000 / 6_500)
    assert next(name for name, _, _ in figures.table()) == "peak of the vehicles"
