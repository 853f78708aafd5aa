"""The service beside vehicles: signs what their drivers authorise and what their batteries show."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import WattledgerError
from domain.reading import BmsReading, SignedBmsReading
from domain.session import SessionAuthorisation, SignedAuthorisation
from domain.signing import Signer
from domain.units import AccountId, PriceMicroPerKwh, cost_ceil
from domain.wire import authorisation_from_json, authorisation_to_json, bms_to_json
from oracle.client import BackendClient, Network
from oracle.clock import Clock
from oracle.errors import DevicesHalted, KeyMissing, OracleError
from oracle.needs import Needs, Stay
from oracle.outbox import Outbox
from oracle.progress import Progress
from oracle.rhythm import FLUSH_PERIOD_S, Rhythm
from oracle.source import AuthorisationNeeded, BatterySample, Unplugged, VehicleEvent, VehicleSource
from oracle.spool import Spool

MAX_PRICE_MICRO_PER_KWH = PriceMicroPerKwh(1_000_000)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Series:
    """How far an account's BMS readings are signed."""

    sequence: int
    time_s: int


class VehicleOracle:
    """Serves the source's vehicles until it has no more events, or the clock is stopped."""

    def __init__(
        self,
        *,
        source: VehicleSource,
        signers: Mapping[bytes, Signer],
        network: Network,
        spool: Spool,
        client: BackendClient,
        clock: Clock,
        progress: Progress,
        max_price: PriceMicroPerKwh = MAX_PRICE_MICRO_PER_KWH,
    ) -> None:
        """`max_price` is the most that a driver pays, micro-euro per kWh; the greatest cost follows from it."""
        self._source = source
        self._keys = signers
        self._domain = network.accounts_domain
        self._spool = spool
        self._client = client
        self._clock = clock
        self._max_price = max_price
        self._outbox = Outbox(spool, client)
        self._signers: dict[AccountId, Signer] = {}
        self._series: dict[AccountId, _Series] = {}
        self._stays: dict[str, Stay] = {}
        self._needs = Needs(spool, client, clock, self._domain)
        self._rhythm = Rhythm(self._outbox, progress, clock, lambda: self.counts)

    @property
    def counts(self) -> dict[str, int]:
        return {"vehicles": len(self._signers), "vehicles_halted": len(self._outbox.halted), **self._spool.counts()}

    def run(self) -> None:
        """DevicesHalted at the end if a vehicle could not go on; BackendUnavailable at once, to be run again."""
        for account in self._source.accounts:
            self._open(account)
        self._resend_what_was_lost()
        self._outbox.flush()
        for event in self._source.events({account: series.time_s for account, series in self._series.items()}):
            self._wait_until(event.time_s)
            if self._clock.stopped:
                break
            self._handle(event)
            self._rhythm.flush_if_due()
        if self._clock.stopped:
            self._spool.commit()
            return
        self._rhythm.flush()
        self._needs.say_all()
        if self._outbox.halted:
            raise DevicesHalted(list(self._outbox.halted.values()))

    def _open(self, account: AccountId) -> None:
        driver_key = self._client.driver_key(account)
        if driver_key is None:
            raise OracleError(f"account {account} has no driver key; set one on chain first")
        if driver_key not in self._keys:
            raise KeyMissing(f"the vehicle of account {account}", driver_key)
        self._signers[account] = self._keys[driver_key]
        last = self._spool.last("bms", account)
        self._series[account] = _Series(last.sequence, last.time_s) if last else _Series(0, -1)

    def _resend_what_was_lost(self) -> None:
        """Sends an account's messages again if the backend does not know a session that it once took."""
        for message in self._spool.of("authorisation"):
            signed = authorisation_from_json(json.loads(message.body))
            if self._client.knows_session(signed.authorisation.session_id(self._domain)):
                continue
            again = self._spool.send_again("authorisation", message.device, -1)
            if again:
                again += self._spool.send_again("bms", message.device, 0)
                _log.warning("account %d: the backend lost %d messages; they are sent again", message.device, again)

    def _handle(self, event: VehicleEvent) -> None:
        account = event.account
        if account in self._outbox.halted:
            return
        try:
            if isinstance(event, AuthorisationNeeded):
                self._authorise(event)
            elif isinstance(event, BatterySample):
                self._sign_sample(event)
            else:
                self._unplug(event)
        except WattledgerError as error:
            if isinstance(error, OracleError):
                raise
            self._outbox.halt(account, f"account {account}", str(error))
        self._rhythm.after_event()

    def _authorise(self, event: AuthorisationNeeded) -> None:
        """Signs the driver's authorisation, unless one was signed before: that one stays."""
        kept = self._spool.get("authorisation", event.account, event.nonce)
        if kept is not None:
            self._stay(event, authorisation_from_json(json.loads(kept)).authorisation)
            return
        authorisation = SessionAuthorisation(
            account=event.account,
            station=event.station,
            max_energy_wh=event.max_energy_wh,
            max_price_micro_per_kwh=self._max_price,
            max_cost_micro=cost_ceil(event.max_energy_wh, self._max_price),
            discharge_allowed=event.discharge,
            not_before_s=event.time_s,
            expiry_s=event.expiry_s,
            nonce=event.nonce,
        )
        stay, signer = self._stay(event, authorisation), self._signers[event.account]
        signed = SignedAuthorisation(authorisation, signer.sign(stay.session))
        body = json.dumps(authorisation_to_json(signed), separators=(",", ":"))
        self._spool.add("authorisation", event.account, event.nonce, event.time_s, body)
        self._needs.declare(stay, event.time_s, signer)

    def _stay(self, event: AuthorisationNeeded, limits: SessionAuthorisation) -> Stay:
        session = limits.session_id(self._domain)
        stay = Stay(session=session, limits=limits, need_wh=event.need_wh, leaves_s=event.leaves_s)
        self._stays[event.key] = stay
        return stay

    def _unplug(self, event: Unplugged) -> None:
        """Has the driver say that the vehicle left, if it had authorised anything."""
        stay = self._stays.pop(event.key, None)
        if stay is not None:
            self._needs.leave(stay, event.time_s, self._signers[event.account])

    def _sign_sample(self, event: BatterySample) -> None:
        """Signs and keeps what the battery shows. A sample that was signed before is passed over."""
        series = self._series[event.account]
        if event.time_s <= series.time_s:
            return
        reading = BmsReading(
            account=event.account,
            sequence=series.sequence + 1,
            time_s=event.time_s,
            state_of_charge_bp=event.state_of_charge_bp,
            state_of_health_bp=event.state_of_health_bp,
            temperature_deci_c=event.temperature_deci_c,
            pack_millivolt=event.pack_millivolt,
            pack_milliampere=event.pack_milliampere,
            session=self._stays[event.key].session,
        )
        signature = self._signers[event.account].sign(self._domain.digest(reading.struct_hash()))
        body = json.dumps(bms_to_json(SignedBmsReading(reading, signature)), separators=(",", ":"))
        self._spool.add("bms", event.account, reading.sequence, reading.time_s, body)
        series.sequence, series.time_s = reading.sequence, reading.time_s

    def _wait_until(self, time_s: int) -> None:
        while self._clock.unix_s() < time_s and not self._clock.stopped:
            self._rhythm.flush()
            self._needs.say()
            self._clock.sleep(FLUSH_PERIOD_S)
