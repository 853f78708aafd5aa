"""Schedules of sites, made anew whenever something happened, and the set-points that follow from them.

Sites are independent: some are planned at once, each within the planner's deadline. What is kept is enough to go on
after a restart: the latest plan, the peak so far, limits and needs. Money does not depend on any of it.
"""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from backend.application.errors import NoSchedule
from backend.application.feed import SITES
from backend.application.filters import Page
from backend.application.ports import Clock, Store, UnitOfWork
from backend.application.site_past import Pasts
from backend.application.site_plan import make_plan
from backend.application.site_ports import Planner
from backend.application.site_records import SLOT_S, Commander, LimitCommand, ScheduleRecord, SetPoint, SiteRecord
from backend.application.site_situation import PEAK_GRACE_S, drawn_wh, period_of, situation
from backend.application.sites import Sites
from domain.errors import WattledgerError
from domain.text import hex_text
from domain.units import SECONDS_PER_HOUR
from domain.wire import Json

READINGS_EVERY_S = 5
"""New readings alone make a plan anew this often at most."""
MAX_SITES_AT_ONCE = 500
PLANNED_AT_ONCE = 8
"""Threads that look at sites; what takes long is done in the planner's processes."""
PEAKS_AT_ONCE = 96

log = structlog.get_logger()


class _Seen(NamedTuple):
    """What a site's plan was made from: when any of it changes, so does the plan."""

    slot: int
    sessions: tuple[object, ...]
    needs: tuple[object, ...]
    limits: tuple[object, ...]
    prices: int
    terms: int
    readings: int


_REASONS = ("slot", "session", "need", "limit", "price", "site", "reading")


@dataclass(slots=True)
class Scheduling:
    """The use cases around schedules, and the loop behind them."""

    store: Store
    clock: Clock
    planner: Planner
    sites: Sites
    _seen: dict[int, tuple[_Seen, int]] = field(default_factory=dict)
    _pasts: Pasts = field(default_factory=Pasts)
    _planning: dict[int, threading.Lock] = field(default_factory=dict)

    def advance(self) -> int:
        """Makes the plans anew that something happened to; how many."""
        with self.store.read() as unit:
            sites = unit.sites.page(Page(0, MAX_SITES_AT_ONCE))
        if len(sites) <= 1:
            return sum(map(self._look, sites))
        with ThreadPoolExecutor(min(PLANNED_AT_ONCE, len(sites)), thread_name_prefix="site") as threads:
            return sum(threads.map(self._look, sites))

    def command(self, name: str, command: LimitCommand) -> tuple[LimitCommand, ScheduleRecord]:
        """Keeps a limit and makes the site's plan anew at once."""
        return self._limited(name, self.sites.limit(name, command))

    def end(self, name: str, number: int, by: Commander) -> tuple[LimitCommand, ScheduleRecord]:
        """Ends a limit early and makes the site's plan anew at once, also where it was over already."""
        return self._limited(name, self.sites.end(name, number, by))

    def schedules(self, page: Page, name: str | None) -> list[tuple[SiteRecord, ScheduleRecord]]:
        """The latest plan of each site, or of one; sites without one are left out."""
        with self.store.read() as unit:
            sites = unit.sites.page(page) if name is None else [self.sites.found(unit, name)]
            plans = [(site, unit.sites.plan(site.serial)) for site in sites if site.serial > page.after]
        return [(site, plan) for site, plan in plans if plan is not None]

    def set_points(self, name: str) -> tuple[SiteRecord, ScheduleRecord]:
        """The site with its latest plan; NoSchedule if there is none yet."""
        with self.store.read() as unit:
            site = self.sites.found(unit, name)
            plan = unit.sites.plan(site.serial)
        if plan is None:
            raise NoSchedule(name)
        return site, plan

    def _limited(self, name: str, command: LimitCommand) -> tuple[LimitCommand, ScheduleRecord]:
        site = self.sites.get(name)
        with self._lock(site):
            return command, self._plan(site, "limit")

    def _lock(self, site: SiteRecord) -> threading.Lock:
        """Nobody plans a site while somebody else does."""
        return self._planning.setdefault(site.serial, threading.Lock())

    def _look(self, site: SiteRecord) -> bool:
        """Plans the site anew if that is due. What goes wrong at one site does not hold up the others."""
        with self._lock(site):
            try:
                self._count_peak(site)
                reason = self._due(site)
                if reason is None:
                    return False
                self._plan(site, reason)
            except WattledgerError as error:
                log.warning("no plan", site=site.terms.name, error=type(error).__name__, detail=str(error))
                return False
            return True

    def _due(self, site: SiteRecord) -> str | None:
        """Why the plan is to be made anew; None if it is not."""
        now_s = self.clock.now_s()
        with self.store.read() as unit:
            seen = _seen(unit, site, now_s)
        before = self._seen.get(site.serial)
        if before is None:
            return "start"
        changed = [reason for reason, old, new in zip(_REASONS, before[0], seen, strict=True) if old != new]
        if not changed or (changed == ["reading"] and now_s - before[1] < READINGS_EVERY_S):
            return None
        return changed[0]

    def _plan(self, site: SiteRecord, reason: str) -> ScheduleRecord:
        now_s, began_s = self.clock.now_s(), self.clock.monotonic_s()
        with self.store.read() as unit:
            seen = _seen(unit, site, now_s)
            known, learned = situation(unit, site, now_s), self._pasts.of(unit, site, now_s)
            before = unit.sites.plan(site.serial)
        plan = make_plan(known, self.planner, learned, reason)
        with self.store.write() as unit:
            unit.sites.keep_plan(plan)
            _tell(unit, site, before, plan)
        self._seen[site.serial] = (seen, now_s)
        took_ms = round(1000 * (self.clock.monotonic_s() - began_s))
        log.info("planned", site=site.terms.name, reason=reason, how=plan.how, vehicles=len(plan.stays), ms=took_ms)
        return plan

    def _count_peak(self, site: SiteRecord) -> None:
        """Counts the quarters of an hour that ended since the last one that was counted, the latest hours alone."""
        now_s = self.clock.now_s()
        until_s = (now_s - PEAK_GRACE_S) // SLOT_S * SLOT_S
        period_s, _ = period_of(site, until_s - 1)
        with self.store.read() as unit:
            peak_w, counted_s = unit.sites.peak(site.serial, period_s) or (0, max(period_s, until_s - SLOT_S))
            if counted_s >= until_s:
                return
            for from_s in range(max(counted_s, until_s - PEAKS_AT_ONCE * SLOT_S), until_s, SLOT_S):
                mean_w = -(-drawn_wh(unit, site, from_s, from_s + SLOT_S) * SECONDS_PER_HOUR // SLOT_S)
                peak_w = max(peak_w, mean_w)
        with self.store.write() as unit:
            unit.sites.keep_peak(site.serial, period_s, peak_w, until_s)


def set_point_views(site: SiteRecord, plan: ScheduleRecord, points: Sequence[SetPoint] | None = None) -> Json:
    """Set-points as everybody may see them: all of the plan's, or these."""
    return {
        "site": site.terms.name,
        "time": plan.made_at_s,
        "reason": plan.reason,
        "limit_w": plan.limit_w[0] if plan.limit_w else None,
        "safe_power_w": site.terms.safe_power_w,
        "set_points": [
            {
                "station": point.station,
                "session": hex_text(point.session) if point.session else None,
                "power_w": point.power_w,
                "valid_until": plan.valid_until_s,
            }
            for point in (plan.set_points if points is None else points)
        ],
    }


def _seen(unit: UnitOfWork, site: SiteRecord, now_s: int) -> _Seen:
    sessions = unit.sites.open_sessions(site.numbers, now_s)
    needs = unit.needs.named(one.session for one in sessions.values())
    news, last = unit.sites.news(), unit.readings.last_meters(site.numbers)
    slot = now_s // SLOT_S
    limits = unit.sites.limits_between(site.serial, now_s, now_s + 1)
    return _Seen(
        slot=slot,
        sessions=tuple(sorted(one.serial for one in sessions.values())),
        needs=tuple(sorted(one.serial for one in needs.values())),
        limits=tuple(one.serial for one in limits),
        prices=news[3],
        terms=site.changed_at_s,
        readings=sum(reading.sequence for reading in last.values()),
    )


def _tell(unit: UnitOfWork, site: SiteRecord, before: ScheduleRecord | None, plan: ScheduleRecord) -> None:
    """Tells subscribers the set-points that changed, all of them when they count for longer than before."""
    old = {point.station: (point.session, point.power_w) for point in before.set_points} if before else {}
    longer = before is None or before.valid_until_s != plan.valid_until_s
    changed = [one for one in plan.set_points if longer or old.get(one.station) != (one.session, one.power_w)]
    if changed:
        unit.feed.tell(SITES, site.serial, "set-points", json.dumps(set_point_views(site, plan, changed)))
