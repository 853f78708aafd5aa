"""Sites: what their operators say of them, and the limits that are commanded."""

import json
from dataclasses import dataclass, replace

from backend.application.errors import LimitOfAnother, StationElsewhere, UnknownLimit, UnknownSite
from backend.application.feed import SITES
from backend.application.filters import Page
from backend.application.ports import Clock, Store, UnitOfWork
from backend.application.site_records import Commander, LimitCommand, SiteRecord, SiteTerms
from domain.errors import Malformed, UnknownStation
from domain.wire import Json

MAX_SITES = 500
MAX_LIMITS_AHEAD = 1_000
LONGEST_LIMIT_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Sites:
    """The use cases around sites."""

    store: Store
    clock: Clock

    def define(self, terms: SiteTerms) -> tuple[SiteRecord, bool]:
        """Keeps a site, in the place of the one of its name; whether the name is new.

        UnknownStation, StationElsewhere or Malformed if it cannot be.
        """
        with self.store.write() as unit:
            before = unit.sites.find(terms.name)
            if before is None and len(unit.sites.page(Page(0, MAX_SITES))) == MAX_SITES:
                raise Malformed(f"there are {MAX_SITES} sites already, and no room for another one")
            self._check_stations(unit, terms, before)
            return unit.sites.define(terms, self._changed_s(before)), before is None

    def get(self, name: str) -> SiteRecord:
        """UnknownSite if there is none."""
        with self.store.read() as unit:
            return self.found(unit, name)

    def page(self, page: Page) -> list[SiteRecord]:
        with self.store.read() as unit:
            return unit.sites.page(page)

    def limits(self, name: str, page: Page) -> list[LimitCommand]:
        """Limits that were commanded: all that are not over, and the latest of the others."""
        with self.store.read() as unit:
            return unit.sites.limits(self.found(unit, name).serial, page)

    def limit(self, name: str, command: LimitCommand) -> LimitCommand:
        """Keeps a limit. `site` and `taken_at_s` are ours. Malformed if it holds for no time, or is one too many."""
        now_s = self.clock.now_s()
        if not command.from_s < command.to_s <= command.from_s + LONGEST_LIMIT_S:
            raise Malformed(
                f"a limit holds for 1 second to a year; this one begins at {command.from_s} and ends at {command.to_s}"
            )
        if command.to_s <= now_s:
            raise Malformed(f"the limit ended at {command.to_s}, it is {now_s}; give one that ends later")
        with self.store.write() as unit:
            site = self.found(unit, name)
            if unit.sites.limits_ahead(site.serial, command.commanded_by, now_s) >= MAX_LIMITS_AHEAD:
                raise Malformed(f"{MAX_LIMITS_AHEAD} limits of yours are not over yet; end some of them first")
            kept = unit.sites.command(replace(command, site=site.serial, taken_at_s=now_s))
            _tell(unit, name, kept)
            return kept

    def end(self, name: str, number: int, by: Commander) -> LimitCommand:
        """Ends a limit now, or before it begins; one that is over stays as it is. UnknownLimit, LimitOfAnother."""
        now_s = self.clock.now_s()
        with self.store.write() as unit:
            command = unit.sites.find_limit(self.found(unit, name).serial, number)
            if command is None:
                raise UnknownLimit(name, number)
            if command.commanded_by is not by:
                raise LimitOfAnother(number, command.commanded_by)
            if command.is_over(now_s):
                return command
            ended = unit.sites.end_limit(number, now_s)
            _tell(unit, name, ended)
            return ended

    def found(self, unit: UnitOfWork, name: str) -> SiteRecord:
        """UnknownSite if there is none."""
        record = unit.sites.find(name)
        if record is None:
            raise UnknownSite(name)
        return record

    def _check_stations(self, unit: UnitOfWork, terms: SiteTerms, before: SiteRecord | None) -> None:
        numbers = [one.station for one in terms.stations]
        known = unit.stations.named([*numbers, *([terms.sun_station] if terms.sun_station else [])])
        for number in (*numbers, *([terms.sun_station] if terms.sun_station else [])):
            if number not in known:
                raise UnknownStation(number)
        for one in terms.stations:
            rated_w = known[one.station].rated_power_w
            if max(one.least_power_w, one.most_power_w or 0) > rated_w:
                raise Malformed(f"station {one.station} is rated at {rated_w} W; it cannot do more")
        for station, owner in sorted(unit.sites.owners(numbers).items()):
            if before is None or owner != before.serial:
                raise StationElsewhere(station)

    def _changed_s(self, before: SiteRecord | None) -> int:
        """Later than the change before, so that a second change within a second is noticed."""
        return max(self.clock.now_s(), before.changed_at_s + 1 if before else 0)


def limit_view(name: str, command: LimitCommand) -> Json:
    """A limit as everybody may see it."""
    return {
        "site": name,
        "number": command.serial,
        "by": command.commanded_by.value,
        "import_limit_w": command.import_limit_w,
        "from": command.from_s,
        "to": command.to_s,
        "taken_at": command.taken_at_s,
        "ended_at": command.ended_at_s,
    }


def _tell(unit: UnitOfWork, name: str, command: LimitCommand) -> None:
    """Tells subscribers that a limit was commanded or ended."""
    unit.feed.tell(SITES, command.site, "limit", json.dumps(limit_view(name, command)))
