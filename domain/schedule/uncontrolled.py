"""Charging at once: at full power from the moment of arrival until the need is met, whatever it costs."""

import numpy as np

from domain.schedule.columns import Columns
from domain.schedule.plan import Schedule
from domain.schedule.problem import Problem


def uncontrolled(problem: Problem) -> Schedule:
    """What happens if nobody plans. Limits are not looked at; nothing is given back."""
    columns = Columns.of(problem)
    most_wh = columns.most_wh
    running_wh = np.concatenate(([0], np.cumsum(most_wh)))
    before_wh = running_wh[:-1] - running_wh[columns.first[columns.vehicle]]
    taken_wh = np.clip(columns.need_wh[columns.vehicle] - before_wh, 0, most_wh)
    return Schedule(columns, taken_wh, np.zeros(len(columns), dtype=np.int64), "uncontrolled")
