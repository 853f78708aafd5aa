"""Photovoltaics at a meter of their own. MODELLED: no recording has them.

A clear day's energy is spread over its local hours as in `SHARE_BY_HOUR`. What comes differs from what was forecast
by up to `ERROR_PERCENT` in each market interval, the same each time it is asked for. Energy runs evenly within one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.keccak import keccak
from domain.units import MARKET_INTERVAL_S, SECONDS_PER_HOUR, AccountId, EnergyWh, PowerW, StationId, UnixSeconds
from oracle.plan import READING_PERIOD_S
from oracle.sitemap import SunSite
from oracle.source import (
    Admission,
    AuthorisationNeeded,
    MeterEvent,
    PluggedIn,
    Sample,
    Span,
    StatementDue,
    VehicleEvent,
)
from oracle.visits import Visits

SHARE_BY_HOUR = (*(0,) * 6, 5, 25, 55, 85, 110, 130, 140, 135, 115, 90, 60, 33, 14, 3, *(0,) * 4)
"""Thousandths of a clear day's energy, hour by hour."""
ERROR_PERCENT = 15
_STANDBY_WH = EnergyWh(1_000)
"""What the owner allows the inverter to take: it takes nothing, but an authorisation names an amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sun:
    """`wh_a_day` of photovoltaics, of `account` at `station`, from `from_s` up to `to_s`."""

    account: AccountId
    station: StationId
    wh_a_day: EnergyWh
    zone: ZoneInfo
    from_s: UnixSeconds
    to_s: UnixSeconds

    @property
    def key(self) -> str:
        """What its one session is called."""
        return f"sun@{self.from_s}"

    def forecast_wh(self, interval_s: UnixSeconds) -> EnergyWh:
        """What is expected of a market interval."""
        return EnergyWh(self._spread_wh(interval_s, 100))

    def generated_wh(self, interval_s: UnixSeconds) -> EnergyWh:
        """What comes in it."""
        digest = keccak(b"wattledger/sun/" + interval_s.to_bytes(8, "big"))
        error = int.from_bytes(digest[:4], "big") % (2 * ERROR_PERCENT + 1) - ERROR_PERCENT
        return EnergyWh(self._spread_wh(interval_s, 100 + error))

    def _spread_wh(self, interval_s: int, percent: int) -> int:
        share = SHARE_BY_HOUR[datetime.fromtimestamp(interval_s, self.zone).hour]
        intervals_an_hour = SECONDS_PER_HOUR // MARKET_INTERVAL_S
        return self.wh_a_day * share * percent // (intervals_an_hour * 1_000 * 100)


class SunMeters:
    """`oracle.source.MeterSource` of photovoltaics."""

    def __init__(self, sun: Sun, *, statement_period_s: int) -> None:
        self._sun = sun
        self._period_s = statement_period_s
        self._admission: Admission | None = None

    @property
    def stations(self) -> Sequence[StationId]:
        return [self._sun.station]

    def admit(self, key: str, admission: Admission) -> None:
        if key == self._sun.key:
            self._admission = admission

    def events(self, station: StationId, since_s: int) -> Iterator[MeterEvent]:  # noqa: ARG002 (there is one)
        sun = self._sun
        yield PluggedIn(
            station=sun.station,
            key=sun.key,
            time_s=sun.from_s,
            account=sun.account,
            charge=Span(start_s=sun.from_s, end_s=sun.from_s),
            discharge=Span(start_s=sun.from_s, end_s=sun.to_s),
        )
        admission = self._admission
        if admission is None or not admission.discharge:
            return
        exported_wh = int(admission.export_wh)
        yield self._sample(sun.from_s, admission, exported_wh, 0)
        for begins_s in range(sun.from_s, sun.to_s, MARKET_INTERVAL_S):
            generated_wh = sun.generated_wh(UnixSeconds(begins_s))
            power_w = generated_wh * SECONDS_PER_HOUR // MARKET_INTERVAL_S
            for elapsed_s in range(READING_PERIOD_S, MARKET_INTERVAL_S + 1, READING_PERIOD_S):
                part_wh = generated_wh * elapsed_s // MARKET_INTERVAL_S
                time_s = UnixSeconds(begins_s + elapsed_s)
                yield self._sample(time_s, admission, exported_wh + part_wh, power_w)
                if time_s == sun.to_s or (time_s - sun.from_s) % self._period_s == 0:
                    yield StatementDue(station=sun.station, time_s=time_s)
            exported_wh += generated_wh

    def _sample(self, time_s: UnixSeconds, admission: Admission, exported_wh: int, power_w: int) -> Sample:
        return Sample(
            station=self._sun.station,
            time_s=time_s,
            import_wh=admission.import_wh,
            export_wh=EnergyWh(exported_wh),
            power_w=PowerW(-power_w),
            key=self._sun.key,
        )


class SunOwner:
    """`oracle.source.VehicleSource` of who owns the photovoltaics: authorises that they give energy."""

    def __init__(self, sun: Sun) -> None:
        self._sun = sun

    @property
    def accounts(self) -> Sequence[AccountId]:
        return [self._sun.account]

    def events(self, since_s: Mapping[AccountId, int]) -> Iterator[VehicleEvent]:  # noqa: ARG002 (there is one event)
        yield AuthorisationNeeded(
            account=self._sun.account,
            station=self._sun.station,
            key=self._sun.key,
            time_s=self._sun.from_s,
            max_energy_wh=_STANDBY_WH,
            discharge=True,
            expiry_s=UnixSeconds(self._sun.to_s + MARKET_INTERVAL_S),
            nonce=int(self._sun.from_s),
        )


def sun_of(site: SunSite, visits: Visits, zone: ZoneInfo) -> Sun:
    """The photovoltaics of a recorded day, from the interval of its first arrival to that of its last departure."""
    stays = [visit.session for visit in visits.everywhere({})]
    first_s = min(stay.arrival_s for stay in stays)
    last_s = max(stay.departure_s for stay in stays)
    return Sun(
        account=site.account,
        station=site.station,
        wh_a_day=site.wh_a_day,
        zone=zone,
        from_s=UnixSeconds(first_s - first_s % MARKET_INTERVAL_S),
        to_s=UnixSeconds(-(-last_s // MARKET_INTERVAL_S) * MARKET_INTERVAL_S),
    )
