"""What is known at a site now: who is there and what each still misses, limits, prices, its own plants and its peak."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from backend.application.ports import UnitOfWork
from backend.application.site_records import (
    SLOT_S,
    LimitCommand,
    NeedRecord,
    OpenSession,
    Register,
    ScheduleRecord,
    SetPoint,
    SiteRecord,
    SiteStation,
)
from domain.schedule.horizon import SHORTEST_S
from domain.station import Station
from domain.tariff import Direction, Tariff
from domain.units import SECONDS_PER_HOUR

HORIZON_S = 36 * SECONDS_PER_HOUR
SILENT_AFTER_S = 1_200
"""A meter reports at each quarter of an hour while energy flows; this long after that, it is silent."""
HELD_S = 900
"""So long a silent station's vehicle is left at its last set-point, then it goes to the safe power."""
PEAK_GRACE_S = 30
A_DAY_S = 86_400
SUN_DAYS = 8
_IMPORT = (Direction.MARKET_CHARGE, Direction.CHARGE)
_EXPORT = (Direction.MARKET_DISCHARGE, Direction.DISCHARGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A vehicle at a station. `missing_wh` is what it still needs, `bought_wh` what it traded by market interval.

    `departure_s` is the one that was told last: who stays longer is served as well as can be.
    `may_give`: driver and station allow it to give back what it sold. `silent_s` is since when its meter should have
    reported, None if it did. `refuses`: energy was to flow for a quarter of an hour, and its meter shows none.
    """

    station: SiteStation
    power_w: int
    session: bytes
    account: int
    missing_wh: int
    departure_s: int
    arrived_s: int
    last: SetPoint | None
    silent_s: int | None
    may_give: bool = False
    refuses: bool = False
    bought_wh: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a plan of a site is made from.

    The slot that begins ends at `ends_s`. Prices are by quarter of an hour, from the one that ends then; `sun_w` is
    what the site's plants gave in those before it.
    """

    site: SiteRecord
    now_s: int
    ends_s: int
    present: tuple[Present, ...]
    commands: tuple[LimitCommand, ...]
    import_micro_per_kwh: tuple[int, ...]
    export_micro_per_kwh: tuple[int, ...]
    sun_w: tuple[int, ...]
    peak_w: int
    used_wh: int
    period_ends_s: int
    problems: tuple[str, ...]

    @property
    def silent(self) -> list[Present]:
        return [one for one in self.present if one.silent_s is not None]


def situation(unit: UnitOfWork, site: SiteRecord, now_s: int) -> Situation:
    """Read in one view. Problems say what had to be assumed."""
    before, stations = unit.sites.plan(site.serial), unit.stations.named(site.numbers)
    registers = unit.sites.registers(site.numbers, now_s)
    present = _present(unit, site, stations, registers, before, now_s)
    ends_s = _ends_s(now_s)
    starts_s = range(ends_s - SLOT_S, now_s + HORIZON_S, SLOT_S)
    tariffs = [
        tariff
        for payee in sorted({station.payee for station in stations.values()})
        for tariff in unit.sites.tariffs(payee, (*_IMPORT, *_EXPORT), starts_s[0], starts_s[-1] + SLOT_S)
    ]
    last_s = max((one.departure_s for one in present), default=now_s)
    bought = _prices(tariffs, _IMPORT, starts_s)
    peak_w = unit.sites.peak(site.serial, period_of(site, now_s)[0])
    return Situation(
        site=site,
        now_s=now_s,
        ends_s=ends_s,
        present=present,
        commands=tuple(unit.sites.limits_between(site.serial, now_s, now_s + HORIZON_S)),
        import_micro_per_kwh=_filled(bought),
        export_micro_per_kwh=_filled(_prices(tariffs, _EXPORT, starts_s)),
        sun_w=_sun(unit, site, ends_s - SLOT_S),
        peak_w=peak_w[0] if peak_w else 0,
        used_wh=_used_wh(unit, site, registers, now_s),
        period_ends_s=period_of(site, now_s)[1],
        problems=tuple(_unpriced(bought, [start_s for start_s in starts_s if start_s < max(last_s, ends_s)])),
    )


def period_of(site: SiteRecord, now_s: int) -> tuple[int, int]:
    """First second of the site's calendar month, and of the next one."""
    local = datetime.fromtimestamp(now_s, ZoneInfo(site.terms.zone))
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)  # noqa: PLR2004 (December)
    return int(first.timestamp()), int(first.replace(year=year, month=month).timestamp())


def drawn_wh(unit: UnitOfWork, site: SiteRecord, from_s: int, to_s: int) -> int:
    """What the site drew between two times by its meters, less what its plants and vehicles gave; at least nothing."""
    numbers = [*site.numbers, *([site.terms.sun_station] if site.terms.sun_station else [])]
    first, last = unit.sites.registers(numbers, from_s), unit.sites.registers(numbers, to_s)
    return max(0, sum(_moved(first.get(number), one) for number, one in last.items()))


def _moved(before: Register | None, after: Register) -> int:
    """Drawn less given. A meter that was replaced meanwhile says nothing."""
    if before is None:
        return 0
    drawn, given = after.import_wh - before.import_wh, after.export_wh - before.export_wh
    return drawn - given if min(drawn, given) >= 0 else 0


def _used_wh(unit: UnitOfWork, site: SiteRecord, registers: Mapping[int, Register], now_s: int) -> int:
    """What the site drew in the quarter of an hour that runs."""
    edge = unit.sites.registers(site.numbers, now_s - now_s % SLOT_S)
    return max(0, sum(_moved(edge.get(number), one) for number, one in registers.items()))


# --- who is there ------------------------------------------------------------------------------


def _present(
    unit: UnitOfWork,
    site: SiteRecord,
    stations: Mapping[int, Station],
    registers: Mapping[int, Register],
    before: ScheduleRecord | None,
    now_s: int,
) -> tuple[Present, ...]:
    sessions = unit.sites.open_sessions(site.numbers, now_s)
    needs = unit.needs.named(one.session for one in sessions.values())
    last = {point.station: point for point in before.set_points} if before else {}
    found = []
    for one in site.terms.stations:
        session, station = sessions.get(one.station), stations.get(one.station)
        if session is None or station is None or _left(needs.get(session.session)):
            continue
        point = last.get(one.station)
        mine = point if point is not None and point.session == session.session else None
        energy_wh, departure_s = _wanted(session, needs.get(session.session))
        charged_wh, given_wh = _moved_wh(unit, session, registers.get(one.station))
        bought = _bought(unit, site, session.account, now_s)
        refuses = _refuses(unit, mine, registers.get(one.station))
        # Who sold energy back takes it again, and what it bought it takes in any case.
        missing_wh = max(energy_wh - charged_wh + given_wh, sum(wh for wh in bought.values() if wh > 0))
        found.append(
            Present(
                station=one,
                power_w=min(station.rated_power_w, one.most_power_w or station.rated_power_w),
                session=session.session,
                account=session.account,
                missing_wh=0 if refuses else max(0, min(missing_wh, session.max_energy_wh - charged_wh)),
                departure_s=departure_s,
                arrived_s=min(session.not_before_s, now_s),
                last=mine,
                silent_s=_silent_s(mine, registers.get(one.station), now_s),
                may_give=session.discharge_allowed and station.bidirectional,
                refuses=refuses,
                bought_wh={} if refuses else bought,
            )
        )
    return tuple(found)


def _left(need: NeedRecord | None) -> bool:
    return need is not None and need.need.leaves


def _wanted(session: OpenSession, need: NeedRecord | None) -> tuple[int, int]:
    """Energy in all, and departure."""
    if need is None:
        return session.max_energy_wh, session.expiry_s
    return min(need.need.energy_wh, session.max_energy_wh), min(need.need.departure_s, session.expiry_s)


def _moved_wh(unit: UnitOfWork, session: OpenSession, register: Register | None) -> tuple[int, int]:
    """Charged and given back by the readings that name the session; a replaced meter counts from nothing."""
    if session.last_reading is None or register is None:
        return 0, 0
    before = unit.sites.before_session(session.station, session.session, session.last_reading)
    if before is None:
        return 0, 0
    return max(0, register.import_wh - before.import_wh), max(0, register.export_wh - before.export_wh)


def _silent_s(point: SetPoint | None, register: Register | None, now_s: int) -> int | None:
    """Since when the meter is silent, though energy flows."""
    if point is None or point.flows_since_s is None:
        return None
    heard_s = max(point.flows_since_s, register.time_s if register else 0)
    return heard_s if now_s - heard_s > SILENT_AFTER_S else None


def _refuses(unit: UnitOfWork, point: SetPoint | None, register: Register | None) -> bool:
    """Whether nothing was metered since a quarter of an hour, though it was to flow: the vehicle is full, or it errs.

    It is given nothing in the next plan, and so asked again by the one after that.
    """
    if (
        point is None
        or point.flows_since_s is None
        or register is None
        or register.time_s < point.flows_since_s + SLOT_S
    ):
        return False
    before = unit.sites.registers([point.station], register.time_s - SLOT_S).get(point.station)
    return before is not None and (before.import_wh, before.export_wh) == (register.import_wh, register.export_wh)


def _bought(unit: UnitOfWork, site: SiteRecord, account: int, now_s: int) -> dict[int, int]:
    """What the account traded for intervals that are not over, Wh; sold, if negative."""
    if site.terms.market_zone is None:
        return {}
    first_s = now_s - now_s % SLOT_S
    return {
        one.interval_s: one.open.bought_wh - one.open.sold_wh
        for one in unit.positions.open_of(account)
        if one.zone == site.terms.market_zone and one.interval_s >= first_s
    }


# --- what holds in each slot -------------------------------------------------------------------


def _ends_s(now_s: int) -> int:
    """The end of the slot that begins: of the quarter of an hour that runs, or of the next one where little is left.

    Whole Wh in a few seconds would be crude powers.
    """
    ends_s = now_s - now_s % SLOT_S + SLOT_S
    return ends_s if ends_s - now_s >= SHORTEST_S else ends_s + SLOT_S


def _prices(tariffs: Sequence[Tariff], directions: Sequence[Direction], starts_s: Sequence[int]) -> list[int | None]:
    """The latest tariff in the middle of each quarter of an hour, market tariffs before others; None without one."""
    found: list[int | None] = []
    for start_s in starts_s:
        at_s = start_s + SLOT_S // 2
        fitting = [one for one in tariffs if one.direction in directions and one.covers(at_s, at_s + 1)]
        best = max(fitting, key=lambda one: (-directions.index(one.direction), one.tariff), default=None)
        found.append(int(best.price_micro_per_kwh) if best else None)
    return found


def _filled(prices: Sequence[int | None]) -> tuple[int, ...]:
    """Up to the last price that is known, gaps with the price before them; nothing is known of what comes after it."""
    known = [number for number, price in enumerate(prices) if price is not None]
    found: list[int] = []
    for price in prices[: known[-1] + 1 if known else 1]:
        found.append(price if price is not None else found[-1] if found else 0)
    return tuple(found)


def _unpriced(prices: Sequence[int | None], starts_s: Sequence[int]) -> list[str]:
    """The first quarter of an hour without a price, of those that begin then."""
    for number, start_s in enumerate(starts_s[: len(prices)]):
        if prices[number] is None:
            assumed = "the last prices go on" if any(one is not None for one in prices[:number]) else "energy is free"
            return [f"no tariff of the site's operator covers {start_s + SLOT_S // 2}: {assumed}, as far as plans go"]
    return []


def _sun(unit: UnitOfWork, site: SiteRecord, until_s: int) -> tuple[int, ...]:
    """What the site's own plants gave in each quarter of an hour of the last days, since they are metered."""
    station = site.terms.sun_station
    if station is None:
        return ()
    shown = unit.sites.shown(station, until_s - SUN_DAYS * A_DAY_S, until_s)
    if not shown:
        return (0,)
    first_s = -(-shown[0].time_s // SLOT_S) * SLOT_S
    times_s = [register.time_s for register in shown]
    edges = [shown[max(0, bisect_right(times_s, at_s) - 1)] for at_s in range(first_s, until_s + 1, SLOT_S)]
    gave = (max(0, last.export_wh - first.export_wh) for first, last in pairwise(edges))
    return tuple(wh * SECONDS_PER_HOUR // SLOT_S for wh in gave) or (0,)
