"""What the contract is told of a clearing, so that one pass over the book is enough to check it."""

from dataclasses import dataclass

from domain.auction.columns import Shares


@dataclass(frozen=True, slots=True)
class CrossingClaim:
    """`volume_wh` is traded; it clears at the prices from `lo` to `hi`; `shares` says how a side is rationed."""

    volume_wh: int
    lo: int
    hi: int
    shares: Shares | None


@dataclass(frozen=True, slots=True)
class NothingCrosses:
    """Nobody buys above `price`, and nobody sells at it or below."""

    price: int


Claim = CrossingClaim | NothingCrosses
