"""Statements: verified against the readings they sum up, kept with their evidence."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from backend.application.ports import Clock, EvidenceStore, Store, UnitOfWork
from backend.application.records import (
    AcceptedStatement,
    StatementRecord,
    StatementRow,
    StatementState,
    StationRecord,
)
from domain.errors import SequenceReused, UnknownStation
from domain.evidence import StatementEvidence, statement_blob
from domain.membership import check_sides
from domain.metering import Basis
from domain.reading import NO_SESSION, MeterReading, SignedMeterReading, VerifiedMeterReading
from domain.session import SignedAuthorisation, Usage
from domain.settlement import payments_of
from domain.signing import SigningDomain
from domain.statement import SignedStatement, VerifiedStatement
from domain.tariff import TariffTable
from domain.units import AccountId, StationId, UnixSeconds
from domain.verification import verify_statement

GROUP = 16
"""Statements that are taken in together."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A statement that came, and whom to tell its record and whether it is new."""

    signed: SignedStatement
    told: Future[tuple[StatementRecord, bool]] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that its basis bears out, not kept yet."""

    waiting: Waiting
    basis: Basis
    verified: VerifiedStatement


@dataclass(frozen=True, slots=True)
class Statements:
    """The use cases around statements. It alone accepts them.

    Those that wait while others are taken in are taken in together, one of each station: their evidence is stored
    side by side and their records are committed once.
    """

    store: Store
    evidence: EvidenceStore
    clock: Clock
    domain: SigningDomain
    _waiting: deque[Waiting] = field(default_factory=deque)
    _taking_in: threading.Lock = field(default_factory=threading.Lock)

    def take(self, signed: SignedStatement) -> tuple[StatementRecord, bool]:
        """Verifies and keeps a statement; its record, and whether it is new.

        Its evidence is kept before it is accepted. Raises what `verify_statement` raises,
        UnknownStation, SequenceReused, and OffMarket.
        """
        own = Waiting(signed)
        self._waiting.append(own)
        with self._taking_in:
            while not own.told.done():
                self._take(self._next_group())
        return own.told.result()

    def _next_group(self) -> list[Waiting]:
        """Those that came first, but one of each station: what follows it is checked against it."""
        group: dict[StationId, Waiting] = {}
        later = []
        while self._waiting and len(group) < GROUP:
            one = self._waiting.popleft()
            if group.setdefault(one.signed.statement.station, one) is not one:
                later.append(one)
        self._waiting.extendleft(reversed(later))
        return list(group.values())

    def _take(self, group: Sequence[Waiting]) -> None:
        checked = [found for found in map(self._checked, group) if found is not None]
        if not checked:
            return
        try:
            self._keep(checked)
        except Exception:
            # Whatever failed of one must not be held against the others.
            for one in checked:
                self._keep_alone(one)

    def _checked(self, one: Waiting) -> Checked | None:
        """Nothing if it is told already: it was kept before, or is refused."""
        signed = one.signed
        try:
            with self.store.read() as unit:
                kept = self._kept(unit, signed)
                if kept is not None:
                    one.told.set_result((kept, False))
                    return None
                last_sequence = _station(unit, signed).last_statement
                basis = _basis(unit, signed, unit.statements.last(signed.statement.station))
                usage = unit.sessions.usage(basis.sessions)
                members = _members(unit, signed, basis.station.payee)
            verified = self._verified(signed, last_sequence, basis, usage)
            check_sides(verified.statement, basis.tariffs, payee=basis.station.payee, members=members)
            return Checked(one, basis, verified)
        except Exception as error:
            one.told.set_exception(error)
            return None

    def _keep(self, checked: Sequence[Checked]) -> None:
        """Stores the evidence of all, then accepts all, and tells them; none if anything fails."""
        cids = self.evidence.put_many([_evidence_blob(one.waiting.signed, one.basis) for one in checked])
        accepted = [self._accepted(one, cid) for one, cid in zip(checked, cids, strict=True)]
        with self.store.write() as unit:
            for statement in accepted:
                unit.statements.add(statement)
        for one, statement in zip(checked, accepted, strict=True):
            one.waiting.told.set_result((statement.record, True))

    def _keep_alone(self, one: Checked) -> None:
        try:
            self._keep([one])
        except Exception as error:
            one.waiting.told.set_exception(error)

    def _accepted(self, one: Checked, cid: str) -> AcceptedStatement:
        return AcceptedStatement(
            record=StatementRecord(
                signed=one.waiting.signed,
                evidence=cid,
                first_reading=one.basis.readings[0].reading.sequence,
                last_reading=one.basis.readings[-1].reading.sequence,
                accepted_at_s=self.clock.now_s(),
            ),
            rows=_rows(one.verified, one.basis.tariffs),
            usage=one.verified.usage,
        )

    def _kept(self, unit: UnitOfWork, signed: SignedStatement) -> StatementRecord | None:
        statement = signed.statement
        station = _station(unit, signed)
        record = unit.statements.find(statement.station, statement.sequence)
        if record is not None and record.signed == signed:
            return record
        # Before the readings are fetched: nobody but the station may make that work.
        who = f"statement of station {statement.station}"
        digest = self.domain.digest(statement.struct_hash())
        station.station.check_signature(who, statement.end_s, digest, signed.signature)
        if record is not None and record.state != StatementState.VOID:
            raise SequenceReused(who, statement.sequence)
        return None

    def _verified(
        self, signed: SignedStatement, last_sequence: int, basis: Basis, usage: dict[bytes, Usage]
    ) -> VerifiedStatement:
        return verify_statement(
            signed,
            last_sequence=last_sequence,
            basis=basis,
            usage=usage,
            domain=self.domain,
            now_s=self.clock.now_s(),
        )


def _station(unit: UnitOfWork, signed: SignedStatement) -> StationRecord:
    station = unit.stations.find(signed.statement.station)
    if station is None:
        raise UnknownStation(signed.statement.station)
    return station


def _basis(unit: UnitOfWork, signed: SignedStatement, last: StatementRecord | None) -> Basis:
    statement = signed.statement
    opening = _reading(unit, statement.station, last.last_reading) if last else None
    readings = unit.readings.meter_until(statement.station, last.last_reading if last else 0, statement.end_s)
    named = {reading.reading.session for reading in readings} - {NO_SESSION}
    used = {statement.tariff_of(row) for row in statement.rows if row.billed}
    station = _station(unit, signed).station
    prices = unit.tariffs.of_market(station.payee, statement.start_s, statement.end_s)
    return Basis(
        station=station,
        opening=opening,
        # Kept readings were verified when they came.
        readings=[VerifiedMeterReading(reading.reading, reading.signature) for reading in readings],
        sessions=unit.sessions.named(named),
        tariffs=TariffTable([*unit.tariffs.numbered(used), *prices]),
    )


def _members(unit: UnitOfWork, signed: SignedStatement, payee: AccountId) -> dict[AccountId, UnixSeconds]:
    """Those whose energy is stated that joined the market of the station's operator, and when."""
    zone = unit.zones.of_grid(payee)
    if zone is None:
        return {}
    return unit.zones.members_among(zone, {row.account for row in signed.statement.rows if row.billed})


def _reading(unit: UnitOfWork, station: int, sequence: int) -> MeterReading:
    return unit.readings.meter(station, [sequence])[sequence].reading


def _evidence_blob(signed: SignedStatement, basis: Basis) -> bytes:
    sessions = sorted(basis.sessions.values(), key=lambda session: session.session_id)
    return statement_blob(
        StatementEvidence(
            statement=signed,
            authorisations=[SignedAuthorisation(session.authorisation, session.signature) for session in sessions],
            readings=[SignedMeterReading(reading.reading, reading.signature) for reading in basis.readings],
        )
    )


def _rows(verified: VerifiedStatement, tariffs: TariffTable) -> tuple[StatementRow, ...]:
    statement = verified.statement
    payments = {payment.row: payment for payment in payments_of(statement, tariffs)}
    return tuple(
        StatementRow(
            index=index,
            row=row,
            direction=statement.direction_of(row, tariffs),
            price_micro_per_kwh=tariffs.of(statement.tariff_of(row)).price_micro_per_kwh if row.billed else None,
            payment=payments.get(index),
        )
        for index, row in enumerate(statement.rows)
    )
