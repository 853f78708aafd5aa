"""Stations state the energy of members of the market under its tariffs, also of who joined while charging."""

import json
from typing import Any

import pytest

from domain.statement import IntervalStatement
from domain.tariff import Direction, Tariff
from domain.units import PriceMicroPerKwh, TariffId, UnixSeconds
from tests.integration.oracle.conftest import OPERATOR
from tests.integration.oracle.day import check_complete, run

MARKET = [
    Tariff(
        tariff=TariffId(10 + number),
        payee=OPERATOR,
        direction=direction,
        price_micro_per_kwh=PriceMicroPerKwh(250_000),
        valid_from_s=UnixSeconds(0),
        valid_to_s=UnixSeconds(2**40 - 1),
    )
    for number, direction in enumerate((Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE))
]
MARKET_NUMBERS = {one.tariff for one in MARKET}


def tariffs_of(site: Any) -> dict[int, set[int]]:
    """Under which tariffs the energy of each account was stated."""
    found: dict[int, set[int]] = {}
    statements: list[IntervalStatement] = [one for series in site.backend.statements.values() for one in series]
    for statement in statements:
        for row in statement.rows:
            if row.billed:
                found.setdefault(row.account, set()).add(statement.tariff_of(row))
    return found


def member(site: Any) -> int:
    """The account of the first session, which charges all day."""
    mapped = json.loads((site.folder / "map.json").read_text())
    return int(mapped["sessions"]["a1"]["account"])


@pytest.mark.parametrize("denied", [0, 1])
@pytest.mark.parametrize("known", [True, False])
def test_member_that_joined_before_or_after_it_was_admitted_is_stated_in_the_market(
    site: Any, denied: int, known: bool
) -> None:
    site.backend.joins[member(site)] = denied
    (site.backend.tariffs if known else site.backend.later_tariffs).extend(MARKET)
    for service in ("vehicles", "stations"):
        result = run(site.command(service))
        assert result.exit_code == 0, result.output
    check_complete(site)
    found = tariffs_of(site)
    assert found.pop(member(site)) == MARKET_NUMBERS
    assert all(not used & MARKET_NUMBERS for used in found.values())


def test_without_a_zone_all_energy_is_paid_by_row(site: Any) -> None:
    site.backend.tariffs.extend(MARKET)
    for service in ("vehicles", "stations"):
        assert run(site.command(service)).exit_code == 0
    check_complete(site)
    assert not set().union(*tariffs_of(site).values()) & MARKET_NUMBERS
