"""Interval statements: what a station says it metered, for whom and at which tariff, under its signature."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import Malformed, OutOfRange
from domain.keccak import keccak
from domain.session import Usage
from domain.signing import check_length, checked_range, typehash, word
from domain.tariff import Direction, TariffTable
from domain.units import AccountId, EnergyWh, StationId, TariffId, UnixSeconds

ROW_BYTES = 13
UNBILLED_IMPORT, UNBILLED_EXPORT = 255, 254
"""Tariff bytes of energy that nobody is billed for."""
MAX_TARIFF_OFFSET = UNBILLED_EXPORT - 1
MAX_ROWS = (1 << 16) - 1

_TYPEHASH = typehash(
    "IntervalStatement(uint24 station,uint24 sequence,uint40 startTime,uint24 durationS,uint40 importWh,"
    "uint40 exportWh,uint24 tariffBase,bytes32 telemetryRoot,bytes rows)"
)
_check_row = checked_range(
    account=(24, 0), energy_wh=(32, 0), start_offset_s=(24, 0), duration_s=(16, 0), tariff_offset=(8, 0)
)
_check_statement = checked_range(
    station=(24, 0),
    sequence=(24, 0),
    start_s=(40, 0),
    duration_s=(24, 0),
    import_wh=(40, 0),
    export_wh=(40, 0),
    tariff_base=(24, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Energy of one account in one direction within one market interval.

    `start_offset_s` counts from the statement's start, `tariff_offset` from its `tariff_base`;
    the two highest offsets mark energy that nobody is billed for, on the house account.
    """

    account: AccountId
    energy_wh: EnergyWh
    start_offset_s: int
    duration_s: int
    tariff_offset: int

    def __post_init__(self) -> None:
        _check_row(self)

    @property
    def billed(self) -> bool:
        return self.tariff_offset <= MAX_TARIFF_OFFSET

    def packed(self) -> bytes:
        """The row's 13 bytes, as signed and as settled."""
        return (
            self.account.to_bytes(3, "big")
            + self.energy_wh.to_bytes(4, "big")
            + self.start_offset_s.to_bytes(3, "big")
            + self.duration_s.to_bytes(2, "big")
            + self.tariff_offset.to_bytes(1, "big")
        )

    @classmethod
    def unpacked(cls, data: bytes) -> "Row":
        """The row in 13 bytes; Malformed for any other number of them."""
        if len(data) != ROW_BYTES:
            raise Malformed(f"a row has {ROW_BYTES} bytes, this has {len(data)}")
        return cls(
            account=AccountId(int.from_bytes(data[:3], "big")),
            energy_wh=EnergyWh(int.from_bytes(data[3:7], "big")),
            start_offset_s=int.from_bytes(data[7:10], "big"),
            duration_s=int.from_bytes(data[10:12], "big"),
            tariff_offset=data[12],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalStatement:
    """What a station's meter moved since its last statement. Registers are closing registers.

    It starts where the station's last statement ended, with the registers that one closed with, or with those
    of a meter that was replaced since.
    """

    station: StationId
    sequence: int
    start_s: UnixSeconds
    duration_s: int
    import_wh: EnergyWh
    export_wh: EnergyWh
    tariff_base: TariffId
    telemetry_root: bytes
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        _check_statement(self)
        check_length("telemetry_root", self.telemetry_root, 32)
        if len(self.rows) > MAX_ROWS:
            raise OutOfRange("number of rows", len(self.rows), 0, MAX_ROWS)

    @property
    def end_s(self) -> UnixSeconds:
        return UnixSeconds(self.start_s + self.duration_s)

    def packed_rows(self) -> bytes:
        return b"".join(row.packed() for row in self.rows)

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `IntervalStatement`."""
        numbers = (
            self.station,
            self.sequence,
            self.start_s,
            self.duration_s,
            self.import_wh,
            self.export_wh,
            self.tariff_base,
        )
        return keccak(_TYPEHASH + b"".join(map(word, numbers)) + self.telemetry_root + keccak(self.packed_rows()))

    def tariff_of(self, row: Row) -> TariffId:
        return TariffId(self.tariff_base + row.tariff_offset)

    def direction_of(self, row: Row, tariffs: TariffTable) -> Direction:
        """Which way the row's energy flowed, CHARGE or DISCHARGE; UnknownTariff if its tariff does not exist."""
        if row.billed:
            return tariffs.of(self.tariff_of(row)).direction.flow
        return Direction.CHARGE if row.tariff_offset == UNBILLED_IMPORT else Direction.DISCHARGE


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement as it travels: with 65 bytes of signature that nobody has checked yet."""

    statement: IntervalStatement
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement that its readings, sessions and tariffs bear out. Made by `verify_statement` alone."""

    statement: IntervalStatement
    signature: bytes
    usage: Mapping[bytes, Usage]
