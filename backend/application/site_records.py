"""Sites and their schedules, as use cases see them. Times are Unix seconds, powers W."""

import re
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import Malformed
from domain.need import ChargingNeed
from domain.schedule.problem import LINES

MAX_SITE_STATIONS = 500
MAX_SITE_CIRCUITS = 50
MAX_POWER_W = (1 << 31) - 1
SLOT_S = 900
_NAME = re.compile("[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStation:
    """A station of a site: the conductors it draws from, and the powers it can charge with.

    `most_power_w` None is the station's rated power. Power is nothing, or from `least_power_w` on.
    """

    station: int
    lines: tuple[int, ...] = LINES
    least_power_w: int = 0
    most_power_w: int | None = None

    def __post_init__(self) -> None:
        if not self.lines or len(set(self.lines)) != len(self.lines) or not set(self.lines) <= set(LINES):
            raise Malformed(f"station {self.station} draws from one to three different lines of {list(LINES)}")
        if self.most_power_w is not None and self.least_power_w > self.most_power_w:
            raise Malformed(f"station {self.station}: {self.least_power_w} W at least, {self.most_power_w} W at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCircuit:
    """A feeder or a fuse of some of a site's stations: they draw, or give, at most `limit_w` together."""

    limit_w: int
    stations: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTerms:
    """A site as its operator describes it; None is no limit. Raises Malformed for a site that cannot be.

    Limits are those of the connection; `line_limit_w` and `circuits` hold for the stations alone.
    `demand_micro_per_kw` is paid for each calendar month's highest quarter of an hour, in the site's zone.
    `sun_station` meters its own plants. Positions in the market of `market_zone` are commitments. A station that hears
    nothing more falls back to `safe_power_w`.
    """

    name: str
    zone: str
    stations: tuple[SiteStation, ...]
    import_limit_w: int | None = None
    export_limit_w: int | None = None
    line_limit_w: tuple[int, int, int] | None = None
    circuits: tuple[SiteCircuit, ...] = ()
    peak_target_w: int | None = None
    demand_micro_per_kw: int = 0
    market_zone: int | None = None
    sun_station: int | None = None
    safe_power_w: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Malformed("a site's name has 1 to 32 of a-z, 0-9 and -, and does not begin with -")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Malformed("zone must be the name of an IANA time zone, such as Europe/Amsterdam") from None
        numbers = [one.station for one in self.stations]
        if not 1 <= len(numbers) <= MAX_SITE_STATIONS or len(set(numbers)) < len(numbers):
            raise Malformed(f"a site has 1 to {MAX_SITE_STATIONS} stations, each named once")
        if self.sun_station in numbers:
            raise Malformed(f"station {self.sun_station} charges vehicles, it cannot meter the site's plants as well")
        for name in ("import_limit_w", "export_limit_w", "peak_target_w"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise Malformed(
                    f"{name} {value} lets nothing flow; leave it out for no limit, or command one for a time"
                )
        if self.line_limit_w is not None and min(self.line_limit_w) <= 0:
            raise Malformed("line_limit_w: each of the three lines lets some power through; leave it out for no limit")
        self._check_circuits()

    def _check_circuits(self) -> None:
        if len(self.circuits) > MAX_SITE_CIRCUITS:
            raise Malformed(f"a site has at most {MAX_SITE_CIRCUITS} circuits, not {len(self.circuits)}")
        least_w = {one.station: one.least_power_w for one in self.stations}
        for place, circuit in enumerate(self.circuits):
            if circuit.limit_w <= 0:
                raise Malformed(f"circuits.{place}: {circuit.limit_w} W lets nothing flow; leave the circuit out")
            if not circuit.stations or len(set(circuit.stations)) < len(circuit.stations):
                raise Malformed(f"circuits.{place} has one station or more, each named once")
            for station in circuit.stations:
                if station not in least_w:
                    raise Malformed(f"circuits.{place}: station {station} is none of this site's stations")
                if least_w[station] > circuit.limit_w:
                    text = f"{circuit.limit_w} W is less than the {least_w[station]} W that station {station} can do"
                    raise Malformed(f"circuits.{place}: {text} at least; it could never charge")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """A site that is known. `serial` stands for its name wherever a number is wanted."""

    terms: SiteTerms
    changed_at_s: int
    serial: int = 0

    @property
    def numbers(self) -> list[int]:
        return [one.station for one in self.terms.stations]


class Commander(StrEnum):
    """Who commands a limit, and so who may end it."""

    OPERATOR = "operator"
    GRID_OPERATOR = "grid-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCommand:
    """The site draws at most `import_limit_w` from `from_s` up to `to_s`; 0 lets nothing through.

    `ended_at_s` is when `commanded_by` ended it before that, also before it began; None if nobody did.
    """

    site: int
    import_limit_w: int
    from_s: int
    to_s: int
    taken_at_s: int
    commanded_by: Commander
    ended_at_s: int | None = None
    serial: int = 0

    def is_over(self, now_s: int) -> bool:
        """Whether it ended, by itself or because somebody ended it."""
        return self.ended_at_s is not None or self.to_s <= now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedRecord:
    """The latest need of a session. `declared_s` is the last departure that was said ahead, None if none was."""

    need: ChargingNeed
    signature: bytes
    taken_at_s: int
    declared_s: int | None
    serial: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session that is valid at a station now. `last_reading` is the number of the last reading that names it."""

    session: bytes
    account: int
    station: int
    max_energy_wh: int
    discharge_allowed: bool
    not_before_s: int
    expiry_s: int
    last_reading: int | None
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastStay:
    """A stay that is over. `declared_s` is the departure that its driver last said ahead, None if it said none.

    `left_s` is when the vehicle left, if it `said` so; else when its authorisation expired or the next one began.
    `charged_wh` is what the meter counted in the readings that name the session, less what was given back, at least 0.
    """

    station: int
    session: bytes
    arrival_s: int
    declared_s: int | None
    left_s: int
    charged_wh: int
    said: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """What a station's meter showed last, up to a time."""

    time_s: int
    import_wh: int
    export_wh: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint:
    """A station's power, W, positive charges; `session` None with nobody to serve.

    `flows_since_s` is since when it was never nothing.
    """

    station: int
    session: bytes | None
    power_w: int
    flows_since_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStay:
    """What is planned for a vehicle, W by slot. `need_wh` is what it still misses."""

    station: int
    session: bytes
    account: int
    need_wh: int
    departure_s: int
    power_w: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """A site's latest plan: for the slots between `edges_s`, with what was not as it should be as `problems`.

    `reason` is why it was made, `how` what found it. `limit_w` is what the site may draw by slot.
    """

    site: int
    made_at_s: int
    reason: str
    how: str
    edges_s: tuple[int, ...]
    limit_w: tuple[int, ...] | None
    load_w: tuple[int, ...]
    price_micro_per_kwh: tuple[int, ...]
    peak_w: int
    stays: tuple[PlannedStay, ...]
    set_points: tuple[SetPoint, ...]
    problems: tuple[str, ...]

    @property
    def valid_until_s(self) -> int:
        """Until when stations may keep to the set-points."""
        return self.edges_s[1] + GRACE_S


GRACE_S = 60
"""How long after its slot a set-point still counts: time for the next one to arrive."""
