"""The demo's prices: time of use, with a higher price for energy sold back in the evening; and the market's.

In the market energy costs the same as by the tariff if nobody else offers any, and what is left over is worth little.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Prices = tuple[tuple[int, int], ...]
"""From which local hour on which price holds, micro-euro per kWh."""

CHARGE: Prices = ((0, 280_000), (8, 360_000), (12, 490_000), (18, 360_000), (23, 280_000))
"""The periods are those of SCE's TOU-EV-4."""
DISCHARGE: Prices = ((0, 220_000), (12, 420_000), (21, 300_000))
MARKET_DISCHARGE: Prices = ((0, 100_000),)
PLAIN = (("charge", CHARGE), ("discharge", DISCHARGE))
MARKET = (("market_charge", CHARGE), ("market_discharge", MARKET_DISCHARGE))


def day_tariffs(
    first_s: int, last_s: int, zone: ZoneInfo, prices: Iterable[tuple[str, Prices]] = PLAIN
) -> list[dict[str, Any]]:
    """Tariffs from the local day of `first_s` to that of `last_s`, as `POST /v1/tariffs` takes them."""
    day = datetime.fromtimestamp(first_s, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    tariffs: list[dict[str, Any]] = []
    while day.timestamp() <= last_s:
        following = day + timedelta(days=1)
        for direction, periods in prices:
            starts = [day.replace(hour=hour) for hour, _ in periods]
            for (_, price), start, end in zip(periods, starts, [*starts[1:], following], strict=True):
                tariffs.append(
                    {
                        "direction": direction,
                        "price_micro_per_kwh": price,
                        "valid_from": int(start.timestamp()),
                        "valid_to": int(end.timestamp()),
                    }
                )
        day = following
    return tariffs
