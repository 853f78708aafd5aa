"""From a situation to a plan: the charging problem, the solver's answer, and the set-points that stations get.

Whatever the solver says, the set-points of the slot that runs keep to the limit that holds now, and to what a station
can do: nothing, or its least power and more. The limits of conductors and circuits hold likewise.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from backend.application.site_moment import moment_of
from backend.application.site_ports import Learned, Planner
from backend.application.site_records import PlannedStay, ScheduleRecord, SetPoint
from backend.application.site_room import Room
from backend.application.site_situation import HELD_S, SILENT_AFTER_S, Present, Situation
from domain.schedule.columns import Columns, Floats
from domain.schedule.moment import Moment
from domain.schedule.outlook import published
from domain.schedule.plan import Schedule
from domain.schedule.problem import NO_LIMIT_W
from domain.text import hex_text
from domain.units import SECONDS_PER_HOUR


def make_plan(known: Situation, planner: Planner, learned: Learned, reason: str) -> ScheduleRecord:
    """A plan of the site; problems name what is not as it should be."""
    problems = list(known.problems)
    silent_w = {one.station.station: _assumed_w(one, known) for one in known.silent}
    load_w = sum(silent_w.values())
    served = [one for one in known.present if one.silent_s is None]
    moment = moment_of(known, served, silent_w)
    schedule, powers = planner.decide(moment, learned)
    slots, site = schedule.problem.slots, schedule.problem.site
    problems += _short(schedule, served)
    wanted = _wanted(known, moment, powers, served)
    points = _set_points(known, schedule, wanted, served, silent_w)
    problems += _silence(known, points) + _refusals(known) + _limit_problems(known, schedule)
    return ScheduleRecord(
        site=known.site.serial,
        made_at_s=known.now_s,
        reason=reason,
        how=schedule.how,
        edges_s=slots.edges_s,
        limit_w=site.import_limit_w,
        load_w=tuple(_mean_w(schedule, load_w)),
        price_micro_per_kwh=published(moment.import_micro_per_kwh, moment, slots),
        peak_w=known.peak_w,
        stays=tuple(_stays(schedule, served)),
        set_points=points,
        problems=tuple(problems),
    )


# --- set-points --------------------------------------------------------------------------------


def _wanted(known: Situation, moment: Moment, powers: Mapping[str, int], served: Sequence[Present]) -> dict[int, int]:
    """Powers by station: nothing is given that was not sold."""
    sold_wh = {vehicle.session: min(0, vehicle.bought_wh[0]) for vehicle in moment.vehicles if vehicle.bought_wh}
    found, seconds = {}, known.ends_s - known.now_s
    for one in served:
        session = one.session.hex()
        sold_w = sold_wh.get(session, 0) * SECONDS_PER_HOUR // seconds
        found[one.station.station] = max(sold_w, powers.get(session, 0))
    return found


def _set_points(
    known: Situation,
    schedule: Schedule,
    wanted: Mapping[int, int],
    served: Sequence[Present],
    silent_w: Mapping[int, int],
) -> tuple[SetPoint, ...]:
    """One for each station of the site; those without anybody to serve get nothing."""
    allowed = _allowed(wanted, served, Room(known.site.terms, _room_w(schedule, sum(silent_w.values())), silent_w))
    told = Room(known.site.terms, _room_w(schedule, 0), {})
    for one in known.silent:
        allowed[one.station.station] = told.take(one.station.station, _silent_w(one, known, schedule), 0)
    present = {one.station.station: one for one in known.present}
    found = []
    for station in known.site.numbers:
        power_w, there = allowed.get(station, 0), present.get(station)
        since_s = there.last.flows_since_s if there and there.last else None
        found.append(
            SetPoint(
                station=station,
                session=there.session if there else None,
                power_w=power_w,
                flows_since_s=None if not power_w else known.now_s if since_s is None else since_s,
            )
        )
    return tuple(found)


def _allowed(wanted: Mapping[int, int], served: Sequence[Present], room: Room) -> dict[int, int]:
    """Powers that stations can have: those below their least get it if there is room, and else nothing."""
    least = {one.station.station: min(one.station.least_power_w, one.power_w) for one in served}
    by_power = sorted(wanted.items(), key=lambda item: (-item[1], item[0]))
    return {station: room.take(station, power_w, least[station]) for station, power_w in by_power}


def _room_w(schedule: Schedule, load_w: int) -> int | None:
    """What the stations may draw now together, beside a load."""
    site = schedule.problem.site
    if site.import_limit_w is None:
        return None
    sun_w = site.sun_w[0] if site.sun_w else 0
    return max(0, site.import_limit_w[0] + sun_w - load_w)


def _silent_w(one: Present, known: Situation, schedule: Schedule) -> int:
    """The set-point of a silent station: the last one, at most what may flow at all; then the safe power."""
    last_w = one.last.power_w if one.last else 0
    if _held(one, known):
        last_w = known.site.terms.safe_power_w
    return min(last_w, _limit_now_w(schedule))


def _limit_now_w(schedule: Schedule) -> int:
    limits_w = schedule.problem.site.import_limit_w
    return limits_w[0] if limits_w else NO_LIMIT_W


def _assumed_w(one: Present, known: Situation) -> int:
    """What a silent station is counted with."""
    if _held(one, known):
        return known.site.terms.safe_power_w
    return max(0, one.last.power_w if one.last else 0)


def _held(one: Present, known: Situation) -> bool:
    """Whether it is silent for so long that it goes to the safe power."""
    return one.silent_s is not None and known.now_s - one.silent_s > SILENT_AFTER_S + HELD_S


# --- what is said of it ------------------------------------------------------------------------


def _stays(schedule: Schedule, served: Sequence[Present]) -> list[PlannedStay]:
    columns = schedule.columns
    numbers = {vehicle.session: number for number, vehicle in enumerate(columns.problem.vehicles)}
    net_wh, count = schedule.import_wh - schedule.export_wh, len(columns.problem.slots)
    shares = _shares(schedule)
    found = []
    for one in served:
        power_w = np.zeros(count, dtype=np.int64)
        number = numbers.get(one.session.hex())
        if number is not None:
            mine = slice(columns.first[number], columns.first[number + 1])
            slots, seconds = columns.slot[mine], np.maximum(1, columns.seconds[mine])
            power_w[slots] = np.floor(net_wh[mine] * SECONDS_PER_HOUR // seconds * shares[slots]).astype(np.int64)
        found.append(
            PlannedStay(
                station=one.station.station,
                session=one.session,
                account=one.account,
                need_wh=one.missing_wh,
                departure_s=one.departure_s,
                power_w=tuple(power_w.tolist()),
            )
        )
    return found


def _shares(schedule: Schedule) -> Floats:
    """By how much the powers of a slot are lowered: a limit holds at each moment, also before somebody leaves."""
    columns, site = schedule.columns, schedule.problem.site
    power_w = (schedule.import_wh - schedule.export_wh) * SECONDS_PER_HOUR // np.maximum(1, columns.seconds)
    drawn_w = columns.by_slot(np.maximum(0, power_w))
    if site.import_limit_w is None:
        return np.ones(len(drawn_w))
    other_w = [
        load - sun for load, sun in zip(*(_by_slot(one, columns) for one in (site.load_w, site.sun_w)), strict=True)
    ]
    room_w = np.maximum(0, np.array(site.import_limit_w, dtype=np.int64) - np.array(other_w, dtype=np.int64))
    shares: Floats = np.minimum(1.0, room_w / np.maximum(1, drawn_w))
    return shares


def _by_slot(power_w: tuple[int, ...], columns: Columns) -> tuple[int, ...]:
    return power_w or (0,) * len(columns.problem.slots)


def _mean_w(schedule: Schedule, load_w: int) -> list[int]:
    """What the site's stations draw by slot."""
    seconds = schedule.columns.slot_seconds
    mean: list[int] = (schedule.net_wh * SECONDS_PER_HOUR // seconds + load_w).tolist()
    return mean


def _short(schedule: Schedule, served: Sequence[Present]) -> list[str]:
    """Who does not get what it needs, and whether its stay or the site is too tight."""
    columns = schedule.columns
    stations = {one.session.hex(): one.station.station for one in served}
    found = []
    rows = zip(columns.problem.vehicles, columns.possible_wh.tolist(), schedule.charged_wh.tolist(), strict=True)
    for vehicle, possible_wh, charged_wh in rows:
        told = schedule.how.startswith("optimum") and not vehicle.presence_bp
        who = f"station {stations[vehicle.session]}, session 0x{vehicle.session}"
        if vehicle.need_wh > possible_wh:
            found.append(
                f"{who}: {vehicle.need_wh} Wh are needed, its stay allows {possible_wh} Wh; it gets what is possible"
            )
        elif told and charged_wh + len(columns.problem.slots) < vehicle.need_wh:
            found.append(f"{who}: the site's limits leave {charged_wh} of {vehicle.need_wh} Wh")
    return found


def _silence(known: Situation, points: Sequence[SetPoint]) -> list[str]:
    powers = {point.station: point.power_w for point in points}
    return [
        f"station {one.station.station}, session {hex_text(one.session)}: no reading since {one.silent_s}; it is "
        f"counted with {_assumed_w(one, known)} W and set to {powers[one.station.station]} W"
        for one in known.silent
    ]


def _refusals(known: Situation) -> list[str]:
    return [
        f"station {one.station.station}, session {hex_text(one.session)}: its vehicle took nothing of "
        f"{one.last.power_w if one.last else 0} W for a quarter of an hour; it is asked again later"
        for one in known.present
        if one.refuses
    ]


def _limit_problems(known: Situation, schedule: Schedule) -> list[str]:
    """A limit under which no station reaches its least power."""
    limit_w = _limit_now_w(schedule)
    least_w = min((one.station.least_power_w for one in known.present), default=0)
    if known.present and limit_w < least_w:
        return [f"the limit of {limit_w} W lets no station reach its least power of {least_w} W"]
    return []
