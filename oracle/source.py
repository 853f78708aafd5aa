"""Where measurements come from: the ports that a meter and a vehicle stand behind.

`oracle.replay` answers them from a file of recorded sessions; a charging-station protocol would answer
them from live hardware.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.units import AccountId, BasisPoints, DeciCelsius, EnergyWh, PowerW, StationId, UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `start_s` up to `end_s`."""

    start_s: UnixSeconds
    end_s: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PluggedIn:
    """A vehicle was connected. Nothing flows until the session `key` is admitted.

    `account` is who the vehicle says it belongs to, if it says so. `charge` and `discharge` are when the
    schedule means to move energy.
    """

    station: StationId
    key: str
    time_s: UnixSeconds
    account: AccountId | None
    charge: Span
    discharge: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the meter shows. `power_w` is the mean since the sample before; `key` is None with nobody plugged in."""

    station: StationId
    time_s: UnixSeconds
    import_wh: EnergyWh
    export_wh: EnergyWh
    power_w: PowerW
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDue:
    """What was metered up to the sample of this time is to be stated now."""

    station: StationId
    time_s: UnixSeconds


MeterEvent = PluggedIn | Sample | StatementDue


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What may flow in a session: not more than `max_energy_wh`, nothing after `until_s`.

    `import_wh` and `export_wh` are the registers before the session: a modelled meter counts on from
    them, a real one has its own.
    """

    max_energy_wh: EnergyWh
    discharge: bool
    until_s: UnixSeconds
    import_wh: EnergyWh
    export_wh: EnergyWh


class MeterSource(Protocol):
    """The meters of some stations."""

    @property
    def stations(self) -> Sequence[StationId]: ...

    def events(self, station: StationId, since_s: int) -> Iterator[MeterEvent]:
        """The station's events in order of time. Sessions that ended before `since_s` may be left out.

        After a `PluggedIn`, the next event is asked for only when its session was admitted, or never will be.
        There may be events whose time has not come yet, and no end of them.
        """

    def admit(self, key: str, admission: Admission) -> None:
        """Lets energy flow in the session that `PluggedIn` announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorisationNeeded:
    """A driver plugs in and says what the station may bill; and, if it says so, what it needs and when it leaves."""

    account: AccountId
    station: StationId
    key: str
    time_s: UnixSeconds
    max_energy_wh: EnergyWh
    discharge: bool
    expiry_s: UnixSeconds
    nonce: int
    need_wh: EnergyWh | None = None
    leaves_s: UnixSeconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySample:
    """What the vehicle's battery management shows. Positive current charges."""

    account: AccountId
    key: str
    time_s: UnixSeconds
    state_of_charge_bp: BasisPoints
    state_of_health_bp: BasisPoints
    temperature_deci_c: DeciCelsius
    pack_millivolt: int
    pack_milliampere: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplugged:
    """A vehicle left, behind the last sample of its session."""

    account: AccountId
    key: str
    time_s: UnixSeconds


VehicleEvent = AuthorisationNeeded | BatterySample | Unplugged


class VehicleSource(Protocol):
    """Some vehicles and their drivers."""

    @property
    def accounts(self) -> Sequence[AccountId]: ...

    def events(self, since_s: Mapping[AccountId, int]) -> Iterator[VehicleEvent]:
        """The vehicles' events in order of time, each session's authorisation before its samples.

        An account's sessions that ended up to its `since_s` may be left out. There may be events whose time has
        not come yet, and no end of them.
        """


class MetersTogether:
    """Several sources of meters as one; no station is in two of them."""

    def __init__(self, sources: Sequence[MeterSource]) -> None:
        self._sources = {station: source for source in sources for station in source.stations}
        self._all = sources

    @property
    def stations(self) -> Sequence[StationId]:
        return sorted(self._sources)

    def events(self, station: StationId, since_s: int) -> Iterator[MeterEvent]:
        return self._sources[station].events(station, since_s)

    def admit(self, key: str, admission: Admission) -> None:
        """Tells all of them: each knows its own sessions."""
        for source in self._all:
            source.admit(key, admission)


class VehiclesTogether:
    """Several sources of vehicles as one; no account is in two of them."""

    def __init__(self, sources: Sequence[VehicleSource]) -> None:
        self._all = sources

    @property
    def accounts(self) -> Sequence[AccountId]:
        return [account for source in self._all for account in source.accounts]

    def events(self, since_s: Mapping[AccountId, int]) -> Iterator[VehicleEvent]:
        return heapq.merge(*(source.events(since_s) for source in self._all), key=lambda event: event.time_s)
