"""Meter readings, signed by stations, and BMS readings, signed by vehicles."""

from dataclasses import dataclass, replace
from struct import Struct

from domain.errors import (
    AnotherStation,
    ExportNotPossible,
    FromTheFuture,
    MoreThanRated,
    OutOfRange,
    RegisterWentBack,
    SequenceGap,
    SpansIntervals,
    TimeWentBack,
)
from domain.keccak import keccak
from domain.signing import SigningDomain, check_length, check_signer, checked_range, typehash
from domain.station import MeterReplacement, Station
from domain.units import (
    AccountId,
    BasisPoints,
    DeciCelsius,
    EnergyWh,
    PowerW,
    StationId,
    UnixSeconds,
    energy_limit_wh,
    interval_of,
)

CLOCK_TOLERANCE_S = 60
"""How far a device's clock may run ahead of ours."""
NO_SESSION = bytes(32)
"""The session of a reading taken while nobody was authorised."""
MAX_BASIS_POINTS = 10_000
_SESSION_BYTES = 32
_U24_MAX, _U32_MAX, _U40_MAX = (1 << 24) - 1, (1 << 32) - 1, (1 << 40) - 1
_I16_LIMIT, _I32_LIMIT = 1 << 15, 1 << 31

_METER_HEAD = typehash(
    "MeterReading(uint24 station,uint32 sequence,uint40 time,uint40 importWh,uint40 exportWh,int32 powerW,"
    "bytes32 session)"
)
_BMS_HEAD = typehash(
    "BmsReading(uint24 account,uint32 sequence,uint40 time,uint16 stateOfChargeBp,uint16 stateOfHealthBp,"
    "int16 temperatureDeciC,uint32 packMillivolt,int32 packMilliampere,bytes32 session)"
)
# An EIP-712 word is 32 bytes, big-endian; of a signed number's, those before the last 4 or 2 repeat its sign.
_METER_WORDS = Struct(">32s 28xI 28xI 24xQ 24xQ 24xQ 28si 32s")
_BMS_WORDS = Struct(">32s 28xI 28xI 24xQ 28xI 28xI 30sh 28xI 28si 32s")
_SIGNS = (bytes(30), b"\xff" * 30)
_check_meter = checked_range(
    station=(24, 0), sequence=(32, 0), time_s=(40, 0), import_wh=(40, 0), export_wh=(40, 0), power_w=(32, 1)
)
_check_bms = checked_range(
    account=(24, 0),
    sequence=(32, 0),
    time_s=(40, 0),
    state_of_charge_bp=(16, 0),
    state_of_health_bp=(16, 0),
    temperature_deci_c=(16, 1),
    pack_millivolt=(32, 0),
    pack_milliampere=(32, 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """What a station's meter shows at one second. Registers are cumulative.

    `sequence` counts the station's readings from 1. `power_w` is the mean power since the reading
    before, positive towards the vehicle. `session` is the digest of the driver's authorisation, or
    `NO_SESSION`: it names who is charged for the energy since the reading before.
    """

    station: StationId
    sequence: int
    time_s: UnixSeconds
    import_wh: EnergyWh
    export_wh: EnergyWh
    power_w: PowerW
    session: bytes

    def __post_init__(self) -> None:
        # Readings come by the thousand: only one that does not fit is worth the words.
        if not (
            0 <= self.station <= _U24_MAX
            and 0 <= self.sequence <= _U32_MAX
            and 0 <= self.time_s <= _U40_MAX
            and 0 <= self.import_wh <= _U40_MAX
            and 0 <= self.export_wh <= _U40_MAX
            and -_I32_LIMIT <= self.power_w < _I32_LIMIT
            and len(self.session) == _SESSION_BYTES
        ):
            _check_meter(self)
            check_length("session", self.session, _SESSION_BYTES)

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `MeterReading`."""
        return keccak(
            _METER_WORDS.pack(
                _METER_HEAD,
                self.station,
                self.sequence,
                self.time_s,
                self.import_wh,
                self.export_wh,
                _SIGNS[self.power_w < 0],
                self.power_w,
                self.session,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BmsReading:
    """What a vehicle's battery management system shows at one second, positive current charges."""

    account: AccountId
    sequence: int
    time_s: UnixSeconds
    state_of_charge_bp: BasisPoints
    state_of_health_bp: BasisPoints
    temperature_deci_c: DeciCelsius
    pack_millivolt: int
    pack_milliampere: int
    session: bytes

    def __post_init__(self) -> None:
        if not (
            0 <= self.account <= _U24_MAX
            and 0 <= self.sequence <= _U32_MAX
            and 0 <= self.time_s <= _U40_MAX
            and 0 <= self.state_of_charge_bp <= MAX_BASIS_POINTS
            and 0 <= self.state_of_health_bp <= MAX_BASIS_POINTS
            and -_I16_LIMIT <= self.temperature_deci_c < _I16_LIMIT
            and 0 <= self.pack_millivolt <= _U32_MAX
            and -_I32_LIMIT <= self.pack_milliampere < _I32_LIMIT
            and len(self.session) == _SESSION_BYTES
        ):
            self._explain()

    def _explain(self) -> None:
        """Raises OutOfRange or Malformed for the first field that does not fit."""
        _check_bms(self)
        check_length("session", self.session, _SESSION_BYTES)
        for name in ("state_of_charge_bp", "state_of_health_bp"):
            if getattr(self, name) > MAX_BASIS_POINTS:
                raise OutOfRange(name, getattr(self, name), 0, MAX_BASIS_POINTS)

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `BmsReading`."""
        return keccak(
            _BMS_WORDS.pack(
                _BMS_HEAD,
                self.account,
                self.sequence,
                self.time_s,
                self.state_of_charge_bp,
                self.state_of_health_bp,
                _SIGNS[self.temperature_deci_c < 0],
                self.temperature_deci_c,
                self.pack_millivolt,
                _SIGNS[self.pack_milliampere < 0],
                self.pack_milliampere,
                self.session,
            )
        )


@dataclass(frozen=True, slots=True)
class SignedMeterReading:
    """A meter reading as it travels: with 65 bytes of signature that nobody has checked yet."""

    reading: MeterReading
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedBmsReading:
    """A BMS reading as it travels: with 65 bytes of signature that nobody has checked yet."""

    reading: BmsReading
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedMeterReading:
    """A meter reading whose signature and place in the station's series hold. Made by `verify_meter` alone."""

    reading: MeterReading
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedBmsReading:
    """A BMS reading whose signature and place in the vehicle's series hold. Made by `verify_bms` alone."""

    reading: BmsReading
    signature: bytes


def verify_meter(
    signed: SignedMeterReading,
    *,
    station: Station,
    previous: MeterReading | None,
    domain: SigningDomain,
    now_s: UnixSeconds,
) -> VerifiedMeterReading:
    """Checks signature, time, sequence and registers against the reading before.

    Raises a ReadingRefused or BadSignature that names the first thing that does not hold.
    """
    reading = signed.reading
    who = f"station {reading.station}"
    station.check_signature(who, reading.time_s, domain.digest(reading.struct_hash()), signed.signature)
    if reading.station != station.station:
        raise AnotherStation(station.station, reading.station)
    if reading.time_s > now_s + CLOCK_TOLERANCE_S:
        raise FromTheFuture(who, reading.time_s, now_s)
    check_follows(reading, previous, station)
    return VerifiedMeterReading(reading, signed.signature)


def check_follows(reading: MeterReading, previous: MeterReading | None, station: Station) -> None:
    """Whether `reading` can be the next one of its station; a ReadingRefused otherwise.

    After a meter was replaced, registers count from those that the new meter began with.
    """
    who = f"station {reading.station}"
    expected = previous.sequence + 1 if previous else 1
    if reading.sequence != expected:
        raise SequenceGap(who, expected, reading.sequence)
    if previous is None:
        _check_opening(reading, station)
        return
    if reading.time_s <= previous.time_s:
        raise TimeWentBack(who, previous.time_s, reading.time_s)
    replacement = station.replacement_within(previous.time_s, reading.time_s)
    _check_registers(reading, first_of(replacement, previous) if replacement else previous, station)


def first_of(replacement: MeterReplacement, previous: MeterReading) -> MeterReading:
    """What the new meter showed at the second of its replacement, standing in for the reading before."""
    import_wh, export_wh = replacement.opening
    return replace(previous, time_s=replacement.time_s, import_wh=import_wh, export_wh=export_wh)


def _check_opening(reading: MeterReading, station: Station) -> None:
    import_wh, export_wh = station.registers_before(reading.time_s)
    for register, opening_wh, shown_wh in (
        ("import", import_wh, reading.import_wh),
        ("export", export_wh, reading.export_wh),
    ):
        if shown_wh < opening_wh:
            raise RegisterWentBack(station.station, register, opening_wh, shown_wh)
        if shown_wh > opening_wh:
            raise MoreThanRated(station.station, shown_wh - opening_wh, 0, 0)


def _check_registers(reading: MeterReading, previous: MeterReading, station: Station) -> None:
    if reading.import_wh < previous.import_wh:
        raise RegisterWentBack(reading.station, "import", previous.import_wh, reading.import_wh)
    if reading.export_wh < previous.export_wh:
        raise RegisterWentBack(reading.station, "export", previous.export_wh, reading.export_wh)
    moved_wh = reading.import_wh - previous.import_wh + reading.export_wh - previous.export_wh
    if moved_wh == 0:
        return
    if reading.export_wh > previous.export_wh and not station.bidirectional:
        raise ExportNotPossible(reading.station)
    duration_s = reading.time_s - previous.time_s
    limit_wh = energy_limit_wh(station.rated_power_w, duration_s)
    if moved_wh > limit_wh:
        raise MoreThanRated(reading.station, moved_wh, limit_wh, duration_s)
    if interval_of(previous.time_s) != interval_of(UnixSeconds(reading.time_s - 1)):
        raise SpansIntervals(reading.station, previous.time_s, reading.time_s)


def verify_bms(
    signed: SignedBmsReading,
    *,
    driver_key: bytes,
    previous: BmsReading | None,
    domain: SigningDomain,
    now_s: UnixSeconds,
) -> VerifiedBmsReading:
    """Checks signature, time and sequence against the vehicle's reading before.

    Raises a ReadingRefused or BadSignature that names the first thing that does not hold.
    """
    reading = signed.reading
    who = f"vehicle of account {reading.account}"
    check_signer(who, driver_key, domain.digest(reading.struct_hash()), signed.signature)
    if reading.time_s > now_s + CLOCK_TOLERANCE_S:
        raise FromTheFuture(who, reading.time_s, now_s)
    expected = previous.sequence + 1 if previous else 1
    if reading.sequence != expected:
        raise SequenceGap(who, expected, reading.sequence)
    if previous is not None and reading.time_s <= previous.time_s:
        raise TimeWentBack(who, previous.time_s, reading.time_s)
    return VerifiedBmsReading(reading, signed.signature)
