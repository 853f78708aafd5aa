"""A driver's need: signed as EIP-712 says, and never beyond the session's authorisation."""

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from domain.errors import FromTheFuture, Malformed, NeedRefused, OutOfRange, WrongSigner
from domain.need import ChargingNeed, SignedNeed, check_need
from domain.text import address_text, hex_text
from domain.units import EnergyWh, UnixSeconds
from domain.wire import need_from_json, need_to_json
from tests.vectors.world import ACCOUNT_DOMAIN, ALICE, BOB, DRIVER_KEYS, NOW_S, Limits, session

SESSION = session(ALICE, Limits(max_energy_wh=10_000))
LIMITS = SESSION.authorisation
NEED = ChargingNeed(
    session=SESSION.session_id,
    energy_wh=EnergyWh(8_000),
    departure_s=UnixSeconds(LIMITS.expiry_s - 60),
    time_s=LIMITS.not_before_s,
)


def signed(need: ChargingNeed = NEED, by: Any = ALICE) -> SignedNeed:
    return SignedNeed(need, DRIVER_KEYS[by].sign(ACCOUNT_DOMAIN.digest(need.struct_hash())))


def check(one: SignedNeed, now_s: int = NOW_S) -> None:
    check_need(one, LIMITS, driver_key=DRIVER_KEYS[ALICE].address, domain=ACCOUNT_DOMAIN, now_s=now_s)


def test_wallets_sign_the_very_same_digest() -> None:
    typed = encode_typed_data(
        {
            "name": "Wattledger",
            "version": "1",
            "chainId": ACCOUNT_DOMAIN.chain_id,
            "verifyingContract": address_text(ACCOUNT_DOMAIN.contract),
        },
        {
            "ChargingNeed": [
                {"name": "session", "type": "bytes32"},
                {"name": "energyWh", "type": "uint40"},
                {"name": "departure", "type": "uint40"},
                {"name": "time", "type": "uint40"},
            ]
        },
        {
            "session": NEED.session,
            "energyWh": NEED.energy_wh,
            "departure": NEED.departure_s,
            "time": NEED.time_s,
        },
    )
    wallet = bytes(Account.sign_message(typed, DRIVER_KEYS[ALICE].secret).signature)

    check(SignedNeed(NEED, wallet))


def test_need_within_the_authorisation_is_taken() -> None:
    check(signed())


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"energy_wh": LIMITS.max_energy_wh + 1}, "maximum energy"),
        ({"departure_s": LIMITS.expiry_s + 1}, "expiry"),
        ({"departure_s": LIMITS.not_before_s - 1}, "start"),
    ],
)
def test_need_beyond_the_authorisation_is_refused(change: dict[str, Any], limit: str) -> None:
    with pytest.raises(NeedRefused) as caught:
        check(signed(replace(NEED, **change)))
    assert caught.value.limit == limit


def test_need_of_another_driver_or_altered_is_refused() -> None:
    with pytest.raises(WrongSigner):
        check(signed(by=BOB))
    with pytest.raises(WrongSigner):
        check(replace(signed(), need=replace(NEED, energy_wh=EnergyWh(1))))


def test_need_ahead_of_the_clock_is_refused() -> None:
    with pytest.raises(FromTheFuture):
        check(signed(), now_s=NEED.time_s - 61)


def test_departure_that_is_not_later_says_that_the_vehicle_leaves() -> None:
    assert not NEED.leaves
    assert replace(NEED, departure_s=NEED.time_s).leaves


def test_need_goes_through_json_unaltered() -> None:
    assert need_from_json(need_to_json(signed())) == signed()


@pytest.mark.parametrize(
    "change", [{"energy_wh": 1.5}, {"time": True}, {"more": 1}, {"session": "0x12"}, {"energy_wh": -1}]
)
def test_need_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        need_from_json(need_to_json(signed()) | change)


def test_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OutOfRange):
        replace(NEED, departure_s=UnixSeconds(1 << 40))
    assert hex_text(NEED.session) == need_to_json(signed())["session"]
