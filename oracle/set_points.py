"""What a site's schedule says, written down step by step, so that modelled meters and vehicles follow the same powers.

Just before each step of five minutes, the power that the backend's latest plan has for it is written into a file, once.
A station of flesh and metal takes its set-points from the backend as they come; a modelled one moves in steps, and its
meter, its vehicle and its agent have to agree on what flowed, whenever they ask.
"""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from domain.units import SECONDS_PER_HOUR, AccountId, EnergyWh, PowerW, UnixSeconds
from oracle.clock import Clock
from oracle.course import Planned
from oracle.errors import BackendRefused, BackendUnavailable
from oracle.plan import READING_PERIOD_S
from oracle.plan_file import PlanFile, add_plan

STEP_S = READING_PERIOD_S
LEAD_S = 5
"""How long before a step its powers are asked for."""

_log = logging.getLogger(__name__)


class SetPointFile(PlanFile):
    """`oracle.course.Plans` in steps of five minutes. Who is there for a part of a step gets that part of it."""

    def __init__(self, path: Path, accounts: Collection[AccountId]) -> None:
        super().__init__(path, accounts, step_s=STEP_S)

    def of(self, account: AccountId, start_s: UnixSeconds, end_s: UnixSeconds) -> Planned | None:
        whole = super().of(account, start_s, end_s)
        if whole is None:
            return None
        seconds = end_s - start_s
        return Planned(EnergyWh(whole.import_wh * seconds // STEP_S), EnergyWh(whole.export_wh * seconds // STEP_S))


class SchedulePort(Protocol):
    """Where plans are asked for."""

    def planned_powers(self, site: str, time_s: int) -> Mapping[AccountId, PowerW]:
        """The power of each vehicle that a site's latest plan has for a time; positive charges."""


class Recorder:
    """Writes a site's powers down until the clock is stopped. A step whose time has come is never written any more."""

    def __init__(self, client: SchedulePort, site: str, path: Path, clock: Clock) -> None:
        self._client, self._site, self._path, self._clock = client, site, path, clock

    def run(self) -> None:
        while not self._clock.stopped:
            step_s = self._wait()
            if self._clock.stopped:
                return
            try:
                self.record(step_s)
            except (BackendUnavailable, BackendRefused) as error:
                _log.warning("no set-points for %d: %s", step_s, error)

    def record(self, step_s: UnixSeconds) -> None:
        """One step."""
        powers = self._client.planned_powers(self._site, step_s)
        if self._clock.unix_s() < step_s:
            add_plan(self._path, step_s, {account: _energy(power_w) for account, power_w in powers.items()})
        else:
            _log.warning("set-points for %d came too late", step_s)

    def _wait(self) -> UnixSeconds:
        """Until the next step is about to begin."""
        now_s = self._clock.unix_s()
        step_s = (now_s + LEAD_S) // STEP_S * STEP_S + STEP_S
        while not self._clock.stopped and (left_s := step_s - LEAD_S - self._clock.unix_s()) > 0:
            self._clock.sleep(left_s)
        return UnixSeconds(step_s)


def _energy(power_w: int) -> Planned:
    wh = EnergyWh(abs(power_w) * STEP_S // SECONDS_PER_HOUR)
    return Planned(wh, EnergyWh(0)) if power_w >= 0 else Planned(EnergyWh(0), wh)
