"""`wattledger plan`: when and how fast the vehicles of a session file charge, planned for the least cost."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from backend.cli.plan_limits import (
    MAX_CIRCUITS,
    NO_LEAST,
    VOLTS,
    LeastPower,
    parse_circuit,
    parse_least,
    parse_line_limit,
    parse_lines,
    watts,
)
from backend.cli.plan_problem import SLOT_MINUTES, Connection, Money, problem_of
from backend.cli.plan_result import comparison, draw, write_schedule
from backend.cli.plan_sessions import ACN_ZONE, Fleet, SessionFile, is_acn, read_session_file
from domain.bidding.stay import WHOLE_BP
from domain.errors import Malformed, WattledgerError
from domain.schedule.baselines import RoundRobin, earliest_deadline, first_come, least_laxity
from domain.schedule.columns import Columns
from domain.schedule.floor import floored
from domain.schedule.metrics import Metrics, delivered_shares, measure
from domain.schedule.moment import Policy
from domain.schedule.optimum import optimum
from domain.schedule.parts import parts_of, planned_in_parts
from domain.schedule.plan import Schedule
from domain.schedule.problem import Problem
from domain.schedule.simulation import Course, Visit, simulate
from domain.schedule.uncontrolled import uncontrolled
from domain.units import MICRO_PER_EURO, WH_PER_KWH, EnergyWh, PowerW, PriceMicroPerKwh

COULD_NOT_RUN = 2
AT_ONCE_PAIRS = 120_000
"""Sessions times slots that are planned at once; more are planned week by week."""
PART_DAYS, AHEAD_DAYS = 7, 2
SHOWN = 10
ARMS: dict[str, Callable[[], Policy]] = {
    "fcfs": first_come,
    "edf": earliest_deadline,
    "llf": least_laxity,
    "rr": RoundRobin,
}
DEFAULT_TOU = "00:00=0.20,07:00=0.30,17:00=0.40,22:00=0.20"


def plan_command(
    file: Annotated[Path, typer.Argument(help="Sessions: ACN-Data's CSV, or session,arrival,departure,energy_kwh")],
    out: Annotated[Path, typer.Option(help="The plan as CSV: session, slot_start, power_w, energy_wh")] = Path(
        "plan.csv"
    ),
    plot: Annotated[Path | None, typer.Option(help="The plot as PNG; beside the plan if not given")] = None,
    zone: Annotated[str | None, typer.Option(help="IANA time zone of the site; ACN-Data's own, else UTC")] = None,
    slot: Annotated[int, typer.Option(help=f"Minutes of a slot: {', '.join(map(str, SLOT_MINUTES))}")] = 15,
    need: Annotated[str, typer.Option(help="ACN-Data: what is to be charged, delivered or requested")] = "delivered",
    declared: Annotated[bool, typer.Option("--declared", help="ACN-Data: plan for declared departures")] = False,
    skip_wrong: Annotated[bool, typer.Option("--skip-wrong", help="Leave sessions out that cannot be true")] = False,
    power: Annotated[float, typer.Option(help="kW of a vehicle for which the file says none")] = 6.6,
    import_limit: Annotated[float | None, typer.Option(help="Most that the site may draw, kW")] = None,
    export_limit: Annotated[float | None, typer.Option(help="Most that the site may feed in, kW")] = None,
    line_limit: Annotated[
        str | None, typer.Option(help="Most that sessions draw from each conductor, kW: 20,20,20")
    ] = None,
    conductors: Annotated[
        str, typer.Option("--lines", help="Conductors of a session for which the file says none: '0 1 2'")
    ] = "0 1 2",
    circuit: Annotated[
        list[str] | None,
        typer.Option(help=f"kW that stations draw together at most: 40=A1,A2 or '40=A*'; up to {MAX_CIRCUITS} times"),
    ] = None,
    least_power: Annotated[
        str | None, typer.Option(help="Least that a vehicle draws if it draws anything: 6A, 1380W or 1.38kW")
    ] = None,
    volts: Annotated[int, typer.Option(min=50, max=1000, help="Of a conductor, for a least power in A")] = VOLTS,
    peak_target: Annotated[float | None, typer.Option(help="Peak not to pass if needs can be met without, kW")] = None,
    price_file: Annotated[Path | None, typer.Option(help="CSV time,price: each price holds until the next")] = None,
    price_per_mwh: Annotated[bool, typer.Option("--price-per-mwh", help="The file's prices are per MWh")] = False,
    tou: Annotated[str, typer.Option(help="Prices per kWh by local time, without --price-file")] = DEFAULT_TOU,
    tou_weekend: Annotated[str | None, typer.Option(help="Those of Saturday and Sunday, if they differ")] = None,
    demand_charge: Annotated[float, typer.Option(min=0, help="Per kW of each calendar month's peak")] = 0.0,
    feed_in: Annotated[float | None, typer.Option(help="What a kWh fed in earns; nothing if not given")] = None,
    currency: Annotated[str, typer.Option(help="What prices are in, for display")] = "€",
    pv_file: Annotated[Path | None, typer.Option(help="CSV time,power_kw of the site's own plants")] = None,
    v2g: Annotated[float, typer.Option(min=0, help="kW that every vehicle can give back; packs are modelled")] = 0.0,
    battery: Annotated[float, typer.Option(min=1, help="With --v2g: kWh of a pack for which the file says none")] = 60,
    floor: Annotated[float, typer.Option(min=0, max=100, help="With --v2g: % of a pack that is never sold")] = 20.0,
    efficiency: Annotated[float, typer.Option(min=1, max=100, help="With --v2g: % that a round trip returns")] = 81.0,
    wear: Annotated[float, typer.Option(min=0, help="With --v2g: price of battery life per kWh given back")] = 0.05,
    compare: Annotated[str, typer.Option(help=f"Other rules to show beside it, such as {','.join(ARMS)}")] = "",
) -> None:
    """Plans a session file offline for the least cost, and compares that with charging at once."""
    console, errors = Console(), Console(stderr=True)
    fleet_asked = (power, need, declared, v2g, battery, floor, efficiency, wear)
    limits_asked = (import_limit, export_limit, peak_target, pv_file, line_limit, circuit or [])
    money = Money(
        price_file=price_file,
        per_mwh=price_per_mwh,
        tou=tou,
        tou_weekend=tou_weekend,
        feed_in=feed_in,
        demand_charge=demand_charge,
        currency=currency,
    )
    try:
        arms = _arms(compare)
        place = _zone(zone, file)
        fleet = _fleet(*fleet_asked, _least(least_power, volts), parse_lines(conductors, "--lines"))
        sessions = read_session_file(file, place, fleet, skip_wrong=skip_wrong)
        problem = problem_of(sessions, place, slot, money, _connection(*limits_asked), lambda text: _say(errors, text))
        _announce(sessions, problem, place, errors)
        planned, parts = _planned(problem, errors)
        others = [uncontrolled(problem), *(_simulated(problem, policy, errors) for policy in arms)]
        lines = write_schedule(planned, out, place)
        picture = plot or out.with_suffix(".png")
        draw(planned, others[0], picture, place, currency)
    except (WattledgerError, OSError, ValueError) as error:
        errors.print(f"plan: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(COULD_NOT_RUN) from error
    results = [(one.how, measure(one)) for one in others]
    results.append(("planned" if parts == 1 else f"planned in {parts} parts", measure(planned)))
    console.print(comparison(results, currency, sun=bool(problem.site.sun_w)))
    _warn_short(results[-1][1], planned, errors)
    console.print(f"{lines:,} set-points: {out} · plot: {picture}", highlight=False, soft_wrap=True)


# --- what was asked for ------------------------------------------------------------------------


def _zone(name: str | None, file: Path) -> ZoneInfo:
    name = name or (ACN_ZONE if is_acn(file) else "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Malformed(f"{name!r} is no time zone; give one such as Europe/Amsterdam: --zone") from None


def _arms(text: str) -> list[Policy]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in ARMS:
            raise Malformed(f"--compare knows no {name!r}; it knows {', '.join(ARMS)}")
    return [ARMS[name]() for name in dict.fromkeys(names)]


def _connection(
    import_kw: float | None,
    export_kw: float | None,
    peak_kw: float | None,
    pv_file: Path | None,
    line_limit: str | None,
    circuits: Sequence[str],
) -> Connection:
    return Connection(
        import_kw=import_kw,
        export_kw=export_kw,
        peak_kw=peak_kw,
        pv_file=pv_file,
        line_limit_w=None if line_limit is None else parse_line_limit(line_limit),
        circuits=tuple(parse_circuit(text) for text in circuits),
    )


def _least(text: str | None, volts: int) -> LeastPower:
    return replace(NO_LEAST, volts=volts) if text is None else parse_least(text, "--least-power", volts)


def _fleet(
    power: float,
    need: str,
    declared: bool,
    v2g: float,
    battery: float,
    floor: float,
    efficiency: float,
    wear: float,
    least: LeastPower,
    lines: tuple[int, ...],
) -> Fleet:
    if need not in ("delivered", "requested"):
        raise Malformed(f"--need is delivered or requested, not {need!r}")
    return Fleet(
        power_w=watts("--power", power),
        least=least,
        lines=lines,
        need=need,
        declared=declared,
        export_power_w=watts("--v2g", v2g) if v2g else PowerW(0),
        battery_wh=EnergyWh(round(battery * WH_PER_KWH)),
        floor_bp=round(floor * WHOLE_BP / 100),
        efficiency_bp=round(efficiency * WHOLE_BP / 100),
        wear_micro_per_kwh=PriceMicroPerKwh(round(wear * MICRO_PER_EURO)),
    )


# --- planning ----------------------------------------------------------------------------------


def _announce(sessions: SessionFile, problem: Problem, zone: ZoneInfo, errors: Console) -> None:
    """What will be planned, and what is known to be impossible before it begins."""
    slots = problem.slots
    first, last = (datetime.fromtimestamp(at_s, zone) for at_s in (slots.start_s, slots.end_s))
    span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({zone.key})"
    _say(errors, f"{len(sessions.vehicles):,} sessions, {len(slots):,} slots, {span}")
    _list(errors, sessions.left_out, "sessions are left out")
    _list(errors, sessions.too_much, "sessions need more than their stays allow; they get what is possible")
    if sessions.nothing:
        _say(errors, f"{sessions.nothing:,} sessions need nothing")


def _planned(problem: Problem, errors: Console) -> tuple[Schedule, int]:
    """The plan, and in how many parts it was made."""
    slot_s = problem.slots.edges_s[1] - problem.slots.edges_s[0]
    a_day = int(timedelta(days=1).total_seconds()) // slot_s
    at_once = len(Columns.of(problem)) <= AT_ONCE_PAIRS
    days = len(problem.slots) if at_once else PART_DAYS * a_day
    parts = parts_of(problem, slots=days, ahead=AHEAD_DAYS * a_day)
    with _bar(errors, "planning", len(problem.slots)) as show:
        return planned_in_parts(problem, _solved, parts, show), len(parts)


def _solved(problem: Problem) -> Schedule:
    """The optimum, above least powers. Set-points of a file are not needed sooner than others."""
    return floored(optimum(problem), first_slots=0)


def _simulated(problem: Problem, policy: Policy, errors: Console) -> Schedule:
    visits = tuple(Visit(vehicle=vehicle, declared_s=vehicle.departure_s) for vehicle in problem.vehicles)
    course = Course(slots=problem.slots, visits=visits, prices=problem.prices, site=problem.site)
    with _bar(errors, policy.name, None):
        return simulate(course, policy).schedule


def _warn_short(metrics: Metrics, planned: Schedule, errors: Console) -> None:
    """Which sessions get less than their stays would allow: the site's limits are in the way."""
    if metrics.delivered >= 1:
        return
    columns, shares = planned.columns, delivered_shares(planned)
    short = [
        f"session {vehicle.session} gets {share:.1%} of {possible / WH_PER_KWH:.3f} kWh"
        for vehicle, share, possible in zip(
            columns.problem.vehicles, shares.tolist(), columns.possible_wh.tolist(), strict=True
        )
        if share < 1
    ]
    least = any(vehicle.least_power_w for vehicle in columns.problem.vehicles)
    why = "the site's limits or the least power do" if least else "the site's limits do"
    _list(errors, short, f"sessions get less than their stays allow: {why} not let more through")


def _list(errors: Console, texts: Sequence[str], what: str) -> None:
    if not texts:
        return
    _say(errors, f"{len(texts):,} {what}")
    for text in texts[:SHOWN]:
        _say(errors, f"  {text}")
    if len(texts) > SHOWN:
        _say(errors, f"  … and {len(texts) - SHOWN:,} more")


def _say(errors: Console, text: str) -> None:
    errors.print(f"plan: {text}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _bar(errors: Console, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows how far it is, on a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
