"""An honest batch with market rows is accepted; one of which the positions were told something else is named."""

from dataclasses import replace
from typing import Any

import pytest

from domain.audit import FindingCode
from domain.market import MarketRow
from domain.statement import Row
from domain.tariff import Direction
from domain.units import EnergyWh, UnixSeconds
from tests.unit.audit.record import Evidence, Record, enrolled, publish, settle, two_days
from tests.vectors.world import ALICE, BOB, CHARGE, DISCHARGE, OPERATOR, START_S, signed_statement, tariff, tariffs

MARKET = {
    CHARGE: tariff(20, OPERATOR, Direction.MARKET_CHARGE, 400_000),
    DISCHARGE: tariff(21, OPERATOR, Direction.MARKET_DISCHARGE, 50_000),
}


def market_world() -> Record:
    """All that Alice's vehicle moved on the first day is metered in the market, Bob's is paid by row."""
    record, (day, _), table = enrolled(), two_days(), tariffs()
    record.event("PositionBook", "ZoneOpened", zone=1, grid=OPERATOR)
    terms: dict[str, Any] = {"grid": OPERATOR, "feeMicroPerKwh": 0, "importLimitWh": 0, "exportLimitWh": 0, "from": 0}
    record.event("AuctionHouse", "ZoneSet", record.events[-1].tx, zone=1, **terms)
    record.event("AuctionHouse", "Joined", zone=1, account=ALICE)
    for one in MARKET.values():
        record.times[len(record.events)] = one.valid_from_s
        publish(record, one)
        table.add(one)
    stated = day.statement.statement

    def moved(row: Row) -> Row:
        if row.account != ALICE:
            return row
        return replace(row, tariff_offset=MARKET[stated.tariff_of(row)].tariff - stated.tariff_base)

    statement = replace(stated, rows=tuple(map(moved, stated.rows)))
    settle(record, [Evidence(signed_statement(statement), day.authorisations, day.readings)], {}, prices=table)
    return record


def metered(record: Record) -> int:
    return next(i for i, event in enumerate(record.events) if event.name == "Metered")


def tell(record: Record, rows: list[int]) -> None:
    at = metered(record)
    record.events[at] = replace(record.events[at], args={"rows": rows})


def codes(record: Record) -> set[FindingCode]:
    return {finding.code for finding in record.findings()}


def test_honest_batch_with_market_rows_is_accepted() -> None:
    record = market_world()
    rows = record.events[metered(record)].args["rows"]
    assert {MarketRow.from_word(word).account for word in rows} == {ALICE}
    assert {MarketRow.from_word(word).exported for word in rows} == {False, True}
    assert record.findings() == []


def test_row_of_which_the_positions_were_told_another_energy_is_named() -> None:
    record = market_world()
    first, *others = record.events[metered(record)].args["rows"]
    one = MarketRow.from_word(first)
    tell(record, [replace(one, energy_wh=EnergyWh(one.energy_wh + 1)).word, *others])
    [finding] = record.findings()
    assert finding.code == FindingCode.METERING_MISMATCH
    assert "rows in the market" in finding.where
    assert hex(first) in finding.expected


@pytest.mark.parametrize("change", ["left out", "twice", "turned round", "none"])
def test_rows_of_which_the_positions_were_told_otherwise_are_named(change: str) -> None:
    record = market_world()
    rows = record.events[metered(record)].args["rows"]
    other = {"left out": rows[1:], "twice": [*rows, rows[-1]], "turned round": rows[::-1], "none": []}[change]
    tell(record, other)
    assert codes(record) == {FindingCode.METERING_MISMATCH}


def test_batch_of_which_the_positions_were_told_nothing_is_named() -> None:
    record = market_world()
    del record.events[metered(record)]
    assert codes(record) == {FindingCode.METERING_MISMATCH}


def test_rows_that_were_metered_without_a_batch_are_named() -> None:
    record = market_world()
    record.event("PositionBook", "Metered", rows=record.events[metered(record)].args["rows"])
    assert codes(record) == {FindingCode.METERING_MISMATCH}


@pytest.mark.parametrize(("before_s", "found"), [(7_200, {FindingCode.OFF_MARKET}), (-7_200, set())])
def test_row_of_a_member_that_was_billed_beside_the_market_is_named(before_s: int, found: set[FindingCode]) -> None:
    record = market_world()
    at = next(i for i, event in enumerate(record.events) if event.name == "Joined")
    alice = record.events[at]
    record.events.insert(at, replace(alice, tx=b"\x07" * 32, args={"zone": 1, "account": BOB}))
    record.times[alice.block] = UnixSeconds(START_S - before_s)
    assert codes(record) == found


def test_market_row_of_an_account_that_never_joined_is_named() -> None:
    record = market_world()
    record.events = [event for event in record.events if event.name != "Joined"]
    assert codes(record) == {FindingCode.OFF_MARKET}


def look(record: Record, time_s: int) -> None:
    """The audit looks at the chain at this time."""
    record.times[len(record.events)] = UnixSeconds(time_s)


def test_position_that_is_open_a_day_after_it_could_be_closed_is_named() -> None:
    record = market_world()
    metered_s = record.time_of(record.events[metered(record)].block)
    look(record, metered_s + 86_400)
    assert record.findings() == []
    look(record, metered_s + 86_401)
    found = record.findings()
    rows = [MarketRow.from_word(word) for word in record.events[metered(record)].args["rows"]]
    assert {finding.code for finding in found} == {FindingCode.POSITION_OPEN}
    expected = {f"position of zone 1, interval {row.interval_s}, account {ALICE} " for row in rows}
    assert {finding.where.split("(")[0] for finding in found} == expected
    assert all(f"closed by {metered_s + 86_400}" == finding.expected for finding in found)
