"""What finds plans for sites: the planner of the domain, with what a site's past tells."""

from dataclasses import dataclass

from backend.application.site_ports import Learned
from domain.schedule.horizon import Tuning
from domain.schedule.moment import Moment
from domain.schedule.outlook import Daily
from domain.schedule.planner import Decision, Planner
from domain.schedule.problem import UNMET_MICRO_PER_KWH
from domain.units import PriceMicroPerKwh

UNSURE_MICRO_PER_KWH = PriceMicroPerKwh(1_000_000)
"""What a missing kWh is worth where departures are only likely: at more, every plan would be "at once"."""


@dataclass(frozen=True, slots=True)
class SolverPlanner:
    """`deadline_s` is for one solve."""

    deadline_s: float

    def decide(self, moment: Moment, learned: Learned) -> Decision:
        """The best plan above least powers, or what least laxity first does in the slot that begins."""
        unmet = UNMET_MICRO_PER_KWH if learned.departures is None else UNSURE_MICRO_PER_KWH
        planner = Planner(
            Tuning(weeks=(), deadline_s=self.deadline_s, unmet_micro_per_kwh=unmet),
            level_w=learned.level_w,
            departures=learned.departures,
            sun=Daily(utc_offset_s=learned.utc_offset_s),
            load=Daily(utc_offset_s=learned.utc_offset_s),
        )
        return planner.decide(moment)
