"""How fast one account may send orders."""

import threading
from collections import OrderedDict

from backend.application.errors import TooManyOrders
from backend.application.ports import Clock

BURST = 256
PER_S = 4
MAX_ACCOUNTS = 100_000


class OrderRate:
    """A bucket for each account: BURST orders at once, then PER_S a second.

    Only orders that the account's key signed are counted, so nobody can use up another one's. An empty bucket is
    noticed before a signature is looked at.
    """

    def __init__(self, clock: Clock, burst: int = BURST, per_s: int = PER_S) -> None:
        self._clock, self._burst, self._per_s = clock, burst, per_s
        self._left: OrderedDict[int, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, account: int) -> None:
        """TooManyOrders if the account has to wait."""
        with self._lock:
            left = self._left_of(account)
        if left < 1:
            raise TooManyOrders(account, int((1 - left) / self._per_s) + 1)

    def take(self, account: int) -> None:
        """Counts an order of the account."""
        with self._lock:
            left = self._left_of(account)
            self._left[account] = (left - 1, self._clock.monotonic_s())
            self._left.move_to_end(account)
            while len(self._left) > MAX_ACCOUNTS:
                self._left.popitem(last=False)

    def _left_of(self, account: int) -> float:
        left, at_s = self._left.get(account, (float(self._burst), 0.0))
        return min(float(self._burst), left + (self._clock.monotonic_s() - at_s) * self._per_s)
