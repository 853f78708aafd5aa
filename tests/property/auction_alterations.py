"""Claims and books that are a little wrong."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from domain.auction.book import Line
from domain.auction.claim import Claim, CrossingClaim, NothingCrosses
from domain.auction.columns import Shares
from domain.auction.zone import ZoneTerms
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh


def altered_claims(claim: Claim, terms: ZoneTerms) -> st.SearchStrategy[Any]:
    """The claim with one number, or several, moved a little; or the other kind of claim."""
    tick = terms.tick_micro_per_kwh
    moved = st.sampled_from([-2 * tick, -tick, -1, 0, 1, tick, 2 * tick])
    around = st.integers(-9, 9).map(lambda ticks: NothingCrosses(ticks * tick))
    few = st.integers(-2, 2)
    if isinstance(claim, NothingCrosses):
        crossing = st.builds(CrossingClaim, st.integers(0, 3), moved, moved, st.none())
        return around | crossing
    shares = st.just(claim.shares)
    if claim.shares is not None:
        shares = (
            st.builds(_moved, st.just(claim.shares), few, few, few, few)
            | st.none()
            | st.builds(replace, st.just(claim.shares), sell=st.just(not claim.shares.sell))
        )
    altered = st.builds(
        lambda wh, lo, hi, shared: CrossingClaim(claim.volume_wh + wh, claim.lo + lo, claim.hi + hi, shared),
        few,
        moved,
        moved,
        shares,
    )
    price_alone = st.builds(lambda lo, hi: replace(claim, lo=claim.lo + lo, hi=claim.hi + hi), moved, moved)
    shares_alone = st.builds(lambda shared: replace(claim, shares=shared), shares)
    volume_alone = st.builds(lambda wh: replace(claim, volume_wh=claim.volume_wh + wh), few)
    return around | altered | price_alone | shares_alone | volume_alone


@st.composite
def altered_lines(draw: st.DrawFn, lines: tuple[Line, ...], terms: ZoneTerms) -> tuple[Line, ...]:
    """The lines with one dropped, doubled, altered or moved."""
    place = draw(st.integers(0, len(lines) - 1))
    other = draw(st.integers(0, len(lines) - 1))
    own, tick = lines[place], terms.tick_micro_per_kwh
    bent = draw(
        st.sampled_from(
            [
                replace(own, quantity_wh=EnergyWh(min(own.quantity_wh + 1, (1 << 30) - 1))),
                replace(own, quantity_wh=EnergyWh(max(1, own.quantity_wh - 1))),
                replace(
                    own,
                    limit_micro_per_kwh=PriceMicroPerKwh(min(own.limit_micro_per_kwh + tick, terms.cap_micro_per_kwh)),
                ),
                replace(own, sell=not own.sell),
                replace(own, forced=not own.forced),
                replace(own, account=AccountId(own.account + 1)),
            ]
        )
    )
    without = (*lines[:place], *lines[place + 1 :])
    return draw(
        st.sampled_from(
            [
                without or (bent,),
                (*lines, own),
                (*lines[:place], bent, *lines[place + 1 :]),
                (*without[:other], own, *without[other:]),
            ]
        )
    )


def _moved(shares: Shares, at_wh: int, share_wh: int, remainder: int, line: int) -> Shares:
    return Shares(
        shares.sell,
        shares.at_wh + at_wh,
        shares.share_wh + share_wh,
        shares.remainder + remainder,
        shares.line + line,
    )
