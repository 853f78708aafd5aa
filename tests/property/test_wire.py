"""JSON from anywhere: it is read, or refused as one of the project's errors; nothing else is ever raised."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cid import parse_cid
from domain.compression import compress
from domain.errors import InvalidCid, Malformed, WattledgerError
from domain.evidence import (
    Manifest,
    StatementEvidence,
    VehicleEvidence,
    manifest_blob,
    pack,
    parse_json,
    parse_manifest,
    parse_statement_blob,
    parse_vehicle_blob,
    statement_blob,
    unpack,
    vehicle_blob,
)
from domain.reading import SignedBmsReading, SignedMeterReading
from domain.session import SignedAuthorisation
from domain.statement import SignedStatement
from domain.wire import (
    authorisation_from_json,
    authorisation_to_json,
    bms_from_json,
    bms_to_json,
    meter_from_json,
    meter_to_json,
    statement_from_json,
    statement_to_json,
)
from tests.property.strategies import (
    AUTHORISATIONS,
    BMS_READINGS,
    JSON_VALUES,
    METER_READINGS,
    SIGNATURES,
    SIGNED_STATEMENTS,
)

METERS = st.builds(SignedMeterReading, METER_READINGS, SIGNATURES)
VEHICLES = st.builds(SignedBmsReading, BMS_READINGS, SIGNATURES)
SIGNED_AUTHORISATIONS = st.builds(SignedAuthorisation, AUTHORISATIONS, SIGNATURES)
STATEMENT_EVIDENCE = st.builds(
    StatementEvidence,
    statement=SIGNED_STATEMENTS,
    authorisations=st.lists(SIGNED_AUTHORISATIONS, max_size=2),
    readings=st.lists(METERS, max_size=3),
)
READERS: list[Callable[[Any], object]] = [meter_from_json, bms_from_json, authorisation_from_json, statement_from_json]
PARSERS: list[Callable[[bytes], object]] = [parse_statement_blob, parse_vehicle_blob, parse_manifest]


def text(value: object) -> bytes:
    return json.dumps(value).encode()


@given(METERS)
def test_meter_reading_is_read_back(signed: SignedMeterReading) -> None:
    assert meter_from_json(parse_json(text(meter_to_json(signed)))) == signed


@given(VEHICLES)
def test_bms_reading_is_read_back(signed: SignedBmsReading) -> None:
    assert bms_from_json(parse_json(text(bms_to_json(signed)))) == signed


@given(SIGNED_AUTHORISATIONS)
def test_authorisation_is_read_back(signed: SignedAuthorisation) -> None:
    assert authorisation_from_json(parse_json(text(authorisation_to_json(signed)))) == signed


@given(SIGNED_STATEMENTS)
def test_statement_is_read_back(signed: SignedStatement) -> None:
    assert statement_from_json(parse_json(text(statement_to_json(signed)))) == signed


@settings(deadline=None)
@given(STATEMENT_EVIDENCE)
def test_statement_evidence_is_read_back_and_its_bytes_are_stable(evidence: StatementEvidence) -> None:
    blob = statement_blob(evidence)
    assert parse_statement_blob(blob) == evidence
    assert statement_blob(parse_statement_blob(blob)) == blob == pack(json.loads(unpack(blob)))


@given(st.lists(VEHICLES, max_size=3))
def test_vehicle_evidence_is_read_back_and_its_bytes_are_stable(readings: list[SignedBmsReading]) -> None:
    blob = vehicle_blob(VehicleEvidence(account=6, readings=readings))
    assert vehicle_blob(parse_vehicle_blob(blob)) == blob


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES)
def test_any_json_value_is_refused_as_malformed(value: object) -> None:
    for read in READERS:
        try:
            read(value)
        except Malformed:
            continue
        raise AssertionError("made-up JSON was read as something signed")


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(range(4)), JSON_VALUES)
def test_field_with_any_json_value_is_read_or_refused(data: st.DataObject, kind: int, value: object) -> None:
    example = data.draw(
        [
            METERS.map(meter_to_json),
            VEHICLES.map(bms_to_json),
            SIGNED_AUTHORISATIONS.map(authorisation_to_json),
            SIGNED_STATEMENTS.map(statement_to_json),
        ][kind]
    )
    key = data.draw(st.sampled_from(sorted(example)))
    with suppress(WattledgerError):
        READERS[kind](example | {key: value})


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(range(3)), JSON_VALUES)
def test_blob_with_any_json_value_in_it_is_read_or_refused(data: st.DataObject, kind: int, value: object) -> None:
    manifest = Manifest(statements={(1, 1): "x"}, vehicles={(1, 1, 1): "x"})
    blobs = [STATEMENT_EVIDENCE.map(statement_blob), st.just(vehicle_blob(VehicleEvidence(account=1, readings=[])))]
    fields = json.loads(unpack(data.draw([*blobs, st.just(manifest_blob(manifest))][kind])))
    key = data.draw(st.sampled_from(sorted(fields)))
    with suppress(WattledgerError):
        PARSERS[kind](compress(json.dumps(fields | {key: value}, sort_keys=True, separators=(",", ":")).encode()))


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass"))
    | JSON_VALUES.map(text),
    st.booleans(),
)
def test_any_bytes_are_no_blob(data: bytes, compressed: bool) -> None:
    for parse in PARSERS:
        try:
            parse(compress(data) if compressed else data)
        except Malformed:
            continue
        raise AssertionError("made-up bytes were read as evidence")


@given(st.text(max_size=80) | st.text("abcdefghijklmnopqrstuvwxyz234567", max_size=80).map(lambda t: "b" + t))
def test_any_text_is_no_cid(found: str) -> None:
    try:
        parse_cid(found)
    except InvalidCid:
        return
    raise AssertionError("made-up text was read as a CID")
