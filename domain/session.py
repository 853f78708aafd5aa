"""A driver's authorisation of a session: what a station may bill, and until when."""

from dataclasses import dataclass

from domain.errors import AuthorisationRefused, NotAuthorised
from domain.keccak import keccak
from domain.reading import MeterReading
from domain.signing import SigningDomain, check_signer, checked_range, typehash, word
from domain.units import AccountId, EnergyWh, MoneyMicro, PriceMicroPerKwh, StationId, UnixSeconds

_TYPEHASH = typehash(
    "SessionAuthorisation(uint24 account,uint24 station,uint40 maxEnergyWh,int32 maxPriceMicroPerKwh,"
    "uint96 maxCostMicro,bool dischargeAllowed,uint40 notBefore,uint40 expiry,uint64 nonce)"
)
_check = checked_range(
    account=(24, 0),
    station=(24, 0),
    max_energy_wh=(40, 0),
    max_price_micro_per_kwh=(32, 1),
    max_cost_micro=(96, 0),
    not_before_s=(40, 0),
    expiry_s=(40, 0),
    nonce=(64, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAuthorisation:
    """The most that may be billed to `account` at `station` between `not_before_s` and `expiry_s`.

    `nonce` sets one of several alike apart from the others. Energy given back counts against nothing
    but `discharge_allowed`.
    """

    account: AccountId
    station: StationId
    max_energy_wh: EnergyWh
    max_price_micro_per_kwh: PriceMicroPerKwh
    max_cost_micro: MoneyMicro
    discharge_allowed: bool
    not_before_s: UnixSeconds
    expiry_s: UnixSeconds
    nonce: int

    def __post_init__(self) -> None:
        _check(self)
        if self.expiry_s <= self.not_before_s:
            raise AuthorisationRefused(f"authorisation expires at {self.expiry_s}, before it starts")

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `SessionAuthorisation`."""
        numbers = (
            self.account,
            self.station,
            self.max_energy_wh,
            self.max_price_micro_per_kwh,
            self.max_cost_micro,
            int(self.discharge_allowed),
            self.not_before_s,
            self.expiry_s,
            self.nonce,
        )
        return keccak(_TYPEHASH + b"".join(map(word, numbers)))

    def session_id(self, domain: SigningDomain) -> bytes:
        """The session's id: the digest that the driver signed. Readings carry it."""
        return domain.digest(self.struct_hash())


@dataclass(frozen=True, slots=True)
class SignedAuthorisation:
    """An authorisation with 65 bytes of signature by the account's driver key."""

    authorisation: SessionAuthorisation
    signature: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """An authorisation whose signature holds. Made by `open_session` alone."""

    session_id: bytes
    authorisation: SessionAuthorisation
    signature: bytes


def open_session(signed: SignedAuthorisation, *, driver_key: bytes, domain: SigningDomain) -> Session:
    """The session that a driver authorised; BadSignature if the driver's key did not sign it."""
    session_id = signed.authorisation.session_id(domain)
    check_signer(f"authorisation of account {signed.authorisation.account}", driver_key, session_id, signed.signature)
    return Session(session_id, signed.authorisation, signed.signature)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was billed to a session so far."""

    energy_wh: int = 0
    cost_micro: int = 0


def charge_session(
    session: Session, usage: Usage, *, energy_wh: int, price: int | None = None, cost_micro: int = 0
) -> Usage:
    """The usage after one more billed row; NotAuthorised if a limit of the driver's is passed.

    A row that is metered in the market has no price of its own: its account's orders say what it pays at most.
    """
    limits = session.authorisation
    if price is not None and price > limits.max_price_micro_per_kwh:
        raise NotAuthorised(session.session_id, "maximum price", limits.max_price_micro_per_kwh, price)
    after = Usage(usage.energy_wh + energy_wh, usage.cost_micro + cost_micro)
    if after.energy_wh > limits.max_energy_wh:
        raise NotAuthorised(session.session_id, "maximum energy", limits.max_energy_wh, after.energy_wh)
    if after.cost_micro > limits.max_cost_micro:
        raise NotAuthorised(session.session_id, "maximum cost", limits.max_cost_micro, after.cost_micro)
    return after


def check_discharge(session: Session, energy_wh: int) -> None:
    """NotAuthorised unless the driver allows energy to be given back."""
    if not session.authorisation.discharge_allowed:
        raise NotAuthorised(session.session_id, "energy given back", 0, energy_wh)


def check_reading(session: Session, before: MeterReading, reading: MeterReading) -> None:
    """NotAuthorised if energy moved between two readings that the session cannot be billed for.

    Checked before a reading is taken, because a statement over it could never be accepted.
    """
    imported, exported = reading.import_wh != before.import_wh, reading.export_wh != before.export_wh
    if imported or exported:
        check_place_and_time(session, station=reading.station, start_s=before.time_s, end_s=reading.time_s)
    if exported:
        check_discharge(session, reading.export_wh - before.export_wh)


def check_place_and_time(session: Session, *, station: int, start_s: int, end_s: int) -> None:
    """NotAuthorised unless the session is this station's and covers the time."""
    limits = session.authorisation
    if limits.station != station:
        raise NotAuthorised(session.session_id, "station", limits.station, station)
    if start_s < limits.not_before_s:
        raise NotAuthorised(session.session_id, "start", limits.not_before_s, start_s)
    if end_s > limits.expiry_s:
        raise NotAuthorised(session.session_id, "expiry", limits.expiry_s, end_s)
