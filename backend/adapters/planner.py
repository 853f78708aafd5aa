"""What finds plans for sites: the optimum over what is there, and least laxity first if that takes too long."""

from dataclasses import dataclass

import numpy as np

from domain.errors import PlanNotFound
from domain.schedule.baselines import least_laxity
from domain.schedule.columns import Columns
from domain.schedule.floor import floored
from domain.schedule.moment import Moment
from domain.schedule.optimum import optimum
from domain.schedule.plan import Schedule
from domain.schedule.problem import Problem
from domain.units import SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class SolverPlanner:
    """`deadline_s` is for one solve."""

    deadline_s: float

    def plan(self, problem: Problem, moment: Moment) -> Schedule:
        """The optimum above least powers, or what least laxity first does in the slot that runs."""
        try:
            return floored(optimum(problem, limit_s=self.deadline_s), limit_s=self.deadline_s / 4)
        except PlanNotFound:
            return _queued(problem, moment)


def _queued(problem: Problem, moment: Moment) -> Schedule:
    columns, policy = Columns.of(problem), least_laxity()
    powers = policy.powers(moment)
    power_w = np.array([powers.get(vehicle.session, 0) for vehicle in problem.vehicles], dtype=np.int64)
    wanted_wh = power_w[columns.vehicle] * columns.seconds // SECONDS_PER_HOUR
    taken_wh = np.where(columns.slot == 0, np.minimum(wanted_wh, columns.most_wh), 0)
    return Schedule(columns, taken_wh, np.zeros(len(columns), dtype=np.int64), policy.name)
