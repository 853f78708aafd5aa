"""The audit itself: goes through the chain's events in order and hands each to the part that re-derives it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from itertools import groupby

from domain.audit.batches import BatchAudit
from domain.audit.disputes import Disputes
from domain.audit.findings import Finding, FindingCode, Findings, Tally
from domain.audit.gates import Gates
from domain.audit.ledger import AccountBook, Books
from domain.audit.market import MarketAudit
from domain.audit.proofs import Proofs
from domain.audit.report import BlockTimes, Deployed, TransactionSource
from domain.audit.state import AuditState
from domain.audit.statements import StatementAudit
from domain.audit.treasury import Treasury
from domain.chain import ChainEvent
from domain.errors import Malformed
from domain.text import address_text
from domain.units import MoneyMicro

_GATE_EVENTS = {"ModuleProposed", "ModuleRemoved", "ModulesSealed"}
_DEBT_EVENTS = {"DebtRecorded", "DebtReduced"}
_LOCK_EVENTS = {"Locked", "Released"}
_BESIDE_CODES = {"RowSetAside": FindingCode.SET_ASIDE_MISMATCH, "Metered": FindingCode.METERING_MISMATCH}
_TALLIED = [field.name for field in fields(Tally)]


class Auditor:
    """Takes the chain's events in order; `findings` has what does not hold, `books` what does.

    `books` and `findings` may be kept on a disk. Between two transactions its state can be taken out, and an auditor
    that is given the same tables goes on from there.
    """

    def __init__(
        self,
        *,
        deployed: Deployed,
        transactions: TransactionSource,
        proofs: Proofs,
        books: Books | None = None,
        findings: Findings | None = None,
        progress: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self.findings: Findings = [] if findings is None else findings
        self.tally = Tally()
        self.books = Books() if books is None else books
        self._deployed, self._progress = deployed, progress
        self._times = BlockTimes(transactions)
        self._gates = Gates(deployed, self.report)
        self._treasury = Treasury(self.books, self._gates, self.report)
        self._disputes = Disputes(deployed, self.books, self._gates, self.report)
        self._market = MarketAudit(deployed, transactions, self.books, self._gates, self.tally, self.report)
        self._statements = StatementAudit(deployed, proofs, self.books, self.tally, self.report)
        self._batches = BatchAudit(
            deployed, transactions, self.books, self._gates, self._treasury, self.tally, self.report
        )

    def report(self, code: FindingCode, where: str, expected: str, found: str) -> None:
        """Notes a discrepancy."""
        self.findings.append(Finding(code=code, where=where, expected=expected, found=found))

    def state(self) -> AuditState:
        """All that it knows between two transactions, beside the tables of the books."""
        return AuditState(
            tally=self.tally,
            accounts=self.books.accounts,
            stations=self.books.stations,
            station_of_signer=self.books.station_of_signer,
            tariffs=list(self.books.tariffs),
            batches=self.books.batches,
            head=self.books.head,
            gates=self._gates.gates,
            guards=self._treasury.guards,
            disputes=self._disputes.disputes,
            market=self._market.state,
        )

    def go_on_from(self, state: AuditState) -> None:
        """Takes the state over that an auditor had, which from now on is this one's."""
        for name in _TALLIED:
            setattr(self.tally, name, getattr(state.tally, name))
        self.books.accounts, self.books.stations = state.accounts, state.stations
        self.books.station_of_signer = state.station_of_signer
        self.books.operators = {book.station.payee for book in state.stations.values()}
        for tariff in state.tariffs:
            self.books.tariffs.add(tariff)
        self.books.batches, self.books.head = state.batches, state.head
        self._gates.gates = state.gates
        self._treasury.guards = state.guards
        self._disputes.disputes = state.disputes
        self._market.state = state.market

    def take(self, events: Iterable[ChainEvent]) -> None:
        """Goes through events, which must come in the chain's order, a transaction's all at once.

        Malformed if one is about an account or station of which no event came before.
        """
        for _, transaction in groupby(events, key=lambda event: (event.block, event.tx)):
            self._transaction(list(transaction))
        self.tally.accounts, self.tally.stations = len(self.books.accounts), len(self.books.stations)

    def _transaction(self, events: Sequence[ChainEvent]) -> None:
        beside: Sequence[ChainEvent] = []
        for event in events:
            self.tally.events += 1
            try:
                beside = self._market.close_before(event, beside, self._times.of(event.block))
                beside = self._event(event, beside)
            except KeyError as error:
                raise Malformed(
                    f"block {event.block}: {event.name} is about number {error}, which no earlier event knows; "
                    "the deployments file must name the first block, and the node must serve all events since"
                ) from error
            except ValueError as error:
                raise Malformed(f"block {event.block}: no contract of ours tells this {event.name}: {error}") from error
        beside = self._market.close_before(None, beside, self._times.of(events[-1].block))
        for event in beside:
            code = _BESIDE_CODES.get(event.name, FindingCode.DEBT_MISMATCH)
            self.report(code, f"block {event.block}, {event.name}", "a batch or a reversal that it is of", "none")
        self._treasury.end_transaction()
        where = f"block {events[-1].block}, transaction 0x{events[-1].tx.hex()}"
        self._disputes.end_transaction(where)
        self._market.end_transaction(where)

    def _event(self, event: ChainEvent, beside: Sequence[ChainEvent]) -> Sequence[ChainEvent]:
        """Takes one event; what its transaction told so far that a batch or a reversal must still account for."""
        time_s = self._times.of(event.block)
        match event.contract, event.name:
            case "Escrow" | "StationRegistry", name if name in _GATE_EVENTS:
                self._gates.note(event, time_s)
            case "SessionSettlement", "BatchSettled":
                self._batch(event, beside)
                return []
            case ("SessionSettlement", _) | ("PositionBook", "Metered"):
                return [*beside, event]
            case "Escrow", _:
                self._treasury.note(event, time_s)
                if event.name in _LOCK_EVENTS:
                    self._lock(event, time_s)
                if event.name in _DEBT_EVENTS:
                    return [*beside, event]
            case "PositionBook" | "AuctionHouse", _:
                self._market.note(event, time_s)
            case "DisputeCourt", name:
                self._disputes.note(event, beside, time_s)
                return [] if name == "RowReversed" else beside
            case _:
                self._registry_event(event)
        return beside

    def _lock(self, event: ChainEvent, time_s: int) -> None:
        if self._market.is_lock_of_ours(event):
            self._market.note_lock(event, time_s)
        else:
            self._disputes.note_lock(event, time_s)

    def _registry_event(self, event: ChainEvent) -> None:
        time_s = self._times.of(event.block)
        if event.name == "MeterReplaced":
            self._statements.check_replacement(event, time_s)
        elif event.name == "TreasurySet":
            expected = (self._deployed.escrow, self._deployed.token)
            found = (event.args["escrow"], event.args["token"])
            if expected != found:
                shown = [" and ".join(map(address_text, pair)) for pair in (expected, found)]
                self.report(FindingCode.MODULE_FOREIGN, f"block {event.block}, treasury (escrow and token)", *shown)
        elif event.name == "StationRegistered" and not self._gates.is_sealed("StationRegistry"):
            where = f"block {event.block}, station {event.args['station']}"
            self.report(
                FindingCode.GUARD_PASSED, where, "a gate that is sealed before stations come", "one that is not"
            )
        elif event.name == "TariffPublished":
            self._market.check_tariff(event.args, time_s, f"block {event.block}, tariff {event.args['tariff']}")
        self.books.note(event, time_s)
        if event.name == "AccountClosed":
            self._treasury.check_closed(event.args["account"], f"block {event.block}")

    def _batch(self, settled: ChainEvent, beside: Sequence[ChainEvent]) -> None:
        where = f"batch {settled.args['batch']}"
        batch = self._batches.take(settled, beside, self._times.of(settled.block), where)
        if batch is not None:
            statements = [signed.statement for signed in batch.statements]
            self._market.take_batch(statements, beside, self._times.of(settled.block), where)
            self._statements.take(batch.evidence, batch.statements, where)
        self._progress(self.tally)

    # --- the end ---------------------------------------------------------------------------------

    def check_account(self, account: int, found_micro: tuple[int, int, int, int]) -> None:
        """Compares an account in the escrow with the one that follows from the events.

        `found_micro` is what is free, waits to be withdrawn, is locked, and is owed.
        """
        book = self.books.accounts.get(account, AccountBook(b""))
        names = ("free", "waiting to be withdrawn", "locked", "owed")
        for what, expected, found in zip(names, book.money_micro, found_micro, strict=True):
            if expected != found:
                self.report(
                    FindingCode.BALANCE_MISMATCH,
                    f"account {account}, {what}",
                    f"{expected} micro-euro",
                    f"{found} micro-euro",
                )

    def check_station(self, station: int, *, signer: bytes, suspended: bool, numbers: tuple[int, int, int]) -> None:
        """Compares a station on chain with the one that follows from events and statements.

        `signer` is the zero address if it has no key, `numbers` are import Wh, export Wh and sequence.
        """
        book = self.books.stations[station]
        known = book.station
        expected = (
            address_text(known.signer or bytes(20)),
            known.suspended,
            book.import_wh,
            book.export_wh,
            book.sequence,
        )
        found = (address_text(signer), suspended, *numbers)
        if expected != found:
            self.report(
                FindingCode.STATION_STATE,
                f"station {station} (key, suspended, import Wh, export Wh, sequence)",
                str(expected),
                str(found),
            )

    def check_escrow(self, held_micro: MoneyMicro) -> None:
        """The escrow must hold at least what is in its members' accounts."""
        owed = sum(sum(book.money_micro[:3]) for book in self.books.accounts.values())
        if held_micro < owed:
            self.report(FindingCode.ESCROW_SHORT, "escrow", f"{owed} micro-euro or more", f"{held_micro} micro-euro")

    def check_head(self, head: int) -> None:
        """Compares the settlement contract's head with the one that follows from all batches."""
        self._batches.check_head(head)

    def check_modules(self, time_s: int) -> None:
        """Reports contracts that may move money or registers at this time and are not of the deployments file."""
        self._gates.check_foreign(time_s)

    def check_positions(self, time_s: int) -> None:
        """Reports positions that at this time are open long after they could be closed."""
        self._market.check_open(time_s)
