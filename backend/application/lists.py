"""Lists of all that is kept, narrowed down and page by page."""

from dataclasses import dataclass, replace

from backend.application.filters import (
    DebtFilter,
    DisputeFilter,
    EventFilter,
    Page,
    ReadingFilter,
    SessionFilter,
    SettlementFilter,
    StatementFilter,
    StationFilter,
    TariffFilter,
    TransactionFilter,
)
from backend.application.ports import Store, UnitOfWork
from backend.application.records import (
    DebtRecord,
    DisputeRecord,
    SessionRecord,
    SettlementRecord,
    StatementRecord,
    StationRecord,
    TransactionRecord,
)
from domain.chain import ChainEvent
from domain.errors import UnknownAccount, UnknownSession, UnknownStation
from domain.reading import SignedBmsReading, SignedMeterReading
from domain.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Lists:
    """One list for each kind of thing. Accounts are with `Accounts`: their balances are on chain."""

    store: Store

    def stations(self, page: Page, wanted: StationFilter) -> list[StationRecord]:
        with self.store.read() as unit:
            return unit.stations.page(page, wanted)

    def tariffs(self, page: Page, wanted: TariffFilter) -> list[Tariff]:
        with self.store.read() as unit:
            return unit.tariffs.page(page, wanted)

    def sessions(self, page: Page, wanted: SessionFilter) -> list[SessionRecord]:
        with self.store.read() as unit:
            return unit.sessions.page(page, wanted)

    def meter_readings(self, station: int | None, page: Page, wanted: ReadingFilter) -> list[SignedMeterReading]:
        """Of a station, of the session in the filter, or of both; UnknownStation, UnknownSession."""
        with self.store.read() as unit:
            if station is not None and unit.stations.find(station) is None:
                raise UnknownStation(station)
            if wanted.session is None:
                return [] if station is None else unit.readings.meter_list(station, page, wanted)
            record = _session(unit, wanted.session)
            limits = record.session.authorisation
            if record.last_reading is None or station not in (None, limits.station):
                return []
            narrowed = replace(wanted, from_s=max(limits.not_before_s, wanted.from_s or 0), last=record.last_reading)
            return unit.readings.meter_list(limits.station, page, narrowed)

    def bms_readings(self, account: int, page: Page, wanted: ReadingFilter) -> list[SignedBmsReading]:
        """Of an account's vehicle; UnknownAccount, UnknownSession."""
        with self.store.read() as unit:
            if unit.accounts.find(account) is None:
                raise UnknownAccount(account)
            if wanted.session is None:
                return unit.readings.bms_list(account, page, wanted)
            limits = _session(unit, wanted.session).session.authorisation
            if limits.account != account:
                return []
            end_s = limits.expiry_s + 1
            narrowed = replace(
                wanted,
                from_s=max(limits.not_before_s, wanted.from_s or 0),
                to_s=end_s if wanted.to_s is None else min(end_s, wanted.to_s),
            )
            return unit.readings.bms_list(account, page, narrowed)

    def statements(self, page: Page, wanted: StatementFilter) -> list[StatementRecord]:
        with self.store.read() as unit:
            return unit.statements.page(page, wanted)

    def settlements(self, page: Page, wanted: SettlementFilter) -> list[SettlementRecord]:
        with self.store.read() as unit:
            return unit.settlements.page(page, wanted)

    def debts(self, page: Page, wanted: DebtFilter) -> list[DebtRecord]:
        with self.store.read() as unit:
            return unit.debts.page(page, wanted)

    def disputes(self, page: Page, wanted: DisputeFilter) -> list[DisputeRecord]:
        with self.store.read() as unit:
            return unit.disputes.page(page, wanted)

    def transactions(self, page: Page, wanted: TransactionFilter) -> list[TransactionRecord]:
        with self.store.read() as unit:
            return unit.outbox.page(page, wanted)

    def events(self, page: Page, wanted: EventFilter) -> list[ChainEvent]:
        with self.store.read() as unit:
            return unit.blocks.events_page(page, wanted)


def _session(unit: UnitOfWork, session: bytes) -> SessionRecord:
    record = unit.sessions.find(session)
    if record is None:
        raise UnknownSession(session)
    return record
