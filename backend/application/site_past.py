"""What sites learn from stays that are over: the peak that a month needs in any case, and when vehicles leave."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from backend.application.ports import UnitOfWork
from backend.application.site_ports import Learned
from backend.application.site_records import PastStay, SiteRecord
from domain.schedule.departures import Departures, declared_of
from domain.schedule.forecast import WEEK_S, Record, Stayed
from domain.schedule.level import PeakLevel
from domain.units import SECONDS_PER_HOUR

WEEKS = 9
"""Two months were enough to learn departures from (docs/reference/schedule-benchmark.md, case F)."""
STAYS_AT_MOST = 20_000
LOOK_EVERY_S = SECONDS_PER_HOUR
RENEW_S = 24 * SECONDS_PER_HOUR
LEAST_DEPARTURES = 100
"""So many drivers said when they would leave, and when they left, before that counts for others."""


@dataclass(slots=True)
class _Known:
    """A site's past as it was looked at last. The level of its month stays, whatever is learned."""

    record: Record
    level_w: PeakLevel
    learned: Learned
    looked_s: int
    changed_at_s: int


@dataclass(slots=True)
class Pasts:
    """Looks at each site's past once an hour, and forgets it at a restart."""

    _known: dict[int, _Known] = field(default_factory=dict)

    def of(self, unit: UnitOfWork, site: SiteRecord, now_s: int) -> Learned:
        """What the site's past tells now."""
        known = self._known.get(site.serial)
        if known is None or known.changed_at_s != site.changed_at_s:
            known = self._known[site.serial] = _unknown(site, now_s)
        if now_s - known.looked_s >= LOOK_EVERY_S:
            _look(unit, site, known, now_s)
        return known.learned


def _unknown(site: SiteRecord, now_s: int) -> _Known:
    record = Record()
    return _Known(record, PeakLevel(record, renew_s=RENEW_S), Learned(), now_s - LOOK_EVERY_S, site.changed_at_s)


def _look(unit: UnitOfWork, site: SiteRecord, known: _Known, now_s: int) -> None:
    stays = unit.sites.past_stays(site.numbers, now_s - WEEKS * WEEK_S, now_s, STAYS_AT_MOST)
    known.record.stays = sorted(_stayed(unit, site, stays))
    said = declared_of([(s.arrival_s, s.declared_s, s.left_s) for s in stays if s.said and s.declared_s is not None])
    local = datetime.fromtimestamp(now_s, ZoneInfo(site.terms.zone)).utcoffset()
    offset_s = int(local.total_seconds()) if local else 0
    known.learned = Learned(
        level_w=known.level_w if stays else None,
        departures=Departures(said, utc_offset_s=offset_s) if len(said) >= LEAST_DEPARTURES else None,
        utc_offset_s=offset_s,
    )
    known.looked_s = now_s


def _stayed(unit: UnitOfWork, site: SiteRecord, stays: list[PastStay]) -> list[Stayed]:
    """Those that charged, with what their stations can do."""
    rated = {number: station.rated_power_w for number, station in unit.stations.named(site.numbers).items()}
    most = {one.station: int(one.most_power_w or rated.get(one.station) or 0) for one in site.terms.stations}
    return [
        Stayed(one.arrival_s, one.left_s, one.charged_wh, most[one.station])
        for one in stays
        if one.charged_wh and one.left_s > one.arrival_s and most[one.station]
    ]
