"""Columns hold what the long way through a blob gives, and take no blob that it refuses."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import Malformed
from domain.evidence import (
    StatementEvidence,
    VehicleEvidence,
    parse_statement_blob,
    parse_vehicle_blob,
    statement_blob,
    vehicle_blob,
)
from domain.evidence_columns import statement_columns, vehicle_columns
from domain.reading import MAX_BASIS_POINTS, BmsReading, MeterReading, SignedBmsReading, SignedMeterReading
from tests.unit.audit.record import bms_series, two_days
from tests.vectors.world import ALICE

DAY = two_days()[0]
BMS = bms_series(ALICE, 1, 3)


def _unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


def _signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


def _bytes(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


METERS = st.builds(
    lambda signature, **fields: SignedMeterReading(MeterReading(**fields), signature),
    _bytes(65),
    station=_unsigned(24),
    sequence=_unsigned(32),
    time_s=_unsigned(40),
    import_wh=_unsigned(40),
    export_wh=_unsigned(40),
    power_w=_signed(32),
    session=_bytes(32),
)
BATTERIES = st.builds(
    lambda signature, **fields: SignedBmsReading(BmsReading(**fields), signature),
    _bytes(65),
    account=_unsigned(24),
    sequence=_unsigned(32),
    time_s=_unsigned(40),
    state_of_charge_bp=st.integers(0, MAX_BASIS_POINTS),
    state_of_health_bp=st.integers(0, MAX_BASIS_POINTS),
    temperature_deci_c=_signed(16),
    pack_millivolt=_unsigned(32),
    pack_milliampere=_signed(32),
    session=_bytes(32),
)


def _all(columns: Any) -> list[tuple[Any, bytes, bytes]]:
    hashes = list(columns.struct_hashes())
    return [(columns.reading(i), columns.signature(i), hashes[i]) for i in range(len(columns))]


def _plain(readings: Any) -> list[tuple[Any, bytes, bytes]]:
    return [(one.reading, one.signature, one.reading.struct_hash()) for one in readings]


@given(st.lists(METERS, max_size=5))
def test_meter_readings_in_columns_are_those_in_the_blob(readings: list[SignedMeterReading]) -> None:
    blob = statement_blob(
        StatementEvidence(statement=DAY.statement, authorisations=DAY.authorisations, readings=readings)
    )
    found = statement_columns(blob)
    assert (found.rest.statement, found.rest.authorisations) == (DAY.statement, DAY.authorisations)
    assert _all(found.readings) == _plain(readings)


@given(st.lists(BATTERIES, max_size=5))
def test_bms_readings_in_columns_are_those_in_the_blob(readings: list[SignedBmsReading]) -> None:
    found = vehicle_columns(vehicle_blob(VehicleEvidence(account=ALICE, readings=readings)))
    assert found.account == ALICE
    assert _all(found.readings) == _plain(readings)


TEXTS = [
    b" ",
    b",",
    b"0",
    b"-",
    b"1.5",
    b"}",
    b"]",
    b'"',
    b"\n",
    b'"readings":[]',
    b'],"statement":{',
    b"-0",
    b"\xff",
    b"A",
]


@settings(max_examples=300)
@given(st.booleans(), st.data())
def test_altered_blob_is_read_as_the_long_way_reads_it_or_refused_alike(of_vehicle: bool, data: st.DataObject) -> None:
    blob = vehicle_blob(VehicleEvidence(account=ALICE, readings=BMS)) if of_vehicle else DAY.blob()
    start = data.draw(st.integers(0, len(blob)))
    end = data.draw(st.integers(start, min(len(blob), start + 6)))
    blob = blob[:start] + data.draw(st.sampled_from(TEXTS) | st.just(b"") | st.binary(max_size=2)) + blob[end:]
    expected: Any
    found: Any
    rest: Any
    others: Any
    try:
        evidence: Any = parse_vehicle_blob(blob) if of_vehicle else parse_statement_blob(blob)
        expected = _plain(evidence.readings)
        rest = evidence.account if of_vehicle else replace(evidence, readings=[])
    except Malformed as error:
        expected, rest = None, str(error)
    try:
        if of_vehicle:
            vehicle = vehicle_columns(blob)
            found, others = _all(vehicle.readings), vehicle.account
        else:
            statement = statement_columns(blob)
            found, others = _all(statement.readings), replace(statement.rest, readings=[])
    except Malformed as error:
        found, others = None, str(error)
    assert (found, others) == (expected, rest)
