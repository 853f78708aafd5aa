"""Checks of evidence blobs: each reading's and authorisation's signature and place, and what follows from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.audit.findings import FindingCode, Tally
from domain.audit.report import Report
from domain.errors import (
    BadSignature,
    NotAuthorised,
    ReadingRefused,
    SequenceGap,
    WattledgerError,
    WrongSigner,
)
from domain.evidence import StatementEvidence, VehicleEvidence
from domain.merkle import leaf, merkle_root
from domain.metering import Basis
from domain.reading import BmsReading, MeterReading, SignedMeterReading, VerifiedMeterReading, check_follows
from domain.session import Session, Usage
from domain.signing import SigningDomain, recover
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
    what began at a time, `session_starts` when sessions of earlier statements began.
    """

    station: Station
    opening: MeterReading | None
    opening_known: bool
    tariffs: TariffTable
    usage: Mapping[bytes, Usage]
    station_domain: SigningDomain
    account_domain: SigningDomain
    driver_keys: Callable[[int, int], Sequence[bytes]]
    session_starts: Mapping[bytes, int]
    station_of_signer: Callable[[bytes], int | None]


@dataclass(frozen=True, slots=True)
class StatementResult:
    """The sessions' usage after the statement, and the sequence of its last reading (None if not certain)."""

    usage: Mapping[bytes, Usage]
    last_sequence: int | None


def check_statement_evidence(
    statement: IntervalStatement, evidence: StatementEvidence, context: StatementContext, report: Report, tally: Tally
) -> StatementResult:
    """Checks one blob against its statement; `report` is told everything that does not hold."""
    where = f"station {statement.station} statement {statement.sequence}"
    sessions = _sessions(evidence, context, where, report, tally)
    sound = _check_readings(evidence.readings, context, where, report, tally)
    root = merkle_root(leaf(r.reading.struct_hash(), r.signature) for r in evidence.readings)
    if root != statement.telemetry_root:
        report(FindingCode.TELEMETRY_ROOT, where, hex_text(statement.telemetry_root), hex_text(root))
        sound = False
    if not evidence.readings:
        report(FindingCode.ROWS_MISMATCH, where, "readings that the rows follow from", "no reading at all")
        sound = False
    if not sound:
        return StatementResult({}, None)
    basis = Basis(
        station=context.station,
        opening=context.opening,
        readings=[VerifiedMeterReading(r.reading, r.signature) for r in evidence.readings],
        sessions=sessions,
        tariffs=context.tariffs,
    )
    last = evidence.readings[-1].reading.sequence
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


def _check_old_meter(basis: Basis, where: str, report: Report) -> None:
    """A meter that was replaced must not have moved after the last statement: nobody is billed for that."""
    replacement = basis.replacement
    if replacement is None:
        return
    for verified in basis.readings:
        reading = verified.reading
        shown = (reading.import_wh, reading.export_wh)
        if reading.time_s <= replacement.time_s and shown != replacement.closing:
            report(
                FindingCode.UNBILLED_ENERGY,
                f"{where}, reading {reading.sequence} (import Wh, export Wh)",
                str(replacement.closing),
                str(shown),
            )


def _sessions(
    evidence: StatementEvidence, context: StatementContext, where: str, report: Report, tally: Tally
) -> dict[bytes, Session]:
    sessions: dict[bytes, Session] = {}
    starts = dict(context.session_starts)
    for taken in evidence.readings:
        starts.setdefault(taken.reading.session, taken.reading.time_s)
    for signed in evidence.authorisations:
        tally.authorisations += 1
        limits = signed.authorisation
        session_id = limits.session_id(context.account_domain)
        keys = context.driver_keys(limits.account, starts.get(session_id, limits.not_before_s))
        place = f"{where}, authorisation of account {limits.account}"
        if _is_signed_by(keys, session_id, signed.signature, FindingCode.AUTHORISATION_SIGNATURE, place, report):
            sessions[session_id] = Session(session_id, limits, signed.signature)
    return sessions


def _check_readings(
    readings: Sequence[SignedMeterReading], context: StatementContext, where: str, report: Report, tally: Tally
) -> bool:
    """Whether every reading is genuine and in its place."""
    before, known, sound = context.opening, context.opening_known, True
    for signed in readings:
        tally.meter_readings += 1
        reading = signed.reading
        place = f"{where}, reading {reading.sequence}"
        expected = before.sequence + 1 if before and known else None
        if reading.station != context.station.station or (expected is not None and reading.sequence != expected):
            _report_place(signed, context, expected, where, report)
            return False
        if not _genuine(signed, context, place, report):
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


def _genuine(signed: SignedMeterReading, context: StatementContext, place: str, report: Report) -> bool:
    digest = context.station_domain.digest(signed.reading.struct_hash())
    try:
        context.station.check_signature("reading", signed.reading.time_s, digest, signed.signature)
    except WrongSigner as error:
        report(
            FindingCode.READING_SIGNATURE,
            place,
            f"the signature of station {context.station.station} ({address_text(error.expected)})",
            f"a signature that recovers to {address_text(error.recovered)}",
        )
        return False
    except BadSignature as error:
        report(FindingCode.READING_SIGNATURE, place, f"a signature of station {context.station.station}", str(error))
        return False
    return True


def _report_place(
    signed: SignedMeterReading, context: StatementContext, expected: int | None, where: str, report: Report
) -> None:
    """A reading of another place: says whose it really is."""
    reading = signed.reading
    try:
        signer = context.station_of_signer(
            recover(context.station_domain.digest(reading.struct_hash()), signed.signature)
        )
    except BadSignature:
        signer = None
    genuine = "genuinely signed" if signer == reading.station else "not signed by it"
    wanted = f"sequence {expected}" if expected is not None else "a reading"
    report(
        FindingCode.READING_SWAPPED if signer is not None else FindingCode.READING_SEQUENCE,
        where,
        f"{wanted} of station {context.station.station}",
        f"sequence {reading.sequence} of station {reading.station}, {genuine}",
    )


def check_vehicle_evidence(
    evidence: VehicleEvidence,
    *,
    keys_at: Callable[[int], Sequence[bytes]],
    before: BmsReading | None,
    domain: SigningDomain,
    report: Report,
    tally: Tally,
) -> BmsReading | None:
    """Checks one vehicle's blob; the last reading, which the next blob must follow."""
    who = f"vehicle of account {evidence.account}"
    for signed in evidence.readings:
        tally.bms_readings += 1
        reading = signed.reading
        place = f"{who}, reading {reading.sequence}"
        if reading.account != evidence.account:
            report(FindingCode.READING_SWAPPED, place, f"account {evidence.account}", f"account {reading.account}")
            continue
        digest = domain.digest(reading.struct_hash())
        if not _is_signed_by(
            keys_at(reading.time_s), digest, signed.signature, FindingCode.READING_SIGNATURE, place, report
        ):
            continue
        expected = before.sequence + 1 if before else 1
        if reading.sequence != expected:
            report(FindingCode.READING_SEQUENCE, place, f"sequence {expected}", f"sequence {reading.sequence}")
        elif before and reading.time_s <= before.time_s:
            report(FindingCode.READING_IMPLAUSIBLE, place, f"a time after {before.time_s}", str(reading.time_s))
        before = reading
    return before


def _is_signed_by(
    keys: Sequence[bytes], digest: bytes, signature: bytes, code: FindingCode, place: str, report: Report
) -> bool:
    expected = " or ".join(address_text(key) for key in keys) or "a key (the account has none)"
    try:
        recovered = recover(digest, signature)
    except WattledgerError as error:
        report(code, place, f"the signature of {expected}", str(error))
        return False
    if recovered in keys:
        return True
    report(code, place, f"the signature of {expected}", f"a signature that recovers to {address_text(recovered)}")
    return False
