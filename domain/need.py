"""What a driver needs from a session: so much energy by a time. It steers schedules, and moves no money.

What may be billed is what the session's authorisation says, whatever a need asks for.
"""

from dataclasses import dataclass

from domain.errors import FromTheFuture, NeedRefused
from domain.keccak import keccak
from domain.reading import CLOCK_TOLERANCE_S
from domain.session import SessionAuthorisation
from domain.signing import SigningDomain, check_length, check_signer, checked_range, typehash, word
from domain.text import hex_text
from domain.units import EnergyWh, UnixSeconds

_TYPEHASH = typehash("ChargingNeed(bytes32 session,uint40 energyWh,uint40 departure,uint40 time)")
_HASH_BYTES = 32
_check = checked_range(energy_wh=(40, 0), departure_s=(40, 0), time_s=(40, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingNeed:
    """`energy_wh` is to be charged in the session in all, until `departure_s`. Said at `time_s`: the latest counts.

    A departure that is not after `time_s` says that the vehicle leaves.
    """

    session: bytes
    energy_wh: EnergyWh
    departure_s: UnixSeconds
    time_s: UnixSeconds

    def __post_init__(self) -> None:
        _check(self)
        check_length("session", self.session, _HASH_BYTES)

    @property
    def leaves(self) -> bool:
        return self.departure_s <= self.time_s

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `ChargingNeed`."""
        return keccak(_TYPEHASH + self.session + word(self.energy_wh) + word(self.departure_s) + word(self.time_s))


@dataclass(frozen=True, slots=True)
class SignedNeed:
    """A need with 65 bytes of signature by the account's driver key."""

    need: ChargingNeed
    signature: bytes


def check_need(
    signed: SignedNeed, limits: SessionAuthorisation, *, driver_key: bytes, domain: SigningDomain, now_s: int
) -> None:
    """Raises a BadSignature, NeedRefused or FromTheFuture unless the driver may ask for this."""
    need = signed.need
    check_signer(
        f"need of session {hex_text(need.session)}", driver_key, domain.digest(need.struct_hash()), signed.signature
    )
    if need.time_s > now_s + CLOCK_TOLERANCE_S:
        raise FromTheFuture(f"need of account {limits.account}", need.time_s, now_s)
    if need.energy_wh > limits.max_energy_wh:
        raise NeedRefused(need.session, "maximum energy", limits.max_energy_wh, need.energy_wh)
    if need.departure_s > limits.expiry_s:
        raise NeedRefused(need.session, "expiry", limits.expiry_s, need.departure_s)
    if need.departure_s < limits.not_before_s:
        raise NeedRefused(need.session, "start", limits.not_before_s, need.departure_s)
