"""What drivers need, and that their vehicles leave: signed, and said once the authorisation is there.

It steers schedules, and nothing leans on it: what cannot be said now is said later, while everything else goes on. Each
need is on the disk before it is sent, and is said once, over a restart too.
"""

import json
import logging
from dataclasses import dataclass
from itertools import takewhile

from domain.need import ChargingNeed, SignedNeed
from domain.session import SessionAuthorisation
from domain.signing import Signer, SigningDomain
from domain.text import hex_text
from domain.units import EnergyWh, UnixSeconds
from domain.wire import need_to_json
from oracle.client import BackendClient
from oracle.clock import Clock
from oracle.errors import BackendAnswerInvalid, BackendRefused, BackendUnavailable
from oracle.spool import Spool, SpooledNeed

LEAVE_SAID_FOR_S = 86_400
"""So long a leave is worth saying: it is learned from when the session is over. Recorded weeks are not said again."""
PAUSE_S = 30.0
"""After a failure. One try takes seconds at most, and other messages wait for it."""
MOST_AT_ONCE = 200

_SERVER_ERROR = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A session that a driver authorised. `need_wh` and `leaves_s` are None if it said nothing more."""

    session: bytes
    limits: SessionAuthorisation
    need_wh: EnergyWh | None
    leaves_s: UnixSeconds | None


class Needs:
    """Signs needs, keeps them in the spool, and says them in the order they were made."""

    def __init__(self, spool: Spool, client: BackendClient, clock: Clock, domain: SigningDomain) -> None:
        self._spool, self._client, self._clock, self._domain = spool, client, clock, domain
        self._paused_until = clock.monotonic()

    def declare(self, stay: Stay, time_s: UnixSeconds, signer: Signer) -> None:
        """What the driver said that it needs. To be said while its session is valid."""
        if stay.need_wh is not None and stay.leaves_s is not None:
            self._keep(stay, stay.need_wh, stay.leaves_s, time_s, stay.limits.expiry_s, signer)

    def leave(self, stay: Stay, time_s: UnixSeconds, signer: Signer) -> None:
        """That the vehicle left. To be said for a day; not at all of a session that had expired, or not begun."""
        limits = stay.limits
        if limits.not_before_s <= time_s <= limits.expiry_s:
            energy_wh = limits.max_energy_wh if stay.need_wh is None else stay.need_wh
            self._keep(stay, energy_wh, time_s, time_s, time_s + LEAVE_SAID_FOR_S, signer)

    def say_all(self) -> None:
        """Says what was not said, as far as the backend takes it. To be called behind the authorisations."""
        while self.say():
            pass

    def say(self) -> bool:
        """Says the next ones of those; whether there may be more."""
        if self._clock.monotonic() < self._paused_until:
            return False
        needs = self._spool.unsaid_needs(self._clock.unix_s(), MOST_AT_ONCE)
        answered = list(takewhile(self._answered, needs))
        self._spool.mark_said(need.id for need in answered)
        return len(answered) == MOST_AT_ONCE

    def _answered(self, need: SpooledNeed) -> bool:
        """Whether the backend took or refused it for good; if not, nothing is said for a while."""
        try:
            self._client.post_need(need.body)
        except (BackendUnavailable, BackendAnswerInvalid) as error:
            _log.warning("a need could not be said: %s", error)
        except BackendRefused as refused:
            _log.warning("a need was refused: %s", refused.detail)
            if refused.status < _SERVER_ERROR:
                return True
        else:
            return True
        self._paused_until = self._clock.monotonic() + PAUSE_S
        return False

    def _keep(
        self,
        stay: Stay,
        energy_wh: EnergyWh,
        departure_s: UnixSeconds,
        time_s: UnixSeconds,
        until_s: int,
        signer: Signer,
    ) -> None:
        if until_s <= self._clock.unix_s():
            return
        need = ChargingNeed(session=stay.session, energy_wh=energy_wh, departure_s=departure_s, time_s=time_s)
        signed = SignedNeed(need, signer.sign(self._domain.digest(need.struct_hash())))
        body = json.dumps(need_to_json(signed), separators=(",", ":"))
        self._spool.keep_need(hex_text(stay.session), time_s, until_s, body)
