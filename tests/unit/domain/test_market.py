"""Rows of market tariffs move no money; positions come to what the formula says, and no more than everybody has."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import OutOfRange
from domain.market import (
    IntervalPrices,
    MarketRow,
    Position,
    amount_owed,
    close_position,
    close_positions,
    debt_batch,
    market_rows,
)
from domain.settlement import accounts_met, energy_moved, net, payments_of
from domain.statement import UNBILLED_IMPORT, IntervalStatement, Row
from domain.tariff import Direction, TariffTable
from domain.units import (
    DUST_ACCOUNT,
    HOUSE_ACCOUNT,
    AccountId,
    EnergyWh,
    MoneyMicro,
    PriceMicroPerKwh,
    StationId,
    TariffId,
    UnixSeconds,
)
from tests.vectors import make_position_vectors
from tests.vectors.world import ALICE, BOB, OPERATOR, START_S, STATION, tariff

CHARGE, DISCHARGE, MARKET_CHARGE, MARKET_DISCHARGE = range(4)
TARIFFS = TariffTable(tariff(int(direction), OPERATOR, direction, 300_001) for direction in Direction)
PRICES = IntervalPrices(
    clearing=PriceMicroPerKwh(300_001),
    fee=PriceMicroPerKwh(20_003),
    charge=PriceMicroPerKwh(400_003),
    discharge=PriceMicroPerKwh(50_007),
)
CAROL = AccountId(BOB + 1)


def row(account: AccountId, energy_wh: int, tariff_offset: int, start_offset_s: int = 0) -> Row:
    return Row(
        account=account,
        energy_wh=EnergyWh(energy_wh),
        start_offset_s=start_offset_s,
        duration_s=900,
        tariff_offset=tariff_offset,
    )


def statement(*rows: Row) -> IntervalStatement:
    return IntervalStatement(
        station=StationId(STATION),
        sequence=1,
        start_s=UnixSeconds(START_S),
        duration_s=1800,
        import_wh=EnergyWh(0),
        export_wh=EnergyWh(0),
        tariff_base=TariffId(0),
        telemetry_root=bytes(32),
        rows=rows,
    )


def position(bought: int = 0, sold: int = 0, imported: int = 0, exported: int = 0) -> Position:
    return Position(
        bought_wh=EnergyWh(bought),
        sold_wh=EnergyWh(sold),
        imported_wh=EnergyWh(imported),
        exported_wh=EnergyWh(exported),
    )


MIXED = statement(
    row(ALICE, 1_000, CHARGE),
    row(BOB, 700, MARKET_CHARGE),
    row(HOUSE_ACCOUNT, 3, UNBILLED_IMPORT),
    row(BOB, 40, MARKET_DISCHARGE, 900),
)


# --- rows ---------------------------------------------------------------------------------------


def test_market_row_moves_no_money() -> None:
    assert [payment.row for payment in payments_of(MIXED, TARIFFS)] == [0]
    outcome = net([MIXED], TARIFFS, lambda _: MoneyMicro(10**9))
    assert outcome.paid_micro == 300_001
    assert set(outcome.entries) == {ALICE, OPERATOR}


def test_market_row_counts_for_the_registers() -> None:
    assert energy_moved(MIXED, TARIFFS) == (1_703, 40)


def test_market_row_meets_its_account_but_not_its_operator() -> None:
    alone = statement(row(BOB, 700, MARKET_CHARGE))
    assert accounts_met([alone], TARIFFS) == [BOB]
    assert net([alone], TARIFFS, lambda _: MoneyMicro(0)).insolvent == ()


def test_market_rows_are_told_in_their_order() -> None:
    first, second = market_rows([MIXED], TARIFFS)
    expected = MarketRow(
        payee=OPERATOR, account=BOB, begin_s=UnixSeconds(START_S), exported=False, energy_wh=EnergyWh(700)
    )
    assert first == expected
    assert second == replace(expected, begin_s=UnixSeconds(START_S + 900), exported=True, energy_wh=EnergyWh(40))
    assert (first.interval_s, second.interval_s) == (START_S, START_S + 900)


def test_word_of_a_market_row_is_that_of_the_interface() -> None:
    one = MarketRow(
        payee=AccountId(4),
        account=AccountId(6),
        begin_s=UnixSeconds(1_800_000_001),
        exported=True,
        energy_wh=EnergyWh(77),
    )
    assert one.word == int("000004000006006b49d201010000004d", 16)
    assert MarketRow.from_word(one.word) == one
    assert one.interval_s == 1_800_000_000


@pytest.mark.parametrize("word", [1 << 128, 2 << 32, 0xFF << 32])
def test_word_that_is_no_market_row_is_refused(word: int) -> None:
    with pytest.raises(OutOfRange, match="word of a market row"):
        MarketRow.from_word(word)


# --- positions ----------------------------------------------------------------------------------


def test_committed_vectors_are_those_that_the_code_makes() -> None:
    assert make_position_vectors.PATH.read_text() == make_position_vectors.text(), (
        "run: python -m tests.vectors.make_vectors"
    )


@pytest.mark.parametrize(
    ("found", "owed", "received"),
    [
        (position(bought=1_000, imported=1_000), 320_004, 320_004),
        (position(bought=1_000, imported=1_500), 520_006, 520_005),
        (position(bought=1_000, imported=500), 295_001, 295_000),
        (position(sold=1_000), 100_002, 100_002),
    ],
    ids=["as bought", "more than bought", "less than bought", "sold and gave nothing"],
)
def test_account_pays(found: Position, owed: int, received: int) -> None:
    closed = close_position(found, PRICES)
    assert (closed.account_pays, closed.owed_micro, closed.received_micro) == (True, owed, received)


@pytest.mark.parametrize(
    ("found", "owed", "received"),
    [
        (position(sold=1_000, exported=1_000), 300_001, 300_001),
        (position(sold=1_000, exported=1_500), 325_005, 325_004),
        (position(sold=1_000, exported=500), 100_000, 99_999),
        (position(exported=1), 51, 50),
    ],
    ids=["as sold", "more than sold", "less than sold", "sold nothing"],
)
def test_account_receives(found: Position, owed: int, received: int) -> None:
    closed = close_position(found, PRICES)
    assert (closed.account_pays, closed.owed_micro, closed.received_micro) == (False, owed, received)


def test_without_a_price_nothing_was_traded() -> None:
    closed = close_position(position(bought=500, sold=9, imported=1_000), replace(PRICES, clearing=None))
    assert closed.position == position(imported=1_000)
    assert closed.owed_micro == 400_003
    assert close_position(position(bought=500), replace(PRICES, clearing=None)).position.empty


def test_energy_that_no_position_holds_is_refused() -> None:
    with pytest.raises(OutOfRange):
        position(bought=1 << 40)


def test_debts_of_an_interval_are_of_no_batch() -> None:
    assert debt_batch(1_800_000_000) == (1 << 31) + 2_000_000


WH = st.integers(0, (1 << 40) - 1)
ANY_PRICE = st.integers(-(1 << 31), (1 << 31) - 1)
FEE = st.integers(0, (1 << 32) - 1)
POSITIONS = st.builds(Position, bought_wh=WH, sold_wh=WH, imported_wh=WH, exported_wh=WH)
MANY = settings(max_examples=300, deadline=None)


@st.composite
def interval_prices(draw: st.DrawFn) -> IntervalPrices:
    """The charge price is not below the discharge price."""
    discharge, charge = sorted(draw(st.tuples(ANY_PRICE, ANY_PRICE)))
    return IntervalPrices(
        clearing=PriceMicroPerKwh(draw(ANY_PRICE)),
        fee=PriceMicroPerKwh(draw(FEE)),
        charge=PriceMicroPerKwh(charge),
        discharge=PriceMicroPerKwh(discharge),
    )


@MANY
@given(interval_prices(), WH, WH)
def test_who_delivers_less_than_it_sold_is_never_better_off(prices: IntervalPrices, sold: int, exported: int) -> None:
    exported = min(sold, exported)
    short = amount_owed(position(sold=sold, exported=exported), prices)
    assert short >= amount_owed(position(sold=exported, exported=exported), prices)
    assert amount_owed(position(sold=sold), prices) >= 0


@MANY
@given(interval_prices(), WH, WH)
def test_who_takes_less_than_it_bought_is_never_better_off(prices: IntervalPrices, bought: int, imported: int) -> None:
    imported = min(bought, imported)
    long = amount_owed(position(bought=bought, imported=imported), prices)
    assert long >= amount_owed(position(bought=imported, imported=imported), prices)
    assert amount_owed(position(bought=bought), prices) >= 0


@MANY
@given(interval_prices(), POSITIONS, WH, WH)
def test_what_is_metered_late_is_never_cheaper(
    prices: IntervalPrices, found: Position, import_wh: int, wh: int
) -> None:
    late_import, late_export = min(found.imported_wh, import_wh), min(found.exported_wh, wh)
    in_time = replace(
        found,
        imported_wh=EnergyWh(found.imported_wh - late_import),
        exported_wh=EnergyWh(found.exported_wh - late_export),
    )
    late = position(imported=late_import, exported=late_export)
    assert amount_owed(in_time, prices) + amount_owed(late, prices) >= amount_owed(found, prices)


# --- several of them ----------------------------------------------------------------------------

GRID = OPERATOR
BALANCES = st.fixed_dictionaries(dict.fromkeys((GRID, ALICE, BOB, CAROL), st.integers(0, 10**9) | st.just(1 << 95)))
SMALL = st.integers(0, 5_000)
BOOKS = st.dictionaries(
    st.sampled_from([GRID, ALICE, BOB, CAROL]),
    st.builds(Position, bought_wh=SMALL, sold_wh=SMALL, imported_wh=SMALL, exported_wh=SMALL),
)


@MANY
@given(BOOKS, interval_prices(), BALANCES)
def test_closing_conserves_money_and_overdraws_nobody(
    book: dict[AccountId, Position], prices: IntervalPrices, free: dict[AccountId, int]
) -> None:
    closing = close_positions(book, prices, GRID, lambda account: MoneyMicro(free[account]))
    entries = closing.entries
    assert sum(entry.debit_micro for entry in entries.values()) == sum(entry.credit_micro for entry in entries.values())
    assert all(entry.debit_micro <= free[account] for account, entry in entries.items() if entry.debit_micro)
    assert GRID not in closing.closed
    for account, one in closing.closed.items():
        if account in closing.set_aside:
            assert account not in entries
        elif account != DUST_ACCOUNT and one.owed_micro:
            paid = (entries[account].debit_micro, entries[account].credit_micro)
            assert paid == ((one.owed_micro, 0) if one.account_pays else (0, one.received_micro))
    assert sum(debt.owed_micro for debt in closing.debts) == sum(
        closing.closed[account].owed_micro for account in closing.set_aside
    )


def test_everybody_is_paid_if_all_can_pay() -> None:
    rich = close_positions(
        {BOB: position(sold=10, exported=10), ALICE: position(bought=10, imported=10), CAROL: position()},
        PRICES,
        GRID,
        lambda _: MoneyMicro(10**9),
    )
    assert list(rich.closed) == [ALICE, BOB]
    assert (rich.set_aside, rich.debts) == ((), [])
    assert rich.entries[DUST_ACCOUNT].credit_micro == 2
