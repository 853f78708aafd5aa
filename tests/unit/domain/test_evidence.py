"""Evidence blobs: canonical bytes, strict reading."""

import gzip
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from domain.cid import cid_of
from domain.compression import compress
from domain.errors import Malformed
from domain.evidence import (
    MAX_JSON_BYTES,
    Manifest,
    StatementEvidence,
    VehicleEvidence,
    canonical,
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
from domain.reading import SignedMeterReading
from tests.unit.domain.bms import BMS, signed_bms
from tests.vectors.world import ALICE, BOB, authorisation, busy_day, busy_statement

STATEMENT = StatementEvidence(
    statement=busy_statement(),
    authorisations=[authorisation(ALICE), authorisation(BOB)],
    readings=[SignedMeterReading(r.reading, r.signature) for r in busy_day().readings],
)
VEHICLE = VehicleEvidence(account=ALICE, readings=[signed_bms(BMS)])
CIDS = [cid_of(bytes([n])) for n in range(3)]
MANIFEST = Manifest(
    statements={(1, 1): CIDS[0], (1, 2): CIDS[1]},
    vehicles={(6, 1, 10): CIDS[2]},
)
Parse = Callable[[bytes], object]
BLOBS: dict[str, tuple[bytes, Parse]] = {
    "statement": (statement_blob(STATEMENT), parse_statement_blob),
    "vehicle": (vehicle_blob(VEHICLE), parse_vehicle_blob),
    "manifest": (manifest_blob(MANIFEST), parse_manifest),
}
KINDS = pytest.mark.parametrize(("blob", "parse"), BLOBS.values(), ids=BLOBS.keys())


def changed(blob: bytes, **change: Any) -> bytes:
    return pack(json.loads(unpack(blob)) | change)


# --- what is written is read back --------------------------------------------------------------


def test_statement_evidence_is_read_back() -> None:
    assert parse_statement_blob(statement_blob(STATEMENT)) == STATEMENT


def test_vehicle_evidence_is_read_back() -> None:
    assert parse_vehicle_blob(vehicle_blob(VEHICLE)) == VEHICLE


def test_manifest_is_read_back() -> None:
    assert parse_manifest(manifest_blob(MANIFEST)) == MANIFEST


@KINDS
def test_blob_is_canonical(blob: bytes, parse: Parse) -> None:
    data = unpack(blob)
    assert data == canonical(json.loads(data))
    assert data.isascii()
    assert b" " not in data
    assert b"\n" not in data


@KINDS
def test_anybody_opens_a_blob_with_gunzip(blob: bytes, parse: Parse) -> None:
    opened = subprocess.run(["gunzip", "-c"], input=blob, capture_output=True, timeout=20, check=True).stdout
    assert opened == unpack(blob) == gzip.decompress(blob)


@KINDS
def test_blob_that_gzip_itself_made_is_read_as_well(blob: bytes, parse: Parse) -> None:
    made = subprocess.run(["gzip", "-n", "-1"], input=unpack(blob), capture_output=True, timeout=20, check=True).stdout
    assert parse(made) == parse(blob)


@KINDS
def test_blob_names_its_format_and_version(blob: bytes, parse: Parse) -> None:
    assert json.loads(unpack(blob))["format"].startswith("wattledger/")
    assert json.loads(unpack(blob))["format"].endswith("/2")


def test_manifest_has_the_same_bytes_whatever_the_order_it_was_made_in() -> None:
    turned = Manifest(statements=dict(sorted(MANIFEST.statements.items(), reverse=True)), vehicles=MANIFEST.vehicles)
    assert manifest_blob(turned) == manifest_blob(MANIFEST)


def test_bytes_of_a_manifest_are_stable() -> None:
    assert unpack(manifest_blob(MANIFEST)) == (
        b'{"format":"wattledger/evidence-manifest/2","statements":['
        b'{"cid":"%b","sequence":1,"station":1},{"cid":"%b","sequence":2,"station":1}],'
        b'"vehicles":[{"account":6,"cid":"%b","first":1,"last":10}]}'
    ) % tuple(cid.encode() for cid in CIDS)


def test_canonical_json_sorts_keys_and_escapes_what_is_not_ascii() -> None:
    assert canonical({"b": [1, -2], "a": {"d": True, "c": "ü"}}) == b'{"a":{"c":"\\u00fc","d":true},"b":[1,-2]}'


# --- strict reading ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b"{'a':1}",
        b'{"a":1}x',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'[{"a":1,"a":2}]',
        b"1.0",
        b"1e3",
        b"-0.0",
        b'{"a":1.5}',
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b'{"a":NaN}',
        b"01",
        b"+1",
        b"0x10",
        b"1" * 5_000,
        b"-" + b"1" * 5_000,
        b'{"a":' + b"9" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe\xfd",
        b'"\xff"',
        b'"\n"',
        b'"\\x"',
        b"\x00",
        b"nul",
        b"// a comment\n1",
        b"\xef\xbb\xbf1",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'"\xed\xa0\x80"',
    ],
    ids=lambda data: repr(data[:24]),
)
def test_bytes_that_are_not_strict_json_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse_json(data)
    assert len(str(refused.value)) < 300


def test_strict_json_is_read() -> None:
    assert parse_json(b' {"a": [1, -2, true, null, "\\u00fc"]} ') == {"a": [1, -2, True, None, "ü"]}
    assert parse_json(b"9" * 4_000) == int("9" * 4_000)


@KINDS
@pytest.mark.parametrize("value", [None, 1, "text", [], {}, {"format": 1}], ids=repr)
def test_json_that_is_no_blob_is_malformed(blob: bytes, parse: Parse, value: object) -> None:
    with pytest.raises(Malformed):
        parse(pack(value))


@KINDS
@pytest.mark.parametrize("name", ["wattledger/statement-evidence/1", "", None, 1, [], "wattledger"], ids=repr)
def test_blob_of_another_format_is_malformed(blob: bytes, parse: Parse, name: object) -> None:
    with pytest.raises(Malformed):
        parse(changed(blob, format=name))


@pytest.mark.parametrize("kind", BLOBS)
def test_blob_of_one_kind_is_not_read_as_another(kind: str) -> None:
    for other, (_, parse) in BLOBS.items():
        if other != kind:
            with pytest.raises(Malformed):
                parse(BLOBS[kind][0])


@KINDS
def test_blob_with_an_unknown_field_is_malformed(blob: bytes, parse: Parse) -> None:
    with pytest.raises(Malformed):
        parse(changed(blob, comment="x"))


@KINDS
def test_blob_without_one_of_its_fields_is_malformed(blob: bytes, parse: Parse) -> None:
    for key in json.loads(unpack(blob)):
        value = json.loads(unpack(blob))
        del value[key]
        with pytest.raises(Malformed):
            parse(pack(value))


@KINDS
def test_blob_that_names_a_key_twice_is_malformed(blob: bytes, parse: Parse) -> None:
    with pytest.raises(Malformed, match="twice"):
        parse(compress(unpack(blob)[:-1] + b',"format":"x"}'))


@KINDS
def test_blob_that_is_not_canonical_is_malformed(blob: bytes, parse: Parse) -> None:
    with pytest.raises(Malformed, match="canonical"):
        parse(compress(unpack(blob) + b"\n"))


@KINDS
def test_blob_that_is_not_compressed_is_malformed(blob: bytes, parse: Parse) -> None:
    with pytest.raises(Malformed, match="gzip"):
        parse(unpack(blob))


def test_evidence_that_nobody_would_unpack_is_not_packed() -> None:
    with pytest.raises(Malformed, match="more often"):
        pack("x" * MAX_JSON_BYTES)


@KINDS
@pytest.mark.parametrize("value", [None, 1, "text", {}, [1], [None], [[]], [{}]], ids=repr)
def test_list_that_holds_something_else_is_malformed(blob: bytes, parse: Parse, value: object) -> None:
    for key, old in json.loads(unpack(blob)).items():
        if isinstance(old, list):
            with pytest.raises(Malformed):
                parse(changed(blob, **{key: value}))


@pytest.mark.parametrize("account", [True, "6", None, []], ids=repr)
def test_account_that_is_no_integer_is_malformed(account: object) -> None:
    with pytest.raises(Malformed, match="account"):
        parse_vehicle_blob(changed(vehicle_blob(VEHICLE), account=account))


@pytest.mark.parametrize("cid", [1, None, [], True], ids=repr)
def test_cid_that_is_no_text_is_malformed(cid: object) -> None:
    with pytest.raises(Malformed, match="cid"):
        parse_manifest(changed(manifest_blob(MANIFEST), statements=[{"station": 1, "sequence": 1, "cid": cid}]))


@pytest.mark.parametrize("station", [True, "1", None], ids=repr)
def test_station_that_is_no_integer_is_malformed(station: object) -> None:
    entry = {"station": station, "sequence": 1, "cid": CIDS[0]}
    with pytest.raises(Malformed, match="station"):
        parse_manifest(changed(manifest_blob(MANIFEST), statements=[entry]))


ENTRY = {"station": 1, "sequence": 1, "cid": CIDS[0]}


@pytest.mark.parametrize(
    "statements",
    [
        [ENTRY, ENTRY | {"cid": CIDS[1]}],
        [ENTRY, ENTRY],
        [ENTRY | {"comment": 1}],
        [ENTRY | {"cid": "../../etc/passwd"}],
        [ENTRY | {"cid": ""}],
    ],
    ids=["a statement with two blobs", "a statement twice", "an unknown field", "a path for a CID", "an empty CID"],
)
def test_manifest_that_is_not_clear_is_malformed(statements: list[dict[str, object]]) -> None:
    with pytest.raises(Malformed):
        parse_manifest(changed(manifest_blob(MANIFEST), statements=statements))


@pytest.mark.parametrize(
    "vehicles",
    [
        [{"account": 6, "first": 1, "last": 2, "cid": CIDS[0]}, {"account": 6, "first": 1, "last": 2, "cid": CIDS[1]}],
        [{"account": 6, "first": 1, "last": 2, "cid": CIDS[0], "comment": 1}],
        [{"account": 6, "first": 1, "last": 2, "cid": "x"}],
    ],
    ids=["a range with two blobs", "an unknown field", "no CID"],
)
def test_manifest_whose_vehicles_are_not_clear_is_malformed(vehicles: list[dict[str, object]]) -> None:
    with pytest.raises(Malformed):
        parse_manifest(changed(manifest_blob(MANIFEST), vehicles=vehicles))
