"""What an audit knows of the market between two events: zones, margins, books, positions, how auctions ended.

It grows with what is open: a book goes once it can no longer be settled, a position once it is closed. What stays is
how each auction ended, because energy that is metered late is closed late.
"""

from dataclasses import dataclass, field, replace

from domain.auction.claim import PlainClaim
from domain.auction.zone import ZoneTerms
from domain.keccak import keccak
from domain.units import AccountId, EnergyWh, PriceMicroPerKwh

Seat = tuple[int, int]
"""Zone and account."""
Auction = tuple[int, int]
"""Zone and the interval's first second."""
PositionKey = tuple[int, int, int]
"""Zone, the interval's first second, account."""


_KEPT_BYTES = -26


@dataclass(frozen=True, slots=True)
class ZoneSetting:
    """A zone's terms for intervals that begin at `from_s` or later."""

    from_s: int
    grid: int
    fee_micro_per_kwh: int
    import_limit_wh: int
    export_limit_wh: int

    def terms(self, zone: int) -> ZoneTerms:
        """As an auction takes them; OutOfRange, OffTick or Malformed if none can."""
        return ZoneTerms(
            zone=zone,
            grid=AccountId(self.grid),
            import_limit_wh=EnergyWh(self.import_limit_wh),
            export_limit_wh=EnergyWh(self.export_limit_wh),
            fee_micro_per_kwh=PriceMicroPerKwh(self.fee_micro_per_kwh),
        )


@dataclass(slots=True)
class SeatBook:
    """An account in a zone's market since `joined_s`, None if that was never told, and its free margin, micro-euro."""

    joined_s: int | None
    free_micro: int = 0


@dataclass(slots=True)
class Forced:
    """What was forced for an interval: lines, their nonces, and whether money is held for them."""

    lines: list[bytes] = field(default_factory=list)
    nonces: list[int] = field(default_factory=list)
    held: bool = True


@dataclass(slots=True)
class BookBook:
    """A committed book. `chunks` are its lines as far as calls told them, `fills` what each line gets, once known.

    `settled` chunks have been settled, the last hash among them is `last_hash`.
    """

    count: int
    digest: bytes
    claim: PlainClaim | None = None
    chunks: list[bytes] = field(default_factory=list)
    fills: list[int] | None = None
    settled: int = 0
    last_hash: bytes = b""
    ended: bool = False

    @property
    def state(self) -> int:
        """As `IAuctionHouse.BookState` numbers it."""
        return 1 if self.claim is None else 3 if self.ended else 2

    @property
    def kept(self) -> bytes:
        """What the contract keeps of it: the low 208 bits of its digest, with a claim of keccak(digest ‖ claim)."""
        whole = self.digest if self.claim is None else keccak(self.digest + self.claim.encode())
        return whole[_KEPT_BYTES:].rjust(len(whole), b"\0")


@dataclass(frozen=True, slots=True)
class Result:
    """How an auction ended; without a crossing, price and fee count for nothing."""

    crossed: bool
    price_micro_per_kwh: int
    fee_micro_per_kwh: int


@dataclass(frozen=True, slots=True)
class Position:
    """What an account traded and what was metered, Wh, and the nonces that are used up, bit by bit."""

    bought_wh: int = 0
    sold_wh: int = 0
    imported_wh: int = 0
    exported_wh: int = 0
    nonces: int = 0

    @property
    def energy(self) -> tuple[int, int, int, int]:
        return self.bought_wh, self.sold_wh, self.imported_wh, self.exported_wh

    def without(self, nonce: int) -> "Position":
        """With a nonce used up."""
        return replace(self, nonces=self.nonces | 1 << nonce)

    def filled(self, *, sell: bool, energy_wh: int) -> "Position":
        """With one fill more."""
        if sell:
            return replace(self, sold_wh=self.sold_wh + energy_wh)
        return replace(self, bought_wh=self.bought_wh + energy_wh)

    def metered(self, *, exported: bool, energy_wh: int) -> "Position":
        """With one row more."""
        if exported:
            return replace(self, exported_wh=self.exported_wh + energy_wh)
        return replace(self, imported_wh=self.imported_wh + energy_wh)


@dataclass(slots=True)
class MarketState:
    """All of it. Seals are by account and commitment, with their zone and interval."""

    zones: dict[int, list[ZoneSetting]] = field(default_factory=dict)
    seats: dict[Seat, SeatBook] = field(default_factory=dict)
    forced: dict[Auction, Forced] = field(default_factory=dict)
    seals: dict[tuple[int, bytes], Auction] = field(default_factory=dict)
    books: dict[Auction, BookBook] = field(default_factory=dict)
    results: dict[Auction, Result] = field(default_factory=dict)
    positions: dict[PositionKey, Position] = field(default_factory=dict)

    def grid_of(self, zone: int) -> int | None:
        """The zone's grid account; it never changes."""
        settings = self.zones.get(zone)
        return settings[0].grid if settings else None

    def zone_of(self, grid: int) -> int | None:
        """The zone whose grid account this is."""
        return next((zone for zone, settings in self.zones.items() if settings[0].grid == grid), None)

    def terms_of(self, zone: int, interval_s: int) -> ZoneTerms | None:
        """What holds for an auction of the zone; None if there is no such zone."""
        fitting = [one for one in self.zones.get(zone, ()) if one.from_s <= interval_s]
        return fitting[-1].terms(zone) if fitting else None

    def position(self, zone: int, interval_s: int, account: int) -> Position:
        """An account's position, an empty one if there is none."""
        return self.positions.get((zone, interval_s, account), Position())

    def forget(self, before_s: int) -> None:
        """Drops what no event can change any more: of intervals before this one that are not open."""
        for auction in [one for one in self.books if one[1] < before_s]:
            del self.books[auction]
        for auction in [one for one, forced in self.forced.items() if one[1] < before_s and not forced.held]:
            del self.forced[auction]
        for key, position in list(self.positions.items()):
            zone, interval_s, account = key
            closed = account == self.grid_of(zone) or not any(position.energy)
            if interval_s < before_s and closed:
                del self.positions[key]
