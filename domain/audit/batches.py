"""Re-derives each batch: its place in the chain of batches, and every amount in it."""

from collections.abc import Sequence

from domain.audit.findings import FindingCode, Tally
from domain.audit.gates import GATES, Gates
from domain.audit.ledger import Books
from domain.audit.report import Deployed, Report, TransactionSource
from domain.audit.treasury import Treasury
from domain.batch import SettlementBatch, StatementNumbers, decode_batch
from domain.batch_chain import batch_digest, link
from domain.chain import ChainEvent
from domain.errors import Malformed, UnknownTariff
from domain.settlement import BatchOutcome, net
from domain.signing import typehash
from domain.statement import IntervalStatement
from domain.text import hex_text
from domain.units import UnixSeconds

SETTLE_SELECTOR = typehash("settle(bytes)")[:4]
_WORD = 32


class BatchAudit:
    """Compares batches' events with their data, and applies them to the books."""

    def __init__(
        self,
        deployed: Deployed,
        transactions: TransactionSource,
        books: Books,
        gates: Gates,
        treasury: Treasury,
        tally: Tally,
        report: Report,
    ) -> None:
        self._deployed, self._transactions = deployed, transactions
        self._books, self._gates, self._treasury = books, gates, treasury
        self._tally, self._report = tally, report

    def take(
        self, settled: ChainEvent, beside: Sequence[ChainEvent], time_s: UnixSeconds, where: str
    ) -> SettlementBatch | None:
        """Checks a batch; None if it is unreadable.

        `beside` are its transaction's events of rows that were metered in the market or set aside, and of debts.
        """
        self._tally.batches += 1
        self._books.batches += 1
        if settled.args["batch"] != self._books.batches:
            self._report(
                FindingCode.BATCH_NUMBER, where, f"batch {self._books.batches}", f"batch {settled.args['batch']}"
            )
        self._gates.check_active(self._deployed.settlement, GATES, time_s, where)
        if self._treasury.guards.paused:
            self._report(FindingCode.SETTLED_WHILE_PAUSED, where, "no batch while the escrow is paused", "a batch")
        self._books.head = link(self._books.head, settled.args["digest"])
        batch = self._decoded(settled, where)
        if batch is None:
            return None
        if batch.evidence != settled.args["evidence"]:
            self._report(FindingCode.EVENT_MISMATCH, where, batch.evidence.hex(), settled.args["evidence"].hex())
        statements = [signed.statement for signed in batch.statements]
        self._compare_statements(statements, settled, where)
        try:
            outcome = net(statements, self._books.tariffs, lambda a: self._books.spendable_of(a, time_s))
        except UnknownTariff as error:
            self._report(FindingCode.TARIFF_INVALID, where, "published tariffs", str(error))
            return batch
        self._compare_amounts(statements, outcome, settled, where)
        self._compare_set_aside(outcome, beside, settled.args["batch"], where)
        self._compare_debts(outcome, beside, settled.args["batch"], where)
        self._compare_digest(batch, outcome, settled, where)
        self._keep(outcome, time_s)
        return batch

    def check_head(self, head: int) -> None:
        """Compares the contract's head with the one that follows from all batches."""
        if self._books.head != head:
            self._report(
                FindingCode.BATCH_CHAIN,
                f"after batch {self._books.batches}",
                f"{self._books.head:#x}",
                f"{head:#x}",
            )

    def _decoded(self, settled: ChainEvent, where: str) -> SettlementBatch | None:
        call = self._transactions.call_of(settled.tx)
        if call.to != self._deployed.settlement or call.data[:4] != SETTLE_SELECTOR:
            self._report(FindingCode.BATCH_HIDDEN, where, "a direct call of settle(bytes)", "a call of something else")
            return None
        try:
            return decode_batch(_bytes_argument(call.data[4:]))
        except Malformed as error:
            self._report(FindingCode.BATCH_MALFORMED, where, "the published layout", str(error))
            return None

    def _compare_statements(self, statements: list[IntervalStatement], settled: ChainEvent, where: str) -> None:
        expected = [StatementNumbers.of(statement) for statement in statements]
        found = [StatementNumbers.from_word(word) for word in settled.args["statements"]]
        if expected != found:
            self._report(FindingCode.EVENT_MISMATCH, f"{where} (statements)", str(expected), str(found))

    def _compare_amounts(
        self, statements: list[IntervalStatement], outcome: BatchOutcome, settled: ChainEvent, where: str
    ) -> None:
        rows = sum(len(statement.rows) for statement in statements)
        self._tally.rows += rows
        expected = (rows, outcome.paid_micro, outcome.dust_micro)
        found = tuple(settled.args[name] for name in ("rows", "paidMicro", "dustMicro"))
        if expected != found:
            self._report(
                FindingCode.AMOUNT_MISMATCH,
                f"{where} (rows, micro-euro paid, micro-euro dust)",
                str(expected),
                str(found),
            )

    def _compare_set_aside(self, outcome: BatchOutcome, beside: Sequence[ChainEvent], number: int, where: str) -> None:
        names = ("batch", "station", "sequence", "row", "payer", "owedMicro")
        found = {tuple(e.args[name] for name in names) for e in beside if e.name == "RowSetAside"}
        expected = {(number, p.station, p.sequence, p.row, p.payer, p.owed_micro) for p in outcome.set_aside}
        if expected != found:
            self._report(
                FindingCode.SET_ASIDE_MISMATCH,
                f"{where} (batch, station, statement, row, payer, micro-euro)",
                str(sorted(expected - found)),
                str(sorted(found - expected)),
            )

    def _compare_debts(self, outcome: BatchOutcome, beside: Sequence[ChainEvent], number: int, where: str) -> None:
        names = ("batch", "debtor", "creditor", "owedMicro", "shareMicro")
        found = sorted(tuple(e.args[name] for name in names) for e in beside if e.name == "DebtRecorded")
        expected = [(number, d.debtor, d.creditor, d.owed_micro, d.share_micro) for d in outcome.debts]
        if expected != found:
            self._report(
                FindingCode.DEBT_MISMATCH,
                f"{where} (batch, debtor, creditor, micro-euro owed, micro-euro of it for the creditor)",
                str([one for one in expected if one not in found]),
                str([one for one in found if one not in expected]),
            )

    def _compare_digest(self, batch: SettlementBatch, outcome: BatchOutcome, settled: ChainEvent, where: str) -> None:
        hashes = [signed.statement.struct_hash() for signed in batch.statements]
        expected, found = batch_digest(batch.evidence, hashes, outcome.insolvent), settled.args["digest"]
        if expected != found:
            self._report(FindingCode.BATCH_DIGEST, where, hex_text(expected), hex_text(found))

    def _keep(self, outcome: BatchOutcome, time_s: UnixSeconds) -> None:
        self._books.pay(outcome.entries, time_s)
        for payments, aside in ((outcome.paid, False), (outcome.set_aside, True)):
            for payment in payments:
                self._books.payments[payment.station, payment.sequence, payment.row] = (payment, aside)
        self._tally.paid_micro += outcome.paid_micro
        self._tally.dust_micro += outcome.dust_micro
        self._tally.sold_back_micro += sum(
            p.received_micro for p in outcome.paid if p.payee not in self._books.operators
        )


def _bytes_argument(data: bytes) -> bytes:
    """The one `bytes` argument of an ABI-encoded call; Malformed if it is not encoded as usual."""
    length = int.from_bytes(data[_WORD : 2 * _WORD], "big")
    if int.from_bytes(data[:_WORD], "big") != _WORD or len(data) < 2 * _WORD + length:
        raise Malformed("the call's argument is not encoded as the ABI prescribes")
    return data[2 * _WORD : 2 * _WORD + length]
