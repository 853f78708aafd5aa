"""Who stays at which station and when: a recorded day once, or recorded weeks over and over."""

import heapq
import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from domain.units import AccountId, PowerW, StationId, UnixSeconds
from oracle.acn import ReplaySession
from oracle.errors import RecordingUnfit
from oracle.sitemap import SiteMap

_WEEK_DAYS = 7
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (local times, counted without a zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A session at its station. `account` is None where nobody says whose it is."""

    session: ReplaySession
    station: StationId
    account: AccountId | None


class Visits(Protocol):
    """A source of visits, which may have no end."""

    @property
    def rated_power_w(self) -> PowerW: ...

    @property
    def stations(self) -> Sequence[StationId]: ...

    @property
    def accounts(self) -> Sequence[AccountId]:
        """Whose vehicles come. SiteMapInvalid if that is not known of a session."""

    def everywhere(self, since_s: Mapping[AccountId, int]) -> Iterator[Visit]:
        """All visits by arrival. May leave out those of an account that ended before its `since_s`."""

    def at(self, station: StationId, since_s: int) -> Iterator[Visit]:
        """One station's visits by arrival; to be asked for once. May leave out those that ended before `since_s`."""


class RecordedVisits:
    """Recorded sessions as they are. Each is an account of its own: the recordings know no drivers."""

    def __init__(self, sessions: Sequence[ReplaySession], site: SiteMap) -> None:
        self._site = site
        self._visits = [
            Visit(
                session=session,
                station=site.station_of(session.station_name),
                account=site.accounts.get(session.session_id),
            )
            for session in sorted(sessions, key=lambda s: s.arrival_s)
        ]

    @property
    def rated_power_w(self) -> PowerW:
        return self._site.rated_power_w

    @property
    def stations(self) -> Sequence[StationId]:
        return sorted({visit.station for visit in self._visits})

    @property
    def accounts(self) -> Sequence[AccountId]:
        return [self._site.account_of(visit.session.session_id) for visit in self._visits]

    def everywhere(self, since_s: Mapping[AccountId, int]) -> Iterator[Visit]:  # noqa: ARG002 (nothing is left out)
        return iter(self._visits)

    def at(self, station: StationId, since_s: int) -> Iterator[Visit]:  # noqa: ARG002 (an earlier day shows by that)
        return (visit for visit in self._visits if visit.station == station)


class EndlessVisits:
    """Recorded weeks over and over, from `from_s` on: the same file, map and moment always give the same visits.

    A round is as many whole weeks as the file spans, so weekdays stay what they were. A session begins at the
    same local time as in the recording, now in `zone`, and lasts as long. The map's drivers come in turn, who was
    away longest first; a session whose station or driver is still taken by the one before is left out.
    """

    def __init__(
        self, sessions: Sequence[ReplaySession], site: SiteMap, *, from_s: UnixSeconds, zone: ZoneInfo
    ) -> None:
        """RecordingUnfit if no endless series can be made of it; SiteMapInvalid names a station that is not mapped."""
        self._site = site
        self._from_s = from_s
        self._zone = zone
        self._sessions = sessions
        days = [session.local_day for session in sessions]
        weeks = ((max(days) - min(days)).days // _WEEK_DAYS) + 1
        self._round = timedelta(days=weeks * _WEEK_DAYS)
        self._first_day = min(days)
        stations = {site.station_of(session.station_name) for session in sessions}
        if len(site.drivers) < len(stations):
            raise RecordingUnfit(f"{len(stations)} stations need as many drivers; the map names {len(site.drivers)}")
        if any(s.departure_s - s.arrival_s >= self._round.total_seconds() for s in sessions):
            raise RecordingUnfit(f"a session lasts longer than the recording's {weeks} weeks")
        self._waiting: dict[StationId, deque[Visit]] = {station: deque() for station in sorted(stations)}
        self._stream = self._whole()

    @property
    def rated_power_w(self) -> PowerW:
        return self._site.rated_power_w

    @property
    def stations(self) -> Sequence[StationId]:
        return list(self._waiting)

    @property
    def accounts(self) -> Sequence[AccountId]:
        return self._site.drivers

    def everywhere(self, since_s: Mapping[AccountId, int]) -> Iterator[Visit]:
        for visit in self._whole():
            # One that ended at that very second may not have said yet that it left.
            if visit.account is None or visit.session.departure_s >= since_s.get(visit.account, -1):
                yield visit

    def at(self, station: StationId, since_s: int) -> Iterator[Visit]:
        waiting = self._waiting[station]
        while True:
            while not waiting:
                visit = next(self._stream)
                self._waiting[visit.station].append(visit)
            if waiting[0].session.departure_s < since_s:
                waiting.popleft()
            else:
                yield waiting.popleft()

    def _whole(self) -> Iterator[Visit]:
        free_from_s = dict.fromkeys(self._waiting, 0)
        drivers = [(0, account) for account in sorted(self._site.drivers)]
        for session in self._shifted():
            station = self._site.station_of(session.station_name)
            away_since_s, account = drivers[0]
            # With as many drivers as stations, there is one for every station that is free.
            if session.arrival_s <= max(free_from_s[station], away_since_s):
                continue
            heapq.heapreplace(drivers, (session.departure_s, account))
            free_from_s[station] = session.departure_s
            yield Visit(session=session, station=station, account=account)

    def _shifted(self) -> Iterator[ReplaySession]:
        """The recording, round after round, from the round in which `from_s` lies."""
        begins = datetime.fromtimestamp(self._from_s, self._zone).date()
        for number in itertools.count((begins - self._first_day) // self._round):
            moved = [self._moved(session, number * self._round) for session in self._sessions]
            yield from sorted(
                (session for session in moved if session.arrival_s >= self._from_s),
                key=lambda session: (session.arrival_s, session.station_name),
            )

    def _moved(self, session: ReplaySession, by: timedelta) -> ReplaySession:
        local = _EPOCH + timedelta(seconds=session.arrival_s + session.utc_offset_s) + by
        there = local.replace(tzinfo=self._zone)
        arrival_s = int(there.timestamp())
        delta_s = arrival_s - session.arrival_s
        return replace(
            session,
            session_id=f"{session.session_id}@{local.date()}",
            arrival_s=UnixSeconds(arrival_s),
            departure_s=UnixSeconds(session.departure_s + delta_s),
            estimated_departure_s=UnixSeconds(session.estimated_departure_s + delta_s),
            utc_offset_s=int((there.utcoffset() or timedelta()).total_seconds()),
        )
