"""Readings: verified one by one in order, kept together in one transaction."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from backend.application.errors import NoDriverKey
from backend.application.ports import Clock, Store, UnitOfWork
from backend.application.records import AccountRecord, StationRecord, Verdict
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
from domain.units import UnixSeconds

MAX_READINGS = 5000
ACCEPTED, DUPLICATE, REFUSED = "accepted", "duplicate", "refused"
METER, BMS = "meter", "bms"

Reading = TypeVar("Reading", MeterReading, BmsReading)
Signed = TypeVar("Signed", SignedMeterReading, SignedBmsReading)
Verified = TypeVar("Verified", VerifiedMeterReading, VerifiedBmsReading)


@dataclass(slots=True)
class Series(Generic[Reading, Signed, Verified]):
    """The readings of one station or vehicle: the last one, those kept that came again, and the new ones."""

    last: Reading | None
    kept: dict[int, Signed]
    new: list[Verified] = field(default_factory=list)
    new_by_sequence: dict[int, Verified] = field(default_factory=dict)

    def is_repeat(self, signed: Signed) -> bool:
        """Whether exactly this reading was accepted before. SequenceReused is for the caller to raise."""
        sequence = signed.reading.sequence
        before = self.new_by_sequence.get(sequence) or self.kept.get(sequence)
        return before is not None and before.reading == signed.reading and before.signature == signed.signature

    def is_used(self, sequence: int) -> bool:
        return sequence in self.new_by_sequence or sequence in self.kept

    def accept(self, verified: Verified, reading: Reading) -> None:
        self.new.append(verified)
        self.new_by_sequence[reading.sequence] = verified
        self.last = reading


MeterSeries = Series[MeterReading, SignedMeterReading, VerifiedMeterReading]
BmsSeries = Series[BmsReading, SignedBmsReading, VerifiedBmsReading]


@dataclass(frozen=True, slots=True)
class Known:
    """All that a delivery of readings is checked against, read in one view."""

    stations: Mapping[int, StationRecord | None]
    accounts: Mapping[int, AccountRecord | None]
    sessions: Mapping[bytes, Session]
    meters: dict[int, MeterSeries]
    vehicles: dict[int, BmsSeries]


@dataclass(frozen=True, slots=True)
class Readings:
    """The use cases around readings. It alone writes them, one delivery at a time."""

    store: Store
    clock: Clock
    station_domain: SigningDomain
    account_domain: SigningDomain
    _taking_in: threading.Lock = field(default_factory=threading.Lock)

    def take(self, meter: Sequence[SignedMeterReading], bms: Sequence[SignedBmsReading]) -> list[Verdict]:
        """A verdict for each reading; those accepted are durable when this returns.

        Each reading is checked against the one before it of the same station or vehicle, in the order
        given. OutOfRange if there are more than MAX_READINGS.
        """
        if len(meter) + len(bms) > MAX_READINGS:
            raise OutOfRange("readings in a delivery", len(meter) + len(bms), 0, MAX_READINGS)
        with self._taking_in:
            with self.store.read() as unit:
                known = _known(unit, meter, bms)
            now_s = self.clock.now_s()
            verdicts = [self._meter(index, signed, known, now_s) for index, signed in enumerate(meter)]
            verdicts += [self._bms(index, signed, known, now_s) for index, signed in enumerate(bms)]
            if any(verdict.outcome == ACCEPTED for verdict in verdicts):
                self._keep(known)
        return verdicts

    def take_one(self, signed: SignedMeterReading | SignedBmsReading) -> Verdict:
        """The verdict over a single reading; raises what it was refused with."""
        verdict = (self.take([signed], []) if isinstance(signed, SignedMeterReading) else self.take([], [signed]))[0]
        if verdict.error is not None:
            raise verdict.error
        return verdict

    def _meter(self, index: int, signed: SignedMeterReading, known: Known, now_s: UnixSeconds) -> Verdict:
        try:
            return Verdict(kind=METER, index=index, outcome=self._take_meter(signed, known, now_s))
        except (ReadingRefused, BadSignature, NotAuthorised, NotFound, Malformed) as error:
            return Verdict(kind=METER, index=index, outcome=REFUSED, error=error)

    def _take_meter(self, signed: SignedMeterReading, known: Known, now_s: UnixSeconds) -> str:
        reading = signed.reading
        station = known.stations[reading.station]
        if station is None:
            raise UnknownStation(reading.station)
        series = known.meters[reading.station]
        if series.is_repeat(signed):
            return DUPLICATE
        if series.is_used(reading.sequence):
            digest = self.station_domain.digest(reading.struct_hash())
            who = f"station {reading.station}"
            station.station.check_signature(who, reading.time_s, digest, signed.signature)
            raise SequenceReused(who, reading.sequence)
        verified = verify_meter(
            signed, station=station.station, previous=series.last, domain=self.station_domain, now_s=now_s
        )
        session = known.sessions.get(reading.session)
        if reading.session != NO_SESSION and (session is None or session.authorisation.station != reading.station):
            raise UnknownSession(reading.session)
        if session is not None and series.last is not None:
            check_reading(session, series.last, reading)
        series.accept(verified, reading)
        return ACCEPTED

    def _bms(self, index: int, signed: SignedBmsReading, known: Known, now_s: UnixSeconds) -> Verdict:
        try:
            return Verdict(kind=BMS, index=index, outcome=self._take_bms(signed, known, now_s))
        except (ReadingRefused, BadSignature, NotFound, Malformed, NoDriverKey) as error:
            return Verdict(kind=BMS, index=index, outcome=REFUSED, error=error)

    def _take_bms(self, signed: SignedBmsReading, known: Known, now_s: UnixSeconds) -> str:
        reading = signed.reading
        account = known.accounts[reading.account]
        if account is None:
            raise UnknownAccount(reading.account)
        series = known.vehicles[reading.account]
        if series.is_repeat(signed):
            return DUPLICATE
        if account.driver_key is None:
            raise NoDriverKey(reading.account)
        if series.is_used(reading.sequence):
            digest = self.account_domain.digest(reading.struct_hash())
            who = f"vehicle of account {reading.account}"
            check_signer(who, account.driver_key, digest, signed.signature)
            raise SequenceReused(who, reading.sequence)
        verified = verify_bms(
            signed, driver_key=account.driver_key, previous=series.last, domain=self.account_domain, now_s=now_s
        )
        session = known.sessions.get(reading.session)
        if reading.session != NO_SESSION and (session is None or session.authorisation.account != reading.account):
            raise UnknownSession(reading.session)
        series.accept(verified, reading)
        return ACCEPTED

    def _keep(self, known: Known) -> None:
        meter = [verified for series in known.meters.values() for verified in series.new]
        last_readings: dict[bytes, int] = {
            v.reading.session: v.reading.sequence for v in meter if v.reading.session != NO_SESSION
        }
        with self.store.write() as unit:
            unit.readings.add_meter(meter)
            unit.readings.add_bms([verified for series in known.vehicles.values() for verified in series.new])
            unit.sessions.read_at(last_readings)


def _known(unit: UnitOfWork, meter: Sequence[SignedMeterReading], bms: Sequence[SignedBmsReading]) -> Known:
    meter_sequences = _sequences((s.reading.station, s.reading.sequence) for s in meter)
    bms_sequences = _sequences((s.reading.account, s.reading.sequence) for s in bms)
    sessions = {s.reading.session for s in meter} | {s.reading.session for s in bms}
    return Known(
        stations={station: unit.stations.find(station) for station in meter_sequences},
        accounts={account: unit.accounts.find(account) for account in bms_sequences},
        sessions=unit.sessions.named(sessions - {NO_SESSION}),
        meters={station: _meter_series(unit, station, seqs) for station, seqs in meter_sequences.items()},
        vehicles={account: _bms_series(unit, account, seqs) for account, seqs in bms_sequences.items()},
    )


def _sequences(pairs: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for who, sequence in pairs:
        found.setdefault(who, set()).add(sequence)
    return found


def _meter_series(unit: UnitOfWork, station: int, sequences: set[int]) -> MeterSeries:
    last = unit.readings.last_meter(station)
    used = [] if last is None else [sequence for sequence in sequences if sequence <= last.sequence]
    return Series(last, unit.readings.meter(station, used))


def _bms_series(unit: UnitOfWork, account: int, sequences: set[int]) -> BmsSeries:
    last = unit.readings.last_bms(account)
    used = [] if last is None else [sequence for sequence in sequences if sequence <= last.sequence]
    return Series(last, unit.readings.bms(account, used))
