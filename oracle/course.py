"""When energy flows in a recorded session that follows a plan: of its bidding agent, or of the site. MODELLED.

In each step of the plan, a market interval or less, the vehicle takes and gives what is planned, at constant power, as
far as the connector, the battery and the recorded energy allow. Energy given back may be taken again, with what is lost
on the way. Where no plan is known, it waits, and takes what is missing at the end of the stay that its driver declared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from domain.units import MARKET_INTERVAL_S, SECONDS_PER_HOUR, AccountId, EnergyWh, PowerW, UnixSeconds
from oracle.acn import RATED_POWER_W, ReplaySession
from oracle.pack import battery_of
from oracle.plan import READING_PERIOD_S, USUAL_POWER_W

_WAY_PERCENT = 81
"""How much of the energy taken can be given back: 90 % into the pack, and 90 % out of it."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a vehicle is to take and to give in one step."""

    import_wh: EnergyWh
    export_wh: EnergyWh


class Plans(Protocol):
    """What was planned once the auctions were over."""

    def takes_part(self, account: AccountId) -> bool:
        """Whether the account's energy is traded at all."""

    @property
    def step_s(self) -> int:
        """How long a step is that is planned at once."""

    def of(self, account: AccountId, start_s: UnixSeconds, end_s: UnixSeconds) -> Planned | None:
        """What is planned for a step that has begun, of which the vehicle is there from `start_s` to `end_s`.

        None if nobody planned.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a station lets through: nothing that its source does not, if these are left out."""

    max_energy_wh: int | None = None
    discharge: bool = True
    until_s: int | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    start_s: int
    end_s: int
    import_wh: int
    export_wh: int


class PlannedCourse:
    """The course of one session, step by step, as each of them begins."""

    def __init__(
        self,
        session: ReplaySession,
        account: AccountId,
        plans: Plans,
        *,
        limits: Limits | None = None,
        rated_power_w: PowerW = RATED_POWER_W,
    ) -> None:
        limits = limits or Limits()
        self.arrival_s = session.arrival_s
        self.departure_s = session.departure_s
        self._session = session
        self._account = account
        self._plans = plans
        self._limits = limits
        self._rated_power_w = rated_power_w
        self._battery = battery_of(session)
        self._stop_s = self.departure_s if limits.until_s is None else min(self.departure_s, limits.until_s)
        self._stop_s -= 0 if self._stop_s == self.departure_s else self._stop_s % READING_PERIOD_S
        self._pieces: list[_Piece] = []
        self._import_wh = self._export_wh = 0

    def import_at(self, time_s: int) -> EnergyWh:
        """Charged since arrival, Wh. Asks for the plans of intervals that began before `time_s`."""
        self._know(time_s)
        return EnergyWh(sum(_part(piece, piece.import_wh, time_s) for piece in self._pieces))

    def export_at(self, time_s: int) -> EnergyWh:
        """Sold back since arrival, Wh."""
        self._know(time_s)
        return EnergyWh(sum(_part(piece, piece.export_wh, time_s) for piece in self._pieces))

    def reading_times(self) -> Iterator[UnixSeconds]:
        """Arrival, each multiple of 300 s while plugged in, departure."""
        yield self.arrival_s
        first_s = self.arrival_s - self.arrival_s % READING_PERIOD_S + READING_PERIOD_S
        yield from map(UnixSeconds, range(first_s, self.departure_s, READING_PERIOD_S))
        yield self.departure_s

    def _know(self, time_s: int) -> None:
        step_s = self._plans.step_s
        start_s = self._pieces[-1].end_s if self._pieces else self.arrival_s
        while start_s < min(time_s, self._stop_s):
            end_s = min(start_s - start_s % step_s + step_s, self._stop_s)
            self._add(start_s, end_s)
            start_s = end_s

    def _add(self, start_s: int, end_s: int) -> None:
        planned = self._plans.of(self._account, UnixSeconds(start_s), UnixSeconds(end_s))
        if planned is None:
            planned = Planned(self._due_wh(start_s, end_s), EnergyWh(0))
        most_wh = self._rated_power_w * (end_s - start_s) // SECONDS_PER_HOUR
        import_wh = min(planned.import_wh, most_wh, self._room_wh())
        given_wh = self._battery.spare_wh(self._import_wh) - self._export_wh
        may_give = self._limits.discharge and not import_wh
        export_wh = min(planned.export_wh, most_wh, max(0, given_wh)) if may_give else 0
        self._pieces.append(_Piece(start_s, end_s, import_wh, export_wh))
        self._import_wh += import_wh
        self._export_wh += export_wh

    def _room_wh(self) -> int:
        """What can still be taken: the recorded energy and what was given back, within the driver's limit."""
        taken_again_wh = self._export_wh * 100 // _WAY_PERCENT
        room_wh = self._session.delivered_wh + taken_again_wh - self._import_wh
        if self._limits.max_energy_wh is not None:
            room_wh = min(room_wh, self._limits.max_energy_wh - self._import_wh)
        return max(0, room_wh)

    def _due_wh(self, start_s: int, end_s: int) -> EnergyWh:
        """What cannot wait until after `end_s`, at the usual power, if the driver leaves as declared."""
        leaves_s = max(self._session.estimated_departure_s, self.arrival_s + MARKET_INTERVAL_S)
        power_w = min(USUAL_POWER_W, self._rated_power_w)
        later_wh = power_w * max(0, leaves_s - end_s) // SECONDS_PER_HOUR
        return EnergyWh(min(max(0, self._room_wh() - later_wh), power_w * (end_s - start_s) // SECONDS_PER_HOUR))


def _part(piece: _Piece, energy_wh: int, time_s: int) -> int:
    if time_s >= piece.end_s:
        return energy_wh
    return energy_wh * max(0, time_s - piece.start_s) // (piece.end_s - piece.start_s)
