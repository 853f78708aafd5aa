"""The problem that `wattledger plan` was asked to solve."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from backend.cli.plan_limits import Circuit, check_least, on_circuits, watts
from backend.cli.plan_series import TimesOfUse, parse_times_of_use, read_power, read_prices
from backend.cli.plan_sessions import SessionFile
from domain.errors import Malformed
from domain.schedule.problem import Aims, DemandCharge, Prices, Problem, Site, Slots, constant
from domain.units import MICRO_PER_EURO

SLOT_MINUTES = (1, 5, 10, 15, 30, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What energy costs, as it was asked for."""

    price_file: Path | None
    per_mwh: bool
    tou: str
    tou_weekend: str | None
    feed_in: float | None
    demand_charge: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The site, as it was asked for; kW, and W by conductor; None for no limit."""

    import_kw: float | None
    export_kw: float | None
    peak_kw: float | None
    pv_file: Path | None
    line_limit_w: tuple[int, int, int] | None = None
    circuits: tuple[Circuit, ...] = ()


def problem_of(
    sessions: SessionFile,
    zone: ZoneInfo,
    slot_minutes: int,
    money: Money,
    connection: Connection,
    say: Callable[[str], None],
) -> Problem:
    if slot_minutes not in SLOT_MINUTES:
        raise Malformed(f"--slot is one of {', '.join(map(str, SLOT_MINUTES))} minutes, not {slot_minutes}")
    slots = _slots(sessions, slot_minutes * 60)
    sun_w = _sun(connection.pv_file, slots, zone, say)
    feeds_in = money.feed_in is not None or bool(sun_w)
    vehicles = on_circuits(sessions.vehicles, sessions.stations, connection.circuits)
    site = Site(
        import_limit_w=_limit("--import-limit", connection.import_kw, slots),
        export_limit_w=_limit("--export-limit", connection.export_kw, slots),
        line_limit_w=connection.line_limit_w,
        circuits_w=tuple(circuit.limit_w for circuit in connection.circuits),
        sun_w=sun_w,
    )
    check_least(vehicles, site)
    return Problem(
        slots=slots,
        vehicles=vehicles,
        site=site,
        prices=Prices(
            import_micro_per_kwh=_import_prices(money, slots, zone),
            export_micro_per_kwh=constant(_micro("--feed-in", money.feed_in or 0.0), slots) if feeds_in else (),
            demands=tuple(_demands(money, slots, zone)),
        ),
        aims=Aims(peak_target_w=None if connection.peak_kw is None else watts("--peak-target", connection.peak_kw)),
    )


def _slots(sessions: SessionFile, slot_s: int) -> Slots:
    start_s = min(vehicle.arrival_s for vehicle in sessions.vehicles) // slot_s * slot_s
    end_s = max(vehicle.departure_s for vehicle in sessions.vehicles)
    try:
        return Slots.even(start_s, slot_s, -(-(end_s - start_s) // slot_s))
    except Malformed as error:
        raise Malformed(f"{error}: take longer slots, or plan the file in pieces") from None


def _sun(path: Path | None, slots: Slots, zone: ZoneInfo, say: Callable[[str], None]) -> tuple[int, ...]:
    if path is None:
        return ()
    series = read_power(path, zone)
    if not series.covers(slots):
        say(f"{path} does not cover all slots: outside of it, the site's plants give nothing")
    return series.mean_or_nothing(slots)


def _import_prices(money: Money, slots: Slots, zone: ZoneInfo) -> tuple[int, ...]:
    if money.price_file is not None:
        return read_prices(money.price_file, zone, per_mwh=money.per_mwh).by_slot(slots, "price")
    weekdays = parse_times_of_use(money.tou)
    weekends = parse_times_of_use(money.tou_weekend) if money.tou_weekend else weekdays
    return TimesOfUse(weekdays, weekends, zone).by_slot(slots)


def _micro(option: str, amount: float) -> int:
    if not abs(amount) < MICRO_PER_EURO:
        raise Malformed(f"{option} {amount} is no price")
    return round(amount * MICRO_PER_EURO)


def _limit(option: str, kilowatts: float | None, slots: Slots) -> tuple[int, ...] | None:
    return None if kilowatts is None else constant(watts(option, kilowatts), slots)


def _demands(money: Money, slots: Slots, zone: ZoneInfo) -> Iterator[DemandCharge]:
    """One for each calendar month of the site's zone."""
    price = _micro("--demand-charge", money.demand_charge)
    if not price:
        return
    months = [(local.year, local.month) for local in (datetime.fromtimestamp(s, zone) for s in slots.edges_s[:-1])]
    at = 0
    while at < len(months):
        to = at + months[at:].count(months[at])
        yield DemandCharge(price_micro_per_kw=price, from_slot=at, to_slot=to)
        at = to
