"""Signed readings as bytes: the compact form of a delivery, a quarter the size of JSON and cheaper to read.

Big-endian, no padding. Header: `WLR1`, meter readings u32, BMS readings u32, sessions u16. Then the sessions, 32 bytes
each, which readings name by their place from 1 on, 0 for none. Then the meter readings: station u32, sequence u32,
time u64, import u64, export u64, power i32, session u16, signature 65 bytes. Then the BMS readings: account u32,
sequence u32, time u64, state of charge u16, state of health u16, temperature i16, pack millivolt u32, pack
milliampere i32, session u16, signature 65 bytes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Any, TypeVar

from domain.errors import Malformed
from domain.reading import NO_SESSION, BmsReading, MeterReading, SignedBmsReading, SignedMeterReading
from domain.units import AccountId, BasisPoints, DeciCelsius, EnergyWh, PowerW, StationId, UnixSeconds

MEDIA_TYPE = "application/vnd.wattledger.readings"
MAGIC = b"WLR1"
MAX_SESSIONS = (1 << 16) - 1

_HEADER = Struct(">4sIIH")
_METER = Struct(">IIQQQiH65s")
_BMS = Struct(">IIQHHhIiH65s")
_SESSION_BYTES = 32

Signed = TypeVar("Signed", SignedMeterReading, SignedBmsReading)


def pack_readings(meter: Sequence[SignedMeterReading], bms: Sequence[SignedBmsReading]) -> bytes:
    """The bytes of a delivery; Malformed if its readings name more than MAX_SESSIONS sessions."""
    named = dict.fromkeys(one.reading.session for one in meter) | dict.fromkeys(one.reading.session for one in bms)
    named.pop(NO_SESSION, None)
    if len(named) > MAX_SESSIONS:
        raise Malformed(f"{len(named)} sessions in a delivery, which holds {MAX_SESSIONS}")
    places = {NO_SESSION: 0} | {session: place for place, session in enumerate(named, start=1)}
    parts = [_HEADER.pack(MAGIC, len(meter), len(bms), len(named)), *named]
    parts += [_packed_meter(one, places) for one in meter]
    parts += [_packed_bms(one, places) for one in bms]
    return b"".join(parts)


def unpack_readings(
    data: bytes, most: int
) -> tuple[list[SignedMeterReading | Malformed], list[SignedBmsReading | Malformed]]:
    """The readings in a delivery, with a Malformed in place of each that is none.

    Malformed if the bytes do not follow the layout to the last one, or hold more than `most` readings.
    """
    if len(data) < _HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise Malformed(f"a packed delivery starts with {MAGIC.decode()} and a header of {_HEADER.size} bytes")
    _, meters, vehicles, named = _HEADER.unpack_from(data)
    if meters + vehicles > most:
        raise Malformed(f"{meters + vehicles} readings in a delivery, which holds {most}; send it in parts")
    meter_at = _HEADER.size + _SESSION_BYTES * named
    bms_at = meter_at + _METER.size * meters
    end = bms_at + _BMS.size * vehicles
    if end != len(data):
        raise Malformed(f"a packed delivery whose header counts to {end} bytes has {len(data)}")
    sessions = [NO_SESSION, *(data[at : at + _SESSION_BYTES] for at in range(_HEADER.size, meter_at, _SESSION_BYTES))]
    return (
        _each(_METER.iter_unpack(data[meter_at:bms_at]), sessions, _meter),
        _each(_BMS.iter_unpack(data[bms_at:end]), sessions, _bms),
    )


def _each(
    records: Iterable[tuple[Any, ...]],
    sessions: Sequence[bytes],
    read: Callable[[tuple[Any, ...], Sequence[bytes]], Signed],
) -> list[Signed | Malformed]:
    found: list[Signed | Malformed] = []
    for record in records:
        try:
            found.append(read(record, sessions))
        except IndexError:
            found.append(Malformed(f"a reading names session {record[-2]} of {len(sessions) - 1}"))
        except Malformed as error:
            found.append(error)
    return found


def _meter(record: tuple[Any, ...], sessions: Sequence[bytes]) -> SignedMeterReading:
    station, sequence, time_s, import_wh, export_wh, power_w, session, signature = record
    reading = MeterReading(
        station=StationId(station),
        sequence=sequence,
        time_s=UnixSeconds(time_s),
        import_wh=EnergyWh(import_wh),
        export_wh=EnergyWh(export_wh),
        power_w=PowerW(power_w),
        session=sessions[session],
    )
    return SignedMeterReading(reading, signature)


def _bms(record: tuple[Any, ...], sessions: Sequence[bytes]) -> SignedBmsReading:
    account, sequence, time_s, charge_bp, health_bp, deci_c, millivolt, milliampere, session, signature = record
    reading = BmsReading(
        account=AccountId(account),
        sequence=sequence,
        time_s=UnixSeconds(time_s),
        state_of_charge_bp=BasisPoints(charge_bp),
        state_of_health_bp=BasisPoints(health_bp),
        temperature_deci_c=DeciCelsius(deci_c),
        pack_millivolt=millivolt,
        pack_milliampere=milliampere,
        session=sessions[session],
    )
    return SignedBmsReading(reading, signature)


def _packed_meter(signed: SignedMeterReading, places: Mapping[bytes, int]) -> bytes:
    one = signed.reading
    place = places[one.session]
    return _METER.pack(
        one.station, one.sequence, one.time_s, one.import_wh, one.export_wh, one.power_w, place, signed.signature
    )


def _packed_bms(signed: SignedBmsReading, places: Mapping[bytes, int]) -> bytes:
    one = signed.reading
    return _BMS.pack(
        one.account,
        one.sequence,
        one.time_s,
        one.state_of_charge_bp,
        one.state_of_health_bp,
        one.temperature_deci_c,
        one.pack_millivolt,
        one.pack_milliampere,
        places[one.session],
        signed.signature,
    )
