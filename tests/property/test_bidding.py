"""Whatever is filled at whatever price: the need is met, at no more than the tariff, and nothing is sold at a loss."""

from hypothesis import example, given

from domain.auction.order import NONCES
from domain.bidding.bid import orders_of
from domain.bidding.stay import WHOLE_BP, Battery, Moved, Stay
from domain.bidding.vehicle import decide
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds
from tests.property.bidding_world import FIRST_S, Case, cases, plain_cost, play, terms_of


@given(cases())
def test_need_is_met_as_far_as_the_stay_allows_whatever_is_filled(case: Case) -> None:
    played = play(case)
    fits_wh = sum(slot.import_wh for slot in case.slots(0))
    if case.stay.need_wh <= fits_wh:
        assert case.stay.missing_wh(played.moved) == 0
    else:
        assert sum(played.imported_wh) == fits_wh


@given(cases())
def test_no_more_is_charged_than_needed_and_sold(case: Case) -> None:
    moved = play(case).moved
    efficiency = case.stay.battery.efficiency_bp
    stored_parts = (moved.imported_wh - case.stay.need_wh) * efficiency - moved.exported_wh * WHOLE_BP
    assert stored_parts < efficiency  # Less than one Wh, because Wh are whole.


@given(cases())
def test_money_is_never_above_plain_charging_at_the_tariff_with_wear_counted(case: Case) -> None:
    played = play(case)
    wear = sum(played.exported_wh) * case.stay.battery.wear_micro_per_kwh
    # Each Wh is whole: what was sold is bought again with one Wh more at most.
    one_wh = max((abs(slot.charge) for slot in case.slots(0)), default=0)
    assert played.paid + wear <= plain_cost(case.slots(0), case.stay.need_wh) + one_wh


@given(cases())
def test_nothing_is_sold_below_wear_and_the_cheapest_energy_that_replaces_it(case: Case) -> None:
    played = play(case)
    for number, (slot, moved, decision) in enumerate(played.decisions):
        sold_wh = sum(bid.quantity_wh for bid in decision.bids if bid.sell)
        assert sold_wh <= min(slot.export_wh, case.stay.spare_wh(moved))
        later = [one.charge for one, _, _ in played.decisions[number + 1 :]]
        for bid in (bid for bid in decision.bids if bid.sell):
            battery = case.stay.battery
            assert (bid.limit_micro_per_kwh - battery.wear_micro_per_kwh) * battery.efficiency_bp >= (
                min(later) * WHOLE_BP
            )


@given(cases())
def test_no_bid_is_beyond_power_time_need_or_the_charge_price(case: Case) -> None:
    for slot, moved, decision in play(case).decisions:
        buys = [bid for bid in decision.bids if not bid.sell]
        assert decision.must_run_wh <= slot.import_wh
        assert sum(bid.quantity_wh for bid in buys) <= min(slot.import_wh, case.stay.missing_wh(moved))
        limits = [bid.limit_micro_per_kwh for bid in buys]
        assert all(limit <= max(slot.charge, case.terms.floor_micro_per_kwh) for limit in limits)
        assert limits == sorted(limits, reverse=True)


FULL_TO_THE_LAST_WH = Case(
    Stay(
        arrival_s=UnixSeconds(FIRST_S + 465),
        departure_s=UnixSeconds(FIRST_S + 36_465),
        need_wh=EnergyWh(2),
        power_w=PowerW(6_600),
        export_power_w=PowerW(10_000),
        battery=Battery(
            capacity_wh=EnergyWh(1),
            stored_wh=EnergyWh(0),
            floor_wh=EnergyWh(0),
            efficiency_bp=8_100,
            wear_micro_per_kwh=PriceMicroPerKwh(0),
        ),
    ),
    terms_of(),
    (100,) * 12 + (490_000, 0) * 15,
    (280_000,) * 42,
    3,
)
"""A battery that holds one Wh: rounding is all that there is."""


@given(cases())
@example(FULL_TO_THE_LAST_WH)
def test_battery_stays_between_its_floor_and_its_capacity(case: Case) -> None:
    played, battery = play(case), case.stay.battery
    stored = battery.stored_wh * WHOLE_BP
    for imported_wh, exported_wh in zip(played.imported_wh, played.exported_wh, strict=True):
        stored += imported_wh * battery.efficiency_bp - exported_wh * WHOLE_BP
        assert exported_wh == 0 or stored >= battery.floor_wh * WHOLE_BP
        # What is needed, and what is bought again after a sale, are each rounded up to the register's resolution.
        assert stored < (battery.capacity_wh + 2) * WHOLE_BP


@given(cases())
def test_no_order_of_a_vehicle_can_trade_with_another_one_of_it(case: Case) -> None:
    for slot, _, decision in play(case).decisions:
        orders = orders_of(decision.bids, account=AccountId(7), terms=case.terms, interval_s=slot.interval_s)
        for order in orders:
            order.check_terms(case.terms)
        assert len({order.nonce for order in orders}) == len(orders) <= NONCES
        buys = [order.limit_micro_per_kwh for order in orders if not order.sell]
        assert all(order.limit_micro_per_kwh > max(buys, default=-(1 << 40)) for order in orders if order.sell)


@given(cases())
def test_same_state_gives_the_same_bids(case: Case) -> None:
    slots = case.slots(0)
    assert decide(case.stay, Moved(), slots, case.terms) == decide(case.stay, Moved(), tuple(slots), case.terms)
