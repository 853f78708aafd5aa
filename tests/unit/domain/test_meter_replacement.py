"""Statements after a meter was replaced: they count from the new meter's registers, and lose nothing of time."""

from dataclasses import replace
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from domain.drawing import draw_up
from domain.errors import OutOfRange, RowsDoNotSum
from domain.metering import Basis, meter_rows
from domain.reading import MeterReading, VerifiedMeterReading
from domain.session import Usage
from domain.statement import IntervalStatement, VerifiedStatement
from domain.station import MeterReplacement
from domain.units import EnergyWh
from domain.verification import verify_statement
from tests.vectors.world import (
    ALICE,
    NOW_S,
    START_S,
    STATION_DOMAIN,
    Step,
    altered,
    by_id,
    first_reading,
    next_reading,
    replacement,
    session,
    signed_reading,
    signed_statement,
    station,
    tariffs,
)

DRIVER = session(ALICE)
SWAP = replacement(2, START_S + 400, opening=(70, 3))
LAST = first_reading()
"""The reading that the statement before the replacement, number 1, closed with."""
IDLE = next_reading(LAST, Step(300))
NEW = altered(next_reading(IDLE, Step(300, 0, 0)), import_wh=70, export_wh=3)
CHARGED = next_reading(NEW, Step(200, 900, 0, DRIVER.session_id))


def verified(reading: MeterReading) -> VerifiedMeterReading:
    return VerifiedMeterReading(reading, signed_reading(reading).signature)


def basis(
    *readings: MeterReading, opening: MeterReading | None = LAST, swaps: tuple[MeterReplacement, ...] = (SWAP,)
) -> Basis:
    return Basis(
        station=station(replacements=swaps),
        opening=opening,
        readings=[verified(reading) for reading in readings],
        sessions=by_id(DRIVER),
        tariffs=tariffs(),
    )


def taken(statement: IntervalStatement, at: Basis, last_sequence: int) -> VerifiedStatement:
    return verify_statement(
        signed_statement(statement),
        last_sequence=last_sequence,
        basis=at,
        usage={DRIVER.session_id: Usage()},
        domain=STATION_DOMAIN,
        now_s=NOW_S,
    )


def test_statement_after_a_replacement_counts_from_the_new_registers() -> None:
    at = basis(IDLE, NEW, CHARGED)
    statement = draw_up(3, at)
    assert at.registers == (70, 3)
    assert (statement.start_s, statement.end_s) == (LAST.time_s, CHARGED.time_s)
    assert (statement.import_wh, statement.export_wh) == (970, 3)
    assert [(row.account, row.energy_wh) for row in statement.rows] == [(ALICE, 900)]
    taken(statement, at, last_sequence=2)


def test_energy_before_the_first_reading_of_the_new_meter_is_billed_from_the_replacement_on() -> None:
    at = basis(IDLE, next_reading(NEW, Step(0, 50, 0, DRIVER.session_id)))
    [row] = meter_rows(at)
    assert (row.start_s, row.end_s, row.energy_wh) == (SWAP.time_s, NEW.time_s, 50)
    taken(draw_up(3, at), at, last_sequence=2)


def test_statement_of_a_station_that_never_read_its_first_meter_begins_with_the_second() -> None:
    swap = replacement(1, START_S - 1, opening=(70, 3))
    first = altered(LAST, import_wh=70, export_wh=3)
    at = basis(first, next_reading(first, Step(60, 5, 0, DRIVER.session_id)), opening=None, swaps=(swap,))
    assert at.registers == (70, 3)
    taken(draw_up(2, at), at, last_sequence=1)


def test_statement_that_ends_before_the_replacement_counts_from_the_old_registers() -> None:
    charged = next_reading(LAST, Step(400, 900, 0, DRIVER.session_id))
    at = basis(charged)
    assert at.registers == (LAST.import_wh, LAST.export_wh)
    taken(draw_up(2, at), at, last_sequence=1)


def test_statement_after_two_replacements_counts_from_the_last_one() -> None:
    again = replacement(3, SWAP.time_s + 30, closing=(70, 3), opening=(0, 0))
    fresh = altered(CHARGED, import_wh=12, export_wh=0)
    at = basis(IDLE, fresh, swaps=(SWAP, again))
    assert [(row.start_s, row.energy_wh) for row in meter_rows(at)] == [(again.time_s, 12)]
    taken(draw_up(4, at), at, last_sequence=3)


def test_energy_that_the_old_meter_showed_after_the_last_statement_is_not_billed() -> None:
    """Operator and station signed that it closed where the last statement did."""
    unstated = next_reading(LAST, Step(300, 1_000, 0, DRIVER.session_id))
    at = basis(unstated, replace(NEW, sequence=3), replace(CHARGED, sequence=4))
    assert [row.energy_wh for row in meter_rows(at)] == [900]


def test_statement_that_ignores_the_replacement_is_refused() -> None:
    at = basis(IDLE, NEW, CHARGED)
    statement = draw_up(3, at)
    row = replace(statement.rows[0], energy_wh=EnergyWh(970))
    with pytest.raises(RowsDoNotSum):
        taken(replace(statement, rows=(row,)), at, last_sequence=2)


def test_replacement_is_hashed_as_typed_data() -> None:
    fields = ("closingImportWh", "closingExportWh", "openingImportWh", "openingExportWh")
    types: dict[str, Any] = {
        "MeterReplacement": [
            {"name": "station", "type": "uint24"},
            {"name": "sequence", "type": "uint24"},
            {"name": "time", "type": "uint40"},
            *({"name": name, "type": "uint40"} for name in fields),
        ]
    }
    message = {"station": 1, "sequence": 2, "time": SWAP.time_s} | dict(
        zip(fields, (*SWAP.closing, *SWAP.opening), strict=True)
    )
    domain = {
        "name": "Wattledger",
        "version": "1",
        "chainId": STATION_DOMAIN.chain_id,
        "verifyingContract": "0x" + STATION_DOMAIN.contract.hex(),
    }
    signable = encode_typed_data(domain, types, message)
    assert keccak(b"\x19\x01" + signable.header + signable.body) == STATION_DOMAIN.digest(SWAP.struct_hash())


@pytest.mark.parametrize("field", ["station", "sequence", "time_s", "opening_import_wh", "closing_export_wh"])
def test_replacement_of_numbers_out_of_range_is_refused(field: str) -> None:
    for value in (-1, 1 << 40):
        with pytest.raises(OutOfRange):
            altered(SWAP, **{field: value})
