"""The grid account's prices for what was not traded. Without both, an interval's positions could never be closed."""

from backend.application.errors import NoImbalancePrice
from backend.application.ports import UnitOfWork
from domain.auction.zone import ZoneTerms
from domain.tariff import Direction
from domain.units import MARKET_INTERVAL_S, TariffId, UnixSeconds


def imbalance_tariffs(unit: UnitOfWork, terms: ZoneTerms, interval_s: int) -> tuple[TariffId, TariffId]:
    """The market tariffs for charging and discharging that hold in all of an interval; NoImbalancePrice without both.

    They must be published before the interval begins.
    """
    end_s = UnixSeconds(interval_s + MARKET_INTERVAL_S)
    published = unit.tariffs.of_market(terms.grid, interval_s, end_s)
    found = {one.direction: one.tariff for one in published if one.covers(interval_s, end_s)}
    missing = [one.label for one in _NEEDED if one not in found]
    if missing:
        raise NoImbalancePrice(terms.zone, interval_s, terms.grid, " and ".join(missing))
    charge, discharge = (found[one] for one in _NEEDED)
    return charge, discharge


_NEEDED = (Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE)
