"""Statements that follow from the readings are verified; without good readings none can be drawn up."""

from dataclasses import replace

import pytest

from domain.drawing import draw_up
from domain.errors import Malformed, NoTariff, OutOfRange, StatementRefused, UnknownSession
from domain.metering import meter_rows
from domain.session import Usage
from domain.statement import UNBILLED_EXPORT, UNBILLED_IMPORT, Row
from domain.tariff import Direction, TariffTable
from domain.units import HOUSE_ACCOUNT, AccountId, EnergyWh, cost_ceil
from tests.unit.domain.statements import DAY, TRUE, verified
from tests.vectors.world import (
    ALICE,
    BOB,
    CHARGE,
    DISCHARGE,
    OPERATOR,
    START_S,
    Limits,
    Step,
    altered,
    basis,
    by_id,
    session,
    tariff,
    tariffs,
)

# --- what is true is verified ------------------------------------------------------------------


def test_statement_drawn_up_from_readings_is_verified() -> None:
    assert verified(TRUE).statement == TRUE


def test_rows_of_the_busy_day_are_the_ones_worked_out_by_hand() -> None:
    found = [
        (row.account, row.energy_wh, row.start_offset_s, row.duration_s, TRUE.tariff_base + row.tariff_offset)
        for row in TRUE.rows
    ]
    unbilled = [TRUE.tariff_base + UNBILLED_IMPORT, TRUE.tariff_base + UNBILLED_EXPORT]
    assert found == [
        (ALICE, 4_501, 0, 900, CHARGE),
        (ALICE, 1_999, 900, 450, CHARGE),
        (HOUSE_ACCOUNT, 2, 1_350, 60, unbilled[0]),
        (HOUSE_ACCOUNT, 1, 1_350, 60, unbilled[1]),
        (BOB, 2_000, 1_410, 390, CHARGE),
        (ALICE, 4_567, 1_800, 900, DISCHARGE),
    ]
    assert (TRUE.start_s, TRUE.end_s) == (START_S, START_S + 7_700)


def test_usage_is_what_each_session_was_billed_for() -> None:
    price = tariffs().of(CHARGE).price_micro_per_kwh
    alice, bob = session(ALICE), session(BOB)
    assert verified(TRUE).usage == {
        alice.session_id: Usage(6_500, cost_ceil(EnergyWh(4_501), price) + cost_ceil(EnergyWh(1_999), price)),
        bob.session_id: Usage(2_000, cost_ceil(EnergyWh(2_000), price)),
    }


def test_second_statement_starts_where_the_first_one_ended() -> None:
    alice = session(ALICE)
    opening = DAY.readings[-1].reading
    following = basis([Step(100, 50, 0, alice.session_id)], by_id(alice), opening=opening)
    statement = draw_up(2, following)
    assert statement.start_s == TRUE.end_s
    assert statement.import_wh == TRUE.import_wh + 50
    usage = {alice.session_id: Usage(6_500, 1)}
    assert verified(statement, following, last_sequence=1, usage=usage).usage[alice.session_id].energy_wh == 6_550


def test_statement_of_a_quiet_time_has_no_rows() -> None:
    quiet = basis([Step(0), Step(86_400)], {})
    statement = draw_up(1, quiet)
    assert statement.rows == ()
    assert verified(statement, quiet).usage == {}


def test_two_sessions_of_one_account_are_rows_of_their_own() -> None:
    first, second = session(ALICE, Limits(nonce=1)), session(ALICE, Limits(nonce=2))
    both = basis([Step(0), Step(60, 10, 0, first.session_id), Step(60, 20, 0, second.session_id)], by_id(first, second))
    statement = draw_up(1, both)
    assert [(row.account, row.energy_wh) for row in statement.rows] == [(ALICE, 10), (ALICE, 20)]
    assert verified(statement, both).usage[second.session_id].energy_wh == 20


def test_statement_ends_at_a_tariffs_last_second() -> None:
    alice = session(ALICE)
    ending = TariffTable([tariff(0, OPERATOR, Direction.CHARGE, 1_000, START_S - 900, 1)])
    end_s = ending.of(0).valid_to_s
    steps = [Step(end_s - START_S - 60), Step(60, 10, 0, alice.session_id)]
    over = replace(basis(steps, by_id(alice)), tariffs=ending)
    assert verified(draw_up(1, over), over)


# --- what cannot be drawn up -------------------------------------------------------------------


def test_statement_without_readings_is_refused() -> None:
    empty = replace(DAY, readings=())
    with pytest.raises(StatementRefused, match="no reading"):
        draw_up(1, empty)
    with pytest.raises(StatementRefused):
        verified(TRUE, empty)
    opening = DAY.readings[-1].reading
    nothing = replace(TRUE, sequence=2, rows=(), duration_s=0, start_s=opening.time_s)
    with pytest.raises(StatementRefused, match="no reading"):
        verified(nothing, replace(empty, opening=opening), last_sequence=1)


def test_statement_without_a_tariff_cannot_be_drawn_up() -> None:
    with pytest.raises(NoTariff, match="discharge"):
        draw_up(1, replace(DAY, tariffs=TariffTable([tariffs().of(CHARGE)])))


def test_statement_over_a_session_that_nobody_authorised_cannot_be_drawn_up() -> None:
    with pytest.raises(UnknownSession):
        draw_up(1, replace(DAY, sessions=by_id(session(ALICE))))


def test_tariffs_too_far_apart_for_one_statement_are_named() -> None:
    far = tariffs()
    far.add(tariff(CHARGE + 254, OPERATOR, Direction.CHARGE, 1_000, START_S + 900))
    with pytest.raises(StatementRefused, match="too far apart"):
        draw_up(1, replace(DAY, tariffs=far))


# --- the parts ---------------------------------------------------------------------------------


def test_row_is_packed_into_13_bytes() -> None:
    row = Row(
        account=AccountId(0x010203),
        energy_wh=EnergyWh(0x04050607),
        start_offset_s=0x08090A,
        duration_s=0x0B0C,
        tariff_offset=0x0D,
    )
    assert row.packed() == bytes(range(1, 14))
    assert Row.unpacked(row.packed()) == row


@pytest.mark.parametrize("length", [0, 12, 14])
def test_row_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        Row.unpacked(bytes(length))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", 1 << 24),
        ("energy_wh", 1 << 32),
        ("energy_wh", -1),
        ("start_offset_s", 1 << 24),
        ("duration_s", 1 << 16),
        ("tariff_offset", 256),
    ],
)
def test_row_number_that_does_not_fit_its_field_is_refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange):
        altered(TRUE.rows[0], **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("sequence", 1 << 24), ("duration_s", 1 << 24), ("start_s", 1 << 40), ("import_wh", -1), ("tariff_base", 1 << 24)],
)
def test_statement_number_that_does_not_fit_its_field_is_refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange):
        altered(TRUE, **{field: value})


def test_statement_holds_65535_rows_and_no_more() -> None:
    row = TRUE.rows[0]
    replace(TRUE, rows=(row,) * 65_535)
    with pytest.raises(OutOfRange):
        replace(TRUE, rows=(row,) * 65_536)


def test_highest_two_tariff_bytes_are_unbilled() -> None:
    row = TRUE.rows[0]
    assert [replace(row, tariff_offset=n).billed for n in (0, 253, 254, 255)] == [True, True, False, False]


def test_metered_rows_never_cross_the_edge_of_an_interval() -> None:
    assert all(row.start_s // 900 == (row.end_s - 1) // 900 for row in meter_rows(DAY))
