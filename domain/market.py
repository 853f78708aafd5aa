"""What is metered in the market and what positions come to: the Python twin of `contracts/PositionBook.sol`.

A row under a market tariff moves no money when it is settled. It counts for its account's position in the market
interval in which it begins, in the zone of the tariff's payee, the grid account. Later the position is closed
against the grid account. With clearing price p, grid fee f, charge price c and discharge price d, the account owes

      bought·(p + f) − sold·p
    + max(0, imported − bought)·max(p, c) − max(0, bought − imported)·min(p, d)
    + max(0, sold − exported)·max(p, c)   − max(0, exported − sold)·min(p, d)

in Wh times micro-euro per kWh: thousandths of a micro-euro. Without a price nothing was traded, and c and d count
alone. The payer owes the sum rounded up, the other one receives it rounded down, and the dust account the rest.

So whoever is away from what it traded is never better off: c is not below d, so a Wh that is short costs p or more,
and one too many brings p or less.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from domain.errors import OutOfRange
from domain.settlement import Debt, Entry
from domain.signing import checked_range
from domain.statement import IntervalStatement
from domain.tariff import TariffTable
from domain.units import (
    DUST_ACCOUNT,
    MARKET_INTERVAL_S,
    WH_PER_KWH,
    AccountId,
    EnergyWh,
    MoneyMicro,
    PriceMicroPerKwh,
    UnixSeconds,
)

INTERVAL_DEBT = 1 << 31
"""Added to an interval's number, it is the "batch" of the debts that closing leaves."""

NO_ENERGY, NO_FEE = EnergyWh(0), PriceMicroPerKwh(0)

_check_row = checked_range(payee=(24, 0), account=(24, 0), begin_s=(40, 0), energy_wh=(32, 0))
_check_position = checked_range(bought_wh=(40, 0), sold_wh=(40, 0), imported_wh=(40, 0), exported_wh=(40, 0))


def debt_batch(interval_s: int) -> int:
    """What stands for the batch of a debt that is left by closing positions of this interval."""
    return INTERVAL_DEBT | interval_s // MARKET_INTERVAL_S


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRow:
    """A row that was metered in the market. `payee` is of its tariff: the zone's grid account."""

    payee: AccountId
    account: AccountId
    begin_s: UnixSeconds
    exported: bool
    energy_wh: EnergyWh

    def __post_init__(self) -> None:
        _check_row(self)

    @property
    def interval_s(self) -> UnixSeconds:
        """The market interval that it counts for."""
        return UnixSeconds(self.begin_s - self.begin_s % MARKET_INTERVAL_S)

    @property
    def word(self) -> int:
        """As `IPositionBook.meter` takes it and `Metered` tells it."""
        return self.payee << 104 | self.account << 80 | self.begin_s << 40 | self.exported << 32 | self.energy_wh

    @classmethod
    def from_word(cls, word: int) -> "MarketRow":
        """The row in a word of `Metered`; OutOfRange if it is none."""
        if word >> 128 or word >> 32 & 0xFF > 1:
            raise OutOfRange("word of a market row", word, 0, (1 << 128) - 1)
        return cls(
            payee=AccountId(word >> 104),
            account=AccountId(word >> 80 & 0xFFFFFF),
            begin_s=UnixSeconds(word >> 40 & 0xFFFFFFFFFF),
            exported=bool(word >> 32 & 1),
            energy_wh=EnergyWh(word & 0xFFFFFFFF),
        )


def market_rows(statements: Sequence[IntervalStatement], tariffs: TariffTable) -> Iterator[MarketRow]:
    """What a batch of statements meters in the market, in its order; UnknownTariff if one was never published."""
    for statement in statements:
        for row in statement.rows:
            if not row.billed:
                continue
            tariff = tariffs.of(statement.tariff_of(row))
            if tariff.direction.market:
                yield MarketRow(
                    payee=tariff.payee,
                    account=row.account,
                    begin_s=UnixSeconds(statement.start_s + row.start_offset_s),
                    exported=not tariff.direction.charges,
                    energy_wh=row.energy_wh,
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account traded and what was metered for it, in one market interval of a zone."""

    bought_wh: EnergyWh = NO_ENERGY
    sold_wh: EnergyWh = NO_ENERGY
    imported_wh: EnergyWh = NO_ENERGY
    exported_wh: EnergyWh = NO_ENERGY

    def __post_init__(self) -> None:
        _check_position(self)

    @property
    def empty(self) -> bool:
        return self == Position()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalPrices:
    """Prices of one zone and market interval. `clearing` is None if the auction ended without one, or not in time."""

    clearing: PriceMicroPerKwh | None = None
    fee: PriceMicroPerKwh = NO_FEE
    charge: PriceMicroPerKwh
    discharge: PriceMicroPerKwh


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPosition:
    """What a position comes to: the account pays, or else the grid account. It holds what was closed."""

    position: Position
    account_pays: bool
    owed_micro: MoneyMicro
    received_micro: MoneyMicro


def amount_owed(position: Position, prices: IntervalPrices) -> int:
    """What an account owes for its position, in thousandths of a micro-euro; below zero it receives.

    >>> prices = IntervalPrices(clearing=300, fee=20, charge=400, discharge=50)
    >>> amount_owed(Position(bought_wh=10, imported_wh=12), prices)  # 10·320 + 2·400
    4000
    >>> amount_owed(Position(sold_wh=10, exported_wh=12), prices)  # −10·300 − 2·50
    -3100
    """
    traded, dear, cheap = 0, prices.charge, prices.discharge
    if prices.clearing is not None:
        traded = position.bought_wh * (prices.clearing + prices.fee) - position.sold_wh * prices.clearing
        dear, cheap = max(prices.clearing, dear), min(prices.clearing, cheap)
    taken, given = position.imported_wh - position.bought_wh, position.exported_wh - position.sold_wh
    short_wh = max(0, taken) + max(0, -given)
    long_wh = max(0, -taken) + max(0, given)
    return traded + short_wh * dear - long_wh * cheap


def close_position(position: Position, prices: IntervalPrices) -> ClosedPosition:
    """What closing a position moves. Without a clearing price nothing was traded."""
    if prices.clearing is None:
        position = Position(imported_wh=position.imported_wh, exported_wh=position.exported_wh)
    amount = amount_owed(position, prices)
    return ClosedPosition(
        position=position,
        account_pays=amount > 0,
        owed_micro=MoneyMicro(-(-abs(amount) // WH_PER_KWH)),
        received_micro=MoneyMicro(abs(amount) // WH_PER_KWH),
    )


@dataclass(frozen=True, slots=True)
class Closing:
    """What one call of `close` does: by account what it closed, and an entry for each that it moves money of.

    `set_aside` are the accounts of which nothing was paid, because their payer could not: a debt stands for each.
    """

    closed: dict[AccountId, ClosedPosition] = field(default_factory=dict)
    entries: dict[AccountId, Entry] = field(default_factory=dict)
    set_aside: tuple[AccountId, ...] = ()
    debts: list[Debt] = field(default_factory=list)


def close_positions(
    positions: Mapping[AccountId, Position],
    prices: IntervalPrices,
    grid: AccountId,
    spendable_of: Callable[[AccountId], MoneyMicro],
) -> Closing:
    """What closing several accounts' positions in one call moves. `spendable_of` is what may be taken of an account.

    The grid account owes itself nothing, and who has nothing to close is passed over. The grid account is netted over
    the call; if that leaves it owing more than it can spend, it pays nothing of what it should, and is still paid.
    """
    closed = {
        account: one
        for account, position in sorted(positions.items())
        if account != grid and not (one := close_position(position, prices)).position.empty
    }
    aside = {a for a, one in closed.items() if one.account_pays and one.owed_micro > spendable_of(a)}
    if _net_micro(closed, aside) > spendable_of(grid):
        aside |= {a for a, one in closed.items() if not one.account_pays and one.owed_micro}
    debts = [_debt(account, grid, closed[account]) for account in sorted(aside)]
    return Closing(closed, _entries(closed, aside, grid), tuple(sorted(aside)), debts)


def _net_micro(closed: Mapping[AccountId, ClosedPosition], aside: Set[AccountId]) -> int:
    """What the grid account owes without those that are set aside; below zero it receives."""
    return sum(
        -one.received_micro if one.account_pays else one.owed_micro
        for account, one in closed.items()
        if account not in aside
    )


def _debt(account: AccountId, grid: AccountId, one: ClosedPosition) -> Debt:
    debtor, creditor = (account, grid) if one.account_pays else (grid, account)
    return Debt(debtor, creditor, one.owed_micro, one.received_micro)


def _entries(
    closed: Mapping[AccountId, ClosedPosition], aside: Set[AccountId], grid: AccountId
) -> dict[AccountId, Entry]:
    entries: dict[AccountId, Entry] = {}
    dust_micro = 0
    for account, one in closed.items():
        if account not in aside and one.owed_micro:
            pays = one.account_pays
            entries[account] = Entry(one.owed_micro, 0) if pays else Entry(0, one.received_micro)
            dust_micro += one.owed_micro - one.received_micro
    if net_micro := _net_micro(closed, aside):
        entries[grid] = Entry(max(0, net_micro), max(0, -net_micro))
    if dust_micro:
        entries.setdefault(DUST_ACCOUNT, Entry()).credit_micro += dust_micro
    return entries
