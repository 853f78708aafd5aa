"""When energy flows in a recorded session. The recording has only totals; the course is MODELLED.

Charging: constant power from arrival until the delivered energy is reached: 6,600 W, or, where the stay is too
short for that, the least constant power that delivers it. Selling back: in a stay of six hours or more, 30 % of
what was charged, at 6,600 W, within 15:00 to 22:00 local of the day of arrival, after charging, as late as the
departure allows, and never below the battery's floor.

Registers are cumulative power × time, rounded down, so that the sum is exact.
"""

from dataclasses import dataclass

from domain.units import MARKET_INTERVAL_S, SECONDS_PER_HOUR, EnergyWh, PowerW, UnixSeconds
from oracle.acn import RATED_POWER_W, ReplaySession
from oracle.pack import battery_of

USUAL_POWER_W = PowerW(6_600)
LEAST_STAY_TO_SELL_S = 6 * SECONDS_PER_HOUR
SELL_FROM_S, SELL_TO_S = 15 * SECONDS_PER_HOUR, 22 * SECONDS_PER_HOUR
SELL_PERCENT = 30
LEAST_SALE_WH = 100
READING_PERIOD_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The course of one session. Charging runs up to `charge_to_s`, selling within its own window."""

    arrival_s: UnixSeconds
    departure_s: UnixSeconds
    charged_wh: EnergyWh
    charge_power_w: PowerW
    charge_to_s: UnixSeconds
    discharged_wh: EnergyWh
    discharge_power_w: PowerW
    discharge_from_s: UnixSeconds
    discharge_to_s: UnixSeconds

    def import_at(self, time_s: int) -> EnergyWh:
        """Charged since arrival, Wh."""
        elapsed_s = max(0, time_s - self.arrival_s)
        return EnergyWh(min(self.charged_wh, self.charge_power_w * elapsed_s // SECONDS_PER_HOUR))

    def export_at(self, time_s: int) -> EnergyWh:
        """Sold back since arrival, Wh."""
        elapsed_s = max(0, time_s - self.discharge_from_s)
        return EnergyWh(min(self.discharged_wh, self.discharge_power_w * elapsed_s // SECONDS_PER_HOUR))

    def reading_times(self) -> tuple[UnixSeconds, ...]:
        """Arrival, each multiple of 300 s while plugged in, departure."""
        first = _edge_after(self.arrival_s + 1, READING_PERIOD_S)
        grid = range(first, self.departure_s, READING_PERIOD_S)
        return (self.arrival_s, *map(UnixSeconds, grid), self.departure_s)


def plan_of(
    session: ReplaySession,
    *,
    max_energy_wh: int | None = None,
    discharge: bool = True,
    until_s: int | None = None,
    rated_power_w: PowerW = RATED_POWER_W,
) -> Plan:
    """The session's course, or the part of it that these limits allow."""
    power_w = _charge_power_w(session, rated_power_w)
    # Energy between two readings belongs to both of their times, so nothing flows after the last reading in time.
    stop_s = session.departure_s if until_s is None else min(session.departure_s, _last_reading(session, until_s))
    reachable_wh = power_w * max(0, stop_s - session.arrival_s) // SECONDS_PER_HOUR
    charged_wh = min(
        session.delivered_wh, reachable_wh, session.delivered_wh if max_energy_wh is None else max_energy_wh
    )
    charge_to_s = session.arrival_s + _duration_s(charged_wh, power_w)
    sale_power_w = min(USUAL_POWER_W, rated_power_w)
    from_s, to_s, sold_wh = charge_to_s, charge_to_s, 0
    if discharge:
        from_s, to_s, sold_wh = _sale(session, charged_wh, charge_to_s, stop_s, sale_power_w)
    return Plan(
        arrival_s=session.arrival_s,
        departure_s=session.departure_s,
        charged_wh=EnergyWh(charged_wh),
        charge_power_w=power_w,
        charge_to_s=UnixSeconds(charge_to_s),
        discharged_wh=EnergyWh(sold_wh),
        discharge_power_w=PowerW(sale_power_w),
        discharge_from_s=UnixSeconds(from_s),
        discharge_to_s=UnixSeconds(to_s),
    )


def _charge_power_w(session: ReplaySession, rated_power_w: PowerW) -> PowerW:
    stay_s = session.departure_s - session.arrival_s
    usual_w = min(USUAL_POWER_W, rated_power_w)
    return PowerW(max(usual_w, -(-session.delivered_wh * SECONDS_PER_HOUR // stay_s)))


def _sale(session: ReplaySession, charged_wh: int, charge_to_s: int, stop_s: int, power_w: int) -> tuple[int, int, int]:
    """Start, end and energy of the sale; no energy where there is no room for one."""
    none = (charge_to_s, charge_to_s, 0)
    if session.departure_s - session.arrival_s < LEAST_STAY_TO_SELL_S:
        return none
    opens_s = _edge_after(max(charge_to_s, session.local_midnight_s + SELL_FROM_S), MARKET_INTERVAL_S)
    closes_s = min(stop_s, session.local_midnight_s + SELL_TO_S)
    energy_wh = min(
        charged_wh * SELL_PERCENT // 100,
        power_w * max(0, closes_s - opens_s) // SECONDS_PER_HOUR,
        battery_of(session).spare_wh(charged_wh),
    )
    if energy_wh < LEAST_SALE_WH:
        return none
    latest_s = closes_s - _duration_s(energy_wh, power_w)
    from_s = max(opens_s, latest_s - latest_s % MARKET_INTERVAL_S)
    return from_s, from_s + _duration_s(energy_wh, power_w), energy_wh


def _last_reading(session: ReplaySession, until_s: int) -> int:
    """The session's last reading at or before `until_s`; its arrival if there is none."""
    if until_s >= session.departure_s:
        return session.departure_s
    return max(session.arrival_s, until_s - until_s % READING_PERIOD_S)


def _duration_s(energy_wh: int, power_w: int) -> int:
    return -(-energy_wh * SECONDS_PER_HOUR // power_w)


def _edge_after(time_s: int, period_s: int) -> int:
    """The first multiple of `period_s` at or after `time_s`."""
    return -(-time_s // period_s) * period_s
