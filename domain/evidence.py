"""Evidence blobs: what an auditor needs beside the chain, as canonical JSON, compressed by gzip.

Canonical: keys sorted, no white space, ASCII. A blob's CID is that of its compressed bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from domain.cid import parse_cid
from domain.compression import compress, decompress
from domain.errors import Malformed
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

_Key = TypeVar("_Key", bound=tuple[int, ...])

STATEMENT_FORMAT = "wattledger/statement-evidence/2"
VEHICLE_FORMAT = "wattledger/vehicle-evidence/2"
MANIFEST_FORMAT = "wattledger/evidence-manifest/2"

MAX_JSON_BYTES = 64 * 1024 * 1024
"""Of a blob's JSON: some 130,000 meter readings. More is neither written nor unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEvidence:
    """A statement with the readings that it sums up and the authorisations that they name."""

    statement: SignedStatement
    authorisations: Sequence[SignedAuthorisation]
    readings: Sequence[SignedMeterReading]


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleEvidence:
    """BMS readings of one account's vehicle, in order."""

    account: int
    readings: Sequence[SignedBmsReading]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What belongs to a batch: the CID of each statement's blob, and of vehicles' blobs.

    `statements` maps (station, sequence) to a CID, `vehicles` (account, first, last sequence) to a CID.
    """

    statements: Mapping[tuple[int, int], str]
    vehicles: Mapping[tuple[int, int, int], str]


def canonical(value: object) -> bytes:
    """Canonical JSON of a value without floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def pack(value: object) -> bytes:
    """A blob with this value; Malformed if nobody would unpack it again, because it is too large."""
    data = canonical(value)
    if len(data) > MAX_JSON_BYTES:
        raise Malformed(f"{len(data)} bytes of evidence, a blob holds {MAX_JSON_BYTES}; send statements more often")
    return compress(data)


def unpack(blob: bytes) -> bytes:
    """The JSON in a blob, whatever it says; Malformed if it is not compressed as published, or too large."""
    return decompress(blob, limit_bytes=MAX_JSON_BYTES)


def statement_blob(evidence: StatementEvidence) -> bytes:
    return pack(
        {
            "format": STATEMENT_FORMAT,
            "statement": statement_to_json(evidence.statement),
            "authorisations": [authorisation_to_json(a) for a in evidence.authorisations],
            "readings": [meter_to_json(r) for r in evidence.readings],
        }
    )


def parse_statement_blob(blob: bytes) -> StatementEvidence:
    """The evidence in a blob; Malformed if it is not in the published format."""
    return parse_statement_json(unpack(blob))


def parse_statement_json(data: bytes) -> StatementEvidence:
    """The evidence in a blob that was unpacked; Malformed if it is not in the published format."""
    fields = _parse(data, STATEMENT_FORMAT, {"statement", "authorisations", "readings"})
    return StatementEvidence(
        statement=statement_from_json(fields["statement"]),
        authorisations=[authorisation_from_json(a) for a in _list(fields, "authorisations")],
        readings=[meter_from_json(r) for r in _list(fields, "readings")],
    )


def vehicle_blob(evidence: VehicleEvidence) -> bytes:
    return pack(
        {
            "format": VEHICLE_FORMAT,
            "account": evidence.account,
            "readings": [bms_to_json(r) for r in evidence.readings],
        }
    )


def parse_vehicle_blob(blob: bytes) -> VehicleEvidence:
    """The evidence in a blob; Malformed if it is not in the published format."""
    return parse_vehicle_json(unpack(blob))


def parse_vehicle_json(data: bytes) -> VehicleEvidence:
    """The evidence in a blob that was unpacked; Malformed if it is not in the published format."""
    fields = _parse(data, VEHICLE_FORMAT, {"account", "readings"})
    readings = [bms_from_json(r) for r in _list(fields, "readings")]
    return VehicleEvidence(account=_integer(fields, "account"), readings=readings)


def manifest_blob(manifest: Manifest) -> bytes:
    return pack(
        {
            "format": MANIFEST_FORMAT,
            "statements": [
                {"station": station, "sequence": sequence, "cid": cid}
                for (station, sequence), cid in sorted(manifest.statements.items())
            ],
            "vehicles": [
                {"account": account, "first": first, "last": last, "cid": cid}
                for (account, first, last), cid in sorted(manifest.vehicles.items())
            ],
        }
    )


def parse_manifest(blob: bytes) -> Manifest:
    """The manifest in a blob; Malformed if it is not in the published format."""
    fields = _parse(unpack(blob), MANIFEST_FORMAT, {"statements", "vehicles"})
    statements: dict[tuple[int, int], str] = {}
    for entry in _list(fields, "statements"):
        station, sequence = _integers(entry, ("station", "sequence"))
        _enter(statements, (station, sequence), _cid(entry))
    vehicles: dict[tuple[int, int, int], str] = {}
    for entry in _list(fields, "vehicles"):
        account, first, last = _integers(entry, ("account", "first", "last"))
        _enter(vehicles, (account, first, last), _cid(entry))
    return Manifest(statements=statements, vehicles=vehicles)


def parse_json(data: bytes) -> object:
    """A JSON value in which no object names a key twice and no number is a float; Malformed otherwise."""
    try:
        text = data.decode("utf-8")
        return json.loads(text, object_pairs_hook=_unique, parse_float=_refuse_number, parse_constant=_refuse_number)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"not strict JSON: {str(error)[:200]}") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object names a key twice")
    return fields


def _refuse_number(_: str) -> object:
    raise ValueError("a number is not an integer")


def _parse(data: bytes, expected: str, keys: set[str]) -> dict[str, object]:
    fields = parse_json(data)
    if not isinstance(fields, dict) or fields.get("format") != expected or fields.keys() != keys | {"format"}:
        raise Malformed(f"not a blob of format {expected}")
    if canonical(fields) != data:
        raise Malformed("not canonical JSON: keys sorted, no white space, ASCII")
    return fields


def _list(fields: dict[str, object], key: str) -> list[object]:
    value = fields[key]
    if not isinstance(value, list):
        raise Malformed(f"{key} must be a list")
    return value


def _integer(value: object, key: str) -> int:
    number = value.get(key) if isinstance(value, dict) else None
    if type(number) is not int:
        raise Malformed(f"{key} must be an integer")
    return number


def _integers(entry: object, keys: tuple[str, ...]) -> list[int]:
    """The integers of a manifest's entry, which has these fields and `cid`, and no other."""
    if not isinstance(entry, dict) or entry.keys() != {*keys, "cid"}:
        raise Malformed(f"an entry has exactly the fields {', '.join(keys)} and cid")
    return [_integer(entry, key) for key in keys]


def _cid(entry: object) -> str:
    text = entry.get("cid") if isinstance(entry, dict) else None
    if not isinstance(text, str):
        raise Malformed("cid must be text")
    parse_cid(text)
    return text


def _enter(entries: dict[_Key, str], key: _Key, cid: str) -> None:
    if key in entries:
        raise Malformed(f"two blobs for {key}")
    entries[key] = cid
