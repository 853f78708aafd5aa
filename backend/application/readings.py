"""Readings: verified one by one in order, those of many deliveries kept together in one transaction."""

import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from backend.application.errors import NoDriverKey
from backend.application.ports import Clock, Store, UnitOfWork
from backend.application.records import AccountRecord
from domain.errors import (
    BadSignature,
    Malformed,
    NotAuthorised,
    NotFound,
    OutOfRange,
    ReadingRefused,
    SequenceReused,
    UnknownAccount,
    UnknownSession,
    UnknownStation,
)
from domain.reading import (
    NO_SESSION,
    BmsReading,
    MeterReading,
    SignedBmsReading,
    SignedMeterReading,
    VerifiedBmsReading,
    VerifiedMeterReading,
    verify_bms,
    verify_meter,
)
from domain.session import Session, check_reading
from domain.signing import SigningDomain, check_signer
from domain.station import Station
from domain.units import UnixSeconds

MAX_READINGS = 5000
MAX_SESSIONS_KEPT = 50_000
ACCEPTED, DUPLICATE = "accepted", "duplicate"

Signed = TypeVar("Signed", SignedMeterReading, SignedBmsReading)
Outcome: TypeAlias = str | Exception
"""What became of a reading: ACCEPTED, DUPLICATE, or the error that it was refused with."""

_REFUSALS = (ReadingRefused, BadSignature, NotAuthorised, NotFound, Malformed, NoDriverKey)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Readings that came together, those of one device in order. A Malformed stands for one that is none."""

    meter: Sequence[SignedMeterReading | Malformed] = ()
    bms: Sequence[SignedBmsReading | Malformed] = ()

    def __post_init__(self) -> None:
        if len(self.meter) + len(self.bms) > MAX_READINGS:
            raise OutOfRange("readings in a delivery", len(self.meter) + len(self.bms), 0, MAX_READINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of each reading of a delivery, in its order."""

    meter: Sequence[Outcome]
    bms: Sequence[Outcome]

    @property
    def only(self) -> str:
        """Of a delivery of one reading; raises what it was refused with."""
        [outcome] = [*self.meter, *self.bms]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass(slots=True)
class MeterSeries:
    """The readings of one station: the last one, those kept that come again, and the new ones."""

    station: Station
    last: MeterReading | None
    kept: dict[int, SignedMeterReading | VerifiedMeterReading]
    new: list[VerifiedMeterReading] = field(default_factory=list)

    def accept(self, verified: VerifiedMeterReading) -> None:
        self.last = verified.reading
        self.kept[verified.reading.sequence] = verified
        self.new.append(verified)


@dataclass(slots=True)
class BmsSeries:
    """The readings of one account's vehicle, likewise."""

    account: AccountRecord
    last: BmsReading | None
    kept: dict[int, SignedBmsReading | VerifiedBmsReading]
    new: list[VerifiedBmsReading] = field(default_factory=list)

    def accept(self, verified: VerifiedBmsReading) -> None:
        self.last = verified.reading
        self.kept[verified.reading.sequence] = verified
        self.new.append(verified)


@dataclass(frozen=True, slots=True)
class Known:
    """All that deliveries are checked against, read in one view: stations, accounts and sessions that there are."""

    meters: Mapping[int, MeterSeries]
    vehicles: Mapping[int, BmsSeries]
    sessions: Mapping[bytes, Session]


@dataclass(frozen=True, slots=True)
class Readings:
    """The use cases around readings. It alone writes them, some deliveries at a time."""

    store: Store
    clock: Clock
    station_domain: SigningDomain
    account_domain: SigningDomain
    _taking_in: threading.Lock = field(default_factory=threading.Lock)
    _sessions: dict[bytes, Session] = field(default_factory=dict)
    """Those that readings named lately: what a driver authorised never changes."""

    def take(self, deliveries: Sequence[Delivery]) -> list[Outcomes]:
        """The outcomes of each delivery; what was accepted is durable when this returns.

        Each reading is checked against the one before it of the same station or vehicle, in the order given.
        """
        with self._taking_in:
            with self.store.read() as unit:
                known = self._known(unit, deliveries)
            now_s = self.clock.now_s()
            outcomes = [
                Outcomes(
                    meter=[self._meter(signed, known, now_s) for signed in delivery.meter],
                    bms=[self._bms(signed, known, now_s) for signed in delivery.bms],
                )
                for delivery in deliveries
            ]
            self._keep(known)
        return outcomes

    def _known(self, unit: UnitOfWork, deliveries: Sequence[Delivery]) -> Known:
        meter = _well_formed(delivery.meter for delivery in deliveries)
        bms = _well_formed(delivery.bms for delivery in deliveries)
        named = {one.reading.session for one in meter} | {one.reading.session for one in bms}
        return Known(_meters(unit, meter), _vehicles(unit, bms), self._named(unit, named - {NO_SESSION}))

    def _named(self, unit: UnitOfWork, session_ids: Set[bytes]) -> Mapping[bytes, Session]:
        new = unit.sessions.named(session_ids - self._sessions.keys())
        if len(self._sessions) + len(new) > MAX_SESSIONS_KEPT:
            self._sessions.clear()
            new = unit.sessions.named(session_ids)
        self._sessions.update(new)
        return self._sessions

    def _meter(self, signed: SignedMeterReading | Malformed, known: Known, now_s: UnixSeconds) -> Outcome:
        if isinstance(signed, Malformed):
            return signed
        try:
            return self._take_meter(signed, known, now_s)
        except _REFUSALS as error:
            return error

    def _take_meter(self, signed: SignedMeterReading, known: Known, now_s: UnixSeconds) -> str:
        reading = signed.reading
        series = known.meters.get(reading.station)
        if series is None:
            raise UnknownStation(reading.station)
        before = series.kept.get(reading.sequence)
        if before is not None:
            return self._repeated_meter(signed, before, series.station)
        verified = verify_meter(
            signed, station=series.station, previous=series.last, domain=self.station_domain, now_s=now_s
        )
        if reading.session != NO_SESSION:
            session = known.sessions.get(reading.session)
            if session is None or session.authorisation.station != reading.station:
                raise UnknownSession(reading.session)
            if series.last is not None:
                check_reading(session, series.last, reading)
        series.accept(verified)
        return ACCEPTED

    def _repeated_meter(
        self, signed: SignedMeterReading, before: SignedMeterReading | VerifiedMeterReading, station: Station
    ) -> str:
        """DUPLICATE if it is the very same reading; SequenceReused if the station signed another one."""
        reading = signed.reading
        if before.reading == reading and before.signature == signed.signature:
            return DUPLICATE
        who = f"station {reading.station}"
        digest = self.station_domain.digest(reading.struct_hash())
        station.check_signature(who, reading.time_s, digest, signed.signature)
        raise SequenceReused(who, reading.sequence)

    def _bms(self, signed: SignedBmsReading | Malformed, known: Known, now_s: UnixSeconds) -> Outcome:
        if isinstance(signed, Malformed):
            return signed
        try:
            return self._take_bms(signed, known, now_s)
        except _REFUSALS as error:
            return error

    def _take_bms(self, signed: SignedBmsReading, known: Known, now_s: UnixSeconds) -> str:
        reading = signed.reading
        series = known.vehicles.get(reading.account)
        if series is None:
            raise UnknownAccount(reading.account)
        driver_key, before = series.account.driver_key, series.kept.get(reading.sequence)
        if before is not None and before.reading == reading and before.signature == signed.signature:
            return DUPLICATE
        if driver_key is None:
            raise NoDriverKey(reading.account)
        if before is not None:
            who = f"vehicle of account {reading.account}"
            check_signer(who, driver_key, self.account_domain.digest(reading.struct_hash()), signed.signature)
            raise SequenceReused(who, reading.sequence)
        verified = verify_bms(
            signed, driver_key=driver_key, previous=series.last, domain=self.account_domain, now_s=now_s
        )
        if reading.session != NO_SESSION:
            session = known.sessions.get(reading.session)
            if session is None or session.authorisation.account != reading.account:
                raise UnknownSession(reading.session)
        series.accept(verified)
        return ACCEPTED

    def _keep(self, known: Known) -> None:
        meter = [verified for series in known.meters.values() for verified in series.new]
        bms = [verified for series in known.vehicles.values() for verified in series.new]
        if not meter and not bms:
            return
        last_readings = {v.reading.session: v.reading.sequence for v in meter if v.reading.session != NO_SESSION}
        with self.store.write() as unit:
            unit.readings.add_meter(meter)
            unit.readings.add_bms(bms)
            unit.sessions.read_at(last_readings)


def _well_formed(readings: Iterable[Sequence[Signed | Malformed]]) -> list[Signed]:
    return [one for some in readings for one in some if not isinstance(one, Malformed)]


def _meters(unit: UnitOfWork, readings: Sequence[SignedMeterReading]) -> dict[int, MeterSeries]:
    numbers = {one.reading.station for one in readings}
    stations, last = unit.stations.named(numbers), unit.readings.last_meters(numbers)
    again: dict[int, set[int]] = {}
    for one in readings:
        before = last.get(one.reading.station)
        if before is not None and one.reading.sequence <= before.sequence:
            again.setdefault(one.reading.station, set()).add(one.reading.sequence)
    kept = {number: unit.readings.meter(number, sequences) for number, sequences in again.items()}
    return {
        number: MeterSeries(station, last.get(number), dict(kept.get(number, {})))
        for number, station in stations.items()
    }


def _vehicles(unit: UnitOfWork, readings: Sequence[SignedBmsReading]) -> dict[int, BmsSeries]:
    numbers = {one.reading.account for one in readings}
    accounts, last = unit.accounts.named(numbers), unit.readings.last_vehicles(numbers)
    again: dict[int, set[int]] = {}
    for one in readings:
        before = last.get(one.reading.account)
        if before is not None and one.reading.sequence <= before.sequence:
            again.setdefault(one.reading.account, set()).add(one.reading.sequence)
    kept = {number: unit.readings.bms(number, sequences) for number, sequences in again.items()}
    return {
        number: BmsSeries(account, last.get(number), dict(kept.get(number, {}))) for number, account in accounts.items()
    }
