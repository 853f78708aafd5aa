"""Disputed rows: which were reversed, that their money went back exactly once, and where bonds went."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from domain.audit.findings import FindingCode
from domain.audit.gates import Gates
from domain.audit.ledger import Args, Books, DebtBook
from domain.audit.report import Deployed, Report
from domain.chain import ChainEvent
from domain.settlement import Payment
from domain.text import address_text
from domain.units import DUST_ACCOUNT, UnixSeconds

REVERSAL = 0
"""Stands for the batch of a debt that comes from a reversal."""


class Status(Enum):
    DISPUTED = auto()
    JUSTIFIED = auto()
    REVERSED = auto()


@dataclass(slots=True)
class Dispute:
    """A disputed row: its payment, who disputes it with which bond, and until when it can be answered."""

    payment: Payment
    disputer: int
    bond_micro: int
    answer_until_s: int
    status: Status = Status.DISPUTED


@dataclass(frozen=True, slots=True)
class _Bond:
    """The movement of a bond that must follow in the same transaction."""

    event: str
    account: int
    to: int
    amount_micro: int


class Disputes:
    """Takes the dispute court's events, and those of locked money, in their order."""

    def __init__(self, deployed: Deployed, books: Books, gates: Gates, report: Report) -> None:
        self._court = deployed.court
        self._books, self._gates, self._report = books, gates, report
        self.disputes: dict[tuple[int, int, int], Dispute] = {}
        self._bond: _Bond | None = None

    def note(self, event: ChainEvent, beside: Sequence[ChainEvent], time_s: UnixSeconds) -> None:
        """Takes an event of the court. `beside` are the debts that its transaction noted or reduced before it."""
        args = event.args
        place = (args["station"], args["sequence"], args["row"])
        where = f"block {event.block}, {event.name}: station {place[0]} statement {place[1]} row {place[2]}"
        if event.name == "RowDisputed":
            self._disputed(args, place, where)
            return
        dispute = self.disputes.get(place)
        if dispute is None or dispute.status != Status.DISPUTED:
            code = FindingCode.REVERSAL_MISMATCH if event.name == "RowReversed" else FindingCode.DISPUTE_MISMATCH
            self._report(code, where, "an open dispute of this row", dispute.status.name.lower() if dispute else "none")
            return
        in_time = time_s <= dispute.answer_until_s
        if in_time != (event.name == "RowJustified"):
            limit = f"answers up to {dispute.answer_until_s}, an end after it"
            self._report(FindingCode.DISPUTE_MISMATCH, where, limit, f"it at {time_s}")
        if event.name == "RowJustified":
            dispute.status = Status.JUSTIFIED
            self._bond = self._held_bond(dispute, dispute.payment.payee)
        else:
            dispute.status = Status.REVERSED
            self._reversed(dispute.payment, args, beside, time_s, where)
            self._bond = self._held_bond(dispute, dispute.disputer)

    def note_lock(self, event: ChainEvent, time_s: int) -> None:
        """Takes an event of locked or released money."""
        args = event.args
        where = f"block {event.block}, {event.name} by {address_text(args['module'])}"
        if event.name == "Released" and args["account"] == args["to"] and self._is_reclaim(args, time_s):
            return
        if args["module"] != self._court:
            self._report(FindingCode.MODULE_FOREIGN, where, "the deployments file's dispute court", "another contract")
            return
        self._gates.check_active(self._court, ("Escrow",), time_s, where)
        to = args["to"] if event.name == "Released" else args["account"]
        found = _Bond(event.name, args["account"], to, args["amountMicro"])
        if found != self._bond:
            self._report(FindingCode.BOND_MISMATCH, where, str(self._bond or "no bond to move"), str(found))
        self._bond = None

    def end_transaction(self, where: str) -> None:
        """Reports a bond that should have been moved in the transaction that ends here."""
        if self._bond is not None:
            self._report(FindingCode.BOND_MISMATCH, where, str(self._bond), "no bond moved")
            self._bond = None

    def _held_bond(self, dispute: Dispute, to: int) -> _Bond | None:
        """The bond that goes to somebody; None if its owner reclaimed it while the court was no module."""
        held_micro = self._books.account(dispute.disputer).locked_micro.get(self._court, 0)
        bond = _Bond("Released", dispute.disputer, to, dispute.bond_micro)
        return bond if held_micro >= dispute.bond_micro else None

    def _disputed(self, args: Args, place: tuple[int, int, int], where: str) -> None:
        payment, _ = self._books.payments.get(place, (None, False))
        if payment is None or payment.payer != args["payer"] or payment.owed_micro == 0:
            paid = f"account {payment.payer} owed {payment.owed_micro} micro-euro" if payment else "no such row"
            self._report(FindingCode.DISPUTE_MISMATCH, where, paid, f"account {args['payer']} as the payer")
        if place in self.disputes:
            self._report(FindingCode.DISPUTE_MISMATCH, where, "one dispute of each row", "another one")
        self._bond = _Bond("Locked", args["disputer"], args["disputer"], args["bondMicro"])
        if payment is not None:
            self.disputes[place] = Dispute(payment, args["disputer"], args["bondMicro"], args["answerUntil"])

    def _reversed(
        self, payment: Payment, args: Args, beside: Sequence[ChainEvent], time_s: UnixSeconds, where: str
    ) -> None:
        if (args["payer"], args["owedMicro"]) != (payment.payer, payment.owed_micro):
            self._report(
                FindingCode.REVERSAL_MISMATCH,
                f"{where} (payer, micro-euro)",
                str((payment.payer, payment.owed_micro)),
                str((args["payer"], args["owedMicro"])),
            )
        expected = self._debt_change(payment, beside, time_s)
        found = [_shown(event) for event in beside]
        if found != expected:
            self._report(FindingCode.REVERSAL_MISMATCH, f"{where} (changes of debts)", str(expected), str(found))
        stays = bool(expected) or self._is_written_off(payment)
        if args["debt"] != stays:
            self._report(
                FindingCode.REVERSAL_MISMATCH,
                where,
                "a debt instead of a payment" if stays else "a payment",
                "a debt instead of a payment" if args["debt"] else "a payment",
            )
        if not stays:
            self._pay_back(payment, time_s)

    def _debt_change(
        self, payment: Payment, beside: Sequence[ChainEvent], time_s: UnixSeconds
    ) -> list[tuple[object, ...]]:
        """What must be noted of debts when this row is reversed: nothing if its money goes back."""
        debt = self._debt_of(payment)
        if debt is not None and debt.written_off:
            return []
        if debt is not None and debt.owed_micro + _reduced_micro(beside, payment) > 0:
            return [("DebtReduced", payment.payer, payment.owed_micro, payment.received_micro)]
        dust_micro = payment.owed_micro - payment.received_micro
        can_pay = self._books.spendable_of(payment.payee, time_s) >= payment.received_micro
        if can_pay and self._books.spendable_of(DUST_ACCOUNT, time_s) >= dust_micro:
            return []
        return [("DebtRecorded", payment.payee, payment.payer, REVERSAL, payment.owed_micro, payment.owed_micro)]

    def _debt_of(self, payment: Payment) -> DebtBook | None:
        """The debt that a row set aside is part of."""
        _, aside = self._books.payments[payment.station, payment.sequence, payment.row]
        batch = self._books.statement_batches.get((payment.station, payment.sequence))
        debts = self._books.account(payment.payer).debts if aside else []
        return next((d for d in debts if (d.batch, d.creditor) == (batch, payment.payee)), None)

    def _is_written_off(self, payment: Payment) -> bool:
        debt = self._debt_of(payment)
        return debt is not None and debt.written_off

    def _pay_back(self, payment: Payment, time_s: UnixSeconds) -> None:
        self._books.account(payment.payee).pay(payment.received_micro, time_s)
        self._books.account(DUST_ACCOUNT).pay(payment.owed_micro - payment.received_micro, time_s)
        self._books.account(payment.payer).free_micro += payment.owed_micro

    def _is_reclaim(self, args: Args, time_s: int) -> bool:
        return not self._gates.is_active("Escrow", args["module"], time_s)


def _reduced_micro(beside: Sequence[ChainEvent], payment: Payment) -> int:
    """What was taken off the payer's debts in this transaction: the books have it already."""
    reduced = (e.args for e in beside if e.name == "DebtReduced" and e.args["debtor"] == payment.payer)
    return sum(int(args["owedMicro"]) for args in reduced)


def _shown(event: ChainEvent) -> tuple[object, ...]:
    args = event.args
    if event.name == "DebtReduced":
        return event.name, args["debtor"], args["owedMicro"], args["shareMicro"]
    return event.name, args["debtor"], args["creditor"], args["batch"], args["owedMicro"], args["shareMicro"]
