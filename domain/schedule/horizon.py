"""What a plan is made for: who is there, what is known, and what is expected, over slots that grow coarser.

Power up to the peak that the month will need in any case is as good as paid, so it counts like the peak so far.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from domain.schedule.departures import Departures
from domain.schedule.forecast import Record, phantoms
from domain.schedule.moment import Moment
from domain.schedule.outlook import Daily, published, totals
from domain.schedule.problem import (
    NO_LIMIT_W,
    UNMET_MICRO_PER_KWH,
    Aims,
    DemandCharge,
    Prices,
    Problem,
    Site,
    Slots,
    Vehicle,
    constant,
)
from domain.units import SECONDS_PER_HOUR, EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds

HOUR_S = SECONDS_PER_HOUR
SHORTEST_S = 120
"""No limit cuts the first slot to less: whole Wh in a few seconds would be crude powers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How far and how fine the planner looks. Plans older than `stale_s` are made anew even if nothing happened.

    Slots are fine for `fine_s`, then `coarse_s` long, up to `horizon_s`. Vehicles are expected up to `expect_s` ahead,
    as in the last `weeks`, in groups alike up to `grain_s`.
    """

    fine_s: int = 12 * HOUR_S
    coarse_s: int = HOUR_S
    horizon_s: int = 48 * HOUR_S
    stale_s: int = HOUR_S
    deadline_s: float = 0.5
    expect_s: int = 24 * HOUR_S
    weeks: tuple[int, ...] = (1, 2, 3, 4)
    grain_s: int = HOUR_S
    patience_micro_per_kwh: int = 2_000
    unmet_micro_per_kwh: PriceMicroPerKwh = UNMET_MICRO_PER_KWH


class Horizon:
    """`record` holds the stays of the past, from which those to come are expected; None expects nobody.

    `level_w` tells what peak to expect of the billing period that runs at a moment: power up to it is free.
    """

    def __init__(
        self,
        tuning: Tuning,
        *,
        record: Record | None,
        level_w: Callable[[Moment], int] | None,
        departures: Departures | None,
        sun: Daily,
        load: Daily,
    ) -> None:
        self._tuning = tuning
        self._record = record
        self._level_w = level_w
        self._departures = departures
        self._sun, self._load = sun, load

    def problem(self, moment: Moment) -> Problem:
        """What is there, known and expected, as a charging problem."""
        vehicles = [self._ahead(vehicle, moment) for vehicle in moment.vehicles]
        vehicles += self._expected(moment)
        slots = self._slots(moment, [int(vehicle.departure_s) for vehicle in vehicles])
        vehicles = [_within(vehicle, slots) for vehicle in vehicles if vehicle.arrival_s < slots.end_s]
        vehicles = [replace(v, bought_wh=totals(v.bought_wh, moment, slots)) if v.bought_wh else v for v in vehicles]
        if self._departures is not None:
            vehicles[: len(moment.vehicles)] = [
                replace(vehicle, presence_bp=self._departures.presence_bp(told, moment.now_s, slots))
                for vehicle, told in zip(vehicles, moment.vehicles, strict=False)
            ]
        return Problem(
            slots=slots,
            vehicles=tuple(vehicles),
            site=self._site(moment, slots),
            prices=self._prices(moment, slots),
            aims=Aims(unmet_micro_per_kwh=self._tuning.unmet_micro_per_kwh, peak_target_w=moment.peak_target_w),
        )

    def free_w(self, moment: Moment) -> PowerW | None:
        """The peak that costs nothing more; None without a demand charge."""
        if moment.demand is None:
            return None
        return PowerW(max(int(moment.demand.peak_w), self._level_w(moment) if self._level_w else 0))

    def _ahead(self, vehicle: Vehicle, moment: Moment) -> Vehicle:
        """Until the vehicle has surely left; without a learned distribution, who should have left may go."""
        departure_s = int(vehicle.departure_s)
        if self._departures is not None:
            until_s = moment.now_s + self._tuning.horizon_s
            departure_s = self._departures.latest_s(vehicle, moment.now_s, until_s, moment.slot_s)
        departure_s = max(departure_s, int(moment.ends_s))
        return vehicle if departure_s == vehicle.departure_s else replace(vehicle, departure_s=UnixSeconds(departure_s))

    def _expected(self, moment: Moment) -> list[Vehicle]:
        if self._record is None:
            return []
        tuning, until_s = self._tuning, moment.now_s + self._tuning.expect_s
        return phantoms(self._record, moment, until_s, weeks=tuning.weeks, grain_s=tuning.grain_s)

    def _slots(self, moment: Moment, departures_s: Sequence[int]) -> Slots:
        """Coarse slots end early where somebody who is there leaves: nobody's last slot is lost to the grid.

        Where a limit begins or ends, so does a slot.
        """
        tuning, step_s, first_s = self._tuning, moment.slot_s, int(moment.ends_s)
        last_s = max(departures_s, default=0)
        until_s = max(first_s, min(last_s, moment.now_s + tuning.horizon_s))
        fine_s = first_s + -(-(min(until_s, moment.now_s + tuning.fine_s) - first_s) // step_s) * step_s
        whole_s = -(-fine_s // tuning.coarse_s) * tuning.coarse_s
        fine = range(first_s, whole_s + 1, step_s)
        coarse = range(fine[-1] + tuning.coarse_s, until_s + tuning.coarse_s, tuning.coarse_s)
        end_s = coarse[-1] if coarse else fine[-1]
        leaving = {departure_s // step_s * step_s for departure_s in departures_s[: len(moment.vehicles)]}
        between = {edge_s for edge_s in leaving if fine[-1] < edge_s < end_s}
        between |= {
            edge_s for one in moment.limits for edge_s in one[:2] if moment.now_s + SHORTEST_S <= edge_s < end_s
        }
        return Slots((int(moment.now_s), *sorted({*fine, *coarse, *between})))

    def _site(self, moment: Moment, slots: Slots) -> Site:
        exports = None if moment.export_limit_w is None else constant(int(moment.export_limit_w), slots)
        return Site(
            import_limit_w=_limits(moment, slots),
            export_limit_w=exports,
            line_limit_w=moment.line_limit_w,
            circuits_w=moment.circuits_w,
            load_w=self._load.expected(moment.load_w, moment, slots) if len(moment.load_w) else (),
            sun_w=self._sun.expected(moment.sun_w, moment, slots) if len(moment.sun_w) else (),
        )

    def _prices(self, moment: Moment, slots: Slots) -> Prices:
        bought = published(moment.import_micro_per_kwh, moment, slots)
        sold = published(moment.export_micro_per_kwh, moment, slots)
        if len(moment.sun_w):
            steps = range(len(slots), 0, -1)
            bought = tuple(
                p + self._tuning.patience_micro_per_kwh * n // len(slots) for p, n in zip(bought, steps, strict=True)
            )
        return Prices(
            import_micro_per_kwh=bought,
            export_micro_per_kwh=sold,
            carbon_micro_per_kwh=published(moment.carbon_micro_per_kwh, moment, slots),
            demands=self._demands(moment, slots),
        )

    def _demands(self, moment: Moment, slots: Slots) -> tuple[DemandCharge, ...]:
        demand = moment.demand
        if demand is None:
            return ()
        free_w = self.free_w(moment) or PowerW(0)
        level_w = self._level_w(moment) if self._level_w else 0
        here = sum(start_s < demand.until_s for start_s in slots.edges_s[:-1])
        first = DemandCharge(
            price_micro_per_kw=demand.price_micro_per_kw,
            from_slot=0,
            to_slot=here,
            peak_w=free_w,
            interval_s=demand.interval_s,
            used_wh=demand.used_wh,
        )
        if here == len(slots):
            return (first,)
        return (first, replace(first, from_slot=here, to_slot=len(slots), peak_w=PowerW(level_w), used_wh=EnergyWh(0)))


def _within(vehicle: Vehicle, slots: Slots) -> Vehicle:
    """It leaves at the end of a slot, not within one, whose limit it could else use up in half of the time."""
    edges_s = slots.edges_s
    end_s = edges_s[max(1, bisect_right(edges_s, vehicle.departure_s) - 1)]
    if vehicle.departure_s in (end_s, edges_s[0]) or end_s > vehicle.departure_s or end_s <= vehicle.arrival_s:
        return vehicle
    return replace(vehicle, departure_s=UnixSeconds(end_s))


def _limits(moment: Moment, slots: Slots) -> tuple[int, ...] | None:
    """The lowest limit of each slot; None if there is none at all."""
    found = [moment.limit_between(start_s, end_s) for start_s, end_s in pairwise(slots.edges_s)]
    if all(limit_w is None for limit_w in found):
        return None
    return tuple(NO_LIMIT_W if limit_w is None else int(limit_w) for limit_w in found)
