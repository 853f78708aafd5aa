"""What finds plans for sites: the planner of the domain, with what a site's past tells."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context

import structlog

from backend.adapters.children import begin
from backend.application.site_ports import Learned
from domain.schedule.departures import Departures
from domain.schedule.horizon import Tuning
from domain.schedule.moment import Moment
from domain.schedule.outlook import Daily
from domain.schedule.planner import Decision, Planner
from domain.schedule.problem import UNMET_MICRO_PER_KWH
from domain.units import PriceMicroPerKwh

UNSURE_MICRO_PER_KWH = PriceMicroPerKwh(1_000_000)
"""What a missing kWh is worth where departures are only likely: at more, every plan would be "at once"."""
MOST_PROCESSES = 8
ANSWERED_WITHIN_S = 60.0
"""Far more than all deadlines of one plan: a process that takes longer is given up."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SolverPlanner:
    """`deadline_s` is for one solve."""

    deadline_s: float

    def decide(self, moment: Moment, learned: Learned) -> Decision:
        """The best plan above least powers, or what least laxity first does in the slot that begins."""
        level_w = learned.level_w(moment) if learned.level_w else None
        return _decide(self.deadline_s, moment, level_w, learned.departures, learned.utc_offset_s)


@dataclass(slots=True)
class PooledPlanner:
    """Plans one site where it is asked, and further ones at the same time in processes of their own.

    They are started when they are first needed, and leave one core to the caller. A process that dies costs nothing but
    time: its plan is made here.
    """

    deadline_s: float
    processes: int = field(default_factory=lambda: max(1, min(MOST_PROCESSES, (os.cpu_count() or 1) - 1)))
    _here: threading.Lock = field(default_factory=threading.Lock)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _pool: ProcessPoolExecutor | None = None

    def decide(self, moment: Moment, learned: Learned) -> Decision:
        """As the solver's planner does."""
        level_w = learned.level_w(moment) if learned.level_w else None
        asked = self.deadline_s, moment, level_w, learned.departures, learned.utc_offset_s
        if self._here.acquire(blocking=False):
            try:
                return _decide(*asked)
            finally:
                self._here.release()
        pool = self._started()
        try:
            return pool.submit(_decide, *asked).result(timeout=ANSWERED_WITHIN_S)
        except (BrokenProcessPool, TimeoutError, OSError) as error:
            log.warning("a planning process died", error=type(error).__name__, detail=str(error))
            self._forget(pool)
            return _decide(*asked)

    def close(self) -> None:
        """Ends the processes."""
        with self._starting:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        with self._starting:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self.processes, get_context("spawn"), initializer=begin, initargs=(os.getpid(),)
                )
            return self._pool

    def _forget(self, pool: ProcessPoolExecutor) -> None:
        with self._starting:
            if self._pool is not pool:
                return
            self._pool = None
            # One that ended while it held a lock of the pool would make the others wait for ever.
            for process in active_children():
                process.kill()
        pool.shutdown(wait=False, cancel_futures=True)


def _decide(
    deadline_s: float, moment: Moment, level_w: int | None, departures: Departures | None, utc_offset_s: int
) -> Decision:
    unmet = UNMET_MICRO_PER_KWH if departures is None else UNSURE_MICRO_PER_KWH
    planner = Planner(
        Tuning(weeks=(), deadline_s=deadline_s, unmet_micro_per_kwh=unmet),
        level_w=None if level_w is None else lambda _: level_w,
        departures=departures,
        sun=Daily(utc_offset_s=utc_offset_s),
        load=Daily(utc_offset_s=utc_offset_s),
    )
    return planner.decide(moment)
