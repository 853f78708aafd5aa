"""What a statement rests on, from what its blob proves: nothing in it is worked out twice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.audit.proofs import StatementProof
from domain.metering import MeteredRow, Shown, rows_between
from domain.reading import MeterReading
from domain.session import Session
from domain.station import MeterReplacement, Station
from domain.tariff import TariffTable
from domain.units import EnergyWh, UnixSeconds


@dataclass(slots=True, kw_only=True)
class ProvenBasis:
    """Stands in for a `domain.metering.Basis`, whose words describe it. There is at least one reading."""

    station: Station
    opening: MeterReading | None
    proof: StatementProof
    sessions: Mapping[bytes, Session]
    tariffs: TariffTable
    _rows: tuple[MeteredRow, ...] | None = field(default=None, init=False)

    @property
    def start_s(self) -> UnixSeconds:
        return self.opening.time_s if self.opening else UnixSeconds(self.proof.readings.time_s[0])

    @property
    def replacement(self) -> MeterReplacement | None:
        """The last meter replacement within the statement's time."""
        return self.station.replacement_within(self.start_s, self.proof.readings.time_s[-1])

    @property
    def registers(self) -> tuple[EnergyWh, EnergyWh]:
        if self.replacement is not None:
            return self.replacement.opening
        if self.opening is not None:
            return self.opening.import_wh, self.opening.export_wh
        return self.station.registers_before(self.proof.readings.time_s[0])

    @property
    def telemetry_root(self) -> bytes:
        return self.proof.root

    @property
    def closing(self) -> Shown:
        readings = self.proof.readings
        return readings.time_s[-1], readings.import_wh[-1], readings.export_wh[-1]

    @property
    def rows(self) -> tuple[MeteredRow, ...]:
        """The rows that follow from the readings; UnknownSession if one names a session that is not given."""
        if self._rows is None:
            readings, opening = self.proof.readings, self.opening
            self._rows = rows_between(
                (opening.time_s, opening.import_wh, opening.export_wh) if opening else None,
                zip(readings.time_s, readings.import_wh, readings.export_wh, readings.sessions, strict=True),
                replacement=self.replacement,
                sessions=self.sessions,
            )
        return self._rows
