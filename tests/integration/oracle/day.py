"""A small day at three stations, and when all of it has arrived at the backend."""

from datetime import date
from typing import Any

from typer.testing import CliRunner

from oracle.cli import app
from oracle.replay import plan_of

HEADER = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure,claimed"
)
DAY = date(2019, 7, 10)


def row(station: str, key: str, start: str, end: str, kwh: str = "10.5", requested: str = "12") -> str:
    at = [f"2019-07-10 {moment}-07:00" for moment in (start, end)]
    return f"{at[0]},{at[1]},{requested},{kwh},{station},{key},{at[1]},True"


SMALL = "\n".join(
    [
        HEADER,
        row("A", "a1", "06:01:02", "16:50:03", "21.345"),
        row("A", "a2", "16:51:00", "17:30:00", "4.1"),
        row("B", "b1", "07:00:00", "19:11:11", "30.001", "10"),
        row("C", "c1", "08:00:00", "08:02:00", "0.7"),
    ]
)


def run(arguments: list[str]) -> Any:
    return CliRunner().invoke(app, arguments)


def settled(site: Any) -> tuple[int, int]:
    """Wh that statements close with, above the registers at registration."""
    backend = site.backend
    closing = [(backend.stations[n], s[-1]) for n, s in backend.statements.items()]
    return (
        sum(last.import_wh - station.import_wh for station, last in closing),
        sum(last.export_wh - station.export_wh for station, last in closing),
    )


def planned(site: Any) -> tuple[int, int]:
    plans = [plan_of(session) for session in site.sessions]
    return sum(p.charged_wh for p in plans), sum(p.discharged_wh for p in plans)


def check_complete(site: Any) -> None:
    backend = site.backend
    assert backend.conflicts == []
    assert settled(site) == planned(site)
    for series in backend.readings.values():
        assert [r.reading.sequence for r in series] == list(range(1, len(series) + 1))
    expected = sum(len(plan_of(s).reading_times()) for s in site.sessions)
    assert sum(map(len, backend.readings.values())) == expected
    assert sum(map(len, backend.bms.values())) == expected
