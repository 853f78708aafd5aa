"""Signatures: who signed, for which chain and contract, in which form."""

import coincurve
import pytest
from eth_account import Account
from eth_hash.auto import keccak

from domain.errors import BadSignature, HighS, WrongSigner
from domain.signing import CURVE_ORDER, HALF_CURVE_ORDER, SigningDomain, check_signer, compact, expanded, recover, word
from tests.vectors.world import CHAIN_ID, OTHER_KEY, STATION_DOMAIN, STATION_KEY, first_reading

DIGEST = keccak(b"anything")
SIGNATURE = STATION_KEY.sign(DIGEST)


def with_s(signature: bytes, s: int) -> bytes:
    return signature[:32] + s.to_bytes(32, "big") + signature[64:]


def test_recover_gives_the_address_of_the_key() -> None:
    assert recover(DIGEST, SIGNATURE) == STATION_KEY.address


def test_recover_agrees_with_eth_account() -> None:
    signed = Account.unsafe_sign_hash(DIGEST, STATION_KEY.secret)
    assert recover(DIGEST, bytes(signed.signature)) == bytes.fromhex(Account.from_key(STATION_KEY.secret).address[2:])


def test_high_s_twin_of_a_valid_signature_is_refused() -> None:
    s = int.from_bytes(SIGNATURE[32:64], "big")
    twin = with_s(SIGNATURE, CURVE_ORDER - s)[:64] + bytes([27 + 28 - SIGNATURE[64]])
    key = coincurve.PublicKey.from_signature_and_message(twin[:64] + bytes([twin[64] - 27]), DIGEST, hasher=None)
    assert keccak(key.format(compressed=False)[1:])[12:] == STATION_KEY.address, "the twin is valid mathematics"
    with pytest.raises(HighS):
        recover(DIGEST, twin)


def test_s_at_half_the_order_is_low_and_above_it_is_high() -> None:
    recover(DIGEST, with_s(SIGNATURE, HALF_CURVE_ORDER))
    with pytest.raises(HighS):
        recover(DIGEST, with_s(SIGNATURE, HALF_CURVE_ORDER + 1))


@pytest.mark.parametrize("length", [0, 1, 32, 63, 64, 66, 130])
def test_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(BadSignature, match=f"this has {length}"):
        recover(DIGEST, (SIGNATURE * 2)[:length])


@pytest.mark.parametrize("v", [0, 1, 2, 3, 26, 29, 35, 255])
def test_signature_whose_last_byte_is_neither_27_nor_28_is_refused(v: int) -> None:
    with pytest.raises(BadSignature, match="27 or 28"):
        recover(DIGEST, SIGNATURE[:64] + bytes([v]))


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (0, 0), (CURVE_ORDER, 1), ((1 << 256) - 1, 1), (5, 1)], ids=str)
def test_numbers_that_no_key_can_have_signed_are_refused(r: int, s: int) -> None:
    with pytest.raises(BadSignature):
        recover(DIGEST, r.to_bytes(32, "big") + s.to_bytes(32, "big") + b"\x1b")


def test_digest_that_is_not_32_bytes_is_refused() -> None:
    with pytest.raises(BadSignature):
        recover(b"short", SIGNATURE)


def test_signature_of_another_key_is_refused_with_both_addresses() -> None:
    with pytest.raises(WrongSigner) as refused:
        check_signer("reading", STATION_KEY.address, DIGEST, OTHER_KEY.sign(DIGEST))
    assert (refused.value.expected, refused.value.recovered) == (STATION_KEY.address, OTHER_KEY.address)


@pytest.mark.parametrize(
    "elsewhere",
    [SigningDomain(CHAIN_ID + 1, STATION_DOMAIN.contract), SigningDomain(CHAIN_ID, bytes.fromhex("5b" * 20))],
    ids=["another chain", "another contract"],
)
def test_signature_for_another_chain_or_contract_is_refused(elsewhere: SigningDomain) -> None:
    struct_hash = first_reading().struct_hash()
    signature = STATION_KEY.sign(elsewhere.digest(struct_hash))
    with pytest.raises(WrongSigner):
        check_signer("reading", STATION_KEY.address, STATION_DOMAIN.digest(struct_hash), signature)


def test_domains_are_equal_when_chain_and_contract_are() -> None:
    same = SigningDomain(CHAIN_ID, STATION_DOMAIN.contract)
    assert same == STATION_DOMAIN
    assert same.separator == STATION_DOMAIN.separator
    assert SigningDomain(1, STATION_DOMAIN.contract).separator != same.separator


@pytest.mark.parametrize("v", [27, 28])
def test_compact_form_keeps_r_s_and_the_recovery_bit(v: int) -> None:
    signature = SIGNATURE[:64] + bytes([v])
    packed = compact(signature)
    assert len(packed) == 64
    assert packed[:32] == signature[:32]
    assert packed[32] >> 7 == v - 27
    assert expanded(packed) == signature


def test_compact_form_is_that_of_the_example_in_eip_2098() -> None:
    r = "68a020a209d3d56c46f38cc50a33f704f4a9a10a59377f8dd762ac66910e9b90"
    s = "7e865ad05c4035ab5792787d4a0297a43617ae897930a6fe4d822b8faea52064"
    assert compact(bytes.fromhex(r + s + "1b")).hex() == r + s
    r = "9328da16089fcba9bececa81663203989f2df5fe1faa6291a45381c81bd17f76"
    s = "139c6d6b623b42da56557e5e734a43dc83345ddfadec52cbe24d0cc64f550793"
    vs = "939c6d6b623b42da56557e5e734a43dc83345ddfadec52cbe24d0cc64f550793"
    assert compact(bytes.fromhex(r + s + "1c")).hex() == r + vs
    assert expanded(bytes.fromhex(r + vs)).hex() == r + s + "1c"


@pytest.mark.parametrize(
    "signature",
    [
        SIGNATURE[:64] + b"\x00",
        SIGNATURE[:64] + b"\x1d",
        SIGNATURE[:64],
        SIGNATURE + b"\0",
        with_s(SIGNATURE, HALF_CURVE_ORDER + 1),
        with_s(SIGNATURE, 1 << 255),
    ],
    ids=["v is 0", "v is 29", "no v", "too long", "high s", "s runs into the recovery bit"],
)
def test_signature_without_a_compact_form_is_refused(signature: bytes) -> None:
    with pytest.raises(BadSignature):
        compact(signature)


def test_negative_integers_are_words_in_twos_complement() -> None:
    assert word(-1) == b"\xff" * 32
    assert word(-(1 << 31)) == b"\xff" * 28 + b"\x80\0\0\0"
    assert word(0) == bytes(32)
    assert word((1 << 256) - 1) == b"\xff" * 32
