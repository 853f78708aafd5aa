"""A driver's word that an order of its account is not wanted any more."""

from domain.keccak import keccak
from domain.signing import SigningDomain, typehash

_TYPEHASH = typehash("CancelOrder(bytes32 order)")


def cancel_digest(order_hash: bytes, domain: SigningDomain) -> bytes:
    """What the driver key signs to take back the order of this hash: EIP-712 `CancelOrder`, in the orders' domain."""
    return domain.digest(keccak(_TYPEHASH + order_hash))
