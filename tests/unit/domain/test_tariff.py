"""Tariffs: of one operator, for one direction and one window."""

import re

import pytest

from domain.errors import NoTariff, TariffNotValid, UnknownTariff
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import AccountId, TariffId
from scripts.anvil import ROOT
from tests.vectors.world import (
    CHARGE,
    DISCHARGE,
    EXPIRED,
    FOREIGN,
    OPERATOR,
    OTHER_OPERATOR,
    START_S,
    STATION,
    tariff,
    tariffs,
)


def checked(
    number: int, *, payee: AccountId = OPERATOR, direction: Direction = Direction.CHARGE, at: int = 0
) -> Tariff:
    start_s = START_S + at
    return tariffs().checked(
        number, station=STATION, payee=payee, direction=direction, start_s=start_s, end_s=start_s + 900
    )


def test_directions_have_the_numbers_of_the_contract() -> None:
    assert (Direction.CHARGE, Direction.DISCHARGE) == (0, 1)
    assert (Direction.MARKET_CHARGE, Direction.MARKET_DISCHARGE) == (2, 3)
    interface = (ROOT / "contracts" / "interfaces" / "ITariffBook.sol").read_text()
    declared = re.search(r"enum Direction \{([^}]*)\}", interface)
    assert declared is not None
    names = [name.strip() for name in declared[1].split(",")]
    assert names == [one.name.title().replace("_", "") for one in Direction]
    assert Direction.DISCHARGE.label == "discharge"
    assert Direction.MARKET_CHARGE.label == "market_charge"


def test_direction_says_which_way_energy_flows_and_whether_the_market_meters_it() -> None:
    assert [one.charges for one in Direction] == [True, False, True, False]
    assert [one.market for one in Direction] == [False, False, True, True]
    assert [one.flow for one in Direction] == [Direction.CHARGE, Direction.DISCHARGE] * 2


def test_market_tariff_is_for_a_row_whose_energy_flows_its_way() -> None:
    table = TariffTable([tariff(9, OPERATOR, Direction.MARKET_CHARGE, 1)])

    def of(direction: Direction) -> Tariff:
        return table.checked(
            9, station=STATION, payee=OPERATOR, direction=direction, start_s=START_S, end_s=START_S + 900
        )

    assert of(Direction.CHARGE).direction == Direction.MARKET_CHARGE
    with pytest.raises(TariffNotValid, match="is for market_charge, the row is for discharge"):
        of(Direction.DISCHARGE)


def test_ordinary_and_market_tariffs_are_not_offered_for_each_other() -> None:
    table = TariffTable([tariff(1, OPERATOR, Direction.CHARGE, 1), tariff(2, OPERATOR, Direction.MARKET_CHARGE, 1)])
    assert table.latest(STATION, OPERATOR, Direction.CHARGE, START_S, START_S + 1).tariff == TariffId(1)
    assert table.latest(STATION, OPERATOR, Direction.MARKET_CHARGE, START_S, START_S + 1).tariff == TariffId(2)


def test_tariff_of_the_stations_operator_is_found() -> None:
    assert checked(CHARGE).tariff == CHARGE
    assert checked(DISCHARGE, direction=Direction.DISCHARGE).tariff == DISCHARGE


def test_tariff_that_was_never_published_is_refused() -> None:
    with pytest.raises(UnknownTariff):
        checked(99)


def test_tariff_of_another_operator_is_refused() -> None:
    with pytest.raises(TariffNotValid, match=f"operator {OTHER_OPERATOR}"):
        checked(FOREIGN)


def test_tariff_for_the_other_direction_is_refused() -> None:
    with pytest.raises(TariffNotValid, match="discharge"):
        checked(CHARGE, direction=Direction.DISCHARGE)


@pytest.mark.parametrize("at", [-1, -900, 30 * 86_400 - 899])
def test_tariff_outside_its_window_is_refused(at: int) -> None:
    with pytest.raises(TariffNotValid, match="valid from"):
        checked(CHARGE, at=at)


def test_window_includes_its_first_second_and_excludes_its_end() -> None:
    assert checked(CHARGE, at=0)
    assert checked(CHARGE, at=30 * 86_400 - 900)
    assert tariffs().of(EXPIRED).covers(START_S - 900, START_S)
    assert not tariffs().of(EXPIRED).covers(START_S - 900, START_S + 1)


def test_latest_published_tariff_that_covers_the_time_is_taken() -> None:
    table = tariffs()
    table.add(tariff(7, OPERATOR, Direction.CHARGE, 1, START_S + 900))
    table.add(tariff(6, OPERATOR, Direction.CHARGE, 2, START_S))
    assert table.latest(STATION, OPERATOR, Direction.CHARGE, START_S, START_S + 900).tariff == TariffId(6)
    assert table.latest(STATION, OPERATOR, Direction.CHARGE, START_S + 900, START_S + 901).tariff == TariffId(7)


def test_time_without_a_tariff_is_named() -> None:
    with pytest.raises(NoTariff, match="charge"):
        tariffs().latest(STATION, AccountId(9), Direction.CHARGE, START_S, START_S + 1)
