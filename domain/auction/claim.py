"""What the contract is told of a clearing, so that one pass over the book is enough to check it."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from domain.auction.columns import Shares
from domain.errors import Malformed
from domain.signing import word

CLAIM_NAMES = ("crosses", "volumeWh", "lo", "hi", "rationed", "atWh", "shareWh", "remainder", "line")
"""The fields of `IAuctionHouse.Claim`, as the contract calls them."""
_BUYERS, _SELLERS = 1, 2


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


@dataclass(frozen=True, slots=True)
class PlainClaim:
    """A claim as the contract is told it: the fields of `IAuctionHouse.Claim`, in their order.

    What a claim does not use is zero.
    """

    crosses: bool
    volume_wh: int
    lo: int
    hi: int
    rationed: int
    at_wh: int
    share_wh: int
    remainder: int
    line: int

    @classmethod
    def of_named(cls, numbers: Mapping[str, int]) -> "PlainClaim":
        """The claim that `named` made them of."""
        crosses, *others = (numbers[name] for name in CLAIM_NAMES)
        return cls(bool(crosses), *others)

    def named(self) -> dict[str, int]:
        """By the contract's names; `crosses` is 0 or 1."""
        return dict(zip(CLAIM_NAMES, map(int, astuple(self)), strict=True))

    def encode(self) -> bytes:
        """As the ABI encodes the struct."""
        return b"".join(map(word, self.named().values()))


def plain_claim(claim: Claim) -> PlainClaim:
    """The claim as the contract is told it."""
    if isinstance(claim, NothingCrosses):
        return PlainClaim(False, 0, claim.price, 0, 0, 0, 0, 0, 0)
    shares = claim.shares
    if shares is None:
        return PlainClaim(True, claim.volume_wh, claim.lo, claim.hi, 0, 0, 0, 0, 0)
    side = _SELLERS if shares.sell else _BUYERS
    return PlainClaim(
        True, claim.volume_wh, claim.lo, claim.hi, side, shares.at_wh, shares.share_wh, shares.remainder, shares.line
    )


def claim_of(plain: PlainClaim) -> Claim:
    """The claim as the domain has it; Malformed for a side that is none."""
    if not plain.crosses:
        return NothingCrosses(plain.lo)
    if plain.rationed not in (0, _BUYERS, _SELLERS):
        raise Malformed(f"side {plain.rationed} is rationed; there are 1 and 2, and 0 for none")
    shares = Shares(plain.rationed == _SELLERS, plain.at_wh, plain.share_wh, plain.remainder, plain.line)
    return CrossingClaim(plain.volume_wh, plain.lo, plain.hi, shares if plain.rationed else None)
