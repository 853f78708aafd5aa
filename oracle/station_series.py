"""One station's series of readings and statements, as far as it was signed, and the next thing to sign.

Nothing is signed that the backend would have to refuse: each reading and statement goes through the domain's
own checks first.
"""

import json
from collections.abc import Iterable, Sequence

from domain.drawing import draw_up, lacks_market_price
from domain.metering import Basis
from domain.reading import NO_SESSION, MeterReading, SignedMeterReading, VerifiedMeterReading, check_follows
from domain.session import Session, Usage
from domain.signing import Signer, SigningDomain
from domain.statement import IntervalStatement, SignedStatement
from domain.station import Station
from domain.tariff import TariffTable
from domain.units import AccountId, EnergyWh, UnixSeconds
from domain.verification import check_against_readings, check_limits
from domain.wire import meter_from_json, meter_to_json, statement_from_json, statement_to_json
from oracle.admission import Admitted
from oracle.source import Sample
from oracle.spool import Message, Spool

_FOR_EVER = 1 << 40
"""Past the last second that fits a reading."""


class StationSeries:
    """What a station signed so far, read from the spool, and continued into it."""

    def __init__(
        self, station: Station, signer: Signer, spool: Spool, *, stations: SigningDomain, accounts: SigningDomain
    ) -> None:
        """`station` has the registers that it was registered with."""
        self.station = station
        self._signer = signer
        self._spool = spool
        self._domain = stations
        self.sessions: dict[str, Admitted] = {}
        self.turned_away: set[str] = set()
        self._usage: dict[bytes, Usage] = {}
        self._keys: dict[bytes, str] = {}
        self._traders: set[AccountId] = set()
        self.last: MeterReading | None = None
        self._opening: MeterReading | None = None
        self._open: list[VerifiedMeterReading] = []
        self._statement_sequence = 0
        self._restore_sessions(accounts)
        self._restore_series()

    @property
    def last_time_s(self) -> int:
        """When the last signed reading was taken; -1 before the first."""
        return self.last.time_s if self.last else -1

    @property
    def registers(self) -> tuple[EnergyWh, EnergyWh]:
        """The import and export registers as last signed, or those of a new meter since."""
        if self.last is None:
            return self.station.registers_before(_FOR_EVER)
        replacement = self.station.replacement_within(self.last.time_s, _FOR_EVER)
        return replacement.opening if replacement else (self.last.import_wh, self.last.export_wh)

    @property
    def traders(self) -> set[AccountId]:
        """Accounts of its sessions that take part in the market of its operator."""
        return self._traders | {a.session.authorisation.account for a in self.sessions.values() if a.trades}

    @property
    def session_ids(self) -> set[bytes]:
        return set(self._keys)

    @property
    def last_sequences(self) -> tuple[int, int]:
        """The numbers of the last reading, and of the last statement or meter replacement."""
        replaced = max((one.sequence for one in self.station.replacements), default=0)
        return (self.last.sequence if self.last else 0), max(self._statement_sequence, replaced)

    def follow(self, station: Station) -> None:
        """Goes on with what the chain says of the station now: a new meter may have made a statement void."""
        self.station = station
        self._restore_series()

    def admit(self, key: str, admitted: Admitted) -> None:
        self._spool.keep_session(key, self.station.station, admitted.to_text())
        self._know(key, admitted, Usage())

    def turn_away(self, key: str) -> None:
        self._spool.keep_session(key, self.station.station, None)
        self.turned_away.add(key)

    def plain_accounts(self, time_s: UnixSeconds) -> set[AccountId]:
        """Whose energy up to `time_s` would be stated beside the market, as far as is known."""
        named = {r.reading.session for r in self._open if r.reading.time_s <= time_s}
        accounts = {a.session.authorisation.account for a in self.sessions.values() if a.session.session_id in named}
        return accounts - self.traders

    def trade(self, accounts: Iterable[AccountId]) -> None:
        """These take part in the market of the station's operator, whatever they did when they were admitted."""
        self._traders.update(accounts)

    def lacks_price(self, time_s: UnixSeconds, tariffs: TariffTable) -> bool:
        """Whether energy of traders up to `time_s` would be stated beside the market, for want of a price in it."""
        readings = [r for r in self._open if r.reading.time_s <= time_s]
        return bool(readings) and lacks_market_price(self._basis(readings, tariffs))

    def sign_sample(self, sample: Sample) -> None:
        """Signs and keeps what the meter shows. A sample that was signed before is passed over."""
        if sample.time_s <= self.last_time_s:
            return
        admitted = self.sessions.get(sample.key) if sample.key is not None else None
        reading = MeterReading(
            station=self.station.station,
            sequence=self.last.sequence + 1 if self.last else 1,
            time_s=sample.time_s,
            import_wh=sample.import_wh,
            export_wh=sample.export_wh,
            power_w=sample.power_w,
            session=admitted.session.session_id if admitted else NO_SESSION,
        )
        check_follows(reading, self.last, self.station)
        signature = self._signer.sign(self._domain.digest(reading.struct_hash()))
        body = json.dumps(meter_to_json(SignedMeterReading(reading, signature)), separators=(",", ":"))
        self._spool.add("meter", reading.station, reading.sequence, reading.time_s, body)
        self._open.append(VerifiedMeterReading(reading, signature))
        self.last = reading

    def sign_statement(self, time_s: UnixSeconds, tariffs: TariffTable) -> bool:
        """States what was metered up to `time_s`; False if that was stated before.

        NoTariff if the operator's prices do not cover it; NotAuthorised if a driver's limits do not;
        StationIsSuspended as long as the station is.
        """
        readings = [r for r in self._open if r.reading.time_s <= time_s]
        if not readings:
            return False
        basis = self._basis(readings, tariffs)
        statement = draw_up(self.last_sequences[1] + 1, basis)
        check_against_readings(statement, basis)
        usage = check_limits(statement, basis, self._usage)
        signature = self._signer.sign(self._domain.digest(statement.struct_hash()))
        body = json.dumps(statement_to_json(SignedStatement(statement, signature)), separators=(",", ":"))
        self._spool.add("statement", statement.station, statement.sequence, statement.end_s, body)
        for session_id, used in usage.items():
            self._usage[session_id] = used
            self._spool.keep_usage(self._keys[session_id], used.energy_wh, used.cost_micro)
        self._statement_sequence = statement.sequence
        self._opening = readings[-1].reading
        self._open = self._open[len(readings) :]
        return True

    def _basis(self, readings: Sequence[VerifiedMeterReading], tariffs: TariffTable) -> Basis:
        sessions: dict[bytes, Session] = {a.session.session_id: a.session for a in self.sessions.values()}
        return Basis(
            station=self.station,
            opening=self._opening,
            readings=readings,
            sessions=sessions,
            tariffs=tariffs,
            traders=self.traders,
        )

    def _know(self, key: str, admitted: Admitted, usage: Usage) -> None:
        session_id = admitted.session.session_id
        self.turned_away.discard(key)
        self.sessions[key] = admitted
        self._keys[session_id] = key
        self._usage[session_id] = usage

    def _restore_sessions(self, accounts: SigningDomain) -> None:
        for kept in self._spool.sessions(self.station.station):
            if kept.body is None:
                self.turned_away.add(kept.key)
            else:
                self._know(kept.key, Admitted.from_text(kept.body, accounts), Usage(kept.energy_wh, kept.cost_micro))

    def _restore_series(self) -> None:
        stated = self._last_statement()
        since = self._spool.since("meter", self.station.station, stated.end_s if stated else 0)
        readings = [_reading(message) for message in since]
        self._statement_sequence = stated.sequence if stated else 0
        self._opening = readings[0].reading if stated else None
        self._open = readings[1:] if stated else readings
        self.last = readings[-1].reading if readings else None

    def _last_statement(self) -> IntervalStatement | None:
        """The last statement that is or can be settled: a new meter may have taken the number of a later one."""
        station = self.station.station
        replaced = {one.sequence for one in self.station.replacements}
        last = self._spool.last("statement", station)
        for sequence in range(last.sequence if last else 0, 0, -1):
            body = self._spool.get("statement", station, sequence)
            if body is not None and sequence not in replaced:
                return statement_from_json(json.loads(body)).statement
        return None


def _reading(message: Message) -> VerifiedMeterReading:
    """A reading that this station itself made and signed."""
    signed = meter_from_json(json.loads(message.body))
    return VerifiedMeterReading(signed.reading, signed.signature)
