"""Readings: what can follow what, and what cannot."""

from dataclasses import replace
from typing import Any

import pytest

from domain.errors import (
    ExportNotPossible,
    FromTheFuture,
    HighS,
    KeyNoLongerValid,
    MoreThanRated,
    OutOfRange,
    RegisterWentBack,
    SequenceGap,
    SpansIntervals,
    TimeWentBack,
    WattledgerError,
    WrongSigner,
)
from domain.reading import (
    CLOCK_TOLERANCE_S,
    MeterReading,
    SignedMeterReading,
    VerifiedMeterReading,
    check_follows,
    verify_meter,
)
from domain.signing import CURVE_ORDER
from domain.station import Station
from domain.units import EnergyWh, StationId, UnixSeconds, energy_limit_wh
from tests.vectors.world import (
    NOW_S,
    OTHER_KEY,
    RATED_POWER_W,
    START_S,
    STATION_DOMAIN,
    STATION_KEY,
    Key,
    Step,
    altered,
    first_reading,
    next_reading,
    replacement,
    signed_reading,
    station,
)

FIRST = first_reading()
SECOND = next_reading(FIRST, Step(600, 2_000))
STATION_NOW = station()


def verified(
    signed: SignedMeterReading,
    previous: MeterReading | None,
    at: Station = STATION_NOW,
    now_s: int = NOW_S,
) -> VerifiedMeterReading:
    return verify_meter(signed, station=at, previous=previous, domain=STATION_DOMAIN, now_s=UnixSeconds(now_s))


# --- the station's meter -----------------------------------------------------------------------


def test_readings_that_follow_each_other_are_verified() -> None:
    assert verified(signed_reading(FIRST), None).reading == FIRST
    assert verified(signed_reading(SECOND), FIRST).reading == SECOND


def test_reading_signed_with_another_key_is_refused() -> None:
    with pytest.raises(WrongSigner):
        verified(signed_reading(SECOND, OTHER_KEY), FIRST)


@pytest.mark.parametrize(
    "change",
    [
        {"import_wh": SECOND.import_wh - 1},
        {"export_wh": SECOND.export_wh + 1},
        {"time_s": SECOND.time_s + 1},
        {"power_w": SECOND.power_w - 1},
        {"session": b"\x01" * 32},
        {"sequence": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_reading_altered_after_signing_is_refused(change: dict[str, Any]) -> None:
    signed = signed_reading(SECOND)
    with pytest.raises(WrongSigner):
        verified(SignedMeterReading(altered(SECOND, **change), signed.signature), FIRST)


def test_reading_that_names_another_station_is_refused() -> None:
    elsewhere = replace(SECOND, station=StationId(2))
    with pytest.raises(WattledgerError):
        verified(signed_reading(elsewhere), FIRST)


def test_high_s_twin_of_a_readings_signature_is_refused() -> None:
    signature = signed_reading(SECOND).signature
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with pytest.raises(HighS):
        verified(SignedMeterReading(SECOND, twin), FIRST)


LATER = replace(SECOND, time_s=UnixSeconds(SECOND.time_s + 1))


def test_key_that_was_cut_off_signs_up_to_its_end_alone() -> None:
    cut = station().without_key(STATION_KEY.address, until_s=SECOND.time_s)
    assert cut.signer is None
    verified(signed_reading(SECOND), FIRST, cut)
    with pytest.raises(KeyNoLongerValid):
        verified(signed_reading(LATER), FIRST, cut)


def test_key_that_was_cut_off_from_the_beginning_signs_for_nothing() -> None:
    void = station().without_key(STATION_KEY.address, until_s=UnixSeconds(0))
    with pytest.raises(KeyNoLongerValid):
        verified(signed_reading(replace(FIRST, time_s=UnixSeconds(0))), None, void)
    with pytest.raises(WrongSigner):
        verified(signed_reading(FIRST, OTHER_KEY), None, void)


def test_former_keys_sign_up_to_their_own_ends_and_the_new_one_for_any_time() -> None:
    older = Key("an older one")
    rotated = station(signer=older.address).with_key(STATION_KEY.address, previous=older.address, until_s=FIRST.time_s)
    rotated = rotated.with_key(OTHER_KEY.address, previous=STATION_KEY.address, until_s=SECOND.time_s)
    verified(signed_reading(FIRST, older), None, rotated)
    verified(signed_reading(SECOND), FIRST, rotated)
    verified(signed_reading(LATER, OTHER_KEY), FIRST, rotated)
    verified(signed_reading(SECOND, OTHER_KEY), FIRST, rotated)
    for key, reading in ((older, SECOND), (STATION_KEY, LATER)):
        with pytest.raises(KeyNoLongerValid):
            verified(signed_reading(reading, key), FIRST, rotated)


def test_former_key_can_be_cut_off_earlier() -> None:
    rotated = station().with_key(OTHER_KEY.address, previous=STATION_KEY.address, until_s=LATER.time_s)
    cut = rotated.without_key(STATION_KEY.address, until_s=FIRST.time_s)
    assert cut.signer == OTHER_KEY.address
    verified(signed_reading(FIRST), None, cut)
    with pytest.raises(KeyNoLongerValid):
        verified(signed_reading(SECOND), FIRST, cut)


def test_key_after_a_revoked_one_signs_again() -> None:
    void = station().without_key(STATION_KEY.address, until_s=UnixSeconds(0))
    again = void.with_key(OTHER_KEY.address, previous=None, until_s=UnixSeconds(NOW_S))
    verified(signed_reading(FIRST, OTHER_KEY), None, again)
    with pytest.raises(KeyNoLongerValid):
        verified(signed_reading(FIRST), None, again)


def test_reading_of_a_suspended_station_is_taken() -> None:
    for suspended in (station(suspended_by_operator=True), station(suspended_by_governance=True)):
        verified(signed_reading(SECOND), FIRST, suspended)


# --- a meter that was replaced -----------------------------------------------------------------

SWAPPED = station(replacements=(replacement(1, FIRST.time_s + 60, opening=(70, 3)),))


def after_swap(**change: Any) -> SignedMeterReading:
    return signed_reading(altered(SECOND, **{"import_wh": 1_070, "export_wh": 3, **change}))


def test_reading_of_a_new_meter_counts_from_its_opening_registers() -> None:
    verified(after_swap(), FIRST, SWAPPED)
    with pytest.raises(RegisterWentBack):
        verified(after_swap(import_wh=69), FIRST, SWAPPED)
    with pytest.raises(RegisterWentBack):
        verified(after_swap(export_wh=2), FIRST, SWAPPED)


def test_new_meter_is_held_to_the_rated_power_since_the_replacement() -> None:
    """22 kW carry 3 300 Wh in the 540 s after it, and 1 Wh of resolution."""
    verified(after_swap(import_wh=70 + 3_301), FIRST, SWAPPED)
    with pytest.raises(MoreThanRated):
        verified(after_swap(import_wh=70 + 3_302), FIRST, SWAPPED)


def test_reading_up_to_the_second_of_the_replacement_is_the_old_meters() -> None:
    verified(
        signed_reading(replace(SECOND, time_s=UnixSeconds(FIRST.time_s + 60), import_wh=FIRST.import_wh)),
        FIRST,
        SWAPPED,
    )
    with pytest.raises(RegisterWentBack):
        verified(after_swap(time_s=FIRST.time_s + 60), FIRST, SWAPPED)


def test_first_reading_after_a_replacement_begins_with_the_new_meter() -> None:
    swapped = station(replacements=(replacement(1, FIRST.time_s - 1, opening=(70, 3)),))
    verified(signed_reading(altered(FIRST, import_wh=70, export_wh=3)), None, swapped)
    for import_wh, error in ((69, RegisterWentBack), (71, MoreThanRated)):
        with pytest.raises(error):
            verified(signed_reading(altered(FIRST, import_wh=import_wh, export_wh=3)), None, swapped)
    verified(signed_reading(replace(FIRST, time_s=UnixSeconds(FIRST.time_s - 1))), None, swapped)


def test_second_replacement_counts_instead_of_the_first() -> None:
    first = replacement(1, FIRST.time_s + 60, opening=(70, 3))
    twice = station(replacements=(first, replacement(2, FIRST.time_s + 60, closing=(70, 3), opening=(0, 0))))
    verified(after_swap(import_wh=5, export_wh=0), FIRST, twice)


@pytest.mark.parametrize("sequence", [0, 1, 3, 4, (1 << 32) - 1], ids=["zero", "replayed", "gap", "wider gap", "last"])
def test_reading_that_is_not_the_next_one_is_refused(sequence: int) -> None:
    with pytest.raises(SequenceGap) as refused:
        verified(signed_reading(replace(SECOND, sequence=sequence)), FIRST)
    assert (refused.value.expected, refused.value.received) == (2, sequence)


def test_replayed_reading_is_refused() -> None:
    with pytest.raises(SequenceGap):
        verified(signed_reading(SECOND), SECOND)


def test_first_reading_of_a_station_has_number_one() -> None:
    with pytest.raises(SequenceGap):
        verified(signed_reading(replace(FIRST, sequence=2)), None)


@pytest.mark.parametrize(("register", "field"), [("import", "import_wh"), ("export", "export_wh")])
def test_register_that_went_back_is_refused(register: str, field: str) -> None:
    back = replace(next_reading(FIRST, Step(600)), **{field: getattr(FIRST, field) - 1})
    with pytest.raises(RegisterWentBack) as refused:
        verified(signed_reading(back), FIRST)
    assert refused.value.register == register


@pytest.mark.parametrize("field", ["import_wh", "export_wh"])
def test_first_reading_must_show_the_registers_of_the_registration(field: str) -> None:
    with pytest.raises(RegisterWentBack):
        verified(signed_reading(altered(FIRST, **{field: getattr(FIRST, field) - 1})), None)
    with pytest.raises(MoreThanRated):
        verified(signed_reading(altered(FIRST, **{field: getattr(FIRST, field) + 1})), None)


def test_energy_up_to_the_rated_power_is_accepted_and_one_watt_hour_more_is_refused() -> None:
    limit_wh = energy_limit_wh(RATED_POWER_W, 600)
    assert limit_wh == 3_668
    verified(signed_reading(next_reading(FIRST, Step(600, limit_wh))), FIRST)
    with pytest.raises(MoreThanRated) as refused:
        verified(signed_reading(next_reading(FIRST, Step(600, limit_wh + 1))), FIRST)
    assert (refused.value.moved_wh, refused.value.limit_wh, refused.value.duration_s) == (limit_wh + 1, limit_wh, 600)


def test_watt_hours_labelled_as_kilowatt_hours_are_refused() -> None:
    with pytest.raises(MoreThanRated):
        verified(signed_reading(next_reading(FIRST, Step(600, 2_000 * 1_000))), FIRST)


def test_both_directions_together_are_held_against_the_rated_power() -> None:
    with pytest.raises(MoreThanRated):
        verified(signed_reading(next_reading(FIRST, Step(600, 2_000, 1_669))), FIRST)


def test_reading_may_run_ahead_by_the_tolerance_and_no_further() -> None:
    verified(signed_reading(SECOND), FIRST, now_s=SECOND.time_s - CLOCK_TOLERANCE_S)
    with pytest.raises(FromTheFuture):
        verified(signed_reading(SECOND), FIRST, now_s=SECOND.time_s - CLOCK_TOLERANCE_S - 1)


@pytest.mark.parametrize("ahead_s", [0, -1, -600])
def test_time_that_stands_still_or_went_back_is_refused(ahead_s: int) -> None:
    back = replace(SECOND, time_s=UnixSeconds(FIRST.time_s + ahead_s))
    with pytest.raises(TimeWentBack):
        verified(signed_reading(back), FIRST)


def test_export_of_a_station_that_cannot_give_back_is_refused() -> None:
    one_way = station(bidirectional=False)
    first = replace(FIRST, export_wh=EnergyWh(0))
    with pytest.raises(ExportNotPossible):
        verified(signed_reading(next_reading(first, Step(600, 0, 1))), first, one_way)


def test_energy_across_the_edge_of_an_interval_is_refused() -> None:
    with pytest.raises(SpansIntervals) as refused:
        check_follows(next_reading(FIRST, Step(901, 1)), FIRST, STATION_NOW)
    assert (refused.value.start_s, refused.value.end_s) == (START_S, START_S + 901)


def test_energy_up_to_the_edge_and_from_the_edge_is_accepted() -> None:
    at_edge = next_reading(FIRST, Step(900, 100))
    check_follows(at_edge, FIRST, STATION_NOW)
    check_follows(next_reading(at_edge, Step(900, 100)), at_edge, STATION_NOW)


def test_quiet_station_may_be_silent_across_intervals() -> None:
    check_follows(next_reading(FIRST, Step(86_400)), FIRST, STATION_NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("station", -1),
        ("station", 1 << 24),
        ("sequence", -1),
        ("sequence", 1 << 32),
        ("time_s", -1),
        ("time_s", 1 << 40),
        ("import_wh", -1),
        ("import_wh", 1 << 40),
        ("export_wh", -1),
        ("export_wh", 1 << 40),
        ("power_w", -(1 << 31) - 1),
        ("power_w", 1 << 31),
        ("import_wh", 10**5_000),
    ],
    ids=lambda value: str(value)[:12] if isinstance(value, str) else f"{value.bit_length()} bits",
)
def test_meter_number_that_does_not_fit_its_field_is_refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange) as refused:
        altered(FIRST, **{field: value})
    assert refused.value.field == field
    assert len(str(refused.value)) < 200
