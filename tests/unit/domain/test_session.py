"""A driver's authorisation: its limits hold for each row and over all rows."""

from dataclasses import replace

import pytest

from domain.errors import AuthorisationRefused, NotAuthorised, OutOfRange, WrongSigner
from domain.session import Usage, charge_session, check_discharge, check_place_and_time, open_session
from domain.signing import SigningDomain
from domain.units import EnergyWh, UnixSeconds
from tests.vectors.world import (
    ACCOUNT_DOMAIN,
    ALICE,
    BOB,
    CHAIN_ID,
    DRIVER_KEYS,
    START_S,
    STATION,
    Limits,
    altered,
    authorisation,
    session,
)

TIGHT = session(
    ALICE,
    Limits(max_energy_wh=10_000, max_price_micro_per_kwh=300_000, max_cost_micro=2_000_000, discharge_allowed=False),
)


def test_session_is_named_by_the_digest_that_the_driver_signed() -> None:
    signed = authorisation(ALICE)
    opened = open_session(signed, driver_key=DRIVER_KEYS[ALICE].address, domain=ACCOUNT_DOMAIN)
    assert opened.session_id == signed.authorisation.session_id(ACCOUNT_DOMAIN)
    assert opened.authorisation == signed.authorisation


def test_nonce_sets_sessions_that_are_alike_apart() -> None:
    assert session(ALICE, Limits(nonce=1)).session_id != session(ALICE, Limits(nonce=2)).session_id


def test_authorisation_signed_by_another_driver_is_refused() -> None:
    with pytest.raises(WrongSigner):
        open_session(authorisation(BOB), driver_key=DRIVER_KEYS[ALICE].address, domain=ACCOUNT_DOMAIN)


def test_authorisation_altered_after_signing_is_refused() -> None:
    signed = authorisation(ALICE)
    wider = replace(signed.authorisation, max_energy_wh=EnergyWh(signed.authorisation.max_energy_wh + 1))
    with pytest.raises(WrongSigner):
        open_session(replace(signed, authorisation=wider), driver_key=DRIVER_KEYS[ALICE].address, domain=ACCOUNT_DOMAIN)


@pytest.mark.parametrize(
    "elsewhere", [SigningDomain(CHAIN_ID + 1, ACCOUNT_DOMAIN.contract), SigningDomain(CHAIN_ID, bytes(20))]
)
def test_authorisation_for_another_chain_or_contract_is_refused(elsewhere: SigningDomain) -> None:
    with pytest.raises(WrongSigner):
        open_session(authorisation(ALICE), driver_key=DRIVER_KEYS[ALICE].address, domain=elsewhere)


@pytest.mark.parametrize("after_s", [0, -1])
def test_authorisation_that_ends_before_it_starts_is_refused(after_s: int) -> None:
    with pytest.raises(AuthorisationRefused):
        authorisation(ALICE, Limits(not_before_s=START_S, expiry_s=START_S + after_s))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_energy_wh", 1 << 40),
        ("max_energy_wh", -1),
        ("max_price_micro_per_kwh", 1 << 31),
        ("max_price_micro_per_kwh", -(1 << 31) - 1),
        ("max_cost_micro", 1 << 96),
        ("max_cost_micro", -1),
        ("nonce", 1 << 64),
        ("station", 1 << 24),
    ],
)
def test_limit_that_does_not_fit_its_field_is_refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange):
        authorisation(ALICE, altered(Limits(), **{field: value}))


def test_usage_accumulates_over_rows() -> None:
    usage = charge_session(TIGHT, Usage(), energy_wh=4_000, price=250_000, cost_micro=1_000_000)
    usage = charge_session(TIGHT, usage, energy_wh=1_000, price=250_000, cost_micro=250_000)
    assert usage == Usage(energy_wh=5_000, cost_micro=1_250_000)


def test_maximum_price_is_a_limit_of_each_row() -> None:
    charge_session(TIGHT, Usage(), energy_wh=1, price=300_000, cost_micro=300)
    with pytest.raises(NotAuthorised) as refused:
        charge_session(TIGHT, Usage(), energy_wh=1, price=300_001, cost_micro=301)
    assert (refused.value.limit, refused.value.allowed, refused.value.asked) == ("maximum price", 300_000, 300_001)


def test_maximum_energy_is_a_limit_of_all_rows_together() -> None:
    usage = charge_session(TIGHT, Usage(energy_wh=9_999), energy_wh=1, price=0, cost_micro=0)
    with pytest.raises(NotAuthorised, match="maximum energy"):
        charge_session(TIGHT, usage, energy_wh=1, price=0, cost_micro=0)


def test_maximum_cost_is_a_limit_of_all_rows_together() -> None:
    usage = charge_session(TIGHT, Usage(cost_micro=1_999_999), energy_wh=1, price=1, cost_micro=1)
    with pytest.raises(NotAuthorised, match="maximum cost"):
        charge_session(TIGHT, usage, energy_wh=1, price=1, cost_micro=1)


def test_negative_price_gives_cost_back() -> None:
    usage = charge_session(TIGHT, Usage(cost_micro=1_000), energy_wh=1, price=-100_000, cost_micro=-100)
    assert usage.cost_micro == 900


def test_energy_is_given_back_only_where_the_driver_allows_it() -> None:
    check_discharge(session(ALICE), 1)
    with pytest.raises(NotAuthorised, match="given back"):
        check_discharge(TIGHT, 1)


def test_session_of_another_station_is_refused() -> None:
    with pytest.raises(NotAuthorised, match="station"):
        check_place_and_time(TIGHT, station=STATION + 1, start_s=START_S, end_s=START_S + 1)


def test_session_covers_its_first_and_its_last_second_and_no_other() -> None:
    limits = session(ALICE, Limits(not_before_s=START_S, expiry_s=UnixSeconds(START_S + 900)))
    check_place_and_time(limits, station=STATION, start_s=START_S, end_s=START_S + 900)
    with pytest.raises(NotAuthorised, match="start"):
        check_place_and_time(limits, station=STATION, start_s=START_S - 1, end_s=START_S + 900)
    with pytest.raises(NotAuthorised, match="expiry"):
        check_place_and_time(limits, station=STATION, start_s=START_S, end_s=START_S + 901)
