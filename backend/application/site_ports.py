"""What the use cases around sites need of the world, beside what is in `ports`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.application.filters import Page
from backend.application.site_records import (
    Commander,
    LimitCommand,
    NeedRecord,
    OpenSession,
    PastStay,
    Register,
    ScheduleRecord,
    SiteRecord,
    SiteTerms,
)
from domain.schedule.departures import Departures
from domain.schedule.moment import Moment
from domain.schedule.planner import Decision
from domain.tariff import Direction, Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a site's past tells of what is to come: the peak that a billing period needs, and when vehicles leave.

    None where the past is too short. `utc_offset_s` makes hours of its days.
    """

    level_w: Callable[[Moment], int] | None = None
    departures: Departures | None = None
    utc_offset_s: int = 0


class SiteTable(Protocol):
    """Sites, their limits and plans, and what is known at their stations."""

    def find(self, name: str) -> SiteRecord | None: ...
    def page(self, page: Page) -> list[SiteRecord]: ...
    def owners(self, stations: Iterable[int]) -> dict[int, int]:
        """The sites that stations belong to, by serial."""

    def define(self, terms: SiteTerms, now_s: int) -> SiteRecord:
        """Keeps a site; in the place of the one of its name, if there is one."""

    def command(self, command: LimitCommand) -> LimitCommand:
        """Keeps a limit; of those of a site that are over, the latest ones alone are kept."""

    def find_limit(self, site: int, serial: int) -> LimitCommand | None: ...
    def end_limit(self, serial: int, now_s: int) -> LimitCommand:
        """Ends a limit that is not over."""

    def limits_ahead(self, site: int, commander: Commander, now_s: int) -> int:
        """How many limits of one commander are not over."""

    def limits(self, site: int, page: Page) -> list[LimitCommand]: ...
    def limits_between(self, site: int, from_s: int, to_s: int) -> list[LimitCommand]:
        """Limits that hold somewhen within the time, and that nobody ended."""

    def keep_plan(self, schedule: ScheduleRecord) -> None: ...
    def plan(self, site: int) -> ScheduleRecord | None: ...
    def peak(self, site: int, period_s: int) -> tuple[int, int] | None:
        """The peak of a billing period so far, and the end of the last interval that was counted."""

    def keep_peak(self, site: int, period_s: int, peak_w: int, counted_until_s: int) -> None: ...
    def news(self) -> tuple[int, ...]:
        """Numbers that change with every new session, need, limit, tariff or site."""

    def open_sessions(self, stations: Iterable[int], now_s: int) -> dict[int, OpenSession]:
        """The latest session at each station that is valid now."""

    def past_stays(self, stations: Iterable[int], from_s: int, to_s: int, limit: int) -> list[PastStay]:
        """Stays that began from `from_s` up to `to_s` and were over by `to_s`: the latest ones, by arrival."""

    def before_session(self, station: int, session: bytes, last: int) -> Register | None:
        """What the meter showed before the session's first reading, up to number `last`."""

    def registers(self, stations: Iterable[int], time_s: int) -> dict[int, Register]:
        """What each meter showed last, up to a time."""

    def shown(self, station: int, from_s: int, to_s: int) -> list[Register]:
        """All that a meter showed from one time up to another, in order of time."""

    def tariffs(self, payee: int, directions: Sequence[Direction], from_s: int, to_s: int) -> list[Tariff]:
        """An operator's tariffs that are valid somewhen within the time."""


class NeedTable(Protocol):
    def find(self, session: bytes) -> NeedRecord | None: ...
    def named(self, sessions: Iterable[bytes]) -> Mapping[bytes, NeedRecord]: ...
    def keep(self, record: NeedRecord) -> NeedRecord:
        """In the place of the session's one before."""


class Planner(Protocol):
    """Finds a plan for a site, in a bounded time, whatever the situation."""

    def decide(self, moment: Moment, learned: Learned) -> Decision: ...
