"""Whether a station lets energy flow: it needs the driver's signature, and a price within the driver's limits.

The backend hands over authorisations, but their signatures are checked here.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass

from domain.errors import BadSignature, NoTariff
from domain.session import Session, SignedAuthorisation, open_session
from domain.signing import SigningDomain
from domain.station import Station
from domain.tariff import Direction, TariffTable
from domain.text import hex_text, parse_hex
from domain.units import MARKET_INTERVAL_S, WH_PER_KWH, EnergyWh, UnixSeconds
from domain.wire import authorisation_from_json, authorisation_to_json
from oracle.client import BackendClient
from oracle.errors import BackendRefused
from oracle.source import Admission, PluggedIn, Span

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A session that may draw energy: its authorisation, the key that signed it, and what may flow.

    `trades`: its account takes part in the market of the station's operator.
    """

    session: Session
    driver_key: bytes
    admission: Admission
    trades: bool = False

    def to_text(self) -> str:
        """As the spool keeps it."""
        signed = SignedAuthorisation(self.session.authorisation, self.session.signature)
        limits = self.admission
        return json.dumps(
            {
                "authorisation": authorisation_to_json(signed),
                "driver_key": hex_text(self.driver_key),
                "max_energy_wh": limits.max_energy_wh,
                "discharge": limits.discharge,
                "until": limits.until_s,
                "import_wh": limits.import_wh,
                "export_wh": limits.export_wh,
                "trades": self.trades,
            }
        )

    @classmethod
    def from_text(cls, text: str, domain: SigningDomain) -> "Admitted":
        value = json.loads(text)
        driver_key = parse_hex(value["driver_key"], 20)
        signed = authorisation_from_json(value["authorisation"])
        return cls(
            session=open_session(signed, driver_key=driver_key, domain=domain),
            driver_key=driver_key,
            trades=value.get("trades", False),
            admission=Admission(
                max_energy_wh=value["max_energy_wh"],
                discharge=value["discharge"],
                until_s=value["until"],
                import_wh=value["import_wh"],
                export_wh=value["export_wh"],
            ),
        )


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A session with an authorisation that cannot be served."""

    reason: str


class Tariffs:
    """The published tariffs as last fetched."""

    def __init__(self, client: BackendClient) -> None:
        self._client = client
        self.table = TariffTable()

    def refresh(self) -> None:
        self.table = self._client.tariffs()

    def highest(self, station: Station, direction: Direction, span: Span) -> int:
        """The highest price in any market interval of the span. NoTariff if one has none, even after a refresh."""
        try:
            return self._highest(station, direction, span)
        except NoTariff:
            self.refresh()
            return self._highest(station, direction, span)

    def _highest(self, station: Station, direction: Direction, span: Span) -> int:
        first_s = span.start_s - span.start_s % MARKET_INTERVAL_S
        return max(
            self.table.latest(
                station.station,
                station.payee,
                direction,
                max(at_s, span.start_s),
                min(at_s + MARKET_INTERVAL_S, max(span.end_s, span.start_s + 1)),
            ).price_micro_per_kwh
            for at_s in range(first_s, max(span.end_s, span.start_s + 1), MARKET_INTERVAL_S)
        )


class Gate:
    """Looks for a plugged-in session's authorisation and decides what may flow."""

    def __init__(self, client: BackendClient, domain: SigningDomain, tariffs: Tariffs) -> None:
        self._client = client
        self._domain = domain
        self._tariffs = tariffs

    def look(
        self, event: PluggedIn, station: Station, taken: Collection[bytes], registers: tuple[EnergyWh, EnergyWh]
    ) -> Admitted | TurnedAway | None:
        """Admitted or turned away; None while no valid authorisation is known. `taken` are sessions already served."""
        known = self._client.authorisations(event.station)
        for signed in sorted(known, key=lambda s: s.authorisation.not_before_s, reverse=True):
            limits = signed.authorisation
            in_time = limits.not_before_s <= event.time_s < limits.expiry_s
            if limits.station != event.station or not in_time or event.account not in (None, limits.account):
                continue
            opened = self._opened(signed)
            if opened is None or opened[0].session_id in taken:
                continue
            return self._decide(event, station, *opened, registers)
        return None

    def _opened(self, signed: SignedAuthorisation) -> tuple[Session, bytes] | None:
        account = signed.authorisation.account
        try:
            driver_key = self._client.driver_key(account)
        except BackendRefused as refused:
            _log.warning("account %d of an authorisation: %s", account, refused.detail)
            return None
        if driver_key is None:
            _log.warning("account %d has no driver key; its authorisation is ignored", account)
            return None
        try:
            return open_session(signed, driver_key=driver_key, domain=self._domain), driver_key
        except BadSignature as error:
            _log.warning("an authorisation is ignored: %s", error)
            return None

    def _decide(
        self,
        event: PluggedIn,
        station: Station,
        session: Session,
        driver_key: bytes,
        registers: tuple[EnergyWh, EnergyWh],
    ) -> Admitted | TurnedAway:
        limits = session.authorisation
        trades = bool(self._client.traders_among([limits.account], station.payee))
        try:
            price = self._highest(station, Direction.CHARGE, event.charge, trades=trades)
        except NoTariff as error:
            return TurnedAway(str(error))
        if price > limits.max_price_micro_per_kwh:
            return TurnedAway(f"the price {price} is above the driver's {limits.max_price_micro_per_kwh}")
        return Admitted(
            session=session,
            driver_key=driver_key,
            trades=trades,
            admission=Admission(
                max_energy_wh=EnergyWh(min(limits.max_energy_wh, _affordable_wh(session, event, price))),
                discharge=limits.discharge_allowed and self._may_discharge(event, station, trades=trades),
                until_s=UnixSeconds(limits.expiry_s),
                import_wh=registers[0],
                export_wh=registers[1],
            ),
        )

    def _highest(self, station: Station, direction: Direction, span: Span, *, trades: bool) -> int:
        """The highest price of the span; of the market's tariffs for who trades, as long as they cover it."""
        if trades:
            try:
                return self._tariffs.highest(station, direction.traded, span)
            except NoTariff as error:
                _log.warning("station %d: %s; the plain tariffs count", station.station, error)
        return self._tariffs.highest(station, direction, span)

    def _may_discharge(self, event: PluggedIn, station: Station, *, trades: bool) -> bool:
        if event.discharge is None:
            return False
        if not station.bidirectional:
            _log.warning("station %d cannot take energy back; session %s sells none", event.station, event.key)
            return False
        try:
            self._highest(station, Direction.DISCHARGE, event.discharge, trades=trades)
        except NoTariff as error:
            _log.warning("session %s sells nothing: %s", event.key, error)
            return False
        return True


def _affordable_wh(session: Session, event: PluggedIn, price: int) -> int:
    """What the driver's greatest cost buys at the highest price.

    Each market interval is a row of its own, whose cost is rounded up by less than 1 micro-euro.
    """
    limits = session.authorisation
    if price <= 0:
        return limits.max_energy_wh
    rows = (event.charge.end_s - event.charge.start_s) // MARKET_INTERVAL_S + 2
    return max(0, limits.max_cost_micro - rows) * WH_PER_KWH // price
