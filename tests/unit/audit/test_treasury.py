"""The audit follows money between batches, and names what pauses, caps, delays and debts should have held."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.audit import FindingCode
from domain.settlement import Debt
from domain.units import UnixSeconds
from tests.unit.audit.record import COURT, DEPOSIT_MICRO, SETTLEMENT, Record, enrolled, settle, two_days
from tests.unit.audit.test_auditor import codes
from tests.vectors.world import ALICE, BOB, DAY_S, OPERATOR

HOUR_S = 3_600
TX = b"\x01" * 32


def deposit(record: Record, account: int, micro: int, tx: bytes | None = None) -> None:
    record.event("Escrow", "Deposited", tx, account=account, amountMicro=micro)
    record.balances[account] += micro


def indebted() -> tuple[Record, Debt]:
    """Alice could not pay, and owes the operator."""
    record = enrolled()
    record.event("Escrow", "WithdrawalRequested", account=ALICE, amountMicro=DEPOSIT_MICRO - 1, availableAt=0)
    record.event("Escrow", "Withdrawn", account=ALICE, amountMicro=DEPOSIT_MICRO - 1)
    record.balances[ALICE] = 1
    [debt] = [debt for debt in settle(record, [two_days()[0]], {}).debts if debt.debtor == ALICE]
    assert record.findings() == []
    return record, debt


def collect(record: Record, debt: Debt, tx: bytes | None = None, **other: int) -> None:
    """The debt is paid, or something that is not quite it."""
    args: dict[str, Any] = {"number": 0, "creditor": debt.creditor}
    args |= {"owedMicro": debt.owed_micro, "shareMicro": debt.share_micro} | other
    record.event("Escrow", "DebtCollected", tx, debtor=debt.debtor, **args)
    record.balances[debt.debtor] -= args["owedMicro"]
    record.balances[args["creditor"]] += args["shareMicro"]
    record.balances[2] += args["owedMicro"] - args["shareMicro"]
    record.owed[debt.debtor] = 0


# --- debts -------------------------------------------------------------------------------------


def test_debt_that_a_deposit_pays_has_no_findings() -> None:
    record, debt = indebted()
    deposit(record, ALICE, debt.owed_micro, TX)
    collect(record, debt, TX)
    assert record.findings() == []


def test_deposit_pays_debts_beside_the_daily_cap_and_collecting_stays_within_it() -> None:
    record, debt = indebted()
    record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=5)
    deposit(record, ALICE, debt.owed_micro, TX)
    collect(record, debt, TX)
    assert record.findings() == []
    record, debt = indebted()
    record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=5)
    deposit(record, ALICE, debt.owed_micro)
    collect(record, debt)
    assert codes(record.findings()) == {FindingCode.DEBT_COLLECTION}


@pytest.mark.parametrize("change", [{"owedMicro": 1}, {"shareMicro": 0}, {"creditor": BOB}, {"number": 1}])
def test_collection_of_anything_but_the_debt_is_named(change: dict[str, int]) -> None:
    record, debt = indebted()
    deposit(record, ALICE, DEPOSIT_MICRO, TX)
    collect(record, debt, TX, **change)
    assert FindingCode.DEBT_COLLECTION in codes(record.findings())


def test_debt_that_is_collected_twice_is_named() -> None:
    record, debt = indebted()
    deposit(record, ALICE, DEPOSIT_MICRO, TX)
    collect(record, debt, TX)
    collect(record, debt)
    assert codes(record.findings()) == {FindingCode.DEBT_COLLECTION}


def test_collection_of_more_than_the_account_holds_is_named() -> None:
    record, debt = indebted()
    collect(record, debt)
    assert codes(record.findings()) == {FindingCode.DEBT_COLLECTION}


def test_collection_before_an_older_debt_is_named() -> None:
    record, debt = indebted()
    record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=1)
    [later] = [d for d in settle(record, [two_days()[1]], {}, spendable={ALICE: 1}).debts if d.debtor == ALICE]
    assert record.findings() == []
    deposit(record, ALICE, DEPOSIT_MICRO, TX)
    collect(record, later, TX, number=1)
    record.owed[ALICE] = debt.owed_micro
    assert codes(record.findings()) == {FindingCode.DEBT_COLLECTION}


@pytest.mark.parametrize("change", [{"owedMicro": 1}, {"creditor": BOB}, {"batch": 7}, {"number": 3}])
def test_recorded_debt_that_does_not_follow_from_the_batch_is_named(change: dict[str, int]) -> None:
    record, _ = indebted()
    at = next(i for i, e in enumerate(record.events) if e.name == "DebtRecorded")
    record.events[at].args.update(change)  # type: ignore[attr-defined]
    assert FindingCode.DEBT_MISMATCH in codes(record.findings())


def test_debt_without_a_batch_is_named() -> None:
    record = enrolled()
    debt: dict[str, Any] = {
        "debtor": ALICE,
        "number": 0,
        "creditor": OPERATOR,
        "batch": 1,
        "owedMicro": 5,
        "shareMicro": 5,
    }
    record.event("Escrow", "DebtRecorded", **debt)
    record.owed[ALICE] = 5
    assert codes(record.findings()) == {FindingCode.DEBT_MISMATCH}


def test_unrecorded_debt_is_named() -> None:
    record, _ = indebted()
    record.events = [e for e in record.events if e.name != "DebtRecorded"]
    record.owed = {}
    assert codes(record.findings()) == {FindingCode.DEBT_MISMATCH}


def test_debt_is_written_off_once_and_as_it_is() -> None:
    record, debt = indebted()
    args: dict[str, Any] = {"debtor": ALICE, "number": 0, "creditor": debt.creditor, "owedMicro": debt.owed_micro}
    record.event("Escrow", "DebtWrittenOff", **args)
    record.owed = {}
    assert record.findings() == []
    record.event("Escrow", "DebtWrittenOff", **args)
    assert codes(record.findings()) == {FindingCode.DEBT_MISMATCH}
    record, debt = indebted()
    record.event("Escrow", "DebtWrittenOff", **args | {"owedMicro": 1})
    record.owed = {}
    assert codes(record.findings()) == {FindingCode.DEBT_MISMATCH}


def test_balance_of_debts_is_compared_with_the_escrow() -> None:
    record, _ = indebted()
    record.owed[ALICE] -= 1
    assert codes(record.findings()) == {FindingCode.BALANCE_MISMATCH}


# --- caps --------------------------------------------------------------------------------------


def owed_by_alice() -> int:
    return sum(p.owed_micro for p in settle(enrolled(), [two_days()[0]], {}).paid if p.payer == ALICE)


def test_daily_cap_sets_aside_what_it_leaves_too_little_for() -> None:
    cap_micro = owed_by_alice() - 1
    record = enrolled()
    record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=cap_micro)
    settle(record, [two_days()[0]], {}, spendable={ALICE: cap_micro})
    assert record.findings() == []
    overlooked = enrolled()
    overlooked.event("Escrow", "DailyCapSet", account=ALICE, capMicro=cap_micro)
    settle(overlooked, [two_days()[0]], {})
    assert codes(overlooked.findings()) >= {FindingCode.SET_ASIDE_MISMATCH, FindingCode.DEBT_MISMATCH}


@pytest.mark.parametrize(("pause_s", "left"), [(0, 0), (DAY_S, None)], ids=["the same day", "the day after"])
def test_daily_cap_counts_what_was_taken_on_the_day_of_the_block(pause_s: int, left: int | None) -> None:
    record = enrolled()
    record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=owed_by_alice())
    settle(record, [two_days()[0]], {})
    record.times[len(record.events)] = UnixSeconds(record.now_s() + pause_s)
    settle(record, [two_days()[1]], {}, spendable={} if left is None else {ALICE: left})
    assert record.findings() == []


# --- guards ------------------------------------------------------------------------------------


def _deposit_while_paused(record: Record) -> None:
    record.event("Escrow", "Paused", by=3)
    deposit(record, ALICE, 1)


def _deposit_above_the_cap(record: Record) -> None:
    record.event("Escrow", "BalanceCapSet", capMicro=DEPOSIT_MICRO)
    deposit(record, ALICE, 1)


def test_deposit_that_pays_debts_may_pass_the_cap_before() -> None:
    record, debt = indebted()
    record.event("Escrow", "BalanceCapSet", capMicro=record.balances[ALICE])
    deposit(record, ALICE, debt.owed_micro, TX)
    collect(record, debt, TX)
    assert record.findings() == []


def _withdrawal(record: Record, micro: int, wait_s: int) -> None:
    record.event("Escrow", "WithdrawalRequested", account=ALICE, amountMicro=micro, availableAt=record.now_s() + HOUR_S)
    record.times[len(record.events)] = UnixSeconds(record.now_s() + wait_s)
    record.event("Escrow", "Withdrawn", account=ALICE, amountMicro=micro)
    record.balances[ALICE] -= micro


def _withdrawal_before_its_time(record: Record) -> None:
    _withdrawal(record, 5, HOUR_S - 2)


def _withdrawal_while_frozen(record: Record) -> None:
    record.event("Escrow", "WithdrawalsFrozen", by=3, until=record.now_s() + 72 * HOUR_S)
    _withdrawal(record, 5, HOUR_S)


def _freeze_that_is_too_long(record: Record) -> None:
    record.event("Escrow", "WithdrawalsFrozen", by=3, until=record.now_s() + 72 * HOUR_S + 1)


def _freeze_after_a_freeze(record: Record) -> None:
    record.event("Escrow", "WithdrawalsFrozen", by=3, until=record.now_s() + 1)
    record.event("Escrow", "WithdrawalsFrozen", by=3, until=record.now_s() + 1)


def _closing_with_money(record: Record) -> None:
    record.event("AccountRegistry", "AccountClosed", account=ALICE, by=3)


def _withdrawal_of_what_is_owed(record: Record) -> None:
    record.event("Escrow", "DailyCapSet", account=ALICE, capMicro=1)
    settle(record, [two_days()[0]], {}, spendable={ALICE: 1})
    record.event("Escrow", "WithdrawalRequested", account=ALICE, amountMicro=record.balances[ALICE], availableAt=0)
    record.event("Escrow", "WithdrawalCancelled", account=ALICE, amountMicro=record.balances[ALICE])


GUARDS: list[Callable[[Record], None]] = [
    _deposit_while_paused,
    _deposit_above_the_cap,
    _withdrawal_before_its_time,
    _withdrawal_while_frozen,
    _freeze_that_is_too_long,
    _freeze_after_a_freeze,
    _closing_with_money,
    _withdrawal_of_what_is_owed,
]


@pytest.mark.parametrize("pass_guard", GUARDS, ids=lambda one: one.__name__.strip("_"))
def test_movement_that_a_guard_should_have_held_is_named(pass_guard: Callable[[Record], None]) -> None:
    record = enrolled()
    pass_guard(record)
    assert codes(record.findings()) == {FindingCode.GUARD_PASSED}


def test_money_that_keeps_to_the_guards_has_no_findings() -> None:
    record = enrolled()
    record.event("Escrow", "Paused", by=3)
    record.event("Escrow", "Unpaused", by=3)
    record.event("Escrow", "BalanceCapSet", capMicro=DEPOSIT_MICRO + 1)
    deposit(record, ALICE, 1)
    record.event("Escrow", "BalanceCapSet", capMicro=0)
    deposit(record, ALICE, 1)
    record.event("Escrow", "WithdrawalsFrozen", by=3, until=record.now_s() + 2 * HOUR_S)
    record.event("Escrow", "WithdrawalsThawed", by=3)
    _withdrawal(record, DEPOSIT_MICRO + 2, HOUR_S)
    record.event("AccountRegistry", "AccountClosed", account=ALICE, by=ALICE)
    record.event("AccountRegistry", "AccountReopened", account=ALICE, by=3)
    assert record.findings() == []


def test_batch_while_the_escrow_is_paused_is_named() -> None:
    record = enrolled()
    record.event("Escrow", "Paused", by=3)
    settle(record, [two_days()[0]], {})
    assert codes(record.findings()) == {FindingCode.SETTLED_WHILE_PAUSED}


# --- modules -----------------------------------------------------------------------------------

OTHER = b"\x99" * 20


def test_batch_of_a_module_that_is_not_active_any_more_is_named() -> None:
    for gate in ("Escrow", "StationRegistry"):
        record = enrolled()
        record.event(gate, "ModuleRemoved", module=SETTLEMENT)
        settle(record, [two_days()[0]], {})
        assert codes(record.findings()) == {FindingCode.MODULE_INACTIVE}


def test_batch_of_a_module_that_still_waits_is_named() -> None:
    record = enrolled()
    record.event("Escrow", "ModuleRemoved", module=SETTLEMENT)
    record.event("Escrow", "ModuleProposed", module=SETTLEMENT, activeFrom=record.now_s() + 604_800)
    settle(record, [two_days()[0]], {})
    assert codes(record.findings()) == {FindingCode.MODULE_INACTIVE}


@pytest.mark.parametrize("early_s", [1, 604_800])
def test_module_that_became_active_too_soon_is_named(early_s: int) -> None:
    record = enrolled()
    record.event("Escrow", "ModuleProposed", module=OTHER, activeFrom=record.now_s() + 604_800 - early_s)
    assert FindingCode.MODULE_TIMELOCK in codes(record.findings())


def test_module_that_is_not_of_the_deployment_is_named_once_it_is_active() -> None:
    record = enrolled()
    active_s = record.now_s() + 604_800
    record.event("Escrow", "ModuleProposed", module=OTHER, activeFrom=active_s)
    assert record.findings() == []
    record.times[len(record.events)] = UnixSeconds(active_s)
    assert codes(record.findings()) == {FindingCode.MODULE_FOREIGN}
    record.event("Escrow", "ModuleRemoved", module=OTHER)
    assert record.findings() == []


def test_dispute_court_may_not_move_registers() -> None:
    record = enrolled()
    record.event("StationRegistry", "ModuleProposed", module=COURT, activeFrom=record.now_s() + 604_800)
    record.times[len(record.events)] = UnixSeconds(record.now_s() + 604_800)
    assert codes(record.findings()) == {FindingCode.MODULE_FOREIGN}


def test_treasury_of_another_deployment_is_named() -> None:
    record = enrolled()
    record.event("AccountRegistry", "TreasurySet", escrow=OTHER, token=OTHER)
    assert codes(record.findings()) == {FindingCode.MODULE_FOREIGN}


@pytest.mark.parametrize("gate", ["Escrow", "StationRegistry"])
def test_value_that_comes_in_before_the_gate_is_sealed_is_named(gate: str) -> None:
    record = enrolled()
    record.events = [e for e in record.events if (e.contract, e.name) != (gate, "ModulesSealed")]
    assert codes(record.findings()) == {FindingCode.GUARD_PASSED}
