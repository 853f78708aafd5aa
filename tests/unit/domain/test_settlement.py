"""What a batch moves: rounding, negative prices, payers that cannot pay."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from domain.errors import UnknownTariff
from domain.settlement import (
    BatchOutcome,
    Debt,
    Entry,
    Payment,
    accounts_met,
    energy_moved,
    net,
    payment_of,
    payments_of,
)
from domain.statement import UNBILLED_EXPORT, UNBILLED_IMPORT, IntervalStatement, Row
from domain.tariff import Direction, TariffTable
from domain.units import DUST_ACCOUNT, HOUSE_ACCOUNT, AccountId, EnergyWh, MoneyMicro, StationId, TariffId, UnixSeconds
from tests.vectors.world import ALICE, BOB, OPERATOR, OTHER_OPERATOR, START_S, STATION, busy_day, busy_statement, tariff

PRICES = TariffTable(
    [
        tariff(0, OPERATOR, Direction.CHARGE, 300_001),
        tariff(1, OPERATOR, Direction.DISCHARGE, 250_003),
        tariff(2, OPERATOR, Direction.CHARGE, -100_001),
        tariff(3, OPERATOR, Direction.DISCHARGE, -50_001),
        tariff(4, OPERATOR, Direction.CHARGE, 0),
        tariff(5, OTHER_OPERATOR, Direction.CHARGE, 400_000),
    ]
)
RICH: Mapping[AccountId, int] = dict.fromkeys((ALICE, BOB, OPERATOR, OTHER_OPERATOR), 10**9)


def row(account: AccountId, energy_wh: int, tariff_offset: int) -> Row:
    return Row(
        account=account, energy_wh=EnergyWh(energy_wh), start_offset_s=0, duration_s=900, tariff_offset=tariff_offset
    )


def statement(*rows: Row, station: int = STATION) -> IntervalStatement:
    return IntervalStatement(
        station=StationId(station),
        sequence=1,
        start_s=UnixSeconds(START_S),
        duration_s=900,
        import_wh=EnergyWh(0),
        export_wh=EnergyWh(0),
        tariff_base=TariffId(0),
        telemetry_root=bytes(32),
        rows=rows,
    )


def outcome(*statements: IntervalStatement, free: Mapping[AccountId, int] = RICH) -> BatchOutcome:
    return net(statements, PRICES, lambda account: MoneyMicro(free.get(account, 0)))


def paid(account: AccountId, energy_wh: int, tariff_offset: int) -> Payment:
    return payment_of(row(account, energy_wh, tariff_offset), place=(STATION, 1, 0), tariff=PRICES.of(tariff_offset))


@pytest.mark.parametrize(
    ("tariff_offset", "payer", "payee", "owed", "received"),
    [
        (0, ALICE, OPERATOR, 301, 300),
        (1, OPERATOR, ALICE, 251, 250),
        (2, OPERATOR, ALICE, 101, 100),
        (3, ALICE, OPERATOR, 51, 50),
        (4, ALICE, OPERATOR, 0, 0),
    ],
    ids=["charging", "giving back", "charging at a negative price", "giving back at a negative price", "free"],
)
def test_payer_owes_rounded_up_and_payee_receives_rounded_down(
    tariff_offset: int, payer: AccountId, payee: AccountId, owed: int, received: int
) -> None:
    payment = paid(ALICE, 1, tariff_offset)
    assert (payment.payer, payment.payee) == (payer, payee)
    assert (payment.owed_micro, payment.received_micro) == (owed, received)


def test_amount_without_a_remainder_leaves_no_dust() -> None:
    payment = paid(ALICE, 1_000, 0)
    assert payment.owed_micro == payment.received_micro == 300_001


def test_entries_of_a_batch_are_the_ones_worked_out_by_hand() -> None:
    result = outcome(statement(row(ALICE, 1_001, 0), row(BOB, 3, 1), row(ALICE, 7, 2)))
    assert result.entries == {
        ALICE: Entry(debit_micro=300_302, credit_micro=700),
        BOB: Entry(debit_micro=0, credit_micro=750),
        OPERATOR: Entry(debit_micro=751 + 701, credit_micro=300_301),
        DUST_ACCOUNT: Entry(debit_micro=0, credit_micro=3),
    }
    assert result.paid_micro == 300_302 + 751 + 701
    assert result.dust_micro == 3
    assert result.set_aside == []


def test_energy_that_nobody_is_billed_for_moves_no_money() -> None:
    house = statement(row(HOUSE_ACCOUNT, 5_000, UNBILLED_IMPORT), row(HOUSE_ACCOUNT, 5_000, UNBILLED_EXPORT))
    assert outcome(house) == BatchOutcome()
    assert energy_moved(house, PRICES) == (5_000, 5_000)


def test_batch_without_dust_has_no_dust_entry() -> None:
    assert DUST_ACCOUNT not in outcome(statement(row(ALICE, 1_000, 0))).entries


def test_payer_with_exactly_what_it_owes_pays() -> None:
    result = outcome(statement(row(ALICE, 1_000, 0)), free={ALICE: 300_001})
    assert result.set_aside == []
    assert result.entries[ALICE].debit_micro == 300_001


def test_payer_that_lacks_one_micro_euro_is_set_aside() -> None:
    result = outcome(statement(row(ALICE, 1_000, 0)), free={ALICE: 300_000})
    assert result.entries == {}
    assert [(p.payer, p.owed_micro) for p in result.set_aside] == [(ALICE, 300_001)]
    assert result.paid_micro == 0


def test_insolvent_payer_is_set_aside_with_all_its_rows_and_nobody_else_is() -> None:
    batch = statement(row(ALICE, 1, 0), row(BOB, 1_000, 0), row(ALICE, 1_000_000, 0), row(ALICE, 1, 1))
    result = outcome(batch, free={ALICE: 301, BOB: 300_001, OPERATOR: 251})
    assert [p.row for p in result.set_aside] == [0, 2]
    assert [p.row for p in result.paid] == [1, 3]
    assert result.entries[ALICE] == Entry(debit_micro=0, credit_micro=250)


def test_income_of_the_same_batch_does_not_make_a_payer_solvent() -> None:
    gives_then_takes = statement(row(ALICE, 1_000_000, 1), row(ALICE, 1, 0))
    result = outcome(gives_then_takes, free={ALICE: 0, OPERATOR: 10**9})
    assert [p.row for p in result.set_aside] == [1]
    assert result.entries[ALICE] == Entry(debit_micro=0, credit_micro=250_003_000)


def test_operator_that_cannot_pay_for_energy_given_back_is_set_aside() -> None:
    result = outcome(statement(row(ALICE, 1_000, 1), row(ALICE, 1_000, 0)), free={ALICE: 10**6, OPERATOR: 250_002})
    assert [(p.payer, p.payee) for p in result.set_aside] == [(OPERATOR, ALICE)]
    assert [(p.payer, p.payee) for p in result.paid] == [(ALICE, OPERATOR)]


def test_rows_set_aside_become_one_debt_for_each_debtor_and_creditor() -> None:
    first = statement(row(ALICE, 1, 0), row(ALICE, 7, 0), row(BOB, 1, 0), row(BOB, 9, 1), row(ALICE, 1, 4))
    second = statement(row(ALICE, 3, 5), station=2)
    assert outcome(first, second, free={}).debts == [
        Debt(OPERATOR, BOB, 2_251, 2_250),
        Debt(ALICE, OPERATOR, 301 + 2_101, 300 + 2_100),
        Debt(ALICE, OTHER_OPERATOR, 1_200, 1_200),
        Debt(BOB, OPERATOR, 301, 300),
    ]


def test_row_that_costs_nothing_leaves_no_debt() -> None:
    result = outcome(statement(row(ALICE, 1_000, 4), row(ALICE, 1, 5)), free={})
    assert [p.owed_micro for p in result.set_aside] == [0, 400]
    assert result.debts == [Debt(ALICE, OTHER_OPERATOR, 400, 400)]


def test_accounts_that_cannot_pay_come_in_the_order_in_which_the_batch_meets_them() -> None:
    batch = statement(row(BOB, 1, 1), row(BOB, 1, 0), row(ALICE, 1, 0)), statement(row(DUST_ACCOUNT, 1, 0), station=2)
    assert outcome(*batch, free={}).insolvent == (DUST_ACCOUNT, BOB, ALICE, OPERATOR)
    assert outcome(*reversed(batch), free={OPERATOR: 251}).insolvent == (DUST_ACCOUNT, BOB, ALICE)


def test_operator_is_met_after_the_statements_of_one_tariff_base_if_they_move_its_money() -> None:
    """A row that is rounded down to nothing for the operator does not."""
    first, second = statement(row(ALICE, 1, 4)), statement(row(BOB, 1, 0), row(ALICE, 5, 1))
    third = replace(statement(row(BOB, 9, 0)), tariff_base=TariffId(5))
    assert accounts_met([first, second, third], PRICES) == [ALICE, BOB, ALICE, OPERATOR, BOB, OTHER_OPERATOR]
    assert accounts_met([second, third, first], PRICES) == [BOB, ALICE, OPERATOR, BOB, OTHER_OPERATOR, ALICE]


def test_debts_over_several_statements_are_held_against_one_balance() -> None:
    two = statement(row(ALICE, 1_000, 0)), statement(row(ALICE, 1_000, 5), station=2)
    assert outcome(*two, free={ALICE: 700_001}).set_aside == []
    assert len(outcome(*two, free={ALICE: 700_000}).set_aside) == 2


def test_operator_that_charges_at_its_own_station_pays_itself() -> None:
    result = outcome(statement(row(OPERATOR, 1, 0)))
    assert result.entries == {OPERATOR: Entry(301, 300), DUST_ACCOUNT: Entry(0, 1)}


def test_row_at_a_tariff_that_was_never_published_is_refused() -> None:
    with pytest.raises(UnknownTariff):
        outcome(statement(row(ALICE, 1, 77)))


def test_places_name_station_statement_and_row() -> None:
    day = busy_day()
    places = [(p.station, p.sequence, p.row) for p in payments_of(busy_statement().statement, day.tariffs)]
    assert places == [(1, 1, 0), (1, 1, 1), (1, 1, 4), (1, 1, 5)]


def test_energy_of_a_statement_is_what_its_registers_moved() -> None:
    day = busy_day()
    assert energy_moved(busy_statement().statement, day.tariffs) == (8_502, 4_568)
