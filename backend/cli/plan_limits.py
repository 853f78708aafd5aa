"""What `wattledger plan` is told of least powers, conductors and circuits: read from text, and put on vehicles."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from domain.bidding.stay import WHOLE_BP
from domain.errors import Malformed
from domain.schedule.problem import LINES, Site, Vehicle
from domain.units import PowerW

W_PER_KW = 1000
LEAST_KW, LARGEST_KW = 0.001, 1_000_000.0
LEAST_A, LARGEST_A = 6, 80
"""What a control pilot can say (IEC 61851-1)."""
VOLTS = 230
MAX_CIRCUITS = 50
_SHOWN = 5
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_LEAST = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(A|W|kW)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastPower:
    """What a vehicle takes at least if it takes anything: `watts` in all, or `milliamperes` on each conductor."""

    watts: int = 0
    milliamperes: int = 0
    volts: int = VOLTS

    def of(self, lines: tuple[int, ...]) -> PowerW:
        """That of a vehicle on these conductors, rounded up."""
        return PowerW(self.watts or -(-self.milliamperes * self.volts * len(lines) // W_PER_KW))


NO_LEAST = LeastPower()


@dataclass(frozen=True, slots=True)
class Circuit:
    """A limit, W, over the stations whose names one of `names` matches."""

    text: str
    limit_w: PowerW
    names: tuple[str, ...]


def watts(option: str, kilowatts: float) -> PowerW:
    """Malformed unless it is a power that something can flow at."""
    if not LEAST_KW <= kilowatts <= LARGEST_KW:
        raise Malformed(
            f"{option} {kilowatts:g} kW lets nothing flow; give a number above 0, or leave the option out for no limit"
            if kilowatts <= 0
            else f"{option} {kilowatts:g} is no power in kW up to {LARGEST_KW:g}"
        )
    return PowerW(round(kilowatts * W_PER_KW))


def parse_least(text: str, what: str, volts: int) -> LeastPower:
    """6A, 1380W or 1.38kW. Malformed for anything else, and for a current that no vehicle is told."""
    read = _LEAST.fullmatch(text.strip())
    if read is None:
        raise Malformed(f"{what} {text[:40]!r} is no least power; write 6A, 1380W or 1.38kW")
    amount, unit = float(read[1]), read[2].lower()
    if unit != "a":
        return LeastPower(watts=watts(what, amount if unit == "kw" else amount / W_PER_KW))
    if not LEAST_A <= amount <= LARGEST_A:
        raise Malformed(f"{what} {text[:40]}: vehicles draw {LEAST_A} to {LARGEST_A} A, or nothing (IEC 61851-1)")
    return LeastPower(milliamperes=round(amount * W_PER_KW), volts=volts)


def parse_lines(text: str, what: str) -> tuple[int, ...]:
    """Conductors, such as `0` or `0 1 2`."""
    words = text.split()
    if not words or len(set(words)) < len(words) or not set(words) <= {str(line) for line in LINES}:
        raise Malformed(f"{what} {text[:40]!r} names no conductors; write one to three of 0, 1 and 2, such as 0 1")
    return tuple(sorted(int(word) for word in words))


def parse_line_limit(text: str) -> tuple[int, int, int]:
    """Three powers, kW, such as `20,20,20`."""
    words = [word.strip() for word in text.split(",")]
    if len(words) != len(LINES) or not all(_NUMBER.fullmatch(word) for word in words):
        raise Malformed(f"--line-limit {text[:40]!r} is not three powers in kW, one for each conductor: 20,20,20")
    first, second, third = (watts("--line-limit", float(word)) for word in words)
    return first, second, third


def parse_circuit(text: str) -> Circuit:
    """A power, kW, with the stations it limits, such as `40=A1,A2` or `40=A*`."""
    amount, _, rest = text.partition("=")
    names = tuple(name.strip() for name in rest.split(","))
    if not _NUMBER.fullmatch(amount.strip()) or not all(names):
        raise Malformed(f"--circuit {text[:80]!r} is no power in kW with stations; write 40=A1,A2 or 40=A*")
    return Circuit(text, watts("--circuit", float(amount)), names)


def on_circuits(
    vehicles: Sequence[Vehicle], stations: Mapping[str, str], circuits: Sequence[Circuit]
) -> tuple[Vehicle, ...]:
    """The vehicles, each with the circuits that its station is on. `stations` is by session.

    Malformed for more circuits than MAX_CIRCUITS, and for one that names a station where no session is.
    """
    if not circuits:
        return tuple(vehicles)
    if len(circuits) > MAX_CIRCUITS:
        raise Malformed(f"--circuit is there {len(circuits)} times; a site has at most {MAX_CIRCUITS} circuits")
    known = sorted({name for name in stations.values() if name})
    if not known:
        raise Malformed("--circuit needs stations: the session file has no column that names the station of a session")
    members = [_members(circuit, known) for circuit in circuits]
    parts = {name: tuple(WHOLE_BP * (name in each) for each in members) for name in known}
    return tuple(replace(one, circuits_bp=parts.get(stations.get(one.session, ""), ())) for one in vehicles)


def check_least(vehicles: Sequence[Vehicle], site: Site) -> None:
    """Malformed for a vehicle whose least power no limit ever lets through."""
    most_w = None if site.import_limit_w is None or site.sun_w else max(site.import_limit_w)
    for one in vehicles:
        if not one.least_power_w:
            continue
        limits = [] if most_w is None else [("the site's connection", most_w)]
        if site.line_limit_w is not None:
            limits += [(f"conductor {line}", site.line_limit_w[line] * len(one.lines)) for line in one.lines]
        on = zip(site.circuits_w, one.circuits_bp, strict=False)
        limits += [(f"circuit {number}", limit_w) for number, (limit_w, part) in enumerate(on, 1) if part]
        for where, limit_w in limits:
            if one.least_power_w > limit_w:
                text = f"draws {one.least_power_w} W at least, {where} lets {limit_w} W of it through"
                raise Malformed(f"session {one.session} {text}: it could never charge")


def _members(circuit: Circuit, known: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for name in circuit.names:
        mine = [station for station in known if fnmatchcase(station, name)]
        if not mine:
            shown = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
            raise Malformed(
                f"--circuit {circuit.text[:80]}: no session is at a station {name[:40]!r}; there are {shown}"
            )
        found.update(mine)
    return frozenset(found)
