"""Which rows belong into the market, and which do not."""

from typing import Any

import pytest

from domain.errors import OffMarket
from domain.membership import SETTLING_IN_S, check_sides
from domain.statement import IntervalStatement, Row
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import AccountId, EnergyWh, TariffId, UnixSeconds
from tests.vectors.world import (
    ALICE,
    BOB,
    CHARGE,
    DAY_S,
    DISCHARGE,
    OPERATOR,
    OTHER_OPERATOR,
    START_S,
    STATION,
    tariff,
    tariffs,
)

IN, OUT = TariffId(20), TariffId(21)
JOINED_S = UnixSeconds(START_S - SETTLING_IN_S)


def table(*more: Tariff, market_from_s: int = START_S) -> TariffTable:
    """The world's prices, and two of the operator's market."""
    found = tariffs()
    found.add(tariff(IN, OPERATOR, Direction.MARKET_CHARGE, 400_000, market_from_s))
    found.add(tariff(OUT, OPERATOR, Direction.MARKET_DISCHARGE, 50_000, market_from_s))
    for one in more:
        found.add(one)
    return found


def stated(*rows: tuple[int, int], start_offset_s: int = 0) -> IntervalStatement:
    """A statement of rows (account, tariff) of ten minutes each."""
    return IntervalStatement(
        station=STATION,
        sequence=1,
        start_s=START_S,
        duration_s=3_600,
        import_wh=EnergyWh(0),
        export_wh=EnergyWh(0),
        tariff_base=TariffId(0),
        telemetry_root=bytes(32),
        rows=tuple(
            Row(
                account=AccountId(account),
                energy_wh=EnergyWh(10),
                start_offset_s=start_offset_s,
                duration_s=600,
                tariff_offset=number,
            )
            for account, number in rows
        ),
    )


def check(statement: IntervalStatement, prices: TariffTable | None = None, **members: Any) -> None:
    known = {ALICE: UnixSeconds(members.get("alice", JOINED_S))}
    check_sides(statement, prices or table(), payee=OPERATOR, members=known)


def test_members_energy_is_in_the_market_and_others_beside_it() -> None:
    check(stated((BOB, CHARGE), (ALICE, IN), (BOB, DISCHARGE), (ALICE, OUT)))


@pytest.mark.parametrize(("plain", "wanted"), [(CHARGE, IN), (DISCHARGE, OUT)])
def test_row_of_a_member_beside_the_market_is_refused_and_names_the_tariff(plain: int, wanted: int) -> None:
    with pytest.raises(
        OffMarket, match=f"row 1 under tariff {plain}: account {ALICE} joined the market .* tariff {wanted}"
    ) as raised:
        check(stated((BOB, CHARGE), (ALICE, plain)))
    assert (raised.value.row, raised.value.account, raised.value.tariff) == (1, ALICE, plain)


def test_market_row_of_an_account_that_never_joined_is_refused() -> None:
    with pytest.raises(OffMarket, match=f"row 0 under tariff {IN}: account {BOB} never joined the market"):
        check(stated((BOB, IN)))


def test_rows_that_begin_within_the_first_hour_are_taken_either_way() -> None:
    for number in (CHARGE, IN):
        check(stated((ALICE, number)), alice=JOINED_S + 1)
        check(stated((ALICE, number)), alice=START_S + DAY_S)


def test_row_that_no_price_of_the_market_covers_whole_is_paid_by_itself() -> None:
    check(stated((ALICE, CHARGE)), table(market_from_s=START_S + 1))
    check(stated((ALICE, CHARGE), start_offset_s=1), table(market_from_s=START_S + 2))
    with pytest.raises(OffMarket):
        check(stated((ALICE, CHARGE), start_offset_s=1), table(market_from_s=START_S + 1))


def test_prices_of_another_operators_market_do_not_count() -> None:
    prices = tariffs()
    prices.add(tariff(IN, OTHER_OPERATOR, Direction.MARKET_CHARGE, 400_000))
    check(stated((ALICE, CHARGE)), prices)
