"""Stays of vehicles that are played interval by interval, with whatever fills and prices chance gives them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from domain.auction.zone import ZoneTerms
from domain.bidding.stay import Battery, Moved, Slot, Stay, slots_of
from domain.bidding.vehicle import Decision, decide
from domain.units import AccountId, EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds

FIRST_S = UnixSeconds(1_562_760_000)
PRICES = [-40_000, 0, 100, 90_000, 280_000, 280_000, 360_000, 490_000, 490_050]


def terms_of(*, fee: int = 0) -> ZoneTerms:
    return ZoneTerms(
        zone=3,
        grid=AccountId(9),
        import_limit_wh=EnergyWh(1 << 20),
        export_limit_wh=EnergyWh(1 << 20),
        fee_micro_per_kwh=PriceMicroPerKwh(fee),
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A stay, the published charge prices and the forecast, interval by interval."""

    stay: Stay
    terms: ZoneTerms
    charge: tuple[int, ...]
    expected: tuple[int, ...]
    seed: int

    def slots(self, from_s: int) -> tuple[Slot, ...]:
        return slots_of(
            self.stay,
            UnixSeconds(from_s),
            charge_at=lambda s: PriceMicroPerKwh(self.charge[(s - FIRST_S) // 900]),
            expected_at=lambda s: PriceMicroPerKwh(self.expected[(s - FIRST_S) // 900]),
        )


@dataclass(slots=True)
class Played:
    """What came of a stay. Money is in thousandths of a micro-euro: prices times Wh."""

    imported_wh: list[int] = field(default_factory=list)
    exported_wh: list[int] = field(default_factory=list)
    paid: int = 0
    decisions: list[tuple[Slot, Moved, Decision]] = field(default_factory=list)
    sales: list[tuple[int, int]] = field(default_factory=list)

    @property
    def moved(self) -> Moved:
        return Moved(sum(self.imported_wh), sum(self.exported_wh))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Stays of up to ten hours with prices that collide, batteries of all sizes, needs up to more than fits."""
    rng = random.Random(draw(st.integers(0, 1 << 40)))
    arrival_s = FIRST_S + rng.randint(0, 900)
    stay_s = rng.choice([60, 900, 3_600, 36_000, rng.randint(1, 36_000)])
    power_w = rng.choice([0, 1, 3_700, 6_600, 22_000])
    capacity_wh = rng.choice([1, 30_000, 60_000])
    fits_wh = power_w * stay_s // 3_600
    battery = Battery(
        capacity_wh=EnergyWh(capacity_wh),
        stored_wh=EnergyWh(rng.randint(0, capacity_wh)),
        floor_wh=EnergyWh(rng.choice([0, capacity_wh * 4 // 10])),
        efficiency_bp=rng.choice([10_000, 8_100, 3_333]),
        wear_micro_per_kwh=PriceMicroPerKwh(rng.choice([0, 13_000, 55_000])),
    )
    target_wh = rng.randint(battery.stored_wh, capacity_wh)
    stay = Stay(
        arrival_s=UnixSeconds(arrival_s),
        departure_s=UnixSeconds(arrival_s + stay_s),
        need_wh=EnergyWh(min(battery.need_wh(target_wh), rng.choice([fits_wh, fits_wh + 5, 1 << 40]))),
        power_w=PowerW(power_w),
        export_power_w=PowerW(rng.choice([0, power_w, 10_000])),
        battery=battery,
        reserve_s=rng.choice([0, 0, 1_800, 40_000]),
    )
    chosen = PRICES if rng.random() < 0.7 else [280_000, 490_000]
    return Case(
        stay,
        terms_of(fee=rng.choice([0, 0, 20_000])),
        tuple(rng.choice(chosen) for _ in range(42)),
        tuple(rng.choice(chosen) for _ in range(42)),
        rng.randint(0, 1 << 40),
    )


def play(case: Case) -> Played:
    """The whole stay: each interval's bids, filled by chance at a chance price that they all accept."""
    rng, played = random.Random(case.seed), Played()
    generous = rng.choice([0.0, 0.3, 0.8, 1.0])
    all_slots = case.slots(0)
    for slot in all_slots:
        before = played.moved
        decision = decide(case.stay, before, case.slots(slot.interval_s), case.terms)
        played.decisions.append((slot, before, decision))
        gate_missed = case.terms.closes_s(slot.interval_s) < case.stay.arrival_s
        price, bought_wh, sold_wh = (slot.charge, 0, 0) if gate_missed else _fills(rng, decision, slot, case, generous)
        imported_wh = decision.charge_wh(bought_wh)
        played.imported_wh.append(imported_wh)
        played.exported_wh.append(sold_wh)
        if sold_wh:
            played.sales.append((price, sold_wh))
        # What IPositionBook.close says, for somebody who moves no less than it traded.
        played.paid += bought_wh * (price + case.terms.fee_micro_per_kwh) - sold_wh * price
        played.paid += (imported_wh - bought_wh) * max(price, slot.charge)
    return played


def plain_cost(slots: Sequence[Slot], need_wh: int) -> int:
    """What charging at once and at full power costs at the tariff, in thousandths of a micro-euro."""
    cost = 0
    for slot in slots:
        charged_wh = min(need_wh, slot.import_wh)
        cost += charged_wh * slot.charge
        need_wh -= charged_wh
    return cost


def _fills(rng: random.Random, decision: Decision, slot: Slot, case: Case, generous: float) -> tuple[int, int, int]:
    """A price up to the charge price, and fills of one side that its limits allow, perhaps none."""
    buys = [bid for bid in decision.bids if not bid.sell]
    sells = [bid for bid in decision.bids if bid.sell]
    fee = case.terms.fee_micro_per_kwh
    top = slot.charge - fee
    if rng.random() >= generous or not decision.bids:
        return rng.choice([top, slot.charge, top - 100_000, -500_000]), 0, 0
    limits = [b.limit_micro_per_kwh - fee for b in buys] + [b.limit_micro_per_kwh for b in sells]
    price = rng.choice(limits) + rng.choice([-100, 0, 0, 100, 70_000])
    bought = sum(
        rng.choice([b.quantity_wh, rng.randint(0, b.quantity_wh)]) for b in buys if b.limit_micro_per_kwh - fee >= price
    )
    sold = sum(
        rng.choice([b.quantity_wh, rng.randint(0, b.quantity_wh)]) for b in sells if b.limit_micro_per_kwh <= price
    )
    # Prices above what the backstop sells at are no part of the promise, but for sellers.
    return (price, bought, sold) if price <= top or sold else (top, 0, 0)
