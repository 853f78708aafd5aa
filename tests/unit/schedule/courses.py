"""Courses of a small site for tests: quarter hours from midnight on, stays given by slots."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from domain.schedule.moment import Moment, Policy
from domain.schedule.problem import DemandCharge, Prices, Site, Slots, Vehicle, constant
from domain.schedule.simulation import Course, Visit
from domain.units import EnergyWh, PowerW, UnixSeconds

START_S, SLOT_S = 1_562_000_400, 900
POWER_W = 8_000


def at(slot: int) -> UnixSeconds:
    return UnixSeconds(START_S + slot * SLOT_S)


def visit(session: str, first: int, last: int, need_wh: int = 2_000, *, told: int | None = None, **more: Any) -> Visit:
    """There in slots [first, last), and says that it leaves at `told`."""
    values: dict[str, Any] = {"power_w": PowerW(POWER_W), **more}
    vehicle = Vehicle(session=session, arrival_s=at(first), departure_s=at(last), need_wh=EnergyWh(need_wh), **values)
    return Visit(vehicle=vehicle, declared_s=at(last if told is None else told))


def course(
    visits: Sequence[Visit],
    *,
    slots: int = 12,
    prices: Sequence[int] = (),
    limit_w: int | Sequence[int] | None = None,
    demand_micro_per_kw: int = 0,
    circuits_w: tuple[int, ...] = (),
    **more: Any,
) -> Course:
    grid = Slots.even(START_S, SLOT_S, slots)
    charge = DemandCharge(price_micro_per_kw=demand_micro_per_kw, from_slot=0, to_slot=slots)
    if isinstance(limit_w, int):
        limit_w = constant(limit_w, grid)
    return Course(
        slots=grid,
        visits=tuple(visits),
        prices=Prices(
            import_micro_per_kwh=tuple(prices) or constant(100_000, grid),
            demands=(charge,) if demand_micro_per_kw else (),
        ),
        site=Site(import_limit_w=None if limit_w is None else tuple(limit_w), circuits_w=circuits_w),
        **more,
    )


class Fixed:
    """Always the same powers; it keeps the moments that it was shown."""

    def __init__(self, **powers: int) -> None:
        self.name, self._powers = "fixed", powers
        self.moments: list[Moment] = []

    def powers(self, moment: Moment) -> Mapping[str, int]:
        self.moments.append(moment)
        return self._powers


class Noted:
    """Another policy, whose decisions are kept."""

    def __init__(self, policy: Policy) -> None:
        self.name, self._policy = policy.name, policy
        self.decided: list[dict[str, int]] = []

    def powers(self, moment: Moment) -> Mapping[str, int]:
        found = self._policy.powers(moment)
        self.decided.append(dict(found))
        return found


@st.composite
def days(draw: st.DrawFn, *, slots: int = 12, most: int = 6, limited: bool = False) -> Course:
    """Random short days: vehicles with true departures, prices, and sometimes a limit."""
    visits = []
    for number in range(draw(st.integers(1, most))):
        first = draw(st.integers(0, slots - 1))
        last = draw(st.integers(first + 1, slots))
        visits.append(visit(f"v{number}", first, last, draw(st.integers(0, 9_000))))
    prices = draw(st.lists(st.integers(-50_000, 300_000), min_size=slots, max_size=slots))
    limit_w = draw(st.integers(0, 3 * POWER_W)) if limited else None
    return course(
        visits, slots=slots, prices=prices, limit_w=limit_w, demand_micro_per_kw=draw(st.sampled_from([0, 500_000]))
    )
