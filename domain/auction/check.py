"""The contract's check of a clearing, in one pass over the lines: the claim is the rulebook's clearing, or an error.

It neither sorts nor searches. With V > 0 one claim passes, because a wider or shorter interval, another volume and
another threshold are each refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.auction.book import NOTHING_FORCED, Line, book_digest, decode_book
from domain.auction.claim import Claim, CrossingClaim, NothingCrosses
from domain.auction.columns import Shares
from domain.auction.zone import ZoneTerms
from domain.errors import (
    BackstopFilledPastLimit,
    FillsDiffer,
    ForcedLinesDiffer,
    Malformed,
    OffTick,
    OrdersCross,
    OtherBook,
    PriceDoesNotClear,
    PriceIntervalTooShort,
    PriceNotPossible,
    RationingDiffers,
    VolumeDiffers,
)
from domain.units import PriceMicroPerKwh, UnixSeconds

BUY, SELL = False, True
_SIDES = {BUY: "buy", SELL: "sell"}


def check_clearing(
    chunks: Sequence[bytes],
    claim: Claim,
    *,
    terms: ZoneTerms,
    interval_s: UnixSeconds,
    digest: bytes,
    forced: bytes,
    forced_nonces: bytes = b"",
) -> tuple[int, ...]:
    """What each line of a committed book gets, in Wh, if the claim holds.

    `digest` is what was committed, `forced` the chain of the interval's forced lines, whose nonces are `forced_nonces`.
    Raises OtherBook, what `decode_book` raises, ForcedLinesDiffer, and what `check_claim` raises.
    """
    book = decode_book(chunks, terms=terms, interval_s=interval_s)
    found = book_digest(terms.zone, interval_s, len(book.lines), chunks)
    if found != digest:
        raise OtherBook(digest, found)
    try:
        chain = book.forced_chain(forced_nonces)
    except Malformed as error:
        raise ForcedLinesDiffer(forced, NOTHING_FORCED) from error
    if chain != forced:
        raise ForcedLinesDiffer(forced, chain)
    return check_claim(book.lines, claim, terms)


def check_claim(lines: Sequence[Line], claim: Claim, terms: ZoneTerms) -> tuple[int, ...]:
    """What each line gets, in Wh, if the claim holds for these lines; a ClearingRefused if it does not."""
    if isinstance(claim, NothingCrosses):
        _check_nothing_crosses(lines, claim.price, terms)
        return (0,) * len(lines)
    _check_possible(claim, terms)
    price = terms.midpoint(PriceMicroPerKwh(claim.lo), PriceMicroPerKwh(claim.hi))
    sums, fills = _Sums(), []
    for number, line in enumerate(lines):
        net = terms.net(sell=line.sell, limit=line.limit_micro_per_kwh)
        sums.add(line, net, claim, price)
        fills.append(_fill(sums, number, line, _better(line.sell, net, price), claim.shares))
        sums.add_fill(line, fills[-1], terms)
    _check_prices(sums, claim, terms)
    _check_shares(sums, claim)
    _check_fills(sums, claim, terms)
    return tuple(fills)


@dataclass(slots=True)
class _Sums:
    """What one pass adds up, in Wh; each by side, buyers first."""

    weak_lo: list[int] = field(default_factory=lambda: [0, 0])
    strict_lo: list[int] = field(default_factory=lambda: [0, 0])
    weak_hi: list[int] = field(default_factory=lambda: [0, 0])
    strict_hi: list[int] = field(default_factory=lambda: [0, 0])
    better: list[int] = field(default_factory=lambda: [0, 0])
    at: list[int] = field(default_factory=lambda: [0, 0])
    filled: list[int] = field(default_factory=lambda: [0, 0])
    backstop: list[int] = field(default_factory=lambda: [0, 0])
    threshold_met: bool = False

    def add(self, line: Line, net: int, claim: CrossingClaim, price: int) -> None:
        """Counts a line towards demand (D≥, D>) or supply (S≤, S<) at lo, hi and the price."""
        side, wh = line.sell, line.quantity_wh
        for bound, weak, strict in (
            (claim.lo, self.weak_lo, self.strict_lo),
            (claim.hi, self.weak_hi, self.strict_hi),
            (price, self.at, self.better),
        ):
            better = _better(side, net, bound)
            strict[side] += wh if better > 0 else 0
            weak[side] += wh if better == 0 or (better > 0 and weak is not self.at) else 0

    def add_fill(self, line: Line, wh: int, terms: ZoneTerms) -> None:
        """Counts what a line gets."""
        self.filled[line.sell] += wh
        if line.account == terms.grid:
            self.backstop[line.sell] += wh


def _better(sell: bool, net: int, price: int) -> int:
    """Above 0 if an order is eager at the price, 0 if it is at it, below 0 if it does not trade."""
    return price - net if sell else net - price


def _fill(sums: _Sums, number: int, line: Line, better: int, shares: Shares | None) -> int:
    if better < 0:
        return 0
    if better > 0 or shares is None or shares.sell != line.sell:
        return line.quantity_wh
    share_wh, remainder = divmod(line.quantity_wh * shares.share_wh, shares.at_wh)
    if number == shares.line and remainder == shares.remainder:
        sums.threshold_met = True
    one_more = remainder > shares.remainder or (remainder == shares.remainder and number <= shares.line)
    return share_wh + one_more


def _check_nothing_crosses(lines: Sequence[Line], price: int, terms: ZoneTerms) -> None:
    wanted_wh = offered_wh = 0
    for line in lines:
        net = terms.net(sell=line.sell, limit=line.limit_micro_per_kwh)
        if line.sell and net <= price:
            offered_wh += line.quantity_wh
        elif not line.sell and net > price:
            wanted_wh += line.quantity_wh
    if wanted_wh or offered_wh:
        raise OrdersCross(price, wanted_wh, offered_wh)


def _check_possible(claim: CrossingClaim, terms: ZoneTerms) -> None:
    if claim.volume_wh < 1:
        raise PriceDoesNotClear(claim.lo, claim.volume_wh)
    if not terms.lowest_net <= claim.lo <= claim.hi <= terms.cap_micro_per_kwh:
        raise PriceNotPossible(claim.lo, claim.hi)
    for price in (claim.lo, claim.hi):
        try:
            terms.check_tick(PriceMicroPerKwh(price))
        except OffTick as error:
            raise PriceNotPossible(claim.lo, claim.hi) from error
    shares = claim.shares
    if shares is not None and not 0 <= shares.share_wh < shares.at_wh:
        raise RationingDiffers("Wh shared", shares.share_wh, shares.at_wh)


def _check_prices(sums: _Sums, claim: CrossingClaim, terms: ZoneTerms) -> None:
    """lo and hi clear with the volume, the ticks next to them do not, and no greater volume can be traded."""
    volume_wh = claim.volume_wh
    most_wh = min(sums.better[side] + sums.at[side] for side in (BUY, SELL))
    if volume_wh != most_wh:
        raise VolumeDiffers(volume_wh, most_wh)
    if sums.strict_lo[BUY] > volume_wh or sums.weak_lo[SELL] < volume_wh:
        raise PriceDoesNotClear(claim.lo, volume_wh)
    if sums.weak_hi[BUY] < volume_wh or sums.strict_hi[SELL] > volume_wh:
        raise PriceDoesNotClear(claim.hi, volume_wh)
    if sums.strict_hi[BUY] >= volume_wh and sums.weak_hi[SELL] <= volume_wh:
        raise PriceIntervalTooShort(claim.hi + terms.tick_micro_per_kwh)
    if sums.weak_lo[BUY] <= volume_wh and sums.strict_lo[SELL] >= volume_wh:
        raise PriceIntervalTooShort(claim.lo - terms.tick_micro_per_kwh)


def _check_shares(sums: _Sums, claim: CrossingClaim) -> None:
    """The rationed side has what is claimed at the price, and its threshold is that of an order."""
    shares = claim.shares
    if shares is None:
        return
    if shares.at_wh != sums.at[shares.sell]:
        raise RationingDiffers("Wh at the price", shares.at_wh, sums.at[shares.sell])
    share_wh = claim.volume_wh - sums.better[shares.sell]
    if shares.share_wh != share_wh:
        raise RationingDiffers("Wh shared", shares.share_wh, share_wh)
    nobody = shares.remainder == shares.at_wh and shares.line == 0
    if not nobody and not sums.threshold_met:
        raise RationingDiffers("orders with the line and the remainder of the threshold", 1, 0)


def _check_fills(sums: _Sums, claim: CrossingClaim, terms: ZoneTerms) -> None:
    for side, name in _SIDES.items():
        if sums.filled[side] != claim.volume_wh:
            raise FillsDiffer(name, claim.volume_wh, sums.filled[side])
    for side, direction, limit_wh in (
        (SELL, "import", terms.import_limit_wh),
        (BUY, "export", terms.export_limit_wh),
    ):
        if sums.backstop[side] > limit_wh:
            raise BackstopFilledPastLimit(direction, limit_wh, sums.backstop[side])
