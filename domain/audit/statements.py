"""Re-derives each statement of a batch from its readings, and checks what vehicles signed beside it."""

from collections.abc import Sequence
from typing import TypeVar

from domain.audit.evidence_checks import StatementContext, check_statement_evidence, check_vehicle_evidence
from domain.audit.findings import FindingCode, Tally
from domain.audit.ledger import Books, StationBook
from domain.audit.proofs import Blob, NoBlob, Proofs
from domain.audit.report import Deployed, Report
from domain.chain import ChainEvent
from domain.cid import raw_cid
from domain.errors import BadSignature, TariffNotValid, UnknownTariff
from domain.evidence import Manifest
from domain.reading import NO_SESSION, MeterReading
from domain.settlement import energy_moved
from domain.statement import IntervalStatement, SignedStatement
from domain.station import replacement_of
from domain.units import EnergyWh, PowerW, UnixSeconds

_Content = TypeVar("_Content")


class StatementAudit:
    """Checks statements against the registry's books and against their evidence, and applies them to the books."""

    def __init__(self, deployed: Deployed, proofs: Proofs, books: Books, tally: Tally, report: Report) -> None:
        self._deployed, self._proofs, self._books = deployed, proofs, books
        self._tally, self._report = tally, report

    def take(self, evidence: bytes, statements: Sequence[SignedStatement], where: str) -> None:
        """Checks a batch's statements. `evidence` is the digest of its manifest."""
        manifest = self._manifest(evidence, where)
        for signed in statements:
            self._statement(signed, manifest, where)
            self._books.statement_batches[signed.statement.station, signed.statement.sequence] = self._books.batches
        for (account, first, last), cid in sorted((manifest.vehicles if manifest else {}).items()):
            self._vehicle(account, first, last, cid, where)

    def check_replacement(self, event: ChainEvent, time_s: UnixSeconds) -> None:
        """Checks a new meter against where the old one was settled, before it is taken into the books."""
        replacement = replacement_of(event.args)
        book = self._books.stations[replacement.station]
        where = f"block {event.block}, meter of station {replacement.station}"
        for what, holds, expected, found in (
            ("number", replacement.sequence == book.sequence + 1, book.sequence + 1, replacement.sequence),
            (
                "closing registers",
                replacement.closing == (book.import_wh, book.export_wh),
                (book.import_wh, book.export_wh),
                tuple(replacement.closing),
            ),
            ("time", (book.end_s or 0) <= replacement.time_s <= time_s, (book.end_s or 0, time_s), replacement.time_s),
            ("station", not book.station.suspended, "an active station", "a suspended one"),
        ):
            if not holds:
                self._report(FindingCode.METER_REPLACEMENT, f"{where}, {what}", str(expected), str(found))

    def _statement(self, signed: SignedStatement, manifest: Manifest | None, where: str) -> None:
        statement = signed.statement
        self._tally.statements += 1
        place = f"{where}, station {statement.station} statement {statement.sequence}"
        book = self._books.stations.get(statement.station)
        if book is None:
            self._report(FindingCode.STATEMENT_SIGNATURE, place, "a registered station", "no such station")
            return
        if book.station.suspended:
            self._report(FindingCode.SETTLED_WHILE_SUSPENDED, place, "nothing of a suspended station", "a statement")
        self._check_statement(signed, book, place)
        opening = _opening(book)
        self._move(statement, book, place)
        book.last_reading = self._statement_evidence(statement, signed, manifest, book, opening, place)

    def _check_statement(self, signed: SignedStatement, book: StationBook, place: str) -> None:
        statement = signed.statement
        if statement.sequence != book.sequence + 1:
            self._report(
                FindingCode.STATEMENT_SEQUENCE, place, f"sequence {book.sequence + 1}", f"sequence {statement.sequence}"
            )
        if book.end_s is not None and statement.start_s != book.end_s:
            self._report(
                FindingCode.STATEMENT_TIME, place, f"a start at {book.end_s}", f"a start at {statement.start_s}"
            )
        digest = self._deployed.station_domain.digest(statement.struct_hash())
        try:
            book.station.check_signature("statement", statement.end_s, digest, signed.signature)
        except BadSignature as error:
            self._report(FindingCode.STATEMENT_SIGNATURE, place, f"the key of station {statement.station}", str(error))
        for row in statement.rows:
            if not row.billed:
                continue
            start_s = statement.start_s + row.start_offset_s
            try:
                self._books.tariffs.checked(
                    statement.tariff_of(row),
                    station=statement.station,
                    payee=book.station.payee,
                    direction=statement.direction_of(row, self._books.tariffs),
                    start_s=start_s,
                    end_s=start_s + row.duration_s,
                )
            except (TariffNotValid, UnknownTariff) as error:
                self._report(FindingCode.TARIFF_INVALID, place, "a tariff of the station's operator", str(error))

    def _move(self, statement: IntervalStatement, book: StationBook, place: str) -> None:
        try:
            imported_wh, exported_wh = energy_moved(statement, self._books.tariffs)
        except UnknownTariff:
            imported_wh = exported_wh = EnergyWh(0)
        for register, opening_wh, closing_wh, billed_wh in (
            ("import", book.import_wh, statement.import_wh, imported_wh),
            ("export", book.export_wh, statement.export_wh, exported_wh),
        ):
            if opening_wh + billed_wh != closing_wh:
                self._report(
                    FindingCode.REGISTER_MISMATCH,
                    f"{place}, {register} register",
                    f"{closing_wh - opening_wh} Wh in its rows",
                    f"{billed_wh} Wh",
                )
        book.import_wh, book.export_wh = statement.import_wh, statement.export_wh
        book.sequence, book.end_s = statement.sequence, statement.end_s
        book.closing_wh = statement.import_wh, statement.export_wh
        self._tally.imported_wh += imported_wh
        self._tally.exported_wh += exported_wh

    # --- evidence --------------------------------------------------------------------------------

    def _statement_evidence(
        self,
        statement: IntervalStatement,
        signed: SignedStatement,
        manifest: Manifest | None,
        book: StationBook,
        opening: MeterReading | None,
        place: str,
    ) -> int | None:
        if manifest is None:
            return None
        cid = manifest.statements.get((statement.station, statement.sequence))
        if cid is None:
            self._report(FindingCode.EVIDENCE_MISSING, place, "a blob in the manifest", "none")
            return None
        where = f"{place}, blob {cid}"
        proof, intact = self._content(self._proofs.statement(cid), cid, where, "a statement's evidence")
        if proof is None:
            return None
        if proof.statement != signed:
            self._report(FindingCode.EVIDENCE_UNRELATED, where, "the statement that was settled", "another one")
        result = check_statement_evidence(
            statement, proof, self._context(book, opening), self._reporter(where), self._tally
        )
        self._books.usage.update(result.usage)
        if result.last_sequence is not None:
            for session, start_s in proof.readings.session_starts.items():
                self._books.session_starts.setdefault(session, UnixSeconds(start_s))
        return result.last_sequence if intact else None

    def _context(self, book: StationBook, opening: MeterReading | None) -> StatementContext:
        return StatementContext(
            station=book.station,
            opening=opening,
            opening_known=opening is None or book.last_reading is not None,
            tariffs=self._books.tariffs,
            usage=self._books.usage,
            driver_keys=self._books.driver_keys,
            session_start=self._books.session_starts.get,
            station_of_signer=self._books.station_of_signer.get,
        )

    def _vehicle(self, account: int, first: int, last: int, cid: str, where: str) -> None:
        place = f"{where}, vehicle of account {account}, blob {cid}"
        proof, _ = self._content(self._proofs.vehicle(cid), cid, place, "a vehicle's evidence")
        if proof is None:
            return
        sequences = proof.readings.sequence
        if proof.account != account or list(sequences[:1]) != [first] or list(sequences[-1:]) != [last]:
            self._report(
                FindingCode.EVIDENCE_UNRELATED,
                place,
                f"readings {first} to {last} of account {account}",
                f"readings {list(sequences[:1])} to {list(sequences[-1:])} of account {proof.account}",
            )
            return
        book = self._books.account(account)
        book.last_bms = check_vehicle_evidence(
            proof,
            keys_at=lambda time_s: self._books.driver_keys(account, time_s),
            before=book.last_bms,
            report=self._reporter(place),
            tally=self._tally,
        )

    def _manifest(self, digest: bytes, where: str) -> Manifest | None:
        cid = raw_cid(digest)
        place = f"{where}, manifest {cid}"
        return self._content(self._proofs.manifest(cid), cid, place, "an evidence manifest")[0]

    def _content(self, blob: Blob[_Content] | NoBlob, cid: str, where: str, what: str) -> tuple[_Content | None, bool]:
        """What a blob proves, and whether its content is what the CID says."""
        if isinstance(blob, NoBlob):
            if blob.found is None:
                self._report(FindingCode.EVIDENCE_MISSING, where, "a blob", blob.reason)
            else:
                self._report(FindingCode.EVIDENCE_ALTERED, where, f"content of {cid}", blob.found)
            return None, False
        self._tally.blobs += 1
        self._tally.blob_bytes += blob.size_bytes
        if blob.cid != cid:
            self._report(FindingCode.EVIDENCE_ALTERED, where, f"content of {cid}", f"content of {blob.cid}")
        if isinstance(blob.content, str):
            self._report(FindingCode.EVIDENCE_MALFORMED, where, what, blob.content)
            return None, False
        return blob.content, blob.cid == cid

    def _reporter(self, where: str) -> Report:
        def report(code: FindingCode, place: str, expected: str, found: str) -> None:
            self._report(code, f"{where}: {place}", expected, found)

        return report


def _opening(book: StationBook) -> MeterReading | None:
    """Where the station's last statement left off: its signature covers time and registers."""
    if book.end_s is None:
        return None
    return MeterReading(
        station=book.station.station,
        sequence=book.last_reading or 0,
        time_s=UnixSeconds(book.end_s),
        import_wh=EnergyWh(book.closing_wh[0]),
        export_wh=EnergyWh(book.closing_wh[1]),
        power_w=PowerW(0),
        session=NO_SESSION,
    )
