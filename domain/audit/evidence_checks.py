"""Checks of evidence blobs: each reading's and authorisation's signer and place, and what follows from them.

Readings are first looked at all together: if nothing can be wrong with them, that is all. Only otherwise they are
gone through one by one, to name what is wrong and where.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.audit.findings import FindingCode, Tally
from domain.audit.ledger import LastBms
from domain.audit.metered import ProvenBasis
from domain.audit.orderly import are_orderly, are_orderly_bms
from domain.audit.proofs import Signer, StatementProof, VehicleProof
from domain.audit.report import Report
from domain.errors import (
    BadSignature,
    NotAuthorised,
    ReadingRefused,
    SequenceGap,
    WattledgerError,
    WrongSigner,
)
from domain.reading import MeterReading, check_follows
from domain.session import Session, Usage
from domain.statement import IntervalStatement
from domain.station import Station
from domain.tariff import TariffTable
from domain.text import address_text, hex_text
from domain.verification import check_against_readings, check_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementContext:
    """What the chain says around a statement.

    `opening` is where the station's statement before left off (None for its first), `opening_known`
    whether its reading sequence is known. `driver_keys` gives the keys that may have signed for an account
    what began at a time, `session_start` when a session of earlier statements began.
    """

    station: Station
    opening: MeterReading | None
    opening_known: bool
    tariffs: TariffTable
    usage: Mapping[bytes, Usage]
    driver_keys: Callable[[int, int], Sequence[bytes]]
    session_start: Callable[[bytes], int | None]
    station_of_signer: Callable[[bytes], int | None]


@dataclass(frozen=True, slots=True)
class StatementResult:
    """The sessions' usage after the statement, and the sequence of its last reading (None if not certain)."""

    usage: Mapping[bytes, Usage]
    last_sequence: int | None


def check_statement_evidence(
    statement: IntervalStatement, proof: StatementProof, context: StatementContext, report: Report, tally: Tally
) -> StatementResult:
    """Checks one blob against its statement; `report` is told everything that does not hold."""
    where = f"station {statement.station} statement {statement.sequence}"
    sessions = _sessions(proof, context, where, report, tally)
    sound = _check_readings(proof, context, where, report, tally)
    if proof.root != statement.telemetry_root:
        report(FindingCode.TELEMETRY_ROOT, where, hex_text(statement.telemetry_root), hex_text(proof.root))
        sound = False
    if not len(proof.readings):
        report(FindingCode.ROWS_MISMATCH, where, "readings that the rows follow from", "no reading at all")
        sound = False
    if not sound:
        return StatementResult({}, None)
    basis = ProvenBasis(
        station=context.station,
        opening=context.opening,
        proof=proof,
        sessions=sessions,
        tariffs=context.tariffs,
    )
    last = proof.readings.sequence[-1]
    _check_old_meter(basis, where, report)
    try:
        check_against_readings(statement, basis)
        return StatementResult(check_limits(statement, basis, context.usage), last)
    except NotAuthorised as error:
        report(
            FindingCode.LIMIT_EXCEEDED,
            f"{where}, session {hex_text(error.session)}",
            f"{error.limit} {error.allowed}",
            str(error.asked),
        )
    except WattledgerError as error:
        report(FindingCode.ROWS_MISMATCH, where, "rows that follow from the readings", str(error))
    return StatementResult({}, last)


def _check_old_meter(basis: ProvenBasis, where: str, report: Report) -> None:
    """A meter that was replaced must not have moved after the last statement: nobody is billed for that."""
    replacement = basis.replacement
    if replacement is None:
        return
    readings = basis.proof.readings
    for index, time_s in enumerate(readings.time_s):
        shown = (readings.import_wh[index], readings.export_wh[index])
        if time_s <= replacement.time_s and shown != replacement.closing:
            report(
                FindingCode.UNBILLED_ENERGY,
                f"{where}, reading {readings.sequence[index]} (import Wh, export Wh)",
                str(replacement.closing),
                str(shown),
            )


def _sessions(
    proof: StatementProof, context: StatementContext, where: str, report: Report, tally: Tally
) -> dict[bytes, Session]:
    sessions: dict[bytes, Session] = {}
    starts = proof.readings.session_starts
    for proven in proof.authorisations:
        tally.authorisations += 1
        limits, session_id = proven.limits, proven.session_id
        start_s = context.session_start(session_id)
        if start_s is None:
            start_s = starts.get(session_id, limits.not_before_s)
        keys = context.driver_keys(limits.account, start_s)
        place = f"{where}, authorisation of account {limits.account}"
        if _is_signed_by(keys, proven.signer, FindingCode.AUTHORISATION_SIGNATURE, place, report):
            sessions[session_id] = Session(session_id, limits, proven.signature)
    return sessions


def _check_readings(proof: StatementProof, context: StatementContext, where: str, report: Report, tally: Tally) -> bool:
    """Whether every reading is genuine and in its place."""
    if are_orderly(proof, station=context.station, opening=context.opening, opening_known=context.opening_known):
        tally.meter_readings += len(proof.readings)
        return True
    before, known, sound = context.opening, context.opening_known, True
    for index, signer in enumerate(proof.signers):
        tally.meter_readings += 1
        reading = proof.readings.reading(index)
        place = f"{where}, reading {reading.sequence}"
        expected = before.sequence + 1 if before and known else None
        if reading.station != context.station.station or (expected is not None and reading.sequence != expected):
            _report_place(reading, signer, context, expected, where, report)
            return False
        if not _genuine(reading, signer, context.station, place, report):
            before, known, sound = reading, True, False
            continue
        if before is not None and not known:
            # Where the series stood is not certain; its first reading tells, and 0 counts none before it.
            before = replace(before, sequence=max(0, reading.sequence - 1))
        try:
            if before is not None or known:
                check_follows(reading, before, context.station)
        except SequenceGap as error:
            report(FindingCode.READING_SEQUENCE, place, f"sequence {error.expected}", f"sequence {error.received}")
            sound = False
        except ReadingRefused as error:
            report(FindingCode.READING_IMPLAUSIBLE, place, "a register that follows the reading before", str(error))
            sound = False
        before, known = reading, True
    return sound


def _genuine(reading: MeterReading, signer: Signer, station: Station, place: str, report: Report) -> bool:
    wanted, found = f"a signature of station {station.station}", signer
    if isinstance(signer, bytes):
        try:
            station.check_signer("reading", reading.time_s, signer)
        except WrongSigner as error:
            wanted = f"the signature of station {station.station} ({address_text(error.expected)})"
            found = f"a signature that recovers to {address_text(error.recovered)}"
        except BadSignature as error:
            found = str(error)
        else:
            return True
    report(FindingCode.READING_SIGNATURE, place, wanted, str(found))
    return False


def _report_place(
    reading: MeterReading, signer: Signer, context: StatementContext, expected: int | None, where: str, report: Report
) -> None:
    """A reading of another place: says whose it really is."""
    owner = context.station_of_signer(signer) if isinstance(signer, bytes) else None
    genuine = "genuinely signed" if owner == reading.station else "not signed by it"
    wanted = f"sequence {expected}" if expected is not None else "a reading"
    report(
        FindingCode.READING_SWAPPED if owner is not None else FindingCode.READING_SEQUENCE,
        where,
        f"{wanted} of station {context.station.station}",
        f"sequence {reading.sequence} of station {reading.station}, {genuine}",
    )


def check_vehicle_evidence(
    proof: VehicleProof,
    *,
    keys_at: Callable[[int], Sequence[bytes]],
    before: LastBms | None,
    report: Report,
    tally: Tally,
) -> LastBms | None:
    """Checks one vehicle's blob; the last reading, which the next blob must follow."""
    readings = proof.readings
    if are_orderly_bms(
        proof, keys_at=keys_at, sequence=before.sequence if before else 0, time_s=before.time_s if before else -1
    ):
        tally.bms_readings += len(readings)
        return LastBms(readings.sequence[-1], readings.time_s[-1])
    who = f"vehicle of account {proof.account}"
    for account, sequence, time_s, signer in zip(
        readings.account, readings.sequence, readings.time_s, proof.signers, strict=True
    ):
        tally.bms_readings += 1
        place = f"{who}, reading {sequence}"
        if account != proof.account:
            report(FindingCode.READING_SWAPPED, place, f"account {proof.account}", f"account {account}")
            continue
        if not _is_signed_by(keys_at(time_s), signer, FindingCode.READING_SIGNATURE, place, report):
            continue
        expected = before.sequence + 1 if before else 1
        if sequence != expected:
            report(FindingCode.READING_SEQUENCE, place, f"sequence {expected}", f"sequence {sequence}")
        elif before and time_s <= before.time_s:
            report(FindingCode.READING_IMPLAUSIBLE, place, f"a time after {before.time_s}", str(time_s))
        before = LastBms(sequence, time_s)
    return before


def _is_signed_by(keys: Sequence[bytes], signer: Signer, code: FindingCode, place: str, report: Report) -> bool:
    if signer in keys:
        return True
    expected = " or ".join(address_text(key) for key in keys) or "a key (the account has none)"
    found = signer if isinstance(signer, str) else f"a signature that recovers to {address_text(signer)}"
    report(code, place, f"the signature of {expected}", found)
    return False
