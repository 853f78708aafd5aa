"""An order to buy or sell energy of one market interval, signed by the account's driver key."""

from dataclasses import dataclass

from domain.auction.zone import ZoneTerms
from domain.errors import ExpiresBeforeGate, Malformed, OtherAuction, OutOfRange
from domain.keccak import keccak
from domain.signing import (
    COMPACT_SIGNATURE_BYTES,
    SigningDomain,
    check_signer,
    checked_range,
    compact,
    recover,
    typehash,
    word,
)
from domain.units import MARKET_INTERVAL_S, AccountId, EnergyWh, MoneyMicro, PriceMicroPerKwh, UnixSeconds, cost_ceil

MAX_QUANTITY_WH = (1 << 30) - 1
NONCES = 64
"""Nonces that an account has for one interval of a zone, and so the most orders that it has in a book."""
PROOF_BYTES = 70
_EXPIRY_BYTES = 5

_TYPEHASH = typehash(
    "Order(uint24 account,uint16 zone,uint40 interval,bool sell,uint32 quantityWh,int32 limitMicroPerKwh,"
    "uint40 expiry,uint8 nonce)"
)
_check = checked_range(
    account=(24, 0), zone=(16, 0), interval_s=(40, 0), limit_micro_per_kwh=(32, 1), expiry_s=(40, 0), nonce=(6, 0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`account` buys or sells up to `quantity_wh` in the interval that begins at `interval_s`.

    `limit_micro_per_kwh` is the worst price, for a buyer with the zone's fee in it. The order counts if `expiry_s`
    is not before the gate. Raises OutOfRange and Malformed for what no zone takes.
    """

    account: AccountId
    zone: int
    interval_s: UnixSeconds
    sell: bool
    quantity_wh: EnergyWh
    limit_micro_per_kwh: PriceMicroPerKwh
    expiry_s: UnixSeconds
    nonce: int

    def __post_init__(self) -> None:
        _check(self)
        if not 1 <= self.quantity_wh <= MAX_QUANTITY_WH:
            raise OutOfRange("quantity_wh", self.quantity_wh, 1, MAX_QUANTITY_WH)
        if self.interval_s % MARKET_INTERVAL_S:
            raise Malformed(f"interval {self.interval_s} begins at no multiple of {MARKET_INTERVAL_S} s")

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `Order`."""
        numbers = (
            self.account,
            self.zone,
            self.interval_s,
            int(self.sell),
            self.quantity_wh,
            self.limit_micro_per_kwh,
            self.expiry_s,
            self.nonce,
        )
        return keccak(_TYPEHASH + b"".join(map(word, numbers)))

    def order_hash(self, domain: SigningDomain) -> bytes:
        """The order's hash: the digest that is signed, and what orders are sorted by."""
        return domain.digest(self.struct_hash())

    def check_terms(self, terms: ZoneTerms) -> None:
        """OtherAuction, OutOfRange, OffTick or ExpiresBeforeGate unless the zone takes the order."""
        if self.zone != terms.zone:
            raise OtherAuction("zone", terms.zone, self.zone)
        terms.check_limit(self.limit_micro_per_kwh)
        if self.expiry_s < terms.closes_s(self.interval_s):
            raise ExpiresBeforeGate(self.expiry_s, terms.closes_s(self.interval_s))

    @property
    def most_owed_micro(self) -> MoneyMicro:
        """The most that its account can come to owe for it."""
        return most_owed_micro(self.quantity_wh, self.limit_micro_per_kwh, sell=self.sell)


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order with 65 bytes of signature by the account's driver key."""

    order: Order
    signature: bytes

    def signer(self, domain: SigningDomain) -> bytes:
        """Address of the key that signed; HighS for a high-s twin, BadSignature for what is no signature."""
        return recover(self.order.order_hash(domain), self.signature)


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """An order that may go into a book. Made by `accept_order` and `accept_forced` alone.

    `signature` is None for an order that its owner forced: the chain has checked the sender.
    """

    order_hash: bytes
    order: Order
    signature: bytes | None

    @property
    def forced(self) -> bool:
        """Whether its owner sent it to the chain itself."""
        return self.signature is None

    @property
    def proof(self) -> bytes:
        """What shows the contract that it was signed: see `Proof`. Nothing for an order that its owner forced."""
        if self.signature is None:
            return b""
        return Proof(compact(self.signature), self.order.expiry_s, self.order.nonce).encode()


@dataclass(frozen=True, slots=True)
class Proof:
    """What `settle` takes beside a signed line: a compact signature (EIP-2098), the order's expiry and its nonce.

    What a chain has may be any bytes, so nothing is checked.
    """

    signature: bytes
    expiry_s: int
    nonce: int

    def encode(self) -> bytes:
        """70 bytes: r 32, vs 32, expiry u40, nonce u8."""
        return self.signature + self.expiry_s.to_bytes(_EXPIRY_BYTES, "big") + bytes([self.nonce])


def decode_proofs(proofs: bytes) -> list[Proof]:
    """The proofs of a chunk; Malformed if they are not whole."""
    if len(proofs) % PROOF_BYTES:
        raise Malformed(f"proofs have {PROOF_BYTES} bytes each, these are {len(proofs)}")
    return [_decode_proof(proofs[at : at + PROOF_BYTES]) for at in range(0, len(proofs), PROOF_BYTES)]


def accept_order(signed: SignedOrder, *, driver_key: bytes, terms: ZoneTerms, domain: SigningDomain) -> AcceptedOrder:
    """The order, if the zone takes it and the driver's key signed it; otherwise what `check_terms` and
    `check_signer` raise."""
    signed.order.check_terms(terms)
    order_hash = signed.order.order_hash(domain)
    check_signer(
        f"order {signed.order.nonce} of account {signed.order.account}", driver_key, order_hash, signed.signature
    )
    return AcceptedOrder(order_hash, signed.order, signed.signature)


def accept_forced(order: Order, *, terms: ZoneTerms, domain: SigningDomain) -> AcceptedOrder:
    """An order that the chain says its owner forced; otherwise what `check_terms` raises."""
    order.check_terms(terms)
    return AcceptedOrder(order.order_hash(domain), order, None)


def most_owed_micro(energy_wh: EnergyWh, limit: PriceMicroPerKwh, *, sell: bool) -> MoneyMicro:
    """The most that an order with this limit can owe for `energy_wh`, which the contract holds of who forces it.

    A buyer owes it at its limit, a seller at a limit below zero; otherwise nothing is owed.
    """
    return max(MoneyMicro(0), cost_ceil(energy_wh, PriceMicroPerKwh(-limit if sell else limit)))


def _decode_proof(data: bytes) -> Proof:
    signature, rest = data[:COMPACT_SIGNATURE_BYTES], data[COMPACT_SIGNATURE_BYTES:]
    return Proof(signature, int.from_bytes(rest[:_EXPIRY_BYTES], "big"), rest[_EXPIRY_BYTES])
