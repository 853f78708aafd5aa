"""Orders: what a zone takes, who must have signed, and what is refused with which error."""

from dataclasses import replace
from typing import Any

import pytest

from domain.auction.order import Order, SignedOrder, accept_forced, accept_order
from domain.auction.zone import ZoneTerms
from domain.errors import (
    BadSignature,
    ExpiresBeforeGate,
    HighS,
    Malformed,
    OffTick,
    OtherAuction,
    OutOfRange,
    WrongSigner,
)
from domain.signing import CURVE_ORDER, SigningDomain
from tests.vectors.auctions import AUCTION_DOMAIN, GRID, INTERVAL_S, TERMS, accepted, key_of, order, signed
from tests.vectors.world import CHAIN_ID

PLAIN = order("buy", 1_500, 300_000)
DRIVER = key_of(PLAIN.account)


def accept(found: SignedOrder, *, driver_key: bytes = DRIVER.address, domain: SigningDomain = AUCTION_DOMAIN) -> Any:
    return accept_order(found, driver_key=driver_key, terms=TERMS, domain=domain)


def test_signed_order_is_accepted_with_its_digest_as_hash() -> None:
    found = accept(signed(PLAIN))
    assert found.order_hash == AUCTION_DOMAIN.digest(PLAIN.struct_hash())
    assert (found.order, found.forced) == (PLAIN, False)
    assert signed(PLAIN).signer(AUCTION_DOMAIN) == DRIVER.address


def test_forced_order_needs_no_signature() -> None:
    found = accept_forced(PLAIN, terms=TERMS, domain=AUCTION_DOMAIN)
    assert (found.forced, found.order_hash) == (True, accepted(PLAIN).order_hash)


def test_high_s_twin_of_an_orders_signature_is_refused() -> None:
    low = signed(PLAIN).signature
    s = CURVE_ORDER - int.from_bytes(low[32:64], "big")
    twin = low[:32] + s.to_bytes(32, "big") + bytes([55 - low[64]])
    with pytest.raises(HighS):
        accept(SignedOrder(PLAIN, twin))
    with pytest.raises(HighS):
        SignedOrder(PLAIN, twin).signer(AUCTION_DOMAIN)


@pytest.mark.parametrize("signature", [b"", bytes(65), b"\1" * 64 + b"\2"])
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(BadSignature):
        accept(SignedOrder(PLAIN, signature))


def test_order_signed_by_another_key_is_refused() -> None:
    with pytest.raises(WrongSigner):
        accept(signed(PLAIN), driver_key=key_of(21).address)


@pytest.mark.parametrize(
    "domain", [SigningDomain(CHAIN_ID + 1, AUCTION_DOMAIN.contract), SigningDomain(CHAIN_ID, bytes(20))]
)
def test_order_signed_for_another_chain_or_contract_is_refused(domain: SigningDomain) -> None:
    with pytest.raises(WrongSigner):
        accept(signed(PLAIN), domain=domain)


ALTERED = {
    "account": 21,
    "interval_s": INTERVAL_S - 900,
    "sell": True,
    "quantity_wh": 1_501,
    "limit_micro_per_kwh": 300_100,
    "expiry_s": PLAIN.expiry_s + 1,
    "nonce": 1,
}


@pytest.mark.parametrize("field", ALTERED)
def test_every_field_of_an_order_is_under_the_signature(field: str) -> None:
    changes: dict[str, Any] = {field: ALTERED[field]}
    with pytest.raises(WrongSigner):
        accept(SignedOrder(replace(PLAIN, **changes), signed(PLAIN).signature))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity_wh", 0),
        ("quantity_wh", -1),
        ("quantity_wh", 1 << 30),
        ("quantity_wh", 1 << 256),
        ("account", 1 << 24),
        ("zone", -1),
        ("nonce", 64),
        ("limit_micro_per_kwh", 1 << 31),
        ("expiry_s", 1 << 40),
    ],
)
def test_number_that_no_order_has_is_out_of_range(field: str, value: int) -> None:
    changes: dict[str, Any] = {field: value}
    with pytest.raises(OutOfRange) as caught:
        replace(PLAIN, **changes)
    assert (caught.value.field, caught.value.value) == (field, value)


def test_interval_that_begins_between_two_intervals_is_refused() -> None:
    with pytest.raises(Malformed, match="no multiple of 900"):
        order("buy", 1, 0, interval_s=INTERVAL_S + 1)


@pytest.mark.parametrize(
    ("plain", "error"),
    [
        (order("buy", 1, 50), OffTick),
        (order("sell", 1, -50), OffTick),
        (order("buy", 1, TERMS.cap_micro_per_kwh + 100), OutOfRange),
        (order("sell", 1, TERMS.floor_micro_per_kwh - 100), OutOfRange),
        (order("buy", 1, 0, zone=TERMS.zone + 1), OtherAuction),
        (order("buy", 1, 0, expiry_s=INTERVAL_S - 301), ExpiresBeforeGate),
    ],
)
def test_order_that_the_zone_does_not_take_is_refused_signed_or_forced(plain: Order, error: type[Exception]) -> None:
    with pytest.raises(error):
        accept(signed(plain))
    with pytest.raises(error):
        accept_forced(plain, terms=TERMS, domain=AUCTION_DOMAIN)


def test_order_at_a_cap_or_with_its_expiry_at_the_gate_is_taken() -> None:
    accepted(order("buy", 1, TERMS.cap_micro_per_kwh))
    accepted(order("sell", (1 << 30) - 1, TERMS.floor_micro_per_kwh))
    accepted(order("buy", 1, 0, expiry_s=INTERVAL_S - 300))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"tick_micro_per_kwh": 0}, OutOfRange),
        ({"cap_micro_per_kwh": 4_000_050}, OffTick),
        ({"fee_micro_per_kwh": 150}, OffTick),
        ({"fee_micro_per_kwh": -100}, OutOfRange),
        ({"floor_micro_per_kwh": 200, "cap_micro_per_kwh": 100}, Malformed),
        ({"floor_micro_per_kwh": -2_147_483_600}, OutOfRange),
        ({"zone": 1 << 16}, OutOfRange),
        ({"import_limit_wh": -1}, OutOfRange),
    ],
)
def test_terms_that_no_auction_can_have_are_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        replace(TERMS, **changes)


def test_fee_is_part_of_a_buyers_limit_alone() -> None:
    terms = ZoneTerms(zone=3, grid=GRID, import_limit_wh=0, export_limit_wh=0, fee_micro_per_kwh=200)  # type: ignore[arg-type] # plain numbers
    limit: Any = 1_000
    assert (terms.net(sell=False, limit=limit), terms.net(sell=True, limit=limit)) == (800, 1_000)
    assert terms.closes_s(INTERVAL_S) == INTERVAL_S - 300
