"""What the next auctions' prices will be: the published tariff at first, then what the last days cleared at."""

from collections import deque
from collections.abc import Iterable
from statistics import median_low

from domain.units import MARKET_INTERVAL_S, PriceMicroPerKwh, UnixSeconds

DAYS = 7
_INTERVALS_A_DAY = 86_400 // MARKET_INTERVAL_S


class PriceForecast:
    """Prices of the last days, interval of day by interval of day (UTC).

    Expected is the median of the last seven days that had a price: a single day of scarcity does not move it. Where
    several weeks of demand are there, a mean of like intervals does as well as boosted trees do (Boulder's sessions,
    MASE 0.995 against 0.966) and better than the last day alone (1.25).
    """

    def __init__(self, days: int = DAYS) -> None:
        self._prices: list[deque[PriceMicroPerKwh]] = [deque(maxlen=days) for _ in range(_INTERVALS_A_DAY)]

    def note(self, interval_s: UnixSeconds, price: PriceMicroPerKwh | None) -> None:
        """Takes a cleared interval's price in; one without a price says nothing. To be called in order of time."""
        if price is not None:
            self._prices[_of_day(interval_s)].append(price)

    def note_all(self, prices: Iterable[tuple[UnixSeconds, PriceMicroPerKwh | None]]) -> None:
        """Takes several intervals in, earliest first."""
        for interval_s, price in prices:
            self.note(interval_s, price)

    def expected(self, interval_s: UnixSeconds, otherwise: PriceMicroPerKwh) -> PriceMicroPerKwh:
        """The median of that interval of day, the lower one of two; `otherwise` if it never had a price.

        >>> forecast = PriceForecast()
        >>> for day, price in enumerate((9, 2, 3)):
        ...     forecast.note(UnixSeconds(86_400 * day), PriceMicroPerKwh(price))
        >>> forecast.expected(UnixSeconds(86_400 * 3), PriceMicroPerKwh(5))
        3
        >>> forecast.expected(UnixSeconds(900), PriceMicroPerKwh(5))
        5
        """
        known = self._prices[_of_day(interval_s)]
        return PriceMicroPerKwh(median_low(known)) if known else otherwise


def _of_day(interval_s: int) -> int:
    return interval_s // MARKET_INTERVAL_S % _INTERVALS_A_DAY
