"""EIP-712 digests packed straight into bytes, and low-s secp256k1 signatures over them.

The digests are byte-equal to those of `eth_account.messages.encode_typed_data`, some fifty times faster.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import coincurve

from domain.errors import BadSignature, HighS, Malformed, OutOfRange, WrongSigner
from domain.keccak import keccak

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_CURVE_ORDER = CURVE_ORDER // 2
SIGNATURE_BYTES = 65
COMPACT_SIGNATURE_BYTES = 64

_HALF_CURVE_ORDER_BYTES = HALF_CURVE_ORDER.to_bytes(32, "big")
_RECOVERY_IDS = {27: b"\0", 28: b"\1"}
_DOMAIN_TYPEHASH = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_NAME_HASH = keccak(b"Wattledger")
_VERSION_HASH = keccak(b"1")


@dataclass(frozen=True, slots=True)
class SigningDomain:
    """Where a signature counts: one chain, one contract (EIP-712 `eip712Domain`)."""

    chain_id: int
    contract: bytes
    separator: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        packed = _DOMAIN_TYPEHASH + _NAME_HASH + _VERSION_HASH + word(self.chain_id) + self.contract.rjust(32, b"\0")
        object.__setattr__(self, "separator", keccak(packed))

    def digest(self, struct_hash: bytes) -> bytes:
        """What is signed: keccak256(0x1901 ‖ domain separator ‖ struct hash)."""
        return keccak(b"\x19\x01" + self.separator + struct_hash)


class Signer(Protocol):
    """Somebody who holds one private key."""

    @property
    def address(self) -> bytes:
        """The key's 20-byte address."""

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v over a 32-byte digest, low s, v is 27 or 28."""


def typehash(signature: str) -> bytes:
    """Hash of an EIP-712 struct's type, such as ``Mail(address to,bytes32 body)``."""
    return keccak(signature.encode())


def word(value: int) -> bytes:
    """An integer as an ABI word: 32 bytes, big-endian, two's complement."""
    return value.to_bytes(32, "big", signed=value < 0)


def checked_range(**fields: tuple[int, int]) -> Callable[[object], None]:
    """A check that each named attribute fits an integer type of so many bits.

    A field's tuple is (bits, signed as 0 or 1). The check raises OutOfRange.
    """
    limits = [
        (name, -(1 << bits - 1) if signed else 0, (1 << (bits - 1 if signed else bits)) - 1)
        for name, (bits, signed) in fields.items()
    ]

    def check(value: object) -> None:
        for name, low, high in limits:
            number = getattr(value, name)
            if not low <= number <= high:
                raise OutOfRange(name, number, low, high)

    return check


def check_length(field: str, value: bytes, length: int) -> None:
    """Raises Malformed unless `value` has `length` bytes."""
    if len(value) != length:
        raise Malformed(f"{field} has {len(value)} bytes; it must have {length}")


def recover(digest: bytes, signature: bytes) -> bytes:
    """Address of the key that made a 65-byte signature r ‖ s ‖ v over `digest`.

    Raises HighS for the high-s twin of a signature and BadSignature for anything that is no signature.
    """
    check_form(signature)
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + _RECOVERY_IDS[signature[64]], digest, hasher=None
        )
    except ValueError as error:
        raise BadSignature("no key can have made this signature over these values") from error
    return keccak(key.format(compressed=False)[1:])[12:]


def check_form(signature: bytes) -> None:
    """Raises BadSignature unless these are 65 bytes r ‖ s ‖ v with a low s and v 27 or 28."""
    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature(f"a signature has {SIGNATURE_BYTES} bytes, this has {len(signature)}")
    if signature[32:64] > _HALF_CURVE_ORDER_BYTES:
        raise HighS
    if signature[64] not in _RECOVERY_IDS:
        raise BadSignature(f"the last byte of a signature is 27 or 28, this is {signature[64]}")


def check_signer(what: str, expected: bytes, digest: bytes, signature: bytes) -> None:
    """Raises WrongSigner unless the key of address `expected` signed `digest`."""
    recovered = recover(digest, signature)
    if recovered != expected:
        raise WrongSigner(what, expected, recovered)


def compact(signature: bytes) -> bytes:
    """64 bytes r ‖ vs, the recovery bit on top of s (EIP-2098); BadSignature if there is no such form."""
    check_form(signature)
    vs = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32] + vs.to_bytes(32, "big")


def expanded(signature: bytes) -> bytes:
    """65 bytes r ‖ s ‖ v of a compact signature (EIP-2098)."""
    vs = int.from_bytes(signature[32:], "big")
    return signature[:32] + (vs & (1 << 255) - 1).to_bytes(32, "big") + bytes([27 + (vs >> 255)])
