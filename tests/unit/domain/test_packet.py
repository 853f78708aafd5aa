"""The compact form of a delivery, byte by byte, and what is refused of it."""

import pytest

from domain.errors import Malformed, OutOfRange
from domain.packet import pack_readings, unpack_readings
from domain.reading import SignedMeterReading
from tests.unit.domain.bms import BMS, signed_bms
from tests.vectors.world import STATION_KEY, first_reading, signed_reading

HEADER_BYTES, SESSION_BYTES, METER_BYTES, BMS_BYTES = 14, 32, 103, 97


def meter() -> SignedMeterReading:
    return signed_reading(first_reading(), STATION_KEY)


def test_a_packet_follows_the_published_layout() -> None:
    one = meter()
    reading = one.reading
    packet = pack_readings([one], [])
    sessions = b"" if reading.session == bytes(32) else reading.session
    assert packet == b"".join(
        (
            b"WLR1",
            (1).to_bytes(4, "big"),
            (0).to_bytes(4, "big"),
            (len(sessions) // 32).to_bytes(2, "big"),
            sessions,
            reading.station.to_bytes(4, "big"),
            reading.sequence.to_bytes(4, "big"),
            reading.time_s.to_bytes(8, "big"),
            reading.import_wh.to_bytes(8, "big"),
            reading.export_wh.to_bytes(8, "big"),
            reading.power_w.to_bytes(4, "big", signed=True),
            (len(sessions) // 32).to_bytes(2, "big"),
            one.signature,
        )
    )
    both = pack_readings([one], [signed_bms(BMS)])
    assert len(both) == HEADER_BYTES + SESSION_BYTES * int.from_bytes(both[12:14], "big") + METER_BYTES + BMS_BYTES


def test_a_reading_that_fits_no_field_is_the_only_one_refused() -> None:
    packet = bytearray(pack_readings([meter(), meter()], []))
    at = len(packet) - METER_BYTES
    packet[at : at + 4] = (1 << 24).to_bytes(4, "big")
    (good, bad), _ = unpack_readings(bytes(packet), 10)
    assert good == meter()
    assert isinstance(bad, OutOfRange)
    assert bad.field == "station"


def test_a_reading_of_a_session_that_the_packet_lacks_is_refused() -> None:
    packet = bytearray(pack_readings([meter()], []))
    packet[-67:-65] = (9).to_bytes(2, "big")
    [bad], _ = unpack_readings(bytes(packet), 10)
    assert isinstance(bad, Malformed)
    assert "names session 9" in str(bad)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (b"", "starts with WLR1"),
        (b"WLR2" + bytes(10), "starts with WLR1"),
        (b"WLR1" + bytes(9), "starts with WLR1"),
        (b"WLR1" + b"\xff" * 8 + bytes(2), "which holds 10"),
        (b"WLR1" + bytes(7) + b"\1" + bytes(2), "has 14"),
        (b"WLR1" + bytes(8) + b"\xff\xff", "counts to"),
        (b"WLR1" + bytes(10) + b"\0", "counts to 14 bytes has 15"),
    ],
)
def test_a_packet_that_does_not_follow_the_layout_is_refused(wrong: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        unpack_readings(wrong, 10)
