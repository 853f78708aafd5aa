"""The service beside stations: signs what their meters show, and states what is to be settled.

Stations are served in order of time, from one heap. A station whose vehicle is not authorised yet waits aside
while the others go on.
"""

import heapq
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from domain.errors import (
    MoreThanRated,
    NoTariff,
    NotAuthorised,
    ReadingRefused,
    RegisterWentBack,
    StatementRefused,
    StationIsSuspended,
)
from domain.signing import Signer
from domain.station import NOBODY, Station
from domain.units import EnergyWh, StationId, UnixSeconds
from oracle.admission import Gate, Tariffs, TurnedAway
from oracle.client import BackendClient, Network, StationRecord
from oracle.clock import Clock
from oracle.errors import DevicesHalted, KeyMissing, SpoolBehind, TimeAlreadyPassed
from oracle.outbox import Outbox
from oracle.progress import Progress
from oracle.rhythm import FLUSH_PERIOD_S, Rhythm
from oracle.source import MeterEvent, MeterSource, PluggedIn, Sample
from oracle.spool import Spool
from oracle.station_series import StationSeries

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a session may go without a known authorisation, and how often to ask for it."""

    wait_s: float = 60.0
    poll_s: float = 1.0


@dataclass(slots=True)
class _Waiting:
    event: PluggedIn
    until_s: float


class StationOracle:
    """Serves the source's stations until it has no more events, or the clock is stopped."""

    def __init__(
        self,
        *,
        source: MeterSource,
        signers: Mapping[bytes, Signer],
        network: Network,
        spool: Spool,
        client: BackendClient,
        clock: Clock,
        progress: Progress,
        patience: Patience,
    ) -> None:
        self._source = source
        self._signers = signers
        self._network = network
        self._spool = spool
        self._client = client
        self._clock = clock
        self._patience = patience
        self._outbox = Outbox(spool, client)
        self._tariffs = Tariffs(client)
        self._gate = Gate(client, network.accounts_domain, self._tariffs)
        self._series: dict[StationId, StationSeries] = {}
        self._events: dict[StationId, Iterator[MeterEvent]] = {}
        self._heap: list[tuple[int, StationId, MeterEvent]] = []
        self._waiting: dict[StationId, _Waiting] = {}
        self._unstated: dict[StationId, str] = {}
        self._asked_s = clock.monotonic()
        self._rhythm = Rhythm(self._outbox, progress, clock, lambda: self.counts)

    @property
    def counts(self) -> dict[str, int]:
        turned_away = sum(len(series.turned_away) for series in self._series.values())
        return {
            "stations": len(self._series),
            "stations_halted": len(self._outbox.halted),
            "stations_waiting": len(self._waiting),
            "sessions_admitted": sum(len(series.sessions) for series in self._series.values()),
            "sessions_turned_away": turned_away,
            **self._spool.counts(),
        }

    def run(self) -> None:
        """DevicesHalted at the end if a station could not go on; BackendUnavailable at once, to be run again."""
        for station in self._source.stations:
            self._open(station)
        self._outbox.flush()
        for station in self._source.stations:
            self._next(station)
        while (self._heap or self._waiting) and not self._clock.stopped:
            if self._heap and self._heap[0][0] <= self._clock.unix_s():
                _, station, event = heapq.heappop(self._heap)
                self._handle(station, event)
            else:
                self._rhythm.flush()
                self._clock.sleep(self._patience.poll_s if self._waiting else FLUSH_PERIOD_S)
            self._poll()
            self._rhythm.flush_if_due()
        if not self._clock.stopped:
            self._rhythm.flush()
        self._spool.commit()
        failures = [*self._outbox.halted.values(), *self._outbox.held.values(), *self._unstated.values()]
        if failures and not self._clock.stopped:
            raise DevicesHalted(failures)

    def _open(self, station: StationId) -> None:
        """Takes up a station's series where its spool ends, after comparing that with the backend's."""
        record = self._client.station(station)
        who = f"station {station}"
        signer = self._signer_of(record.station)
        registered = self._spool.opening(station)
        if registered is None:
            if record.last_reading_sequence:
                raise SpoolBehind(who, "reading", 0, record.last_reading_sequence)
            registered = (record.station.import_wh, record.station.export_wh)
            self._spool.keep_opening(station, *registered)
        facts = replace(record.station, import_wh=EnergyWh(registered[0]), export_wh=EnergyWh(registered[1]))
        series = StationSeries(
            facts,
            signer,
            self._spool,
            stations=self._network.stations_domain,
            accounts=self._network.accounts_domain,
        )
        self._compare(who, series, record)
        self._series[station] = series
        self._events[station] = self._source.events(station, series.last_time_s)
        if facts.signer is None:
            self._outbox.halt(station, who, "its key was revoked, and no other one was set")

    def _signer_of(self, station: Station) -> Signer:
        """The station's key; one that it had before if it has none now, to read its series."""
        keys = [station.signer] if station.signer else list(station.former_keys)
        held = [self._signers[key] for key in keys if key in self._signers]
        if not held:
            raise KeyMissing(f"station {station.station}", keys[0] if keys else NOBODY)
        return held[0]

    def _compare(self, who: str, series: StationSeries, record: StationRecord) -> None:
        reading, statement = series.last_sequences
        station = series.station.station
        for kind, what, ours, theirs in (
            ("meter", "reading", reading, record.last_reading_sequence),
            ("statement", "statement", statement, record.last_statement_sequence),
        ):
            if theirs > ours:
                raise SpoolBehind(who, what, ours, theirs)
            again = self._spool.send_again("meter" if kind == "meter" else "statement", station, theirs)
            if again:
                _log.warning("%s: the backend lost %d %ss after %d; they are sent again", who, again, what, theirs)

    def _next(self, station: StationId) -> None:
        """Puts the station's next event on the heap."""
        if station in self._outbox.halted:
            return
        event = next(self._events[station], None)
        if event is not None:
            heapq.heappush(self._heap, (event.time_s, station, event))

    def _handle(self, station: StationId, event: MeterEvent) -> None:
        if station in self._outbox.halted:
            return
        series = self._series[station]
        try:
            if isinstance(event, PluggedIn):
                self._plugged_in(series, event)
            elif isinstance(event, Sample):
                self._sample(series, event)
            else:
                self._state(series, event.time_s)
        except (ReadingRefused, StatementRefused, NotAuthorised, TimeAlreadyPassed) as error:
            self._outbox.halt(station, f"station {station}", str(error))
        self._rhythm.after_event()
        if station not in self._waiting:
            self._next(station)

    def _sample(self, series: StationSeries, sample: Sample) -> None:
        """Signs a sample. One that does not follow may be of a new meter, which the backend then knows."""
        try:
            series.sign_sample(sample)
        except (RegisterWentBack, MoreThanRated):
            if not self._look_again(series):
                raise
            series.sign_sample(sample)

    def _look_again(self, series: StationSeries) -> bool:
        """Asks what the chain says of the station now; whether that has changed."""
        before = series.station
        now = self._client.station(before.station).station
        known = replace(
            before,
            suspended_by_operator=now.suspended_by_operator,
            suspended_by_governance=now.suspended_by_governance,
            replacements=now.replacements,
        )
        series.follow(known)
        return known != before

    def _plugged_in(self, series: StationSeries, event: PluggedIn) -> None:
        if event.key in series.sessions:
            self._source.admit(event.key, series.sessions[event.key].admission)
            return
        if event.time_s <= series.last_time_s:
            if event.key in series.turned_away:
                return
            raise TimeAlreadyPassed(event.station, event.key, event.time_s, series.last_time_s)
        self._waiting[event.station] = _Waiting(event, self._clock.monotonic() + self._patience.wait_s)
        self._look(self._waiting[event.station])

    def _poll(self) -> None:
        """Asks for the authorisations that are waited for, if it is time to."""
        if not self._waiting or self._clock.monotonic() - self._asked_s < self._patience.poll_s:
            return
        for station, waiting in list(self._waiting.items()):
            if self._clock.stopped:
                return
            if station in self._outbox.halted:
                del self._waiting[station]
                continue
            self._look(waiting)
            if station not in self._waiting:
                self._next(station)
        self._asked_s = self._clock.monotonic()

    def _look(self, waiting: _Waiting) -> None:
        event = waiting.event
        series = self._series[event.station]
        found = self._gate.look(event, series.station, series.session_ids, series.registers)
        if found is None:
            if self._clock.monotonic() < waiting.until_s:
                return
            found = TurnedAway(f"no valid authorisation within {self._patience.wait_s:.0f} s")
        del self._waiting[event.station]
        if isinstance(found, TurnedAway):
            _log.warning("station %d: session %s gets no energy: %s", event.station, event.key, found.reason)
            series.turn_away(event.key)
            return
        series.admit(event.key, found)
        self._source.admit(event.key, found.admission)

    def _state(self, series: StationSeries, time_s: UnixSeconds) -> None:
        """Signs the statement that is due.

        Without a tariff, or while the station is suspended, it waits for the next one, which then covers both.
        """
        station = series.station.station
        try:
            self._learn_market(series, time_s)
            try:
                series.sign_statement(time_s, self._tariffs.table)
            except (NoTariff, StationIsSuspended):
                self._tariffs.refresh()
                self._look_again(series)
                series.sign_statement(time_s, self._tariffs.table)
        except (NoTariff, StationIsSuspended) as error:
            _log.warning("station %d: statement at %d is put off: %s", station, time_s, error)
            self._unstated[station] = str(error)
        else:
            self._unstated.pop(station, None)

    def _learn_market(self, series: StationSeries, time_s: UnixSeconds) -> None:
        """Asks who joined the market since it was admitted, and for the market's prices if one is missing.

        The backend refuses energy that is stated beside the market although its account joined it an hour before.
        """
        series.trade(self._client.traders_among(series.plain_accounts(time_s), series.station.payee))
        if series.lacks_price(time_s, self._tariffs.table):
            self._tariffs.refresh()
