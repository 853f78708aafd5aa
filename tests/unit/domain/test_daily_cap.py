"""Daily caps: settlement takes no more than one leaves on the day of the block."""

from domain.daily_cap import DAY_S, MOST_SPENT_MICRO, DailyCap

NOON_S = 19_000 * DAY_S + 43_200
MIDNIGHT_S = 19_001 * DAY_S


def test_account_without_a_cap_spends_what_is_free() -> None:
    assert DailyCap().spendable_micro(10**12, NOON_S) == 10**12
    assert DailyCap().after_spending(10**12, NOON_S) == DailyCap()


def test_what_was_taken_on_a_day_counts_on_that_day_alone() -> None:
    cap = DailyCap(500).after_spending(200, NOON_S).after_spending(100, MIDNIGHT_S - 1)
    assert cap.spendable_micro(10**6, MIDNIGHT_S - 1) == 200
    assert cap.spendable_micro(150, MIDNIGHT_S - 1) == 150
    assert cap.spendable_micro(10**6, MIDNIGHT_S) == 500
    assert cap.after_spending(50, MIDNIGHT_S) == DailyCap(500, 50, 19_001)


def test_cap_below_what_was_spent_leaves_nothing_and_a_higher_one_the_difference() -> None:
    spent = DailyCap(500).after_spending(400, NOON_S)
    assert spent.with_cap(300).spendable_micro(10**6, NOON_S) == 0
    assert spent.with_cap(1_000).spendable_micro(10**6, NOON_S) == 600


def test_removed_cap_forgets_nothing_of_the_day() -> None:
    spent = DailyCap(500).after_spending(400, NOON_S).with_cap(0)
    assert spent.spendable_micro(10**6, NOON_S) == 10**6
    assert spent.after_spending(10, NOON_S).with_cap(500).spendable_micro(10**6, NOON_S) == 100


def test_debt_may_take_more_than_the_cap_leaves() -> None:
    """A deposit pays debts beside the cap; what was spent then stays at the most that 64 bits hold."""
    spent = DailyCap(500).after_spending(MOST_SPENT_MICRO, NOON_S).after_spending(7, NOON_S)
    assert spent == DailyCap(500, MOST_SPENT_MICRO, 19_000)
    assert spent.spendable_micro(10**6, NOON_S) == 0
