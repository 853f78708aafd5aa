"""The reward of the review, and its linear program, as references beside our own figures.

The reward is R = α · (Cs - Ct) - β · max(0, P - Pmax)². Our reading: Cs is what uncontrolled charging costs, Ct what
the plan costs, euro; P is the site's mean power in a slot and Pmax its limit, kW, summed over the slots. The review
writes (P - Pmax)², which would punish power below the limit too; so only the excess counts here.

The linear program (6)-(7) is the plain cost minimisation, with powers P of vehicle i in slot t of length Δt:

    (6)  minimise Σᵢ Σₜ cₜ · Pᵢₜ · Δt
    (7)  Σₜ Pᵢₜ · Δt = Eᵢ,  0 ≤ Pᵢₜ ≤ Pmax,  Σᵢ Pᵢₜ ≤ Pgrid

It knows no demand charge, no sun, no battery that gives back. `review_problem` takes them out of a problem; its optimum
costs what (6) says, as long as every need can be met (7).
"""

from dataclasses import dataclass, replace

from domain.schedule.columns import Ints
from domain.schedule.optimum import optimum
from domain.schedule.plan import Schedule
from domain.schedule.problem import Aims, Prices, Problem, Site, Vehicle
from domain.units import SECONDS_PER_HOUR, WH_PER_KWH

MICRO = 1_000_000
W_PER_KW = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """α per euro saved, β per kW² of excess in a slot; Pmax in W."""

    alpha: float = 1.0
    beta: float = 0.01
    most_w: int

    def of(self, *, uncontrolled_micro: int, planned_micro: int, power_w: Ints) -> float:
        """R for costs in micro-euro and the site's mean power of each slot, W.

        >>> import numpy as np
        >>> power_w = np.array([4_000, 12_000])
        >>> Reward(most_w=10_000).of(uncontrolled_micro=5_000_000, planned_micro=3_000_000, power_w=power_w)
        1.96
        """
        excess_kw = (power_w - self.most_w).clip(min=0) / W_PER_KW
        return self.alpha * (uncontrolled_micro - planned_micro) / MICRO - self.beta * float((excess_kw**2).sum())


def mean_power_w(schedule: Schedule) -> Ints:
    """What the vehicles draw in each slot, W, rounded towards minus infinity."""
    power: Ints = schedule.net_wh * SECONDS_PER_HOUR // schedule.columns.slot_seconds
    return power


def review_problem(problem: Problem) -> Problem:
    """The problem as (6)-(7) has it: energy prices, needs, powers, and the grid's limit."""
    return Problem(
        slots=problem.slots,
        vehicles=tuple(_plain(vehicle) for vehicle in problem.vehicles),
        site=Site(import_limit_w=problem.site.import_limit_w),
        prices=Prices(import_micro_per_kwh=problem.prices.import_micro_per_kwh),
        aims=Aims(unmet_micro_per_kwh=problem.aims.unmet_micro_per_kwh),
    )


def review_optimum(problem: Problem) -> Schedule:
    """The optimal schedule of (6)-(7). Where (7) cannot be met, it comes as close as it can."""
    return replace(optimum(review_problem(problem)), how="review's program (6)-(7)")


def energy_micro(schedule: Schedule) -> int:
    """What (6) comes to, micro-euro, rounded up."""
    prices = schedule.problem.prices.import_micro_per_kwh
    parts = sum(int(net) * price for net, price in zip(schedule.net_wh, prices, strict=True))
    return -(-parts // WH_PER_KWH)


def _plain(vehicle: Vehicle) -> Vehicle:
    return Vehicle(
        session=vehicle.session,
        arrival_s=vehicle.arrival_s,
        departure_s=vehicle.departure_s,
        need_wh=vehicle.need_wh,
        power_w=vehicle.power_w,
    )
