"""Stations: what the chain says of them, which keys sign for them, and meters that were replaced."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from domain.errors import KeyNoLongerValid, StationIsSuspended, WrongSigner
from domain.keccak import keccak
from domain.signing import checked_range, recover, typehash, word
from domain.units import AccountId, EnergyWh, PowerW, StationId, UnixSeconds

NOBODY = bytes(20)
_REPLACEMENT_TYPEHASH = typehash(
    "MeterReplacement(uint24 station,uint24 sequence,uint40 time,uint40 closingImportWh,uint40 closingExportWh,"
    "uint40 openingImportWh,uint40 openingExportWh)"
)
_check_replacement = checked_range(
    station=(24, 0),
    sequence=(24, 0),
    time_s=(40, 0),
    closing_import_wh=(40, 0),
    closing_export_wh=(40, 0),
    opening_import_wh=(40, 0),
    opening_export_wh=(40, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReplacement:
    """A meter that took another one's place at `time_s`. Operator and station sign for it.

    It takes a number of the station's sequence of statements. The old meter closed with the registers of
    the last settled statement; what is metered after `time_s` counts from the opening registers on.
    """

    station: StationId
    sequence: int
    time_s: UnixSeconds
    closing_import_wh: EnergyWh
    closing_export_wh: EnergyWh
    opening_import_wh: EnergyWh
    opening_export_wh: EnergyWh

    def __post_init__(self) -> None:
        _check_replacement(self)

    @property
    def closing(self) -> tuple[EnergyWh, EnergyWh]:
        """Import and export register of the old meter."""
        return self.closing_import_wh, self.closing_export_wh

    @property
    def opening(self) -> tuple[EnergyWh, EnergyWh]:
        """Import and export register of the new meter."""
        return self.opening_import_wh, self.opening_export_wh

    def struct_hash(self) -> bytes:
        """EIP-712 hash of the struct `MeterReplacement`."""
        numbers = (self.station, self.sequence, self.time_s, *self.closing, *self.opening)
        return keccak(_REPLACEMENT_TYPEHASH + b"".join(map(word, numbers)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What the chain says of a station. Registers are those at its registration.

    `signer` is its present key, None if that was revoked and not replaced. `former_keys` are those before it,
    each with the last second for which it may have signed, 0 for nothing at all.
    """

    station: StationId
    signer: bytes | None
    payee: AccountId
    rated_power_w: PowerW
    bidirectional: bool
    import_wh: EnergyWh
    export_wh: EnergyWh
    former_keys: Mapping[bytes, UnixSeconds] = field(default_factory=dict)
    suspended_by_operator: bool = False
    suspended_by_governance: bool = False
    replacements: tuple[MeterReplacement, ...] = ()

    @property
    def suspended(self) -> bool:
        """Whether nothing that it states is settled for now."""
        return self.suspended_by_operator or self.suspended_by_governance

    def check_active(self) -> None:
        """StationIsSuspended if nothing that it states is settled for now."""
        if self.suspended:
            raise StationIsSuspended(self.station)

    def check_signature(self, what: str, time_s: int, digest: bytes, signature: bytes) -> None:
        """WrongSigner or KeyNoLongerValid unless the station signed this: with its key, or a former one in its time."""
        self.check_signer(what, time_s, recover(digest, signature))

    def check_signer(self, what: str, time_s: int, recovered: bytes) -> None:
        """The same for a signature of which it is known which key made it."""
        if recovered == self.signer:
            return
        until_s = self.former_keys.get(recovered)
        if until_s is None:
            raise WrongSigner(what, self.signer or NOBODY, recovered)
        if until_s == 0 or time_s > until_s:
            raise KeyNoLongerValid(what, recovered, until_s, time_s)

    def with_key(self, signer: bytes, *, previous: bytes | None, until_s: UnixSeconds) -> "Station":
        """The station after its key was replaced. `previous` is None if that was revoked before."""
        former = self.former_keys if previous is None else {**self.former_keys, previous: until_s}
        return replace(self, signer=signer, former_keys=former)

    def without_key(self, signer: bytes, *, until_s: UnixSeconds) -> "Station":
        """The station after a key of it, the present one or a former one, was cut off."""
        present = None if signer == self.signer else self.signer
        return replace(self, signer=present, former_keys={**self.former_keys, signer: until_s})

    def replacement_within(self, start_s: int, end_s: int) -> MeterReplacement | None:
        """The last meter replacement from `start_s` on and before `end_s`."""
        found = [one for one in self.replacements if start_s <= one.time_s < end_s]
        return found[-1] if found else None

    def registers_before(self, time_s: int) -> tuple[EnergyWh, EnergyWh]:
        """Import and export register with which its first reading, at this time, must begin."""
        replacement = self.replacement_within(0, time_s)
        return replacement.opening if replacement else (self.import_wh, self.export_wh)


def replacement_of(args: Mapping[str, Any]) -> MeterReplacement:
    """The meter replacement that an event `MeterReplaced` tells of."""
    return MeterReplacement(
        station=StationId(args["station"]),
        sequence=args["sequence"],
        time_s=UnixSeconds(args["time"]),
        closing_import_wh=EnergyWh(args["closingImportWh"]),
        closing_export_wh=EnergyWh(args["closingExportWh"]),
        opening_import_wh=EnergyWh(args["openingImportWh"]),
        opening_export_wh=EnergyWh(args["openingExportWh"]),
    )
