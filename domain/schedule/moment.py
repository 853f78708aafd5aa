"""What a site knows at a moment, and what decides from it: a policy never sees more than has happened.

`Moment.vehicles` are those that are there now, each with what it still misses (`need_wh`), what its battery holds, its
true arrival and the departure that was told: it may be wrong, even past. Whatever is given by slot begins with the slot
that runs, or ends with the one before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from domain.bidding.stay import WHOLE_BP
from domain.schedule.columns import Ints
from domain.schedule.problem import LINES, Vehicle
from domain.units import EnergyWh, PowerW, UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandSoFar:
    """The demand charge of the billing period that runs: `peak_w` of its whole intervals, `used_wh` in this one."""

    price_micro_per_kw: int
    until_s: UnixSeconds
    interval_s: int
    peak_w: PowerW
    used_wh: EnergyWh


class Limit(NamedTuple):
    """A limit that was commanded: the site draws at most so much from `from_s` up to `to_s`."""

    from_s: int
    to_s: int
    import_limit_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The beginning of a slot that ends at `ends_s`. Prices are those published, micro-euro per kWh, by slot from now.

    `import_limit_w` is the connection's limit, `limits` are those commanded beside it, for now or later.
    `peak_target_w` is what the operator would rather not exceed. `load_w` and `sun_w` are means of the slots that are
    past, the last one last. `read_wh` is what each vehicle's meter counted in the slot before, less what it gave back;
    a vehicle that was there and is not in it is silent.
    """

    now_s: UnixSeconds
    ends_s: UnixSeconds
    slot_s: int
    vehicles: tuple[Vehicle, ...]
    import_micro_per_kwh: Sequence[int] | Ints
    export_micro_per_kwh: Sequence[int] | Ints = ()
    carbon_micro_per_kwh: Sequence[int] | Ints = ()
    demand: DemandSoFar | None = None
    import_limit_w: PowerW | None = None
    export_limit_w: PowerW | None = None
    line_limit_w: tuple[int, int, int] | None = None
    circuits_w: tuple[int, ...] = ()
    load_w: Sequence[int] | Ints = ()
    sun_w: Sequence[int] | Ints = ()
    read_wh: Mapping[str, int] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    peak_target_w: PowerW | None = None

    @property
    def limit_w(self) -> PowerW | None:
        """The lowest limit that holds somewhen in the slot that begins; None if none does."""
        return self.limit_between(self.now_s, self.ends_s)

    @property
    def parts_w(self) -> tuple[int, ...]:
        """Limits on sums of parts of powers, W: those of circuits, then those of the three lines, if there are any."""
        return (*self.circuits_w, *(self.line_limit_w or ()))

    def parts_bp(self, vehicle: Vehicle) -> tuple[int, ...]:
        """Which part of the vehicle's power counts for each of them, of WHOLE_BP; its lines share it alike."""
        circuits = vehicle.circuits_bp or (0,) * len(self.circuits_w)
        if self.line_limit_w is None:
            return circuits
        share = -(-WHOLE_BP // len(vehicle.lines))
        return (*circuits, *(share if line in vehicle.lines else 0 for line in LINES))

    def limit_between(self, start_s: int, end_s: int) -> PowerW | None:
        """The lowest limit that holds somewhen between two times."""
        found = [one.import_limit_w for one in self.limits if one.from_s < end_s and one.to_s > start_s]
        if self.import_limit_w is not None:
            found.append(self.import_limit_w)
        return PowerW(min(found)) if found else None


class Report(NamedTuple):
    """Something that is not as it should be, in plain words. `session` is empty if it concerns the site."""

    time_s: int
    session: str
    text: str


class Policy(Protocol):
    """Decides the power of each vehicle for the slot that begins, W: negative gives back, not named is none."""

    @property
    def name(self) -> str: ...

    def powers(self, moment: Moment) -> Mapping[str, int]: ...
