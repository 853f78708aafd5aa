"""Defects that published markets have, by name: none of them is ours."""

from domain.auction.check import check_claim
from domain.auction.claim import NothingCrosses
from domain.auction.clearing import clear
from tests.vectors.auctions import TERMS, book, buy, sell


def test_gsy_frameworks_pay_as_clear_refuses_an_offer_that_the_equilibrium_takes() -> None:
    # Bids 5 at 30 and 10 at 20, offers 5 at 10 and 5 at 25: gsy-framework says 30 and refuses the offer at 25.
    # Each price from 20 to 25 is an equilibrium with 5 units, and the offer at 25 is not among them.
    found = book(buy(5_000, 300_000), buy(10_000, 200_000), sell(5_000, 100_000), sell(5_000, 250_000))
    result = clear(found, TERMS)
    assert (result.claim.lo, result.claim.hi) == (200_000, 250_000)  # type: ignore[union-attr] # it crosses
    assert (result.price_micro_per_kwh, result.volume_wh) == (225_000, 5_000)
    assert result.fills == (5_000, 0, 5_000, 0)


def test_gridlab_ds_auction_without_a_trade_has_no_price_instead_of_zero() -> None:
    result = clear(book(buy(5_000, 100_000), sell(5_000, 200_000)), TERMS)
    assert result.price_micro_per_kwh is None
    assert result.claim == NothingCrosses(100_000)
    at_zero = clear(book(buy(5_000, 0), sell(5_000, 0)), TERMS)
    assert (at_zero.price_micro_per_kwh, at_zero.volume_wh) == (0, 5_000)


def test_assumes_float_residue_sets_no_price() -> None:
    # 0.1 + 0.2 MWh of offers meet 0.3 MWh of bids. With floats 1e-14 is left over, and the next offer sets the price.
    found = book(buy(300_000, 3_000_000), sell(100_000, 100_000), sell(200_000, 290_000), sell(50_000, 1_000_000))
    result = clear(found, TERMS)
    assert result.fills == (300_000, 100_000, 200_000, 0)
    assert (result.claim.lo, result.claim.hi) == (290_000, 1_000_000)  # type: ignore[union-attr] # it crosses
    scarce = clear(book(buy(300_000, 290_000), *found.lines[1:]), TERMS)
    assert scarce.price_micro_per_kwh == 290_000


def test_double_auction_with_more_than_340_bid_and_100_offer_levels_drops_no_order() -> None:
    bids = [buy(10, 1_000_000 - 100 * n) for n in range(500)]
    offers = [sell(10, 100 * n) for n in range(400)]
    result = clear(book(*bids, *offers), TERMS)
    assert result.volume_wh == 4_000
    assert result.fills == (10,) * 400 + (0,) * 100 + (10,) * 400
    assert check_claim(book(*bids, *offers).lines, result.claim, TERMS) == result.fills


def test_siems_market_takes_more_than_125_bids_and_125_offers() -> None:
    bids = [buy(100 + n % 7, 300_000 + 100 * (n % 11), account=n) for n in range(5_000)]
    offers = [sell(90 + n % 5, 250_000 + 100 * (n % 13), account=n) for n in range(5_000)]
    found = book(*bids, *offers)
    result = clear(found, TERMS)
    assert result.volume_wh == sum(x.quantity_wh for x in offers)
    assert sum(1 for wh in result.fills if wh) > 9_000
    assert check_claim(found.lines, result.claim, TERMS) == result.fills
