"""The audit itself: goes through the chain's events in order and re-derives each batch."""

from collections.abc import Callable, Iterable
from typing import Protocol

from domain.audit.evidence_checks import (
    StatementContext,
    check_statement_evidence,
    check_vehicle_evidence,
)
from domain.audit.findings import Finding, FindingCode, Tally
from domain.audit.ledger import AccountBook, Books, StationBook
from domain.batch import SettlementBatch, decode_batch
from domain.chain import Call, ChainEvent
from domain.cid import cid_of, raw_cid
from domain.errors import BadSignature, EvidenceMissing, Malformed, TariffNotValid, UnknownTariff
from domain.evidence import Manifest, parse_manifest, parse_statement_blob, parse_vehicle_blob
from domain.reading import NO_SESSION, MeterReading
from domain.settlement import BatchOutcome, energy_moved, net
from domain.signing import SigningDomain, typehash
from domain.statement import IntervalStatement, SignedStatement
from domain.units import EnergyWh, MoneyMicro, PowerW, UnixSeconds

SETTLE_SELECTOR = typehash("settle(bytes)")[:4]
_WORD = 32


class TransactionSource(Protocol):
    """Where the data of transactions and the times of blocks come from."""

    def call_of(self, tx: bytes) -> Call: ...

    def time_of(self, block: int) -> UnixSeconds: ...


class BlobSource(Protocol):
    """Where blobs come from. Nothing is believed of them: the auditor recomputes each CID."""

    def read(self, cid: str) -> bytes:
        """The bytes that somebody stores under this CID; EvidenceMissing if nobody does."""


class Auditor:
    """Takes the chain's events in order, then `finish`; `findings` has what does not hold, `books` what does."""

    def __init__(
        self,
        *,
        settlement: bytes,
        station_domain: SigningDomain,
        account_domain: SigningDomain,
        transactions: TransactionSource,
        blobs: BlobSource,
        progress: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self.findings: list[Finding] = []
        self.tally = Tally()
        self.books = Books()
        self._settlement = settlement
        self._station_domain, self._account_domain = station_domain, account_domain
        self._transactions, self._blobs, self._progress = transactions, blobs, progress
        self._pending: list[ChainEvent] = []

    def report(self, code: FindingCode, where: str, expected: str, found: str) -> None:
        """Notes a discrepancy."""
        self.findings.append(Finding(code=code, where=where, expected=expected, found=found))

    def take(self, events: Iterable[ChainEvent]) -> None:
        """Goes through events, which must come in the chain's order."""
        for event in events:
            self.tally.events += 1
            if event.name == "DriverKeySet":
                self.books.replace_driver_key(event, self._transactions.time_of(event.block))
            elif event.contract != "SessionSettlement":
                self.books.note(event)
            elif event.name == "BatchSettled":
                self._batch(event, self._pending)
                self._pending = []
                self._progress(self.tally)
            else:
                self._pending.append(event)
        self.tally.accounts, self.tally.stations = len(self.books.accounts), len(self.books.stations)

    # --- a batch ---------------------------------------------------------------------------------

    def _batch(self, settled: ChainEvent, reported: list[ChainEvent]) -> None:
        self.tally.batches += 1
        self.books.batches += 1
        where = f"batch {settled.args['batch']}"
        if settled.args["batch"] != self.books.batches:
            self.report(
                FindingCode.BATCH_NUMBER, where, f"batch {self.books.batches}", f"batch {settled.args['batch']}"
            )
        batch = self._decoded(settled, where)
        if batch is None:
            return
        if batch.evidence != settled.args["evidence"]:
            self.report(FindingCode.EVENT_MISMATCH, where, batch.evidence.hex(), settled.args["evidence"].hex())
        self._money(batch, settled, reported, where)
        manifest = self._manifest(batch, where)
        for signed in batch.statements:
            self._statement(signed, manifest, where)
            self.books.statement_batches[(signed.statement.station, signed.statement.sequence)] = self.books.batches
        for (account, first, last), cid in sorted((manifest.vehicles if manifest else {}).items()):
            self._vehicle(account, first, last, cid, where)

    def _decoded(self, settled: ChainEvent, where: str) -> SettlementBatch | None:
        call = self._transactions.call_of(settled.tx)
        if call.to != self._settlement or call.data[:4] != SETTLE_SELECTOR:
            self.report(FindingCode.BATCH_HIDDEN, where, "a direct call of settle(bytes)", "a call of something else")
            return None
        try:
            return decode_batch(_bytes_argument(call.data[4:]))
        except Malformed as error:
            self.report(FindingCode.BATCH_MALFORMED, where, "the published layout", str(error))
            return None

    def _money(self, batch: SettlementBatch, settled: ChainEvent, reported: list[ChainEvent], where: str) -> None:
        statements = [signed.statement for signed in batch.statements]
        try:
            outcome = net(statements, self.books.tariffs, self.books.free_of)
        except UnknownTariff as error:
            self.report(FindingCode.TARIFF_INVALID, where, "published tariffs", str(error))
            return
        rows = sum(len(statement.rows) for statement in statements)
        expected = (len(statements), rows, outcome.paid_micro, outcome.dust_micro)
        found = tuple(settled.args[name] for name in ("statements", "rows", "paidMicro", "dustMicro"))
        if expected != found:
            self.report(
                FindingCode.AMOUNT_MISMATCH,
                f"{where} (statements, rows, micro-euro paid, micro-euro dust)",
                str(expected),
                str(found),
            )
        self._compare_set_aside(outcome, reported, where)
        self._compare_settled(statements, reported, where)
        self._keep(outcome, rows)

    def _keep(self, outcome: BatchOutcome, rows: int) -> None:
        self.books.pay(outcome.entries)
        for payments, aside in ((outcome.paid, False), (outcome.set_aside, True)):
            for payment in payments:
                self.books.payments[(payment.station, payment.sequence, payment.row)] = (payment, aside)
        self.tally.rows += rows
        self.tally.paid_micro += outcome.paid_micro
        self.tally.dust_micro += outcome.dust_micro
        self.tally.sold_back_micro += sum(
            payment.received_micro for payment in outcome.paid if payment.payee not in self._payees()
        )

    def _payees(self) -> set[int]:
        return {book.station.payee for book in self.books.stations.values()}

    def _compare_set_aside(self, outcome: BatchOutcome, reported: list[ChainEvent], where: str) -> None:
        names = ("station", "sequence", "row", "payer", "owedMicro")
        found = {tuple(e.args[name] for name in names) for e in reported if e.name == "RowSetAside"}
        expected = {(p.station, p.sequence, p.row, p.payer, p.owed_micro) for p in outcome.set_aside}
        if expected != found:
            self.report(
                FindingCode.SET_ASIDE_MISMATCH,
                f"{where} (station, statement, row, payer, micro-euro)",
                str(sorted(expected - found)),
                str(sorted(found - expected)),
            )

    def _compare_settled(self, statements: list[IntervalStatement], reported: list[ChainEvent], where: str) -> None:
        names = ("station", "sequence", "startTime", "importWh", "exportWh", "telemetryRoot")
        found = [tuple(e.args[name] for name in names) for e in reported if e.name == "StationSettled"]
        expected = [(s.station, s.sequence, s.start_s, s.import_wh, s.export_wh, s.telemetry_root) for s in statements]
        if expected != found:
            self.report(FindingCode.EVENT_MISMATCH, f"{where} (StationSettled)", str(expected), str(found))

    # --- a statement -----------------------------------------------------------------------------

    def _statement(self, signed: SignedStatement, manifest: Manifest | None, where: str) -> None:
        statement = signed.statement
        self.tally.statements += 1
        place = f"{where}, station {statement.station} statement {statement.sequence}"
        book = self.books.stations.get(statement.station)
        if book is None:
            self.report(FindingCode.STATEMENT_SIGNATURE, place, "a registered station", "no such station")
            return
        self._check_statement(signed, book, place)
        opening = _opening(book)
        self._move(statement, book, place)
        book.last_reading = self._statement_evidence(statement, signed, manifest, book, opening, place)

    def _check_statement(self, signed: SignedStatement, book: StationBook, place: str) -> None:
        statement = signed.statement
        if statement.sequence != book.sequence + 1:
            self.report(
                FindingCode.STATEMENT_SEQUENCE, place, f"sequence {book.sequence + 1}", f"sequence {statement.sequence}"
            )
        if book.end_s is not None and statement.start_s != book.end_s:
            self.report(
                FindingCode.STATEMENT_TIME, place, f"a start at {book.end_s}", f"a start at {statement.start_s}"
            )
        digest = self._station_domain.digest(statement.struct_hash())
        try:
            book.station.check_signature("statement", statement.end_s, digest, signed.signature)
        except BadSignature as error:
            self.report(FindingCode.STATEMENT_SIGNATURE, place, f"the key of station {statement.station}", str(error))
        for row in statement.rows:
            if not row.billed:
                continue
            start_s = statement.start_s + row.start_offset_s
            try:
                self.books.tariffs.checked(
                    statement.tariff_of(row),
                    station=statement.station,
                    payee=book.station.payee,
                    direction=statement.direction_of(row, self.books.tariffs),
                    start_s=start_s,
                    end_s=start_s + row.duration_s,
                )
            except (TariffNotValid, UnknownTariff) as error:
                self.report(FindingCode.TARIFF_INVALID, place, "a tariff of the station's operator", str(error))

    def _move(self, statement: IntervalStatement, book: StationBook, place: str) -> None:
        try:
            imported_wh, exported_wh = energy_moved(statement, self.books.tariffs)
        except UnknownTariff:
            imported_wh = exported_wh = EnergyWh(0)
        for register, opening_wh, closing_wh, billed_wh in (
            ("import", book.import_wh, statement.import_wh, imported_wh),
            ("export", book.export_wh, statement.export_wh, exported_wh),
        ):
            if opening_wh + billed_wh != closing_wh:
                self.report(
                    FindingCode.REGISTER_MISMATCH,
                    f"{place}, {register} register",
                    f"{closing_wh - opening_wh} Wh in its rows",
                    f"{billed_wh} Wh",
                )
        book.import_wh, book.export_wh = statement.import_wh, statement.export_wh
        book.sequence, book.end_s = statement.sequence, statement.end_s
        self.tally.imported_wh += imported_wh
        self.tally.exported_wh += exported_wh

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
            self.report(FindingCode.EVIDENCE_MISSING, place, "a blob in the manifest", "none")
            return None
        where = f"{place}, blob {cid}"
        data, intact = self._blob(cid, where)
        if data is None:
            return None
        try:
            evidence = parse_statement_blob(data)
        except Malformed as error:
            self.report(FindingCode.EVIDENCE_MALFORMED, where, "a statement's evidence", str(error))
            return None
        if evidence.statement != signed:
            self.report(FindingCode.EVIDENCE_UNRELATED, where, "the statement that was settled", "another one")
        result = check_statement_evidence(
            statement, evidence, self._context(book, opening), self._reporter(where), self.tally
        )
        self.books.usage.update(result.usage)
        if result.last_sequence is not None:
            for signed_reading in evidence.readings:
                reading = signed_reading.reading
                self.books.session_starts.setdefault(reading.session, reading.time_s)
        return result.last_sequence if intact else None

    def _context(self, book: StationBook, opening: MeterReading | None) -> StatementContext:
        return StatementContext(
            station=book.station,
            opening=opening,
            opening_known=opening is None or book.last_reading is not None,
            tariffs=self.books.tariffs,
            usage=self.books.usage,
            station_domain=self._station_domain,
            account_domain=self._account_domain,
            driver_keys=self.books.driver_keys,
            session_starts=self.books.session_starts,
            station_of_signer=self.books.station_of_signer.get,
        )

    def _vehicle(self, account: int, first: int, last: int, cid: str, where: str) -> None:
        place = f"{where}, vehicle of account {account}, blob {cid}"
        data, _ = self._blob(cid, place)
        if data is None:
            return
        try:
            evidence = parse_vehicle_blob(data)
        except Malformed as error:
            self.report(FindingCode.EVIDENCE_MALFORMED, place, "a vehicle's evidence", str(error))
            return
        sequences = [signed.reading.sequence for signed in evidence.readings]
        if evidence.account != account or sequences[:1] != [first] or sequences[-1:] != [last]:
            self.report(
                FindingCode.EVIDENCE_UNRELATED,
                place,
                f"readings {first} to {last} of account {account}",
                f"readings {sequences[:1]} to {sequences[-1:]} of account {evidence.account}",
            )
            return
        book = self.books.accounts.setdefault(account, AccountBook(b""))
        book.last_bms = check_vehicle_evidence(
            evidence,
            keys_at=lambda time_s: self.books.driver_keys(account, time_s),
            before=book.last_bms,
            domain=self._account_domain,
            report=self._reporter(place),
            tally=self.tally,
        )

    def _manifest(self, batch: SettlementBatch, where: str) -> Manifest | None:
        cid = raw_cid(batch.evidence)
        place = f"{where}, manifest {cid}"
        data, _ = self._blob(cid, place)
        if data is None:
            return None
        try:
            return parse_manifest(data)
        except Malformed as error:
            self.report(FindingCode.EVIDENCE_MALFORMED, place, "an evidence manifest", str(error))
            return None

    def _blob(self, cid: str, where: str) -> tuple[bytes | None, bool]:
        """A blob's bytes, and whether they are what the CID says."""
        try:
            data = self._blobs.read(cid)
        except (EvidenceMissing, Malformed) as error:
            self.report(FindingCode.EVIDENCE_MISSING, where, "a blob", str(error))
            return None, False
        self.tally.blobs += 1
        self.tally.blob_bytes += len(data)
        found = cid_of(data)
        if found != cid:
            self.report(FindingCode.EVIDENCE_ALTERED, where, f"content of {cid}", f"content of {found}")
        return data, found == cid

    def _reporter(self, where: str) -> Callable[[FindingCode, str, str, str], None]:
        def report(code: FindingCode, place: str, expected: str, found: str) -> None:
            self.report(code, f"{where}: {place}", expected, found)

        return report

    # --- the end ---------------------------------------------------------------------------------

    def check_account(self, account: int, free_micro: MoneyMicro, requested_micro: MoneyMicro) -> None:
        """Compares a balance in the escrow with the one that follows from the events."""
        book = self.books.accounts.get(account, AccountBook(b""))
        for what, expected, found in (
            ("free", book.free_micro, free_micro),
            ("waiting to be withdrawn", book.requested_micro, requested_micro),
        ):
            if expected != found:
                self.report(
                    FindingCode.BALANCE_MISMATCH,
                    f"account {account}, {what}",
                    f"{expected} micro-euro",
                    f"{found} micro-euro",
                )

    def check_station(self, station: int, import_wh: int, export_wh: int, sequence: int) -> None:
        """Compares a station's state on chain with the one that follows from its statements."""
        book = self.books.stations[station]
        expected, found = (book.import_wh, book.export_wh, book.sequence), (import_wh, export_wh, sequence)
        if expected != found:
            self.report(
                FindingCode.STATION_STATE,
                f"station {station} (import Wh, export Wh, statements)",
                str(expected),
                str(found),
            )

    def check_escrow(self, held_micro: MoneyMicro) -> None:
        """The escrow must hold at least what it owes."""
        owed = sum(book.free_micro + book.requested_micro for book in self.books.accounts.values())
        if held_micro < owed:
            self.report(FindingCode.ESCROW_SHORT, "escrow", f"{owed} micro-euro or more", f"{held_micro} micro-euro")


def _opening(book: StationBook) -> MeterReading | None:
    """Where the station's last statement left off: its signature covers time and registers."""
    if book.end_s is None:
        return None
    return MeterReading(
        station=book.station.station,
        sequence=book.last_reading or 0,
        time_s=UnixSeconds(book.end_s),
        import_wh=EnergyWh(book.import_wh),
        export_wh=EnergyWh(book.export_wh),
        power_w=PowerW(0),
        session=NO_SESSION,
    )


def _bytes_argument(data: bytes) -> bytes:
    """The one `bytes` argument of an ABI-encoded call; Malformed if it is not encoded as usual."""
    length = int.from_bytes(data[_WORD : 2 * _WORD], "big")
    if int.from_bytes(data[:_WORD], "big") != _WORD or len(data) < 2 * _WORD + length:
        raise Malformed("the call's argument is not encoded as the ABI prescribes")
    return data[2 * _WORD : 2 * _WORD + length]
