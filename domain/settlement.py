"""What a batch moves between accounts: the Python twin of `contracts/SessionSettlement.sol`.

The rules:

- The payer of a row owes `energy x |price|`, rounded up to the micro-euro, the other side receives it
  rounded down; the difference goes to the dust account. At a price of zero or above the buyer pays
  (the driver when charging, the operator when energy is given back), below zero the seller does.
- A row under a market tariff moves no money: it is a part of its account's position, see domain/market.py.
- A payer must be able to spend all it owes in the batch before the batch: what it has free, within its daily
  cap. If it cannot, no row that it should pay moves money: these rows are set aside. Neither income of the
  same batch nor the order of statements makes a difference.
- What is set aside becomes one debt for each payer and the account that it should have paid.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from domain.statement import IntervalStatement, Row
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import (
    DUST_ACCOUNT,
    AccountId,
    EnergyWh,
    MoneyMicro,
    PriceMicroPerKwh,
    StationId,
    cost_ceil,
    cost_floor,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What one billed row moves."""

    station: StationId
    sequence: int
    row: int
    payer: AccountId
    payee: AccountId
    owed_micro: MoneyMicro
    received_micro: MoneyMicro


@dataclass(slots=True)
class Entry:
    """What one account pays and receives in a batch."""

    debit_micro: int = 0
    credit_micro: int = 0


@dataclass(frozen=True, slots=True)
class Debt:
    """What a batch leaves unpaid. The creditor receives `share_micro` of it, the dust account the rest."""

    debtor: AccountId
    creditor: AccountId
    owed_micro: int
    share_micro: int


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a batch does: an entry for each account that it moves money of, and what was paid and set aside.

    `insolvent` are the accounts that cannot pay, in the order in which the batch meets them.
    """

    entries: dict[AccountId, Entry] = field(default_factory=dict)
    paid: list[Payment] = field(default_factory=list)
    set_aside: list[Payment] = field(default_factory=list)
    insolvent: tuple[AccountId, ...] = ()

    @property
    def debts(self) -> list[Debt]:
        """What the rows that were set aside sum to, for each debtor and creditor, by their numbers."""
        sums: dict[tuple[AccountId, AccountId], tuple[int, int]] = {}
        for payment in self.set_aside:
            owed, share = sums.get((payment.payer, payment.payee), (0, 0))
            sums[payment.payer, payment.payee] = (owed + payment.owed_micro, share + payment.received_micro)
        return [Debt(*parties, *amounts) for parties, amounts in sorted(sums.items()) if amounts[0]]

    @property
    def paid_micro(self) -> int:
        return sum(payment.owed_micro for payment in self.paid)

    @property
    def dust_micro(self) -> int:
        return self.paid_micro - sum(payment.received_micro for payment in self.paid)


def payment_of(row: Row, *, place: tuple[StationId, int, int], tariff: Tariff) -> Payment:
    """What a billed row moves that is under no market tariff. `place` is station, statement sequence and row."""
    magnitude = PriceMicroPerKwh(abs(tariff.price_micro_per_kwh))
    driver_pays = tariff.direction.charges == (tariff.price_micro_per_kwh >= 0)
    payer, payee = (row.account, tariff.payee) if driver_pays else (tariff.payee, row.account)
    return Payment(
        station=place[0],
        sequence=place[1],
        row=place[2],
        payer=payer,
        payee=payee,
        owed_micro=cost_ceil(row.energy_wh, magnitude),
        received_micro=cost_floor(row.energy_wh, magnitude),
    )


def payments_of(statement: IntervalStatement, tariffs: TariffTable) -> Iterator[Payment]:
    """What each row of a statement moves that is billed and not metered in the market, in their order.

    UnknownTariff if a tariff was never published.
    """
    for index, row in enumerate(statement.rows):
        if not row.billed:
            continue
        tariff = tariffs.of(statement.tariff_of(row))
        if not tariff.direction.market:
            yield payment_of(row, place=(statement.station, statement.sequence, index), tariff=tariff)


def accounts_met(statements: Sequence[IntervalStatement], tariffs: TariffTable) -> list[AccountId]:
    """Accounts in the order in which the contract meets them, as often as it does.

    These are the rows' accounts; after the statements in a row that share a tariff base comes their operator, if
    they move money of its. UnknownTariff if a tariff was never published.
    """
    met: list[AccountId] = []
    for _, sharing in groupby(statements, key=lambda statement: statement.tariff_base):
        alike = list(sharing)
        met += [row.account for statement in alike for row in statement.rows if row.billed]
        met += dict.fromkeys(operator for statement in alike for operator in _operators_with_money(statement, tariffs))
    return met


def _operators_with_money(statement: IntervalStatement, tariffs: TariffTable) -> Iterator[AccountId]:
    """The operator of each row that moves its money: on chain a statement has one."""
    for payment in payments_of(statement, tariffs):
        operator = tariffs.of(statement.tariff_of(statement.rows[payment.row])).payee
        if payment.owed_micro if payment.payer == operator else payment.received_micro:
            yield operator


def net(
    statements: Sequence[IntervalStatement], tariffs: TariffTable, spendable_of: Callable[[AccountId], MoneyMicro]
) -> BatchOutcome:
    """What a batch of statements moves. `spendable_of` is what settlement may take from an account."""
    payments = [payment for statement in statements for payment in payments_of(statement, tariffs)]
    owed: dict[AccountId, int] = {}
    for payment in payments:
        owed[payment.payer] = owed.get(payment.payer, 0) + payment.owed_micro
    met = dict.fromkeys([DUST_ACCOUNT, *accounts_met(statements, tariffs)])
    insolvent = tuple(account for account in met if owed.get(account, 0) > spendable_of(account))
    outcome = BatchOutcome(insolvent=insolvent)
    for payment in payments:
        if payment.payer in insolvent:
            outcome.set_aside.append(payment)
            continue
        outcome.paid.append(payment)
        outcome.entries.setdefault(payment.payer, Entry()).debit_micro += payment.owed_micro
        outcome.entries.setdefault(payment.payee, Entry()).credit_micro += payment.received_micro
    if outcome.dust_micro:
        outcome.entries.setdefault(DUST_ACCOUNT, Entry()).credit_micro += outcome.dust_micro
    return outcome


def energy_moved(statement: IntervalStatement, tariffs: TariffTable) -> tuple[EnergyWh, EnergyWh]:
    """Energy that a statement's rows took and gave back, Wh."""
    sums = {Direction.CHARGE: 0, Direction.DISCHARGE: 0}
    for row in statement.rows:
        sums[statement.direction_of(row, tariffs)] += row.energy_wh
    return EnergyWh(sums[Direction.CHARGE]), EnergyWh(sums[Direction.DISCHARGE])
