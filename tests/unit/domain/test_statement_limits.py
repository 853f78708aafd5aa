"""A statement bills no driver beyond its limits."""

from dataclasses import replace

import pytest

from domain.drawing import draw_up
from domain.errors import NotAuthorised
from domain.metering import Basis
from domain.session import Session, Usage
from domain.statement import IntervalStatement
from domain.tariff import Direction
from tests.unit.domain.statements import verified
from tests.vectors.world import ALICE, CHARGE, OPERATOR, START_S, Limits, Step, basis, by_id, session, tariff, tariffs


def one_session(limits: Limits, *steps: Step) -> tuple[Basis, Session]:
    alice = session(ALICE, limits)
    named = [replace(step, session_id=alice.session_id) for step in steps]
    return basis([Step(0), *named], by_id(alice)), alice


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(max_energy_wh=999), "maximum energy"),
        (Limits(max_price_micro_per_kwh=300_000), "maximum price"),
        (Limits(max_cost_micro=300_000), "maximum cost"),
        (Limits(expiry_s=START_S + 1_499), "expiry"),
        (Limits(not_before_s=START_S + 1), "start"),
        (Limits(station=2), "station"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_statement_beyond_the_drivers_limits_is_refused(limits: Limits, limit: str) -> None:
    over, _ = one_session(limits, Step(900, 600), Step(600, 400))
    with pytest.raises(NotAuthorised) as refused:
        verified(draw_up(1, over), over)
    assert refused.value.limit == limit


def test_statement_at_the_drivers_limits_is_verified() -> None:
    limits = Limits(
        max_energy_wh=1_000,
        max_price_micro_per_kwh=300_001,
        max_cost_micro=180_001 + 120_001,
        not_before_s=START_S,
        expiry_s=START_S + 1_500,
    )
    over, alice = one_session(limits, Step(900, 600), Step(600, 400))
    assert verified(draw_up(1, over), over).usage == {alice.session_id: Usage(1_000, 300_002)}


def test_usage_of_earlier_statements_counts_against_the_limits() -> None:
    over, alice = one_session(Limits(max_energy_wh=1_000), Step(900, 600))
    verified(draw_up(1, over), over, usage={alice.session_id: Usage(energy_wh=400)})
    with pytest.raises(NotAuthorised, match="maximum energy"):
        verified(draw_up(1, over), over, usage={alice.session_id: Usage(energy_wh=401)})


def test_energy_given_back_against_the_drivers_will_is_refused() -> None:
    over, _ = one_session(Limits(discharge_allowed=False), Step(900, 0, 600))
    with pytest.raises(NotAuthorised, match="given back"):
        verified(draw_up(1, over), over)


def test_driver_that_would_pay_for_giving_back_is_protected_by_its_limits() -> None:
    """At a negative price the seller pays: that is a cost to the driver like any other."""
    over, _ = one_session(Limits(max_price_micro_per_kwh=2_000_000, max_cost_micro=1_000_000), Step(900, 0, 1_000))
    dear = tariffs()
    dear.add(tariff(4, OPERATOR, Direction.DISCHARGE, -1_000_000))
    at_the_limit = replace(over, tariffs=dear)
    verified(draw_up(1, at_the_limit), at_the_limit)
    dear.add(tariff(5, OPERATOR, Direction.DISCHARGE, -1_000_001))
    with pytest.raises(NotAuthorised):
        verified(draw_up(1, at_the_limit), at_the_limit)


def test_energy_given_back_counts_neither_as_energy_nor_as_cost() -> None:
    over, _ = one_session(Limits(max_energy_wh=0, max_cost_micro=0), Step(900, 0, 600))
    verified(draw_up(1, over), over)


def test_market_row_counts_as_energy_but_has_no_price_of_its_own() -> None:
    """What it costs is in its account's position: the limits are those of its orders."""
    over, alice = one_session(
        Limits(max_energy_wh=600, max_price_micro_per_kwh=0, max_cost_micro=0), Step(900, 600), Step(600, 0, 400)
    )
    stated = _in_the_market(over)
    assert verified(stated, over).usage == {alice.session_id: Usage(600, 0)}
    with pytest.raises(NotAuthorised, match="maximum energy"):
        verified(stated, over, usage={alice.session_id: Usage(energy_wh=1)})


def test_market_row_of_energy_given_back_against_the_drivers_will_is_refused() -> None:
    over, _ = one_session(Limits(discharge_allowed=False), Step(900, 0, 600))
    with pytest.raises(NotAuthorised, match="given back"):
        verified(_in_the_market(over), over)


def _in_the_market(over: Basis) -> IntervalStatement:
    """The statement with all its rows under market tariffs of the station's operator."""
    stated = draw_up(1, over)
    over.tariffs.add(tariff(20, OPERATOR, Direction.MARKET_CHARGE, 400_000))
    over.tariffs.add(tariff(21, OPERATOR, Direction.MARKET_DISCHARGE, 50_000))
    rows = tuple(
        replace(
            row, tariff_offset=(20 if row.tariff_offset == CHARGE - stated.tariff_base else 21) - stated.tariff_base
        )
        for row in stated.rows
    )
    return replace(stated, rows=rows)
