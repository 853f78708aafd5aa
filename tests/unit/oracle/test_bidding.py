"""A vehicle's orders are signed, sent before the gate, and planned anew from what was traded and metered."""

import json
from dataclasses import dataclass, field
from datetime import date

import pytest

from domain.auction.order import accept_order
from domain.auction.zone import ZoneTerms
from domain.bidding.forecast import PriceForecast
from domain.bidding.stay import Battery, Moved, Stay
from domain.bidding.supply import offer_generation
from domain.signing import SigningDomain
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, TariffId, UnixSeconds
from domain.wire import order_from_json
from oracle.acn import read_sessions
from oracle.bidding import OrderDesk, PublishedPrices, Traded, VehicleBidding, stay_of
from oracle.errors import BackendRefused, NoMarketPrice
from oracle.keystore import KeySigner
from scripts.day import EXCERPT

START_S = UnixSeconds(1_562_760_000)
CAR, KEY = AccountId(7), KeySigner(b"\x07" * 32)
DOMAIN = SigningDomain(31_337, b"\x0a" * 20)
TERMS = ZoneTerms(
    zone=3,
    grid=AccountId(9),
    import_limit_wh=EnergyWh(50_000),
    export_limit_wh=EnergyWh(20_000),
    fee_micro_per_kwh=PriceMicroPerKwh(10_000),
)


@dataclass(slots=True)
class Inbox:
    """A backend that keeps what it takes."""

    bodies: list[str] = field(default_factory=list)
    refuses: bool = False

    def post_order(self, body: str) -> None:
        if self.refuses:
            raise BackendRefused("/orders", 409, "gate-closed", "the gate is closed")
        self.bodies.append(body)


class Flat:
    """300,000 for charging, 100,000 for discharging, all day."""

    def charge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:  # noqa: ARG002 (it is flat)
        return PriceMicroPerKwh(300_000)

    def discharge_at(self, interval_s: UnixSeconds) -> PriceMicroPerKwh:  # noqa: ARG002 (it is flat)
        return PriceMicroPerKwh(100_000)


def bidding(inbox: Inbox, forecast: PriceForecast | None = None, need_wh: int = 2_500) -> VehicleBidding:
    battery = Battery(
        capacity_wh=EnergyWh(50_000),
        stored_wh=EnergyWh(10_000),
        floor_wh=EnergyWh(20_000),
        efficiency_bp=8_100,
        wear_micro_per_kwh=PriceMicroPerKwh(0),
    )
    stay = Stay(
        arrival_s=START_S,
        departure_s=UnixSeconds(START_S + 3_600),
        need_wh=EnergyWh(need_wh),
        power_w=PowerW(4_000),
        export_power_w=PowerW(4_000),
        battery=battery,
    )
    desk = OrderDesk(inbox, {CAR: KEY}, DOMAIN)
    return VehicleBidding(CAR, stay, desk=desk, terms=TERMS, tariffs=Flat(), forecast=forecast or PriceForecast())


def at(number: int) -> UnixSeconds:
    return UnixSeconds(START_S + 900 * number)


def test_orders_are_those_decided_signed_by_the_drivers_key_for_the_auction_house() -> None:
    inbox = Inbox()
    decision = bidding(inbox).bid(at(1), START_S)
    signed = [order_from_json(json.loads(body)) for body in inbox.bodies]
    assert [one.order.quantity_wh for one in signed] == [bid.quantity_wh for bid in decision.bids]
    assert [one.order.limit_micro_per_kwh for one in signed] == [bid.limit_micro_per_kwh for bid in decision.bids]
    assert [one.order.nonce for one in signed] == list(range(len(signed))) != []
    for one in signed:
        accepted = accept_order(one, driver_key=KEY.address, terms=TERMS, domain=DOMAIN)
        assert (accepted.order.account, accepted.order.interval_s) == (CAR, at(1))


def test_same_state_sends_the_same_orders_again() -> None:
    first, second = Inbox(), Inbox()
    bidding(first).bid(at(1), START_S)
    bidding(second).bid(at(1), START_S)
    assert first.bodies == second.bodies != []


def test_nothing_is_sent_once_the_gate_is_past_and_what_must_run_still_runs() -> None:
    inbox = Inbox()
    car = bidding(inbox, need_wh=4_000)
    decision = car.bid(at(0), START_S)
    assert (inbox.bodies, decision.must_run_wh) == ([], 1_000)
    assert car.plan(at(0), Traded()) == Moved(1_000, 0)
    car.bid(at(1), UnixSeconds(at(1) - 300))
    assert inbox.bodies == []
    car.bid(at(1), UnixSeconds(at(1) - 301))
    assert len(inbox.bodies) == 1


def test_order_that_the_backend_refuses_is_left_out() -> None:
    inbox = Inbox(refuses=True)
    desk = OrderDesk(inbox, {CAR: KEY}, DOMAIN)
    assert desk.send(CAR, at(1), offer_generation(EnergyWh(10), TERMS), TERMS) == ()
    inbox.refuses = False
    assert len(desk.send(CAR, at(1), offer_generation(EnergyWh(10), TERMS), TERMS)) == 1


def test_what_was_bought_is_charged_and_what_is_missing_is_planned_for_again() -> None:
    inbox = Inbox()
    car = bidding(inbox)
    assert [bid.quantity_wh for bid in car.bid(at(0), UnixSeconds(START_S - 901)).bids] == [1_000]
    assert car.plan(at(0), Traded(bought_wh=700)) == Moved(700, 0)
    # 700 Wh are due before the next interval begins, so 1,800 are missing.
    car.metered(UnixSeconds(START_S + 450), Moved(350, 0))
    assert car.bid(at(1), UnixSeconds(START_S + 450)).must_run_wh == 0
    assert car.plan(at(1), Traded()) == Moved(0, 0)
    assert car.bid(at(2), UnixSeconds(START_S + 1_000)).must_run_wh == 800
    # The meter shows that only 500 of the 700 Wh were charged.
    car.metered(at(1), Moved(500, 0))
    assert car.bid(at(2), UnixSeconds(START_S + 1_100)).must_run_wh == 1_000
    car.metered(at(2), Moved(500, 0))
    assert car.bid(at(3), at(2)).must_run_wh == 1_000


def test_more_than_was_due_is_not_charged_twice() -> None:
    car = bidding(Inbox())
    car.bid(at(0), UnixSeconds(START_S - 901))
    car.plan(at(0), Traded(bought_wh=700))
    car.metered(UnixSeconds(START_S + 600), Moved(900, 0))
    assert sum(bid.quantity_wh for bid in car.bid(at(3), UnixSeconds(START_S + 600)).bids) == 1_000
    assert car.bid(at(3), UnixSeconds(START_S + 600)).must_run_wh == 1_000
    car.metered(at(1), Moved(2_200, 0))
    assert car.bid(at(3), at(1)).must_run_wh == 300


@pytest.mark.parametrize(("seen", "limit"), [(150_000, 160_000), (20_000, 110_000), (900_000, 300_000)])
def test_forecast_counts_the_fee_and_stays_within_the_tariffs(seen: int, limit: int) -> None:
    forecast = PriceForecast()
    for number in range(4):
        forecast.note(UnixSeconds(at(number) - 86_400), PriceMicroPerKwh(seen))
    [bid, *_] = bidding(Inbox(), forecast, need_wh=500).bid(at(0), UnixSeconds(START_S - 901)).bids
    assert bid.limit_micro_per_kwh == limit


def test_published_prices_are_those_of_the_grid_account_that_hold_in_the_whole_interval() -> None:
    def tariff(number: int, payee: int, direction: Direction, price: int) -> Tariff:
        return Tariff(
            tariff=TariffId(number),
            payee=AccountId(payee),
            direction=direction,
            price_micro_per_kwh=PriceMicroPerKwh(price),
            valid_from_s=at(0),
            valid_to_s=UnixSeconds(at(2) - 1),
        )

    table = TariffTable(
        [
            tariff(0, 9, Direction.CHARGE, 1),
            tariff(1, 8, Direction.MARKET_CHARGE, 2),
            tariff(2, 9, Direction.MARKET_CHARGE, 3),
            tariff(3, 9, Direction.MARKET_DISCHARGE, 4),
        ]
    )
    prices = PublishedPrices(table, AccountId(9))
    assert (prices.charge_at(at(0)), prices.discharge_at(at(0))) == (3, 4)
    with pytest.raises(NoMarketPrice, match="no market_charge price"):
        prices.charge_at(at(1))


def test_recorded_session_as_a_stay_needs_what_was_delivered_and_can_take_it() -> None:
    for session in read_sessions(EXCERPT, date(2019, 7, 10)):
        stay = stay_of(session)
        assert stay.need_wh == session.delivered_wh
        assert stay.power_w * (stay.departure_s - stay.arrival_s) // 3_600 >= stay.need_wh
        assert stay.battery.stored_wh + stay.need_wh * 8_100 // 10_000 <= stay.battery.capacity_wh
