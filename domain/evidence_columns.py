"""The readings of an evidence blob in columns: quick to read, to hash and to hand to another process.

The quick way takes only the canonical form that `domain.evidence` writes. Whatever looks different goes the
long way through `domain.evidence`, which says what is wrong with it, so that both accept the same blobs.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from typing import Any

from domain.errors import Malformed
from domain.evidence import StatementEvidence, VehicleEvidence, parse_statement_json, parse_vehicle_json, unpack
from domain.keccak import keccak
from domain.reading import MAX_BASIS_POINTS, BmsReading, MeterReading, SignedBmsReading, SignedMeterReading
from domain.signing import SIGNATURE_BYTES, typehash

_LIST_OPENS, _LIST_CLOSES = b'"readings":[', b"]"
_STATEMENT_FOLLOWS = b'],"statement":{'
_VEHICLE_ENDS = b"]}"
_NUMBER = rb"(0|-?[1-9][0-9]{0,12})"
_SESSION_BYTES = 32
_ABOVE = (bytes(30), b"\xff" * 30)
"""What stands before a number that is not negative, and before one that is, in its word of 32 bytes."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A number of a reading: its name in JSON and in our classes, and its range."""

    key: str
    name: str
    low: int
    high: int


class _Kind:
    """A kind of reading: its columns in the order of the signed struct, and how that struct is packed."""

    def __init__(self, struct: str, packed: str, *columns: _Column) -> None:
        self.typehash, self.pack = typehash(struct), Struct(packed).pack
        self.columns = columns
        self.signed = tuple(column.low < 0 for column in columns)
        keys = sorted([column.key for column in columns] + ["session", "signature"])
        fields = {"session": rb'"0x([0-9a-f]{64})"', "signature": rb'"0x([0-9a-f]{130})"'}
        pairs = [b'"' + key.encode() + b'":' + fields.get(key, _NUMBER) for key in keys]
        self.pattern = re.compile(rb"\{" + b",".join(pairs) + rb"\}")
        self.places = [1 + keys.index(column.key) for column in columns]
        self.session_place, self.signature_place = 1 + keys.index("session"), 1 + keys.index("signature")
        self.stride = len(keys) + 1


def _unsigned(key: str, bits: int, name: str | None = None) -> _Column:
    return _Column(key, name or key, 0, (1 << bits) - 1)


def _signed(key: str, bits: int) -> _Column:
    return _Column(key, key, -(1 << bits - 1), (1 << bits - 1) - 1)


_METER = _Kind(
    "MeterReading(uint24 station,uint32 sequence,uint40 time,uint40 importWh,uint40 exportWh,int32 powerW,"
    "bytes32 session)",
    ">32s28xI28xI24xQ24xQ24xQ28si32s",
    _unsigned("station", 24),
    _unsigned("sequence", 32),
    _unsigned("time", 40, "time_s"),
    _unsigned("import_wh", 40),
    _unsigned("export_wh", 40),
    _signed("power_w", 32),
)
_BMS = _Kind(
    "BmsReading(uint24 account,uint32 sequence,uint40 time,uint16 stateOfChargeBp,uint16 stateOfHealthBp,"
    "int16 temperatureDeciC,uint32 packMillivolt,int32 packMilliampere,bytes32 session)",
    ">32s28xI28xI24xQ30xH30xH30sh28xI28si32s",
    _unsigned("account", 24),
    _unsigned("sequence", 32),
    _unsigned("time", 40, "time_s"),
    _Column("state_of_charge_bp", "state_of_charge_bp", 0, MAX_BASIS_POINTS),
    _Column("state_of_health_bp", "state_of_health_bp", 0, MAX_BASIS_POINTS),
    _signed("temperature_deci_c", 16),
    _unsigned("pack_millivolt", 32),
    _signed("pack_milliampere", 32),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Signed readings of one kind: their numbers column by column, their sessions, and 65 bytes of signature each."""

    numbers: tuple["array[int]", ...]
    sessions: Sequence[bytes]
    signatures: bytes

    def __len__(self) -> int:
        return len(self.sessions)

    @property
    def sequence(self) -> "array[int]":
        return self.numbers[1]

    @property
    def time_s(self) -> "array[int]":
        return self.numbers[2]

    def signature(self, index: int) -> bytes:
        return self.signatures[index * SIGNATURE_BYTES : (index + 1) * SIGNATURE_BYTES]


class MeterColumns(Columns):
    """Meter readings."""

    __slots__ = ()

    @property
    def station(self) -> "array[int]":
        return self.numbers[0]

    @property
    def import_wh(self) -> "array[int]":
        return self.numbers[3]

    @property
    def export_wh(self) -> "array[int]":
        return self.numbers[4]

    @property
    def session_starts(self) -> dict[bytes, int]:
        """When the first reading of each session was taken."""
        return {session: self.time_s[self.sessions.index(session)] for session in dict.fromkeys(self.sessions)}

    def reading(self, index: int) -> MeterReading:
        return MeterReading(**_named(_METER, self, index))

    def struct_hashes(self) -> Iterator[bytes]:
        """EIP-712 hash of each reading."""
        pack, kind = _METER.pack, _METER.typehash
        fill = [above[2:] for above in _ABOVE]
        for station, sequence, time_s, import_wh, export_wh, power_w, session in zip(
            *self.numbers, self.sessions, strict=True
        ):
            above = fill[power_w < 0]
            yield keccak(pack(kind, station, sequence, time_s, import_wh, export_wh, above, power_w, session))


class BmsColumns(Columns):
    """BMS readings."""

    __slots__ = ()

    @property
    def account(self) -> "array[int]":
        return self.numbers[0]

    def reading(self, index: int) -> BmsReading:
        return BmsReading(**_named(_BMS, self, index))

    def struct_hashes(self) -> Iterator[bytes]:
        """EIP-712 hash of each reading."""
        pack, kind = _BMS.pack, _BMS.typehash
        fill = [above[2:] for above in _ABOVE]
        for account, sequence, time_s, charge, health, temperature, voltage, current, session in zip(
            *self.numbers, self.sessions, strict=True
        ):
            above, above_current = _ABOVE[temperature < 0], fill[current < 0]
            yield keccak(
                pack(
                    *(kind, account, sequence, time_s, charge, health, above, temperature, voltage),
                    *(above_current, current, session),
                )
            )


@dataclass(frozen=True, slots=True)
class StatementColumns:
    """A statement's evidence. `rest` is that without readings, which are in the columns."""

    rest: StatementEvidence
    readings: MeterColumns


@dataclass(frozen=True, slots=True)
class VehicleColumns:
    """One vehicle's evidence."""

    account: int
    readings: BmsColumns


def statement_columns(blob: bytes) -> StatementColumns:
    """The evidence in a statement's blob; Malformed if it is not in the published format."""
    data = unpack(blob)
    split = _split(data, _STATEMENT_FOLLOWS, _METER)
    if split is not None:
        shell, columns = split
        with suppress(Malformed):
            return StatementColumns(parse_statement_json(shell), MeterColumns(*columns))
    evidence = parse_statement_json(data)
    rest = StatementEvidence(statement=evidence.statement, authorisations=evidence.authorisations, readings=())
    return StatementColumns(rest, MeterColumns(*_columns_of(_METER, evidence.readings)))


def vehicle_columns(blob: bytes) -> VehicleColumns:
    """The evidence in a vehicle's blob; Malformed if it is not in the published format."""
    data = unpack(blob)
    split = _split(data, _VEHICLE_ENDS, _BMS)
    if split is not None:
        shell, columns = split
        with suppress(Malformed):
            return VehicleColumns(parse_vehicle_json(shell).account, BmsColumns(*columns))
    evidence: VehicleEvidence = parse_vehicle_json(data)
    return VehicleColumns(evidence.account, BmsColumns(*_columns_of(_BMS, evidence.readings)))


_Parts = tuple[tuple["array[int]", ...], list[bytes], bytes]


def _split(data: bytes, follows: bytes, kind: _Kind) -> tuple[bytes, _Parts] | None:
    """The blob with an empty list of readings, and these in columns; None if they are not canonical to the byte.

    The blob with the empty list must still be parsed: that it is canonical, the whole then is as well.
    """
    opens, closes = data.find(_LIST_OPENS), data.rfind(follows)
    start = opens + len(_LIST_OPENS)
    if opens < 0 or closes <= start:
        return None
    columns = _read(data[start:closes], kind)
    return None if columns is None else (data[:start] + data[closes:], columns)


def _read(listed: bytes, kind: _Kind) -> _Parts | None:
    parts = kind.pattern.split(listed)
    between = parts[:: kind.stride]
    if len(between) < 2 or between[0] or between[-1] or between.count(b",") != len(between) - 2:  # noqa: PLR2004
        return None
    numbers = []
    for column, place in zip(kind.columns, kind.places, strict=True):
        values = array("q", map(int, parts[place :: kind.stride]))
        if min(values) < column.low or max(values) > column.high:
            return None
        numbers.append(values)
    known: dict[bytes, bytes] = {}
    sessions = []
    for text in parts[kind.session_place :: kind.stride]:
        session = known.get(text)
        if session is None:
            session = known[text] = bytes.fromhex(text.decode())
        sessions.append(session)
    signatures = bytes.fromhex(b"".join(parts[kind.signature_place :: kind.stride]).decode())
    return tuple(numbers), sessions, signatures


def _columns_of(kind: _Kind, signed: Sequence[SignedMeterReading] | Sequence[SignedBmsReading]) -> _Parts:
    numbers = tuple(array("q", [getattr(one.reading, column.name) for one in signed]) for column in kind.columns)
    return numbers, [one.reading.session for one in signed], b"".join(one.signature for one in signed)


def _named(kind: _Kind, columns: Columns, index: int) -> dict[str, Any]:
    names = {column.name: values[index] for column, values in zip(kind.columns, columns.numbers, strict=True)}
    return names | {"session": columns.sessions[index]}
