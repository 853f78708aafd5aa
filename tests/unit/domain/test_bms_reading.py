"""BMS readings: the ones of their vehicle, in their order, are verified; all others are refused."""

from dataclasses import replace

import pytest

from domain.errors import FromTheFuture, OutOfRange, SequenceGap, TimeWentBack, WrongSigner
from domain.reading import CLOCK_TOLERANCE_S, BmsReading, SignedBmsReading, verify_bms
from domain.units import UnixSeconds
from tests.unit.domain.bms import BMS, signed_bms
from tests.vectors.world import ACCOUNT_DOMAIN, ALICE, BOB, DRIVER_KEYS, NOW_S, START_S, altered


def verified_bms(signed: SignedBmsReading, previous: BmsReading | None, now_s: int = NOW_S) -> BmsReading:
    key = DRIVER_KEYS[ALICE].address
    return verify_bms(
        signed, driver_key=key, previous=previous, domain=ACCOUNT_DOMAIN, now_s=UnixSeconds(now_s)
    ).reading


def test_bms_readings_that_follow_each_other_are_verified() -> None:
    following = replace(BMS, sequence=2, time_s=UnixSeconds(START_S + 1))
    assert verified_bms(signed_bms(BMS), None) == BMS
    assert verified_bms(signed_bms(following), BMS) == following


def test_bms_reading_signed_by_another_vehicle_is_refused() -> None:
    with pytest.raises(WrongSigner):
        verified_bms(signed_bms(BMS, BOB), None)


@pytest.mark.parametrize("sequence", [0, 1, 3])
def test_bms_reading_that_is_not_the_next_one_is_refused(sequence: int) -> None:
    following = replace(BMS, sequence=sequence, time_s=UnixSeconds(START_S + 1))
    with pytest.raises(SequenceGap):
        verified_bms(signed_bms(following), BMS)


@pytest.mark.parametrize("ahead_s", [0, -1])
def test_bms_time_that_stands_still_or_went_back_is_refused(ahead_s: int) -> None:
    following = replace(BMS, sequence=2, time_s=UnixSeconds(START_S + ahead_s))
    with pytest.raises(TimeWentBack):
        verified_bms(signed_bms(following), BMS)


def test_bms_reading_from_the_future_is_refused() -> None:
    verified_bms(signed_bms(BMS), None, now_s=START_S - CLOCK_TOLERANCE_S)
    with pytest.raises(FromTheFuture):
        verified_bms(signed_bms(BMS), None, now_s=START_S - CLOCK_TOLERANCE_S - 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", 1 << 24),
        ("state_of_charge_bp", 10_001),
        ("state_of_charge_bp", -1),
        ("state_of_health_bp", 10_001),
        ("temperature_deci_c", 1 << 15),
        ("temperature_deci_c", -(1 << 15) - 1),
        ("pack_millivolt", -1),
        ("pack_millivolt", 1 << 32),
        ("pack_milliampere", 1 << 31),
        ("pack_milliampere", -(1 << 31) - 1),
    ],
)
def test_bms_number_that_does_not_fit_its_field_is_refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange) as refused:
        altered(BMS, **{field: value})
    assert refused.value.field == field
