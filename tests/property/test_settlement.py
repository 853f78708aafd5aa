"""Batches move money without making or losing any, in whatever order statements come."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.settlement import BatchOutcome, net, payments_of
from domain.statement import MAX_TARIFF_OFFSET, IntervalStatement, Row
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import DUST_ACCOUNT, AccountId, MoneyMicro, StationId, TariffId
from tests.property.strategies import STATEMENTS, signed, unsigned

ACCOUNTS = [AccountId(n) for n in range(2, 9)]
"""Among them the dust account and the operators, who may charge a vehicle like everybody else."""
TARIFFS = 6
DAY = settings(max_examples=150, deadline=None)

TARIFF_TABLES = st.lists(
    st.builds(
        Tariff,
        tariff=st.just(0),
        payee=st.sampled_from([AccountId(3), AccountId(4)]),
        direction=st.sampled_from(Direction),
        price_micro_per_kwh=signed(32) | st.integers(-1_000_000, 1_000_000),
        valid_from_s=st.just(0),
        valid_to_s=st.just(1),
    ),
    min_size=TARIFFS,
    max_size=TARIFFS,
).map(lambda found: TariffTable(replace(tariff, tariff=n) for n, tariff in enumerate(found)))  # type: ignore[arg-type]
ROWS = st.builds(
    Row,
    account=st.sampled_from(ACCOUNTS),
    energy_wh=st.integers(0, 50_000) | unsigned(32),
    start_offset_s=st.just(0),
    duration_s=st.just(900),
    tariff_offset=st.integers(0, TARIFFS - 1) | st.sampled_from([254, 255]),
)


@st.composite
def batches(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[IntervalStatement]:
    blank = draw(STATEMENTS.map(lambda s: replace(s, tariff_base=TariffId(0), rows=())))
    count = draw(st.integers(0, 4))
    return [
        replace(blank, station=StationId(n + 1), rows=tuple(draw(st.lists(ROWS, max_size=8)))) for n in range(count)
    ]


BALANCES = st.fixed_dictionaries(
    dict.fromkeys(ACCOUNTS, st.sampled_from([0, 1 << 95]) | st.integers(0, 100_000) | unsigned(64))
)
Balances = dict[AccountId, int]


def settled(batch: Sequence[IntervalStatement], tariffs: TariffTable, free: Balances) -> BatchOutcome:
    return net(batch, tariffs, lambda account: MoneyMicro(free.get(account, 0)))


@DAY
@given(batches(), TARIFF_TABLES, BALANCES)
def test_debits_equal_credits_with_the_dust(
    batch: list[IntervalStatement], tariffs: TariffTable, free: Balances
) -> None:
    outcome = settled(batch, tariffs, free)
    debits = sum(entry.debit_micro for entry in outcome.entries.values())
    credits_ = sum(entry.credit_micro for entry in outcome.entries.values())
    assert debits == credits_ == outcome.paid_micro
    assert 0 <= outcome.dust_micro <= len(outcome.paid)


@DAY
@given(batches(), TARIFF_TABLES, BALANCES)
def test_nobody_pays_more_than_it_held_before_the_batch(
    batch: list[IntervalStatement], tariffs: TariffTable, free: Balances
) -> None:
    for account, entry in settled(batch, tariffs, free).entries.items():
        assert entry.debit_micro <= free.get(account, 0)
        assert entry.debit_micro >= 0
        assert entry.credit_micro >= 0


def _is_paid(row: Row, tariffs: TariffTable) -> bool:
    """Whether the row is billed, and not metered in the market."""
    market = (Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE)
    return row.tariff_offset <= MAX_TARIFF_OFFSET and tariffs.of(row.tariff_offset).direction not in market


@DAY
@given(batches(), TARIFF_TABLES, BALANCES)
def test_each_billed_row_is_paid_or_set_aside_and_payers_are_set_aside_as_a_whole(
    batch: list[IntervalStatement], tariffs: TariffTable, free: Balances
) -> None:
    outcome = settled(batch, tariffs, free)
    payments = [payment for statement in batch for payment in payments_of(statement, tariffs)]
    assert Counter(payments) == Counter([*outcome.paid, *outcome.set_aside])
    assert len(payments) == sum(_is_paid(row, tariffs) for s in batch for row in s.rows)
    paying, aside = ({p.payer for p in found} for found in (outcome.paid, outcome.set_aside))
    assert not paying & aside
    owed: Counter[AccountId] = Counter()
    for payment in payments:
        owed[payment.payer] += payment.owed_micro
    assert aside == {account for account, micro in owed.items() if micro > free.get(account, 0)}


@DAY
@given(batches(), TARIFF_TABLES, BALANCES)
def test_debts_are_what_was_set_aside_for_each_debtor_and_creditor(
    batch: list[IntervalStatement], tariffs: TariffTable, free: Balances
) -> None:
    outcome = settled(batch, tariffs, free)
    assert sum(debt.owed_micro for debt in outcome.debts) == sum(p.owed_micro for p in outcome.set_aside)
    assert sum(debt.share_micro for debt in outcome.debts) == sum(p.received_micro for p in outcome.set_aside)
    parties = [(debt.debtor, debt.creditor) for debt in outcome.debts]
    assert len(parties) == len(set(parties))
    assert {debtor for debtor, _ in parties} == set(outcome.insolvent)


@DAY
@given(batches(), TARIFF_TABLES, BALANCES, st.randoms(use_true_random=False))
def test_order_of_statements_makes_no_difference(
    batch: list[IntervalStatement], tariffs: TariffTable, free: Balances, chance: Any
) -> None:
    turned = list(batch)
    chance.shuffle(turned)
    ours, theirs = settled(batch, tariffs, free), settled(turned, tariffs, free)
    assert ours.entries == theirs.entries
    assert Counter(ours.paid) == Counter(theirs.paid)
    assert Counter(ours.set_aside) == Counter(theirs.set_aside)


@DAY
@given(batches(), TARIFF_TABLES, BALANCES)
def test_income_of_the_same_batch_does_not_count(
    batch: list[IntervalStatement], tariffs: TariffTable, free: Balances
) -> None:
    outcome = settled(batch, tariffs, free)
    aside = {payment.payer for payment in outcome.set_aside}
    assert all(outcome.entries[account].debit_micro == 0 for account in aside & outcome.entries.keys())


@DAY
@given(batches(), TARIFF_TABLES)
def test_entries_agree_with_a_second_sum_in_fractions(batch: list[IntervalStatement], tariffs: TariffTable) -> None:
    """Written a second time from the rules' text, with sign and remainder kept apart."""
    balance: Counter[AccountId] = Counter()
    for statement in batch:
        for row in statement.rows:
            if not _is_paid(row, tariffs):
                continue
            tariff = tariffs.of(row.tariff_offset)
            sign = 1 if tariff.direction == Direction.CHARGE else -1
            signed_thousandths = sign * row.energy_wh * tariff.price_micro_per_kwh
            whole, rest = divmod(abs(signed_thousandths), 1000)
            buyer_first = [row.account, tariff.payee]
            pays = tariff.direction == Direction.CHARGE if tariff.price_micro_per_kwh == 0 else signed_thousandths >= 0
            payer, payee = buyer_first if pays else reversed(buyer_first)
            balance[payer] -= whole + (rest > 0)
            balance[payee] += whole
            balance[DUST_ACCOUNT] += rest > 0
    everybody_rich = dict.fromkeys(ACCOUNTS, 1 << 200)
    entries = settled(batch, tariffs, everybody_rich).entries
    found = Counter({account: entry.credit_micro - entry.debit_micro for account, entry in entries.items()})
    assert {a: n for a, n in found.items() if n} == {a: n for a, n in balance.items() if n}
