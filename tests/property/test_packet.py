"""Readings as bytes: they come back as they were, and nothing else is ever raised than an error of ours."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Malformed
from domain.packet import pack_readings, unpack_readings
from domain.reading import SignedBmsReading, SignedMeterReading
from tests.property.test_wire import METERS, VEHICLES

MOST = 100


@given(st.lists(METERS, max_size=8), st.lists(VEHICLES, max_size=8))
def test_readings_come_back_as_they_were(meter: list[SignedMeterReading], bms: list[SignedBmsReading]) -> None:
    assert unpack_readings(pack_readings(meter, bms), MOST) == (meter, bms)


@given(st.lists(METERS, min_size=1, max_size=4), st.data())
def test_a_packet_that_was_cut_or_grew_is_refused(meter: list[SignedMeterReading], data: st.DataObject) -> None:
    packet = pack_readings(meter, [])
    cut = packet[: data.draw(st.integers(0, len(packet) - 1))]
    for wrong in (cut, packet + b"\0"):
        try:
            unpack_readings(wrong, MOST)
        except Malformed:
            continue
        raise AssertionError(wrong)


@given(st.binary(max_size=400))
def test_bytes_from_anywhere_are_read_or_refused(data: bytes) -> None:
    for prefix in (b"", b"WLR1"):
        with suppress(Malformed):
            unpack_readings(prefix + data, MOST)


@given(st.lists(METERS, min_size=1, max_size=4), st.binary(min_size=1, max_size=8), st.data())
def test_a_packet_with_other_bytes_in_it_is_read_or_refused(
    meter: list[SignedMeterReading], other: bytes, data: st.DataObject
) -> None:
    packet = bytearray(pack_readings(meter, []))
    at = data.draw(st.integers(0, len(packet) - 1))
    packet[at : at + len(other)] = other
    with suppress(Malformed):
        found, _ = unpack_readings(bytes(packet), MOST)
        assert all(isinstance(one, SignedMeterReading | Malformed) for one in found)
