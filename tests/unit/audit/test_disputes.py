"""Disputed rows: reversed ones give their money back exactly once, and bonds go where the end says."""

from typing import Any

import pytest

from domain.audit import FindingCode
from domain.settlement import BatchOutcome, Payment
from domain.units import DUST_ACCOUNT, UnixSeconds
from tests.unit.audit.record import COURT, DEPOSIT_MICRO, enrolled, settle, two_days
from tests.unit.audit.test_auditor import codes
from tests.vectors.world import ALICE, BOB, OPERATOR, STATION

BOND_MICRO = 1_000_000
WEEK_S = 604_800
OTHER_COURT = b"\x99" * 20


def first_key(change: dict[str, Any]) -> str:
    return next(iter(change))


class Case:
    """A settled row that Bob disputes, in a record that is in order until a test meddles with it."""

    def __init__(self, *, aside: bool = False) -> None:
        self.record = enrolled()
        if aside:
            self.record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=1)
        outcome: BatchOutcome = settle(self.record, [two_days()[0]], {}, spendable={ALICE: 1} if aside else {})
        rows = outcome.set_aside if aside else outcome.paid
        self.row: Payment = next(payment for payment in rows if payment.payer == ALICE)
        self.debts = [debt for debt in outcome.debts if debt.debtor == ALICE]
        self.place: dict[str, Any] = {"station": STATION, "sequence": 1, "row": self.row.row}

    @property
    def dust_micro(self) -> int:
        return self.row.owed_micro - self.row.received_micro

    def lock(self, tx: bytes, **other: Any) -> None:
        args: dict[str, Any] = {"account": BOB, "module": COURT, "amountMicro": BOND_MICRO} | other
        self.record.event("Escrow", "Locked", tx, **args)
        self.record.balances[args["account"]] -= args["amountMicro"]
        self.record.locked[args["account"]] = self.record.locked.get(args["account"], 0) + args["amountMicro"]

    def release(self, tx: bytes, to: int, **other: Any) -> None:
        args: dict[str, Any] = {"account": BOB, "module": COURT, "to": to, "amountMicro": BOND_MICRO} | other
        self.record.event("Escrow", "Released", tx, **args)
        self.record.balances[to] += args["amountMicro"]
        self.record.locked[BOB] = self.record.locked.get(BOB, 0) - args["amountMicro"]

    def dispute(self, *, bond: bool = True, **other: Any) -> "Case":
        tx = b"\xd1" * 32
        args: dict[str, Any] = self.place | {"payer": ALICE, "disputer": BOB, "bondMicro": BOND_MICRO}
        args |= {"answerUntil": self.record.now_s() + WEEK_S} | other
        self.record.event("DisputeCourt", "RowDisputed", tx, **args)
        if bond:
            self.lock(tx)
        return self

    def wait(self, seconds: int = WEEK_S + 1) -> "Case":
        self.record.times[len(self.record.events)] = UnixSeconds(self.record.now_s() + seconds)
        self.record.times |= {len(self.record.events) + n: UnixSeconds(self.record.now_s() + n) for n in range(1, 10)}
        return self

    def justify(self, tx: bytes = b"\xd2" * 32, **other: Any) -> "Case":
        args: dict[str, Any] = self.place | {"authorisation": b"\xaa" * 32} | other
        self.record.event("DisputeCourt", "RowJustified", tx, **args)
        self.release(tx, OPERATOR)
        return self

    def reverse(self, tx: bytes = b"\xd3" * 32, *, bond_to: int = BOB, **other: Any) -> "Case":
        args: dict[str, Any] = self.place | {"payer": ALICE, "owedMicro": self.row.owed_micro, "debt": False} | other
        self.record.event("DisputeCourt", "RowReversed", tx, **args)
        self.release(tx, bond_to)
        return self

    def pay_back(self) -> "Case":
        """What the reversal moves without an event of its own."""
        self.record.balances[OPERATOR] -= self.row.received_micro
        self.record.balances[DUST_ACCOUNT] -= self.dust_micro
        self.record.balances[ALICE] += self.row.owed_micro
        return self

    def reduce(self, tx: bytes = b"\xd3" * 32, **other: Any) -> "Case":
        args: dict[str, Any] = {
            "debtor": ALICE,
            "number": 0,
            "owedMicro": self.row.owed_micro,
            "shareMicro": self.row.received_micro,
        }
        args |= other
        self.record.event("Escrow", "DebtReduced", tx, **args)
        self.record.owed[ALICE] -= args["owedMicro"]
        return self

    def codes(self) -> set[FindingCode]:
        return codes(self.record.findings())


# --- ends that are in order --------------------------------------------------------------------


def test_open_dispute_has_no_findings() -> None:
    assert Case().dispute().codes() == set()


def test_justified_row_gives_the_bond_to_the_operator() -> None:
    assert Case().dispute().justify().codes() == set()


def test_reversed_row_gives_the_driver_its_money_back() -> None:
    assert Case().dispute().wait().reverse().pay_back().codes() == set()


def test_reversed_row_of_a_debt_reduces_it() -> None:
    assert Case(aside=True).dispute().wait().reduce().reverse(debt=True).codes() == set()


def test_reversed_row_of_a_debt_that_was_collected_gives_the_money_back() -> None:
    case = Case(aside=True)
    debt = case.debts[0]
    case.record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=0)
    case.record.event(
        "Escrow",
        "DebtCollected",
        debtor=ALICE,
        number=0,
        creditor=OPERATOR,
        owedMicro=debt.owed_micro,
        shareMicro=debt.share_micro,
    )
    case.record.balances[ALICE] -= debt.owed_micro
    case.record.balances[OPERATOR] += debt.share_micro
    case.record.balances[DUST_ACCOUNT] += debt.owed_micro - debt.share_micro
    case.record.owed = {}
    assert case.dispute().wait().reverse().pay_back().codes() == set()


def test_reversed_row_of_a_debt_that_was_written_off_moves_nothing() -> None:
    case = Case(aside=True)
    owed_micro = case.debts[0].owed_micro
    case.record.event("Escrow", "DebtWrittenOff", debtor=ALICE, number=0, creditor=OPERATOR, owedMicro=owed_micro)
    case.record.owed = {}
    assert case.dispute().wait().reverse(debt=True).codes() == set()


def owing(case: Case) -> Case:
    """The operator cannot pay what it must give back, and owes it."""
    left = case.record.balances[OPERATOR]
    case.record.event("Escrow", "WithdrawalRequested", account=OPERATOR, amountMicro=left, availableAt=0)
    case.record.event("Escrow", "Withdrawn", account=OPERATOR, amountMicro=left)
    case.record.balances[OPERATOR] = 0
    return case.dispute().wait()


def record_debt(case: Case, **other: Any) -> Case:
    args: dict[str, Any] = {"debtor": OPERATOR, "number": 0, "creditor": ALICE, "batch": 0}
    args |= {"owedMicro": case.row.owed_micro, "shareMicro": case.row.owed_micro} | other
    case.record.event("Escrow", "DebtRecorded", b"\xd3" * 32, **args)
    case.record.owed[OPERATOR] = case.row.owed_micro
    return case


def test_operator_that_cannot_pay_back_owes_it() -> None:
    assert record_debt(owing(Case())).reverse(debt=True).codes() == set()


def test_bond_of_a_court_that_was_removed_can_be_reclaimed() -> None:
    case = Case().dispute()
    case.record.event("Escrow", "ModuleRemoved", module=COURT)
    case.release(b"\xd4" * 32, BOB)
    assert case.codes() == set()


def test_dispute_whose_bond_was_reclaimed_ends_without_it() -> None:
    case = Case().dispute()
    case.record.event("Escrow", "ModuleRemoved", module=COURT)
    case.release(b"\xd4" * 32, BOB)
    case.record.event("Escrow", "ModuleProposed", module=COURT, activeFrom=case.record.now_s() + WEEK_S)
    case.wait()
    args = case.place | {"payer": ALICE, "owedMicro": case.row.owed_micro, "debt": False}
    case.record.event("DisputeCourt", "RowReversed", **args)
    assert case.pay_back().codes() == set()


# --- disputes that cannot be -------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"row": 99}, {"sequence": 7}, {"payer": BOB}], ids=lambda change: next(iter(change))
)
def test_dispute_of_a_row_that_was_not_settled_so_is_named(change: dict[str, Any]) -> None:
    assert Case().dispute(**change).codes() == {FindingCode.DISPUTE_MISMATCH}


def test_second_dispute_of_a_row_is_named() -> None:
    assert Case().dispute().justify().dispute().codes() == {FindingCode.DISPUTE_MISMATCH}


def test_answer_after_its_time_is_named() -> None:
    assert Case().dispute().wait().justify().codes() == {FindingCode.DISPUTE_MISMATCH}


def test_reversal_before_the_time_for_an_answer_is_over_is_named() -> None:
    assert Case().dispute().reverse().pay_back().codes() == {FindingCode.DISPUTE_MISMATCH}


def test_answer_without_a_dispute_is_named() -> None:
    case = Case()
    case.record.event("DisputeCourt", "RowJustified", **case.place, authorisation=bytes(32))
    assert case.codes() == {FindingCode.DISPUTE_MISMATCH}


# --- money that does not go back exactly once --------------------------------------------------


def test_reversal_that_moves_no_money_is_named() -> None:
    assert Case().dispute().wait().reverse().codes() == {FindingCode.BALANCE_MISMATCH}


def test_row_that_is_reversed_twice_is_named() -> None:
    twice = Case().dispute().wait().reverse().pay_back()
    twice.record.event(
        "DisputeCourt", "RowReversed", **twice.place, payer=ALICE, owedMicro=twice.row.owed_micro, debt=False
    )
    assert twice.codes() == {FindingCode.REVERSAL_MISMATCH}


def test_reversal_without_a_dispute_is_named() -> None:
    case = Case()
    case.record.event("DisputeCourt", "RowReversed", **case.place, payer=ALICE, owedMicro=1, debt=False)
    assert case.codes() == {FindingCode.REVERSAL_MISMATCH}


@pytest.mark.parametrize(
    "change", [{"owedMicro": 1}, {"payer": BOB}, {"debt": True}], ids=lambda change: next(iter(change))
)
def test_reversal_that_tells_something_else_is_named(change: dict[str, Any]) -> None:
    assert FindingCode.REVERSAL_MISMATCH in Case().dispute().wait().reverse(**change).pay_back().codes()


@pytest.mark.parametrize("change", [{"owedMicro": 1, "shareMicro": 1}, {"shareMicro": 0}], ids=["less", "no share"])
def test_debt_that_is_reduced_by_something_else_is_named(change: dict[str, Any]) -> None:
    found = Case(aside=True).dispute().wait().reduce(**change).reverse(debt=True).codes()
    assert FindingCode.REVERSAL_MISMATCH in found


def test_debt_that_is_not_reduced_for_a_reversed_row_is_named() -> None:
    """As if another debt of the batch, which was written off, had stood in for it."""
    assert Case(aside=True).dispute().wait().reverse(debt=True).codes() == {FindingCode.REVERSAL_MISMATCH}


def test_debt_that_is_reduced_without_a_reversal_is_named() -> None:
    assert Case(aside=True).reduce().codes() == {FindingCode.DEBT_MISMATCH}


def test_debt_that_is_reduced_below_nothing_is_named() -> None:
    case = Case(aside=True).dispute().wait()
    owed_micro = case.debts[0].owed_micro + 1
    assert FindingCode.DEBT_MISMATCH in case.reduce(owedMicro=owed_micro).reverse(debt=True).codes()


def test_operator_that_owes_although_it_could_pay_is_named() -> None:
    case = record_debt(Case().dispute().wait()).reverse(debt=True)
    assert FindingCode.REVERSAL_MISMATCH in case.codes()


def test_operator_that_pays_nothing_and_owes_nothing_is_named() -> None:
    assert FindingCode.REVERSAL_MISMATCH in owing(Case()).reverse().codes()


# --- bonds -------------------------------------------------------------------------------------


def test_dispute_without_a_bond_is_named() -> None:
    assert Case().dispute(bond=False).codes() == {FindingCode.BOND_MISMATCH}


def test_bond_of_another_amount_is_named() -> None:
    case = Case().dispute(bond=False)
    case.lock(b"\xd1" * 32, amountMicro=1)
    assert case.codes() == {FindingCode.BOND_MISMATCH}


def test_bond_of_a_reversed_row_that_goes_to_the_operator_is_named() -> None:
    assert Case().dispute().wait().reverse(bond_to=OPERATOR).pay_back().codes() == {FindingCode.BOND_MISMATCH}


def test_lock_without_a_dispute_and_release_without_an_end_are_named() -> None:
    case = Case()
    case.lock(b"\xd4" * 32)
    assert case.codes() == {FindingCode.BOND_MISMATCH}
    case = Case().dispute()
    case.release(b"\xd4" * 32, BOB)
    assert case.codes() == {FindingCode.BOND_MISMATCH}


def test_lock_of_more_than_the_account_has_and_release_of_more_than_is_locked_are_named() -> None:
    case = Case().dispute(bond=False, bondMicro=2 * DEPOSIT_MICRO)
    case.lock(b"\xd1" * 32, amountMicro=2 * DEPOSIT_MICRO)
    assert case.codes() == {FindingCode.BOND_MISMATCH}


def test_lock_by_another_contract_is_named() -> None:
    case = Case()
    case.lock(b"\xd4" * 32, module=OTHER_COURT)
    assert case.codes() == {FindingCode.MODULE_FOREIGN}


def test_lock_by_a_court_that_is_not_active_is_named() -> None:
    case = Case()
    case.record.event("Escrow", "ModuleRemoved", module=COURT)
    assert case.dispute().codes() == {FindingCode.MODULE_INACTIVE}


def test_locked_money_is_compared_with_the_escrow() -> None:
    case = Case().dispute()
    case.record.locked[BOB] -= 1
    assert case.codes() == {FindingCode.BALANCE_MISMATCH}
