"""The peak that a billing period will need in any case, learned from the weeks before it.

A demand charge is paid for the month, a plan looks a day ahead: on the first days of a month it would save peak that
later days need anyway, and pay for that in energy. What the best plan would have needed for the last weeks' stays, at
this period's prices, is known; power up to that is as good as paid.
"""

from collections.abc import Sequence

import numpy as np

from domain.errors import PlanNotFound
from domain.schedule.columns import Columns
from domain.schedule.forecast import WEEK_S, Record, Stayed
from domain.schedule.metrics import peak_of
from domain.schedule.moment import DemandSoFar, Moment
from domain.schedule.optimum import optimum
from domain.schedule.outlook import published
from domain.schedule.problem import DemandCharge, Prices, Problem, Site, Slots, Vehicle
from domain.units import EnergyWh, PowerW, UnixSeconds

PERIOD_S = 2_628_000
"""A twelfth of a year."""


class PeakLevel:
    """Called with a moment, the level of its billing period in W: 0 without a record.

    It is the highest over the windows, because a peak is the worst of its days: too low a level costs more than too
    high a one (docs/decisions/0027). It is found once a period, again every `renew_s` if given, and never falls in one.
    """

    def __init__(self, record: Record, *, weeks: Sequence[int] = (1, 2, 4), renew_s: int | None = None) -> None:
        self._record, self._weeks, self._renew_s = record, tuple(weeks), renew_s
        self._until_s, self._found_s, self._level_w = 0, 0, 0

    def __call__(self, moment: Moment) -> int:
        demand = moment.demand
        if demand is None:
            return 0
        renew = self._renew_s is not None and moment.now_s - self._found_s >= self._renew_s
        if demand.until_s != self._until_s or renew:
            floor_w = self._level_w if demand.until_s == self._until_s else 0
            found = (needed_w(self._record, moment, demand, weeks) for weeks in self._weeks)
            self._level_w = max(floor_w, *found)
            self._until_s, self._found_s = int(demand.until_s), int(moment.now_s)
        return self._level_w


def needed_w(record: Record, moment: Moment, demand: DemandSoFar, weeks: int) -> int:
    """The peak of the best plan for the last weeks' stays, moved to the weeks to come; 0 if not all are recorded."""
    shift_s = weeks * WEEK_S
    past = [stay for stay in record.between(moment.now_s - shift_s, moment.now_s) if stay.departure_s > stay.arrival_s]
    if not past or record.stays[0].arrival_s > moment.now_s - shift_s + WEEK_S // 2:
        return 0
    last_s = max(stay.departure_s for stay in past) + shift_s
    slots = Slots.from_now(moment.now_s, moment.slot_s, last_s)
    price = demand.price_micro_per_kw * shift_s // PERIOD_S
    charge = DemandCharge(
        price_micro_per_kw=price, from_slot=0, to_slot=len(slots), interval_s=demand.interval_s, used_wh=EnergyWh(0)
    )
    problem = Problem(
        slots=slots,
        vehicles=tuple(_moved(stay, number, shift_s) for number, stay in enumerate(past)),
        site=Site(),
        prices=Prices(import_micro_per_kwh=published(moment.import_micro_per_kwh, moment, slots), demands=(charge,)),
    )
    try:
        schedule = optimum(problem)
    except PlanNotFound:
        return 0
    return peak_of(Columns.of(problem), charge, np.maximum(schedule.net_wh, 0))


def _moved(stay: Stayed, number: int, shift_s: int) -> Vehicle:
    return Vehicle(
        session=str(number),
        arrival_s=UnixSeconds(stay.arrival_s + shift_s),
        departure_s=UnixSeconds(stay.departure_s + shift_s),
        need_wh=EnergyWh(stay.need_wh),
        power_w=PowerW(stay.power_w),
    )
