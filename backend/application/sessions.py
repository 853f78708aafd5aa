"""Sessions: what drivers authorised."""

from dataclasses import dataclass

from backend.application.errors import NoDriverKey
from backend.application.ports import Store
from domain.errors import UnknownAccount, UnknownStation
from domain.session import SignedAuthorisation, open_session
from domain.signing import SigningDomain


@dataclass(frozen=True, slots=True)
class Sessions:
    """The use cases around sessions."""

    store: Store
    domain: SigningDomain

    def open(self, signed: SignedAuthorisation) -> tuple[bytes, bool]:
        """Keeps a driver's authorisation; the session's id, and whether it is new.

        Raises UnknownStation, UnknownAccount, NoDriverKey or a BadSignature.
        """
        limits = signed.authorisation
        with self.store.read() as unit:
            if unit.stations.find(limits.station) is None:
                raise UnknownStation(limits.station)
            account = unit.accounts.find(limits.account)
        if account is None:
            raise UnknownAccount(limits.account)
        if account.driver_key is None:
            raise NoDriverKey(limits.account)
        session = open_session(signed, driver_key=account.driver_key, domain=self.domain)
        with self.store.write() as unit:
            if unit.sessions.find(session.session_id) is not None:
                return session.session_id, False
            unit.sessions.add(session)
        return session.session_id, True
