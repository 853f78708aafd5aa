"""A station's series against the domain's own checks, with keys in memory."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import NoTariff, RegisterWentBack
from domain.metering import Basis
from domain.reading import MeterReading, VerifiedMeterReading, check_follows
from domain.session import Session, SessionAuthorisation, SignedAuthorisation, Usage, open_session
from domain.signing import SigningDomain
from domain.statement import SignedStatement
from domain.station import MeterReplacement, Station
from domain.tariff import Direction, Tariff, TariffTable
from domain.units import AccountId, EnergyWh, MoneyMicro, PowerW, PriceMicroPerKwh, StationId, TariffId, UnixSeconds
from domain.verification import verify_statement
from domain.wire import meter_from_json, statement_from_json
from oracle.admission import Admitted
from oracle.keystore import KeySigner
from oracle.replay import ReplayMeters, ReplaySession, plan_of
from oracle.sitemap import SiteMap
from oracle.source import Admission, PluggedIn, Sample
from oracle.spool import Spool
from oracle.station_series import StationSeries
from oracle.visits import RecordedVisits

STATIONS, ACCOUNTS = SigningDomain(1, b"\x01" * 20), SigningDomain(1, b"\x02" * 20)
SIGNER, DRIVER = KeySigner(b"\x33" * 32), KeySigner(b"\x44" * 32)
STATION = Station(
    station=StationId(1),
    signer=SIGNER.address,
    payee=AccountId(3),
    rated_power_w=PowerW(22_000),
    bidirectional=True,
    import_wh=EnergyWh(123),
    export_wh=EnergyWh(4),
)
MIDNIGHT_S = 1_562_742_000
NOW_S = UnixSeconds(2_000_000_000)


def tariffs(until_s: int = 2**39) -> TariffTable:
    return TariffTable(
        Tariff(
            tariff=TariffId(n),
            payee=AccountId(3),
            direction=direction,
            price_micro_per_kwh=PriceMicroPerKwh(300_001),
            valid_from_s=UnixSeconds(0),
            valid_to_s=UnixSeconds(until_s),
        )
        for n, direction in enumerate((Direction.CHARGE, Direction.DISCHARGE), 1)
    )


def session(number: int, start_s: int, end_s: int, wh: int) -> ReplaySession:
    return ReplaySession(
        session_id=f"s{number}",
        station_name="A",
        arrival_s=UnixSeconds(MIDNIGHT_S + start_s),
        departure_s=UnixSeconds(MIDNIGHT_S + end_s),
        estimated_departure_s=UnixSeconds(MIDNIGHT_S + end_s),
        requested_wh=EnergyWh(wh),
        delivered_wh=EnergyWh(wh),
        utc_offset_s=-25_200,
    )


SESSIONS = [session(1, 1_000, 9_001, 7_001), session(2, 9_002, 70_123, 31_007), session(3, 80_000, 80_060, 111)]


def admitted(event: PluggedIn, registers: tuple[EnergyWh, EnergyWh]) -> Admitted:
    authorisation = SessionAuthorisation(
        account=AccountId(int(event.key[1:]) + 100),
        station=event.station,
        max_energy_wh=EnergyWh(60_000),
        max_price_micro_per_kwh=PriceMicroPerKwh(400_000),
        max_cost_micro=MoneyMicro(2**70),
        discharge_allowed=True,
        not_before_s=event.time_s,
        expiry_s=UnixSeconds(event.time_s + 100_000),
        nonce=1,
    )
    signed = SignedAuthorisation(authorisation, DRIVER.sign(authorisation.session_id(ACCOUNTS)))
    return Admitted(
        session=open_session(signed, driver_key=DRIVER.address, domain=ACCOUNTS),
        driver_key=DRIVER.address,
        admission=Admission(
            max_energy_wh=EnergyWh(60_000),
            discharge=True,
            until_s=authorisation.expiry_s,
            import_wh=registers[0],
            export_wh=registers[1],
        ),
    )


def series_in(spool: Spool) -> StationSeries:
    return StationSeries(STATION, SIGNER, spool, stations=STATIONS, accounts=ACCOUNTS)


def replay(spool: Spool, events: int = 10**9) -> StationSeries:
    """Plays the day into the spool, up to so many events."""
    site = SiteMap(stations={"A": StationId(1)}, accounts={s.session_id: AccountId(9) for s in SESSIONS})
    meters = ReplayMeters(RecordedVisits(SESSIONS, SiteMap(stations=site.stations, accounts={})))
    series = series_in(spool)
    for number, event in enumerate(meters.events(StationId(1), -1)):
        if number == events:
            break
        if isinstance(event, PluggedIn):
            if event.key not in series.sessions:
                series.admit(event.key, admitted(event, series.registers))
            meters.admit(event.key, series.sessions[event.key].admission)
        elif isinstance(event, Sample):
            series.sign_sample(event)
        else:
            series.sign_statement(event.time_s, tariffs())
    return series


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db", owner="test") as opened:
        yield opened


def check_day(spool: Spool, sessions: dict[bytes, Session]) -> None:
    """Every reading follows the one before it; every statement is borne out by them."""
    readings: list[VerifiedMeterReading] = []
    previous: MeterReading | None = None
    for message in spool.since("meter", 1, 0):
        signed = meter_from_json(json.loads(message.body))
        check_follows(signed.reading, previous, STATION)
        previous = signed.reading
        readings.append(VerifiedMeterReading(signed.reading, signed.signature))
    opening: MeterReading | None = None
    usage: dict[bytes, Usage] = {}
    start_s, moved_wh = -1, 0
    for number, message in enumerate(spool.since("statement", 1, 0)):
        statement: SignedStatement = statement_from_json(json.loads(message.body))
        chosen = [r for r in readings if start_s < r.reading.time_s <= statement.statement.end_s]
        basis = Basis(station=STATION, opening=opening, readings=chosen, sessions=sessions, tariffs=tariffs())
        verified = verify_statement(
            statement, last_sequence=number, basis=basis, usage=usage, domain=STATIONS, now_s=NOW_S
        )
        usage |= verified.usage
        opening, start_s = chosen[-1].reading, statement.statement.end_s
        moved_wh += sum(row.energy_wh for row in statement.statement.rows)
    assert moved_wh == sum(plan_of(s).charged_wh + plan_of(s).discharged_wh for s in SESSIONS)
    assert start_s == SESSIONS[-1].departure_s


def test_a_replayed_day_is_a_valid_series_with_statements_it_bears_out(spool: Spool) -> None:
    series = replay(spool)
    check_day(spool, {a.session.session_id: a.session for a in series.sessions.values()})
    assert sum(plan_of(s).discharged_wh for s in SESSIONS) > 0


def test_a_series_goes_on_after_any_event_as_if_nothing_had_happened(tmp_path: Path) -> None:
    with Spool(tmp_path / "whole.db", owner="test") as whole:
        replay(whole)
        expected = [m.body for kind in ("meter", "statement") for m in whole.since(kind, 1, 0)]
    for events in (1, 2, 29, 30, 31, 32, 100, 234):
        path = tmp_path / f"{events}.db"
        with Spool(path, owner="test") as first:
            replay(first, events)
            first.commit()
        with Spool(path, owner="test") as second:
            series = replay(second)
            check_day(second, {a.session.session_id: a.session for a in series.sessions.values()})
            found = [m.body for kind in ("meter", "statement") for m in second.since(kind, 1, 0)]
        assert found == expected


def test_what_the_backend_would_refuse_is_not_signed(spool: Spool) -> None:
    series = replay(spool)
    late = UnixSeconds(MIDNIGHT_S + 90_000)
    sample = Sample(
        station=StationId(1), time_s=late, import_wh=EnergyWh(0), export_wh=EnergyWh(0), power_w=PowerW(0), key=None
    )
    before = series.last_sequences
    with pytest.raises(RegisterWentBack):
        series.sign_sample(sample)
    assert series.last_sequences == before


def test_without_a_tariff_no_statement_is_signed(spool: Spool) -> None:
    series = replay(spool, events=20)
    assert series.last is not None
    with pytest.raises(NoTariff):
        series.sign_statement(series.last.time_s, tariffs(until_s=1))
    assert series.last_sequences == (19, 0)
    assert series.sign_statement(series.last.time_s, tariffs())
    assert not series.sign_statement(series.last.time_s, tariffs())


def test_usage_survives_a_restart(spool: Spool) -> None:
    replay(spool)
    kept = {s.key: s.energy_wh for s in spool.sessions(1)}
    assert kept == {s.session_id: s.delivered_wh for s in SESSIONS}
    assert all(s.cost_micro > 0 for s in spool.sessions(1))


# --- a meter that was replaced -----------------------------------------------------------------

SWAP_S = UnixSeconds(MIDNIGHT_S + 100)


def swapped(sequence: int) -> Station:
    swap = MeterReplacement(
        station=StationId(1),
        sequence=sequence,
        time_s=SWAP_S,
        closing_import_wh=EnergyWh(123),
        closing_export_wh=EnergyWh(4),
        opening_import_wh=EnergyWh(7),
        opening_export_wh=EnergyWh(0),
    )
    return replace(STATION, replacements=(swap,))


def sample(time_s: int, import_wh: int, export_wh: int) -> Sample:
    return Sample(
        station=StationId(1),
        time_s=UnixSeconds(time_s),
        import_wh=EnergyWh(import_wh),
        export_wh=EnergyWh(export_wh),
        power_w=PowerW(0),
        key=None,
    )


def test_series_goes_on_with_a_new_meter_once_the_chain_knows_it(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db", owner="test") as spool:
        series = series_in(spool)
        series.sign_sample(sample(MIDNIGHT_S, 123, 4))
        with pytest.raises(RegisterWentBack):
            series.sign_sample(sample(MIDNIGHT_S + 200, 7, 0))
        series.follow(swapped(1))
        assert series.registers == (7, 0)
        series.sign_sample(sample(MIDNIGHT_S + 200, 7, 0))
        assert series.sign_statement(UnixSeconds(MIDNIGHT_S + 200), tariffs())
        assert series.last_sequences == (2, 2)


def test_statement_whose_number_a_new_meter_took_leaves_its_readings_to_the_next(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool.db", owner="test") as spool:
        series = series_in(spool)
        series.sign_sample(sample(MIDNIGHT_S, 123, 4))
        series.sign_sample(sample(MIDNIGHT_S + 50, 123, 4))
        assert series.sign_statement(UnixSeconds(MIDNIGHT_S + 50), tariffs())
        series.follow(swapped(1))
        series.sign_sample(sample(MIDNIGHT_S + 200, 7, 0))
        assert series.sign_statement(UnixSeconds(MIDNIGHT_S + 200), tariffs())
        body = spool.get("statement", 1, 2)
        assert body is not None
        statement = statement_from_json(json.loads(body)).statement
        assert (statement.start_s, statement.end_s, statement.rows) == (MIDNIGHT_S, MIDNIGHT_S + 200, ())
        again = StationSeries(swapped(1), SIGNER, spool, stations=STATIONS, accounts=ACCOUNTS)
        assert (again.last_sequences, again.last) == (series.last_sequences, series.last)
