"""The audit follows stations' keys, suspensions and meters."""

from dataclasses import replace
from typing import Any

import pytest

from domain.audit import FindingCode
from domain.drawing import draw_up
from domain.metering import Basis
from domain.reading import MeterReading, SignedMeterReading, VerifiedMeterReading
from domain.station import Station
from tests.unit.audit.record import Evidence, Record, enrolled, settle, two_days
from tests.unit.audit.test_auditor import codes
from tests.vectors.world import (
    ALICE,
    OTHER_KEY,
    STATION,
    STATION_KEY,
    Key,
    Step,
    altered,
    authorisation,
    by_id,
    next_reading,
    replacement,
    session,
    signed_reading,
    signed_statement,
    station,
    tariffs,
)

DAY, NEXT_DAY = two_days()
DAY_END_S = DAY.statement.statement.end_s
CLOSING = (DAY.statement.statement.import_wh, DAY.statement.statement.export_wh)


# --- keys and suspensions ----------------------------------------------------------------------


@pytest.mark.parametrize(("until_s", "holds"), [(DAY_END_S, True), (DAY_END_S - 1, False), (0, False)])
def test_key_that_was_cut_off_settles_up_to_its_end_alone(until_s: int, holds: bool) -> None:
    record = enrolled()
    record.event("StationRegistry", "KeyRevoked", station=STATION, signer=STATION_KEY.address, validUntil=until_s, by=3)
    settle(record, [DAY], {})
    assert (FindingCode.STATEMENT_SIGNATURE not in codes(record.findings())) == holds
    assert (record.findings() == []) == holds


def rotate(record: Record, signer: bytes, previous: bytes, until_s: int) -> None:
    record.event(
        "StationRegistry",
        "KeyRotated",
        station=STATION,
        signer=signer,
        previousSigner=previous,
        previousValidUntil=until_s,
    )


def test_any_number_of_former_keys_settle_up_to_their_ends() -> None:
    second, third = Key("second"), Key("third")
    record = enrolled()
    rotate(record, second.address, STATION_KEY.address, DAY_END_S)
    rotate(record, third.address, second.address, DAY_END_S + 1)
    settle(record, [DAY], {})
    assert record.findings() == []
    settle(record, [NEXT_DAY], {})
    assert codes(record.findings()) == {FindingCode.STATEMENT_SIGNATURE, FindingCode.READING_SIGNATURE}


def test_key_after_a_revoked_one_takes_nothing_over_from_it() -> None:
    record = enrolled()
    record.event("StationRegistry", "KeyRevoked", station=STATION, signer=STATION_KEY.address, validUntil=0, by=3)
    rotate(record, Key("second").address, bytes(20), DAY_END_S)
    settle(record, [DAY], {})
    assert FindingCode.STATEMENT_SIGNATURE in codes(record.findings())


@pytest.mark.parametrize("governance", [True, False])
def test_statement_of_a_suspended_station_is_named(governance: bool) -> None:
    record = enrolled()
    record.event("StationRegistry", "StationSuspended", station=STATION, byGovernance=governance, by=3)
    settle(record, [DAY], {})
    assert codes(record.findings()) == {FindingCode.SETTLED_WHILE_SUSPENDED}


@pytest.mark.parametrize("governance", [True, False])
def test_statement_of_a_station_that_is_active_again_has_no_findings(governance: bool) -> None:
    record = enrolled()
    record.event("StationRegistry", "StationSuspended", station=STATION, byGovernance=governance, by=3)
    record.event("StationRegistry", "StationReactivated", station=STATION, byGovernance=governance, by=3)
    settle(record, [DAY], {})
    assert record.findings() == []


def test_each_suspension_ends_for_itself() -> None:
    record = enrolled()
    record.event("StationRegistry", "StationSuspended", station=STATION, byGovernance=True, by=3)
    record.event("StationRegistry", "StationSuspended", station=STATION, byGovernance=False, by=4)
    record.event("StationRegistry", "StationReactivated", station=STATION, byGovernance=False, by=4)
    settle(record, [DAY], {})
    assert codes(record.findings()) == {FindingCode.SETTLED_WHILE_SUSPENDED}


def test_state_of_a_station_is_compared_with_the_chain() -> None:
    record = enrolled()
    settle(record, [DAY], {})
    auditor = record.audit()
    numbers = (*CLOSING, 1)
    auditor.check_station(STATION, signer=STATION_KEY.address, suspended=False, numbers=numbers)
    assert list(auditor.findings) == []
    auditor.check_station(STATION, signer=OTHER_KEY.address, suspended=False, numbers=numbers)
    auditor.check_station(STATION, signer=STATION_KEY.address, suspended=True, numbers=numbers)
    auditor.check_station(STATION, signer=STATION_KEY.address, suspended=False, numbers=(*CLOSING, 2))
    assert [f.code for f in auditor.findings] == [FindingCode.STATION_STATE] * 3


# --- meters ------------------------------------------------------------------------------------

SWAP = replacement(2, DAY_END_S + 100, closing=CLOSING, opening=(70, 3))
DRIVER = session(ALICE)


def swapped(record: Record, **other: int) -> None:
    args: dict[str, Any] = {
        "station": STATION,
        "sequence": SWAP.sequence,
        "time": SWAP.time_s,
        "closingImportWh": SWAP.closing_import_wh,
        "closingExportWh": SWAP.closing_export_wh,
        "openingImportWh": SWAP.opening_import_wh,
        "openingExportWh": SWAP.opening_export_wh,
    }
    record.event("StationRegistry", "MeterReplaced", **args | other)


def after_swap(*, idle_wh: int = 0) -> Evidence:
    """A statement of the new meter, after a reading of the old one that shows so much more than was settled."""
    before: MeterReading = DAY.readings[-1].reading
    idle = next_reading(before, Step(50, idle_wh))
    opened = altered(next_reading(idle, Step(200)), import_wh=70, export_wh=3)
    charged = next_reading(opened, Step(100, 500, 0, DRIVER.session_id))
    readings = [signed_reading(one) for one in (idle, opened, charged)]
    known: Station = station(replacements=(SWAP,))
    basis = Basis(
        station=known,
        opening=before,
        readings=[VerifiedMeterReading(one.reading, one.signature) for one in readings],
        sessions=by_id(DRIVER),
        tariffs=tariffs(),
    )
    signed: list[SignedMeterReading] = readings
    return Evidence(signed_statement(draw_up(3, basis)), [authorisation(ALICE)], signed)


def test_statement_of_a_new_meter_has_no_findings() -> None:
    record = enrolled()
    settle(record, [DAY], {})
    swapped(record)
    settle(record, [after_swap()], {})
    auditor = record.audit()
    assert list(auditor.findings) == []
    book = auditor.books.stations[STATION]
    assert (book.import_wh, book.export_wh, book.sequence) == (570, 3, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 3},
        {"closingImportWh": CLOSING[0] + 1},
        {"closingExportWh": CLOSING[1] - 1},
        {"time": DAY_END_S - 1},
        {"time": DAY_END_S + 10**8},
    ],
    ids=["another number", "another import", "another export", "before its last statement", "in the future"],
)
def test_new_meter_that_does_not_go_on_where_the_old_one_was_settled_is_named(change: dict[str, int]) -> None:
    record = enrolled()
    settle(record, [DAY], {})
    swapped(record, **change)
    assert codes(record.findings()) == {FindingCode.METER_REPLACEMENT}


def test_new_meter_of_a_suspended_station_is_named() -> None:
    record = enrolled()
    settle(record, [DAY], {})
    record.event("StationRegistry", "StationSuspended", station=STATION, byGovernance=True, by=3)
    swapped(record)
    assert codes(record.findings()) == {FindingCode.METER_REPLACEMENT}


def test_statement_that_goes_on_from_the_old_meter_breaks_the_register() -> None:
    record = enrolled()
    settle(record, [DAY], {})
    swapped(record, sequence=2)
    statement = replace(NEXT_DAY.statement.statement, sequence=3)
    settle(record, [Evidence(signed_statement(statement), NEXT_DAY.authorisations, NEXT_DAY.readings)], {})
    assert FindingCode.REGISTER_MISMATCH in codes(record.findings())


def test_energy_that_the_old_meter_showed_and_nobody_was_billed_for_is_named() -> None:
    record = enrolled()
    settle(record, [DAY], {})
    swapped(record)
    settle(record, [after_swap(idle_wh=40)], {})
    assert FindingCode.UNBILLED_ENERGY in codes(record.findings())
