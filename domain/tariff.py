"""Published prices: each of one operator, for one direction and one validity window."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from domain.errors import NoTariff, TariffNotValid, UnknownTariff
from domain.units import AccountId, PriceMicroPerKwh, StationId, TariffId, UnixSeconds


class Direction(IntEnum):
    """Which way energy flows, and whether it is paid by row or metered in the market.

    The numbers are those of `ITariffBook.Direction`. Rows under market tariffs move no money in their batch: they
    are a part of a position, see domain/market.py.
    """

    CHARGE = 0
    DISCHARGE = 1
    MARKET_CHARGE = 2
    MARKET_DISCHARGE = 3

    @property
    def label(self) -> str:
        return self.name.lower()

    @property
    def charges(self) -> bool:
        """Whether the vehicle takes energy."""
        return self in (Direction.CHARGE, Direction.MARKET_CHARGE)

    @property
    def market(self) -> bool:
        return self >= Direction.MARKET_CHARGE

    @property
    def flow(self) -> "Direction":
        """Which way energy flows, without how it is paid: CHARGE or DISCHARGE."""
        return Direction.CHARGE if self.charges else Direction.DISCHARGE

    @property
    def traded(self) -> "Direction":
        """The same way, metered in the market."""
        return Direction.MARKET_CHARGE if self.charges else Direction.MARKET_DISCHARGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One price of one operator. It is valid in [valid_from_s, valid_to_s)."""

    tariff: TariffId
    payee: AccountId
    direction: Direction
    price_micro_per_kwh: PriceMicroPerKwh
    valid_from_s: UnixSeconds
    valid_to_s: UnixSeconds

    def covers(self, start_s: int, end_s: int) -> bool:
        """Whether it is valid from `start_s` up to `end_s`."""
        return self.valid_from_s <= start_s and end_s <= self.valid_to_s


class TariffTable:
    """All published tariffs, by number."""

    def __init__(self, tariffs: Iterable[Tariff] = ()) -> None:
        self._tariffs: dict[TariffId, Tariff] = {}
        self._offers: dict[tuple[AccountId, Direction], list[Tariff]] = {}
        for tariff in tariffs:
            self.add(tariff)

    def __iter__(self) -> Iterator[Tariff]:
        return iter(self._tariffs.values())

    def add(self, tariff: Tariff) -> None:
        """Takes a tariff in. A number stands for one tariff for good."""
        self._tariffs[tariff.tariff] = tariff
        self._offers.setdefault((tariff.payee, tariff.direction), []).append(tariff)

    def of(self, tariff: int) -> Tariff:
        """The tariff with this number; UnknownTariff if there is none."""
        try:
            return self._tariffs[TariffId(tariff)]
        except KeyError:
            raise UnknownTariff(tariff) from None

    def latest(self, station: StationId, payee: AccountId, direction: Direction, start_s: int, end_s: int) -> Tariff:
        """The operator's latest published tariff that covers the time; NoTariff if there is none."""
        found = self.find(payee, direction, start_s, end_s)
        if found is None:
            raise NoTariff(station, direction.label, start_s, end_s)
        return found

    def find(self, payee: AccountId, direction: Direction, start_s: int, end_s: int) -> Tariff | None:
        """The operator's latest published tariff that covers the time; None if there is none."""
        fitting = (offer for offer in self._offers.get((payee, direction), ()) if offer.covers(start_s, end_s))
        return max(fitting, key=lambda t: t.tariff, default=None)

    def checked(
        self, tariff: int, *, station: StationId, payee: AccountId, direction: Direction, start_s: int, end_s: int
    ) -> Tariff:
        """The tariff, if a row of this station whose energy flows this way may use it; TariffNotValid otherwise."""
        found = self.of(tariff)
        if found.payee != payee:
            raise TariffNotValid(station, tariff, f"belongs to operator {found.payee}, the station to {payee}")
        if found.direction.flow != direction:
            raise TariffNotValid(station, tariff, f"is for {found.direction.label}, the row is for {direction.label}")
        if not found.covers(start_s, end_s):
            window = f"{found.valid_from_s} to {found.valid_to_s}"
            raise TariffNotValid(station, tariff, f"is valid from {window}, the row runs from {start_s} to {end_s}")
        return found
