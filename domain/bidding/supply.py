"""What photovoltaics of a station and the zone's grid account bid."""

from domain.auction.zone import ZoneTerms
from domain.bidding.bid import Bid, rounded
from domain.units import EnergyWh, PriceMicroPerKwh


def offer_generation(
    forecast_wh: EnergyWh, terms: ZoneTerms, *, export_price: PriceMicroPerKwh | None = None
) -> tuple[Bid, ...]:
    """The forecast generation of an interval, at the export tariff, or at 0 if there is none to fall back on.

    It costs nothing to generate, so what was not sold earns the export tariff, and no less is worth taking.
    """
    return tuple(rounded([(export_price or 0, forecast_wh)], terms, sell=True))


def back_up(terms: ZoneTerms, *, import_price: PriceMicroPerKwh, export_price: PriceMicroPerKwh) -> tuple[Bid, ...]:
    """The grid account's bids: it sells at the import tariff and buys at the export tariff, up to the zone's limits.

    The fee is the grid account's, so it sells that much below the tariff: a buyer pays the tariff with the fee in it.
    It never trades with itself: where the export tariff is not below what it sells at, it buys a tick below that.
    """
    sale = import_price - terms.fee_micro_per_kwh
    offers = tuple(rounded([(sale, terms.import_limit_wh)], terms, sell=True))
    lowest_sale = offers[0].limit_micro_per_kwh if offers else terms.cap_micro_per_kwh + 1
    purchase = min(export_price, lowest_sale - terms.tick_micro_per_kwh)
    bids = rounded([(purchase + terms.fee_micro_per_kwh, terms.export_limit_wh)], terms, sell=False)
    return (*offers, *bids)
