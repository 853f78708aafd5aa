"""What drivers need: signed, within their authorisation, the latest of each session."""

from dataclasses import dataclass

from backend.application.errors import NoDriverKey
from backend.application.ports import Clock, Store
from backend.application.site_records import NeedRecord
from domain.errors import NeedOutdated, UnknownAccount, UnknownSession
from domain.need import ChargingNeed, SignedNeed, check_need
from domain.signing import SigningDomain


@dataclass(frozen=True, slots=True)
class Needs:
    """The use cases around needs."""

    store: Store
    clock: Clock
    domain: SigningDomain

    def say(self, signed: SignedNeed) -> tuple[NeedRecord, bool]:
        """Keeps a need; whether it is new. UnknownSession, NoDriverKey, a BadSignature, NeedRefused, NeedOutdated."""
        need, now_s = signed.need, self.clock.now_s()
        with self.store.write() as unit:
            session = unit.sessions.named([need.session]).get(need.session)
            if session is None:
                raise UnknownSession(need.session)
            limits = session.authorisation
            account = unit.accounts.find(limits.account)
            if account is None:
                raise UnknownAccount(limits.account)
            if account.driver_key is None:
                raise NoDriverKey(limits.account)
            check_need(signed, limits, driver_key=account.driver_key, domain=self.domain, now_s=now_s)
            known = unit.needs.find(need.session)
            if known is not None and known.need == need:
                return known, False
            if known is not None and known.need.time_s >= need.time_s:
                raise NeedOutdated(need.session, known.need.time_s, need.time_s)
            record = NeedRecord(
                need=need, signature=signed.signature, taken_at_s=now_s, declared_s=_declared_s(need, known)
            )
            return unit.needs.keep(record), True

    def get(self, session: bytes) -> NeedRecord | None:
        """The latest one of a session; UnknownSession. None if its driver said nothing: the authorisation counts."""
        with self.store.read() as unit:
            if unit.sessions.find(session) is None:
                raise UnknownSession(session)
            return unit.needs.find(session)


def _declared_s(need: ChargingNeed, known: NeedRecord | None) -> int | None:
    """The departure that was last said ahead: a leave keeps the one before it."""
    if not need.leaves:
        return need.departure_s
    return known.declared_s if known is not None else None
