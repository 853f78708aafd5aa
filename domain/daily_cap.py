"""How much settlement may take from an account within a day: the Python twin of the escrow's daily caps."""

from dataclasses import dataclass

from domain.units import MoneyMicro, UnixSeconds

DAY_S = 86_400
MOST_SPENT_MICRO = (1 << 64) - 1
"""What was spent is kept in 64 bits and stays at the most that these can hold."""


@dataclass(frozen=True, slots=True)
class DailyCap:
    """An account's cap within a day (UTC), 0 for none, and what was taken on the last `day` that had a cap.

    >>> DailyCap(500, 200, 3).spendable_micro(1_000, 3 * DAY_S)
    300
    >>> DailyCap(500, 200, 3).spendable_micro(1_000, 4 * DAY_S)
    500
    """

    cap_micro: int = 0
    spent_micro: int = 0
    day: int = 0

    def spendable_micro(self, free_micro: int, time_s: UnixSeconds | int) -> MoneyMicro:
        """What settlement may take at this time from an account with this much free."""
        if self.cap_micro == 0:
            return MoneyMicro(free_micro)
        left_micro = self.cap_micro - self._spent_on(time_s)
        return MoneyMicro(min(max(0, left_micro), free_micro))

    def after_spending(self, amount_micro: int, time_s: UnixSeconds | int) -> "DailyCap":
        """The cap after settlement took this much."""
        if self.cap_micro == 0 or amount_micro == 0:
            return self
        spent_micro = min(self._spent_on(time_s) + amount_micro, MOST_SPENT_MICRO)
        return DailyCap(self.cap_micro, spent_micro, time_s // DAY_S)

    def with_cap(self, cap_micro: int) -> "DailyCap":
        """The same with another cap; what was spent stays."""
        return DailyCap(cap_micro, self.spent_micro, self.day)

    def _spent_on(self, time_s: int) -> int:
        return self.spent_micro if self.day == time_s // DAY_S else 0
