"""A charging problem: stays with their needs, a site with its limits, and prices, over consecutive slots of time.

Energy is what the site's meters show. Times are Unix seconds, so a day on which clocks change is merely longer or
shorter. Everything given by slot is a tuple with one value for each slot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

from domain.bidding.stay import WHOLE_BP, Battery, Moved
from domain.errors import Malformed
from domain.schedule.wear import Band
from domain.units import MARKET_INTERVAL_S, EnergyWh, PowerW, PriceMicroPerKwh, UnixSeconds

LINES = (0, 1, 2)
"""The three conductors of a three-phase supply."""
MAX_SLOTS = 50_000
"""A year of ten-minute slots."""
NO_POWER, NO_ENERGY = PowerW(0), EnergyWh(0)
NO_LIMIT_W = PowerW((1 << 40) - 1)
"""More than any site draws: for slots without a limit beside slots with one."""
UNMET_MICRO_PER_KWH = PriceMicroPerKwh(100_000_000)


@dataclass(frozen=True, slots=True)
class Slots:
    """Consecutive slots: slot t is [edges_s[t], edges_s[t + 1])."""

    edges_s: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.edges_s) <= MAX_SLOTS + 1:  # noqa: PLR2004 (one slot has two edges)
            raise Malformed(f"a plan has 1 to {MAX_SLOTS} slots, not {len(self.edges_s) - 1}")
        if any(end <= start for start, end in pairwise(self.edges_s)):
            raise Malformed("the slots of a plan follow each other, each longer than nothing")

    @classmethod
    def even(cls, start_s: int, slot_s: int, count: int) -> "Slots":
        """`count` slots of `slot_s` each."""
        return cls(tuple(range(start_s, start_s + slot_s * count + 1, slot_s)))

    @classmethod
    def from_now(cls, now_s: int, slot_s: int, until_s: int) -> "Slots":
        """What is left of the slot that runs, on the grid of whole `slot_s`, and all slots up to `until_s` or later.

        >>> Slots.from_now(1_000, 900, 3_000).edges_s
        (1000, 1800, 2700, 3600)
        """
        first_s = now_s - now_s % slot_s + slot_s
        last_s = max(first_s, -(-until_s // slot_s) * slot_s)
        return cls((now_s, *range(first_s, last_s + 1, slot_s)))

    def __len__(self) -> int:
        return len(self.edges_s) - 1

    @property
    def start_s(self) -> UnixSeconds:
        return UnixSeconds(self.edges_s[0])

    @property
    def end_s(self) -> UnixSeconds:
        return UnixSeconds(self.edges_s[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """One stay at one charge point, as far as it lies ahead.

    `need_wh` is to be charged between arrival and departure, beside what is given back and taken again. Power is
    nothing, or from `least_power_w` up to `power_w` (6 A is the least that IEC 61851-1 knows). `lines` are the
    conductors it draws from, alike. With a `battery`, it gives back up to `export_power_w` while more than the floor is
    stored, and from `taper_bp` of the capacity on it takes less and less: power falls in a straight line to nothing at
    a full battery (the constant-voltage phase). `presence_bp` by slot says how likely it will be there, of 10,000;
    empty means it surely stays until `departure_s`. `bought_wh` by slot is what its account bought (sold, if negative)
    for that slot: a commitment, which deviations settle at the site's prices. `wear` prices by depth what it gives back
    (wear.py), instead of the battery's own price. `spare_wh` is what a battery holds beyond what it must hold at
    departure, once its need is met. `circuits_bp` is which part of its power counts on each of the site's circuits, of
    10,000; empty means on none.
    """

    session: str
    arrival_s: UnixSeconds
    departure_s: UnixSeconds
    need_wh: EnergyWh
    power_w: PowerW
    least_power_w: PowerW = NO_POWER
    lines: tuple[int, ...] = LINES
    export_power_w: PowerW = NO_POWER
    battery: Battery | None = None
    taper_bp: int = WHOLE_BP
    presence_bp: tuple[int, ...] = ()
    bought_wh: tuple[int, ...] = ()
    wear: tuple[Band, ...] = ()
    spare_wh: EnergyWh = NO_ENERGY
    circuits_bp: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.departure_s <= self.arrival_s:
            raise Malformed(f"session {self.session}: departure {self.departure_s} is not after {self.arrival_s}")
        if min(self.need_wh, self.least_power_w, self.export_power_w) < 0 or self.power_w <= 0:
            raise Malformed(f"session {self.session}: need and powers are never negative, and some power must flow")
        if self.least_power_w > self.power_w:
            raise Malformed(f"session {self.session}: {self.least_power_w} W at least, {self.power_w} W at most")
        if not self.lines or len(set(self.lines)) != len(self.lines) or not set(self.lines) <= set(LINES):
            raise Malformed(f"session {self.session}: draws from one to three different lines of {LINES}")
        if self.battery is None and (self.export_power_w or self.taper_bp != WHOLE_BP):
            raise Malformed(f"session {self.session}: giving back and tapering need a battery")
        if any(after.micro_per_kwh < before.micro_per_kwh for before, after in pairwise(self.wear)):
            raise Malformed(f"session {self.session}: wear never costs less when more is given back")
        self._check_spare()
        if not 0 < self.taper_bp <= WHOLE_BP:
            raise Malformed(f"session {self.session}: tapers from {self.taper_bp} of {WHOLE_BP}")
        if any(not 0 <= share <= WHOLE_BP for share in (*self.presence_bp, *self.circuits_bp)):
            raise Malformed(f"session {self.session}: presences and parts on circuits lie between 0 and {WHOLE_BP}")

    def after(self, moved: Moved) -> "Vehicle":
        """The same stay after so much was charged and sold: what it still needs, holds and can spare."""
        before = self.battery
        if before is None:
            return replace(self, need_wh=EnergyWh(max(0, self.need_wh - moved.imported_wh)))
        battery, target_wh = before.after(moved), before.target_wh(self.need_wh) - self.spare_wh
        need_wh = battery.need_wh(target_wh) if self.spare_wh else before.missing_wh(self.need_wh, moved)
        spare_wh = NO_ENERGY if need_wh else EnergyWh(max(0, battery.stored_wh - target_wh))
        return replace(self, need_wh=need_wh, battery=battery, spare_wh=spare_wh)

    def _check_spare(self) -> None:
        held_wh = self.battery.stored_wh if self.battery else 0
        if self.spare_wh and (self.need_wh or not 0 < self.spare_wh <= held_wh):
            raise Malformed(f"session {self.session}: only what a battery holds, and misses none of, can be to spare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a site can draw and feed in by slot; None is no limit. Powers are means over a slot.

    `load_w` is what else it draws, `sun_w` what its own plants can give, which may be curtailed. `line_limit_w` is
    the most that the vehicles draw from each conductor, and `circuits_w` the most that they draw or give on each
    circuit: a feeder of some of the stations, or any other limit on a sum of parts of their powers.
    """

    import_limit_w: tuple[int, ...] | None = None
    export_limit_w: tuple[int, ...] | None = None
    line_limit_w: tuple[int, int, int] | None = None
    load_w: tuple[int, ...] = ()
    sun_w: tuple[int, ...] = ()
    circuits_w: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, values in (("load", self.load_w), ("sun", self.sun_w)):
            if any(value < 0 for value in values):
                raise Malformed(f"the {name} is never negative")
        limits = (self.import_limit_w or (), self.export_limit_w or (), self.line_limit_w or (), self.circuits_w)
        if any(limit < 0 for limit in chain(*limits)):
            raise Malformed("a limit is never negative: 0 lets nothing through")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCharge:
    """A price for the highest mean power of any interval, micro-euro per kW, over slots [from_slot, to_slot).

    `peak_w` is the highest so far in this billing period: power up to it costs no more. `used_wh` is what the site
    drew already in the interval that runs when the plan begins.
    """

    price_micro_per_kw: int
    from_slot: int
    to_slot: int
    peak_w: PowerW = NO_POWER
    interval_s: int = MARKET_INTERVAL_S
    used_wh: EnergyWh = NO_ENERGY

    def __post_init__(self) -> None:
        if self.price_micro_per_kw < 0 or self.peak_w < 0 or self.interval_s <= 0 or self.from_slot > self.to_slot:
            raise Malformed("a demand charge has a price, a peak and an interval of its own, none of them negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What energy costs the site by slot, micro-euro per kWh, and what it earns when fed in.

    `carbon_micro_per_kwh` is a price put on the emissions of what is drawn, beside what is paid.
    """

    import_micro_per_kwh: tuple[int, ...]
    export_micro_per_kwh: tuple[int, ...] = ()
    carbon_micro_per_kwh: tuple[int, ...] = ()
    demands: tuple[DemandCharge, ...] = ()

    def __post_init__(self) -> None:
        for bought, sold in zip(self.import_micro_per_kwh, self.export_micro_per_kwh, strict=False):
            if sold > bought:
                raise Malformed(f"energy fed in at {sold} must not earn more than {bought}, at which it is drawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What a plan is for, the first before the second: no need unmet, no power above the target, least money, early.

    Money may be spent up to `unmet_micro_per_kwh` on a kWh that would else be missing, beside all peaks that it raises,
    and up to `over_micro_per_kw` on a kW above `peak_target_w` (None: no target). Orders of magnitude lie between these
    and tariffs, so that the order holds. Earliness and fairness only choose among plans of the same cost.
    """

    unmet_micro_per_kwh: PriceMicroPerKwh = UNMET_MICRO_PER_KWH
    peak_target_w: PowerW | None = None
    over_micro_per_kw: int = 1_000_000_000

    def __post_init__(self) -> None:
        if self.unmet_micro_per_kwh < 0 or self.over_micro_per_kw < 0 or (self.peak_target_w or 0) < 0:
            raise Malformed("what an aim is worth, and a target, are never negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """All that a plan needs to know. Raises Malformed if its parts do not fit together."""

    slots: Slots
    vehicles: tuple[Vehicle, ...]
    site: Site
    prices: Prices
    aims: Aims = field(default_factory=Aims)

    def __post_init__(self) -> None:
        count = len(self.slots)
        self._check("import prices", self.prices.import_micro_per_kwh, count, may_miss=False)
        for name, values in (
            ("export prices", self.prices.export_micro_per_kwh),
            ("carbon prices", self.prices.carbon_micro_per_kwh),
            ("load", self.site.load_w),
            ("sun", self.site.sun_w),
            ("import limits", self.site.import_limit_w),
            ("export limits", self.site.export_limit_w),
        ):
            self._check(name, values, count)
        for demand in self.prices.demands:
            if not 0 <= demand.from_slot <= demand.to_slot <= count:
                raise Malformed(f"a demand charge over slots {demand.from_slot} to {demand.to_slot} of {count}")
        seen: set[str] = set()
        for vehicle in self.vehicles:
            if vehicle.session in seen:
                raise Malformed(f"session {vehicle.session} is there twice")
            seen.add(vehicle.session)
            if vehicle.circuits_bp and len(vehicle.circuits_bp) != len(self.site.circuits_w):
                text = f"parts on {len(vehicle.circuits_bp)} circuits, the site has {len(self.site.circuits_w)}"
                raise Malformed(f"session {vehicle.session}: {text}")
            self._check(f"presence of {vehicle.session}", vehicle.presence_bp, count)
            self._check(f"energy bought of {vehicle.session}", vehicle.bought_wh, count)

    @staticmethod
    def _check(name: str, values: Sequence[int] | None, count: int, *, may_miss: bool = True) -> None:
        if values is None or (may_miss and not values):
            return
        if len(values) != count:
            raise Malformed(f"{name}: {len(values)} values for {count} slots")
        if any(type(value) is not int for value in values):
            raise Malformed(f"{name}: whole numbers only")


def constant(value: int, slots: Slots) -> tuple[int, ...]:
    """The same value in every slot."""
    return (value,) * len(slots)


def latest_departure_s(vehicles: Iterable[Vehicle], otherwise_s: int) -> int:
    """The last departure; `otherwise_s` without vehicles."""
    return max((vehicle.departure_s for vehicle in vehicles), default=otherwise_s)
