"""Statements over any valid series of readings: true ones hold, false ones do not."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from domain.drawing import draw_up
from domain.errors import WattledgerError
from domain.metering import Basis, meter_rows
from domain.session import Usage
from domain.settlement import energy_moved
from domain.statement import IntervalStatement, VerifiedStatement
from domain.tariff import Direction
from domain.units import HOUSE_ACCOUNT, MARKET_INTERVAL_S, EnergyWh, cost_ceil
from domain.verification import verify_statement
from tests.property.strategies import SESSIONS, basis_of, steps
from tests.vectors.world import NOW_S, OPENING_WH, STATION_DOMAIN, Step, altered, signed_statement

SERIES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def verified(
    statement: IntervalStatement, over: Basis, last_sequence: int = 0, usage: dict[bytes, Usage] | None = None
) -> VerifiedStatement:
    return verify_statement(
        signed_statement(statement),
        last_sequence=last_sequence,
        basis=over,
        usage=usage or {},
        domain=STATION_DOMAIN,
        now_s=NOW_S,
    )


@SERIES
@given(steps())
def test_statement_drawn_up_over_any_valid_series_is_verified(found: list[Step]) -> None:
    over = basis_of(found)
    assert verified(draw_up(1, over), over).statement.station == over.station.station


@SERIES
@given(steps())
def test_rows_sum_to_what_the_registers_moved(found: list[Step]) -> None:
    over = basis_of(found)
    statement = draw_up(1, over)
    assert energy_moved(statement, over.tariffs) == (
        statement.import_wh - OPENING_WH[0],
        statement.export_wh - OPENING_WH[1],
    )
    assert energy_moved(statement, over.tariffs) == (
        sum(step.imported_wh for step in found),
        sum(step.exported_wh for step in found),
    )


@SERIES
@given(steps())
def test_energy_of_a_session_is_that_of_the_readings_that_name_it(found: list[Step]) -> None:
    metered: Counter[tuple[bytes, Direction]] = Counter()
    for row in meter_rows(basis_of(found)):
        metered[row.session_id, row.direction] += row.energy_wh
    expected: Counter[tuple[bytes, Direction]] = Counter()
    for step in found:
        expected[step.session_id, Direction.CHARGE] += step.imported_wh
        expected[step.session_id, Direction.DISCHARGE] += step.exported_wh
    assert metered == +expected


@SERIES
@given(steps())
def test_rows_lie_within_one_interval_and_within_the_statement(found: list[Step]) -> None:
    statement = draw_up(1, basis_of(found))
    for row in statement.rows:
        start_s = statement.start_s + row.start_offset_s
        end_s = start_s + row.duration_s
        assert start_s // MARKET_INTERVAL_S == (end_s - 1) // MARKET_INTERVAL_S
        assert end_s <= statement.end_s
        assert row.billed != (row.account == HOUSE_ACCOUNT)
        assert row.energy_wh > 0


@SERIES
@given(steps())
def test_usage_is_the_sum_of_the_billed_rows_that_took_energy(found: list[Step]) -> None:
    over = basis_of(found)
    statement = draw_up(1, over)
    expected: dict[bytes, Usage] = {}
    for metered, row in zip(meter_rows(over), statement.rows, strict=True):
        if row.billed and metered.direction == Direction.CHARGE:
            before = expected.get(metered.session_id, Usage())
            price = over.tariffs.of(statement.tariff_of(row)).price_micro_per_kwh
            cost = before.cost_micro + cost_ceil(row.energy_wh, price)
            expected[metered.session_id] = Usage(before.energy_wh + row.energy_wh, cost)
    usage = {session_id: used for session_id, used in verified(statement, over).usage.items() if used != Usage()}
    assert usage == expected


@SERIES
@given(steps(), st.data())
def test_series_cut_anywhere_gives_two_statements_that_join(found: list[Step], data: st.DataObject) -> None:
    assume(len(found) > 1)
    cut = data.draw(st.integers(1, len(found) - 1))
    whole = basis_of(found)
    first = replace(whole, readings=whole.readings[:cut])
    second = replace(whole, opening=first.readings[-1].reading, readings=whole.readings[cut:])
    one, two = draw_up(1, first), draw_up(2, second)
    usage = dict(verified(one, first).usage)
    verified(two, second, last_sequence=1, usage=usage)
    assert one.end_s == two.start_s
    sums = [energy_moved(statement, whole.tariffs) for statement in (one, two)]
    assert tuple(map(sum, zip(*sums, strict=True))) == energy_moved(draw_up(1, whole), whole.tariffs)


@SERIES
@given(steps(), st.data())
def test_row_with_any_number_changed_is_refused(found: list[Step], data: st.DataObject) -> None:
    over = basis_of(found)
    statement = draw_up(1, over)
    assume(statement.rows)
    index = data.draw(st.integers(0, len(statement.rows) - 1))
    row = statement.rows[index]
    field, top = data.draw(
        st.sampled_from(
            [("account", 1 << 24), ("energy_wh", 1 << 32), ("start_offset_s", 1 << 24), ("duration_s", 1 << 16)]
        )
    )
    value = data.draw(st.integers(0, top - 1).filter(lambda n: n != getattr(row, field)))
    rows = list(statement.rows)
    rows[index] = altered(row, **{field: value})
    with pytest.raises(WattledgerError):
        verified(replace(statement, rows=tuple(rows)), over)


@SERIES
@given(steps(), st.data())
def test_energy_moved_from_one_row_to_another_is_refused(found: list[Step], data: st.DataObject) -> None:
    over = basis_of(found)
    statement = draw_up(1, over)
    assume(len(statement.rows) > 1)
    taker, giver = data.draw(st.permutations(range(len(statement.rows))))[:2]
    moved = data.draw(st.integers(1, statement.rows[giver].energy_wh))
    rows = list(statement.rows)
    rows[taker] = replace(rows[taker], energy_wh=EnergyWh(rows[taker].energy_wh + moved))
    rows[giver] = replace(rows[giver], energy_wh=EnergyWh(rows[giver].energy_wh - moved))
    with pytest.raises(WattledgerError):
        verified(replace(statement, rows=tuple(rows)), over)


@SERIES
@given(steps(), st.data())
def test_field_of_the_statement_with_any_number_changed_is_refused(found: list[Step], data: st.DataObject) -> None:
    over = basis_of(found)
    statement = draw_up(1, over)
    field, top = data.draw(
        st.sampled_from(
            [
                ("station", 1 << 24),
                ("sequence", 1 << 24),
                ("start_s", 1 << 40),
                ("duration_s", 1 << 24),
                ("import_wh", 1 << 40),
                ("export_wh", 1 << 40),
            ]
        )
    )
    value = data.draw(st.integers(0, top - 1).filter(lambda n: n != getattr(statement, field)))
    with pytest.raises(WattledgerError):
        verified(altered(statement, **{field: value}), over)


@SERIES
@given(steps(), st.data())
def test_series_without_one_of_its_readings_is_refused(found: list[Step], data: st.DataObject) -> None:
    over = basis_of(found)
    dropped = data.draw(st.integers(0, len(found) - 1))
    fewer = [reading for index, reading in enumerate(over.readings) if index != dropped]
    with pytest.raises(WattledgerError):
        verified(draw_up(1, over), replace(over, readings=fewer))


@SERIES
@given(steps())
def test_every_session_that_is_billed_was_authorised(found: list[Step]) -> None:
    over = basis_of(found)
    accounts = {session.authorisation.account for session in SESSIONS}
    assert {row.account for row in draw_up(1, over).rows if row.billed} <= accounts
