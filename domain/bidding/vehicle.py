"""What a vehicle bids for the next market interval, planned anew each time.

The fallback plan charges what is missing in the intervals with the least published charge price, at equal prices the
latest. What it puts into the next interval must run: it is bid for at that price, and charged in any case. All other
energy can wait. It is bid for at what it would cost later: by the fallback plan, or by the forecast if that is less.
So whatever is filled, what was paid and what the fallback plan will cost never grow together, and at the start the
fallback plan costs no more than plain charging from arrival on.

What is sold is bought again before departure, and so is offered at wear + fallback price / efficiency. An interval in
which something must run sells nothing.

This holds as long as no auction clears above the charge price less the fee; the zone's backstop sees to that up to
its import limit. Above it, energy that must run and was not traded costs the clearing price.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from domain.auction.zone import ZoneTerms
from domain.bidding.bid import Bid, rounded
from domain.bidding.stay import WHOLE_BP, Moved, Slot, Stay
from domain.units import EnergyWh, PriceMicroPerKwh

MOST_BIDS_A_SIDE = 16
"""Of the 64 that an account has in a book."""

_Steps = list[tuple[int, int]]
"""Prices in micro-euro per kWh, each with the Wh at it."""
_Order = Callable[[Slot], tuple[bool, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Bids for one interval, best first on each side, and what is charged in it even if nothing is traded."""

    must_run_wh: EnergyWh
    bids: tuple[Bid, ...]

    def charge_wh(self, bought_wh: int) -> EnergyWh:
        """What the vehicle charges in the interval once it is known what it bought."""
        return EnergyWh(max(self.must_run_wh, bought_wh))


def decide(stay: Stay, moved: Moved, slots: Sequence[Slot], terms: ZoneTerms) -> Decision:
    """What to bid for the first of these intervals; the others are those that follow it, up to departure.

    `moved` has what was charged and sold before the first one begins. For an interval whose gate is past there is
    nothing to bid, but `must_run_wh` is charged.
    """
    if not slots:
        return Decision(must_run_wh=EnergyWh(0), bids=())
    now, later = slots[0], slots[1:]
    missing_wh = stay.missing_wh(moved)
    must_run_wh = _must_run_wh(missing_wh, slots)
    buys = [(int(now.charge), must_run_wh)] if must_run_wh else []
    buys += _can_wait(missing_wh - must_run_wh, now.import_wh - must_run_wh, now, later)
    bids = [*rounded(buys, terms, sell=False)]
    if not must_run_wh:
        best = max((bid.limit_micro_per_kwh for bid in bids), default=terms.floor_micro_per_kwh)
        offers = _offers(stay, min(now.export_wh, stay.spare_wh(moved)), missing_wh, later)
        apart = PriceMicroPerKwh(best + terms.tick_micro_per_kwh if bids else best)
        bids += rounded(((max(price, apart), wh) for price, wh in offers), terms, sell=True)
    return Decision(must_run_wh=EnergyWh(must_run_wh), bids=tuple(bids))


def _must_run_wh(missing_wh: int, slots: Sequence[Slot]) -> int:
    """What the fallback plan charges in the first of these intervals."""
    before_wh = sum(slot.import_wh for slot in slots[1:] if _by_tariff(slot) < _by_tariff(slots[0]))
    return max(0, min(missing_wh - before_wh, slots[0].import_wh))


def _can_wait(waiting_wh: int, room_wh: int, now: Slot, later: Sequence[Slot]) -> _Steps:
    """Bids for energy that is planned for later, as far as there is power for it now.

    Each step replaces what a plan would charge last. Its price never rises from step to step, because the best bids
    are filled first.
    """
    published = reversed(_cut(_steps(later, _by_tariff, lambda slot: slot.charge), 0, waiting_wh))
    forecast = reversed(_cut(_steps(later, _by_forecast, lambda slot: slot.expected), 0, waiting_wh))
    falling = _lesser(_never_rising(published, now.charge), _never_rising(forecast, now.charge))
    return list(islice(_cut(falling, 0, room_wh), MOST_BIDS_A_SIDE - 1))


def _offers(stay: Stay, room_wh: int, missing_wh: int, later: Sequence[Slot]) -> _Steps:
    """What can be sold now and bought again after all that is missing, outside of the reserve: each price covers it."""
    efficiency = stay.battery.efficiency_bp
    in_time = [slot for slot in later if not slot.late]
    free = _cut(_steps(in_time, _by_tariff, lambda slot: slot.charge), missing_wh, None)
    restored_wh = [again_wh * efficiency // WHOLE_BP for again_wh in accumulate((wh for _, wh in free), initial=0)]
    steps, price = [], None
    for (again, _), before_wh, up_to_wh in zip(free, restored_wh, restored_wh[1:], strict=False):
        covering = stay.battery.wear_micro_per_kwh - (-again * WHOLE_BP // efficiency)
        price = covering if price is None else max(price, covering)
        steps.append((price, up_to_wh - before_wh))
    return list(islice(_cut(steps, 0, room_wh), MOST_BIDS_A_SIDE))


def _by_tariff(slot: Slot) -> tuple[bool, int, int]:
    return slot.late, slot.charge, -slot.interval_s


def _by_forecast(slot: Slot) -> tuple[bool, int, int]:
    return slot.late, slot.expected, slot.interval_s


def _steps(slots: Iterable[Slot], order: _Order, price_of: Callable[[Slot], int]) -> _Steps:
    """All that the intervals can take, in an order."""
    return [(int(price_of(slot)), slot.import_wh) for slot in sorted(slots, key=order)]


def _cut(steps: Iterable[tuple[int, int]], from_wh: int, to_wh: int | None) -> _Steps:
    """The part of the steps between two amounts; None for no end. Steps of one price are one."""
    found: _Steps = []
    at_wh = 0
    for price, wh in steps:
        last_wh = at_wh + wh if to_wh is None else min(at_wh + wh, to_wh)
        taken_wh = last_wh - max(at_wh, from_wh)
        at_wh += wh
        if taken_wh <= 0:
            continue
        if found and found[-1][0] == price:
            found[-1] = (price, found[-1][1] + taken_wh)
        else:
            found.append((price, taken_wh))
    return found


def _never_rising(steps: Iterable[tuple[int, int]], most: int) -> Iterator[tuple[int, int]]:
    for price, wh in steps:
        most = min(most, price)
        yield most, wh


def _lesser(one: Iterable[tuple[int, int]], other: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The lesser price of two series of steps at each amount, up to where the shorter one ends."""
    rest, others = list(one), list(other)
    while rest and others:
        (price, wh), (other_price, other_wh) = rest[0], others[0]
        taken_wh = min(wh, other_wh)
        yield min(price, other_price), taken_wh
        for steps in (rest, others):
            if steps[0][1] == taken_wh:
                steps.pop(0)
            else:
                steps[0] = (steps[0][0], steps[0][1] - taken_wh)
