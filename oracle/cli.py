"""The command `wattledger-oracle`. Ends with 0 when done or stopped on request, with 1 after a failure."""

import json
import logging
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from domain.errors import WattledgerError
from domain.text import address_text
from domain.units import PriceMicroPerKwh, UnixSeconds
from oracle import keystore
from oracle.acn import read_all_sessions, read_sessions
from oracle.client import BackendClient, Network
from oracle.clock import SystemClock
from oracle.errors import BackendUnavailable, KeystoreInvalid, OracleError
from oracle.plan_file import PlanFile
from oracle.progress import Progress
from oracle.replay import STATEMENT_PERIOD_S, ReplayMeters, ReplayVehicles
from oracle.set_points import Recorder, SetPointFile
from oracle.sitemap import SiteMap, read_site_map
from oracle.source import MeterSource, MetersTogether, VehicleSource, VehiclesTogether
from oracle.spool import Spool
from oracle.station_oracle import Patience, StationOracle
from oracle.sun import SunMeters, SunOwner, sun_of
from oracle.vehicle_oracle import MAX_PRICE_MICRO_PER_KWH, VehicleOracle
from oracle.visits import EndlessVisits, RecordedVisits, Visits

_log = logging.getLogger("oracle")
_WEAK_ITERATIONS = {"scrypt": 1 << 14, "pbkdf2": 100_000}

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
keys = typer.Typer(no_args_is_help=True, help="Make and list encrypted keys.")
app.add_typer(keys, name="keys")


class KdfName(StrEnum):
    """Key derivations of the Web3 Secret Storage format."""

    SCRYPT = "scrypt"
    PBKDF2 = "pbkdf2"


Keystore = Annotated[Path, typer.Option("--keystore", help="Folder of encrypted keys.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="Its first line opens the keys. Default: WATTLEDGER_PASSPHRASE."),
]
Backend = Annotated[str, typer.Option("--backend", help="URL of the backend, without /v1.")]
SpoolFile = Annotated[Path, typer.Option("--spool", help="SQLite file that keeps what was signed.")]
Sessions = Annotated[Path, typer.Option("--sessions", help="Recorded sessions, ACN-Data CSV (.csv or .csv.gz).")]
Day = Annotated[str | None, typer.Option("--date", help="Replay this local day of arrival, YYYY-MM-DD, and end.")]
From = Annotated[
    str | None,
    typer.Option("--from", help="Replay the file's weeks over and over, live, from this moment on (ISO 8601)."),
]
Zone = Annotated[
    str, typer.Option("--zone", help="Where the site is; with --from, where the recorded local times are to be.")
]
MapFile = Annotated[Path, typer.Option("--stations", help="JSON: station and account numbers for the file's names.")]
PlansFile = Annotated[
    Path | None,
    typer.Option("--plans", help="What the map's traders, or who is scheduled, take and give: one line an interval."),
]
SetPointsFile = Annotated[
    Path | None, typer.Option("--set-points", help="Follow the site's schedule as `set-points` wrote it down.")
]
ProgressFile = Annotated[
    Path | None, typer.Option("--progress", help="Keep the latest counts in this file instead of standard error.")
]


@keys.command("create")
def create_keys(
    folder: Keystore,
    passphrase_file: PassphraseFile = None,
    name: Annotated[list[str] | None, typer.Option("--name", help="Name of a key; may be repeated.")] = None,
    names_file: Annotated[Path | None, typer.Option("--names-file", help="Names, one a line.")] = None,
    count: Annotated[int, typer.Option("--count", min=0, max=100_000, help="How many numbered keys.")] = 0,
    prefix: Annotated[str, typer.Option("--prefix", help="What numbered keys are called: prefix-001 ...")] = "key",
    kdf: Annotated[KdfName, typer.Option("--kdf", help="Key derivation.")] = KdfName.SCRYPT,
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="Its work: scrypt's N, or PBKDF2's rounds. Low only for demos.")
    ] = None,
) -> None:
    """Make keys; prints their addresses by name, as JSON."""
    with _one_line_errors():
        names = [*(name or ()), *_lines(names_file), *keystore.numbered(prefix, count)]
        if not names:
            raise KeystoreInvalid("nothing to make; give --name, --names-file or --count")
        if iterations is not None and iterations < _WEAK_ITERATIONS[kdf.value]:
            _log.warning("%d iterations of %s protect no secrets; use this for demonstrations only", iterations, kdf)
        passphrase = keystore.read_passphrase(passphrase_file)
        kind: keystore.Kdf = "scrypt" if kdf is KdfName.SCRYPT else "pbkdf2"
        made = keystore.create(folder, names, passphrase, iterations=iterations, kdf=kind)
        _print_addresses(made)


@keys.command("list")
def list_keys(folder: Keystore) -> None:
    """Print the keys' addresses by name, as JSON; needs no passphrase."""
    with _one_line_errors():
        _print_addresses(keystore.list_keys(folder))


@app.command()
def stations(
    backend: Backend,
    folder: Keystore,
    spool: SpoolFile,
    sessions: Sessions,
    map_file: MapFile,
    day: Day = None,
    live_from: From = None,
    zone: Zone = "UTC",
    passphrase_file: PassphraseFile = None,
    wait_s: Annotated[float, typer.Option("--wait-s", min=0, help="Longest wait for an authorisation.")] = 60,
    poll_s: Annotated[float, typer.Option("--poll-s", min=0.05, help="How often to ask for one.")] = 1,
    statement_period_s: Annotated[
        int, typer.Option("--statement-period-s", min=900, help="Statements in long sessions; a multiple of 900.")
    ] = STATEMENT_PERIOD_S,
    plans_file: PlansFile = None,
    set_points_file: SetPointsFile = None,
    progress_file: ProgressFile = None,
) -> None:
    """Serve stations: readings and statements of one recorded day, or of recorded weeks for good."""
    with _one_line_errors():
        site = read_site_map(map_file)
        visits = _visits(sessions, site, day, live_from, zone)
        source: MeterSource
        try:
            source = ReplayMeters(
                visits, statement_period_s=statement_period_s, plans=_plans(plans_file, set_points_file, site)
            )
        except ValueError as error:
            raise OracleError(str(error)) from None
        if day is not None and site.sun is not None:
            sun = sun_of(site.sun, visits, _zone(zone))
            source = MetersTogether([source, SunMeters(sun, statement_period_s=statement_period_s)])
        signers = keystore.open_keystore(folder, keystore.read_passphrase(passphrase_file))
        with _services("stations", backend, spool, progress_file) as at:
            oracle = StationOracle(
                source=source,
                signers=signers,
                network=at.network,
                spool=at.spool,
                client=at.client,
                clock=at.clock,
                progress=at.progress,
                patience=Patience(wait_s=wait_s, poll_s=poll_s),
            )
            _run(at, oracle.run, lambda: oracle.counts)


@app.command()
def vehicles(
    backend: Backend,
    folder: Keystore,
    spool: SpoolFile,
    sessions: Sessions,
    map_file: MapFile,
    day: Day = None,
    live_from: From = None,
    zone: Zone = "UTC",
    passphrase_file: PassphraseFile = None,
    max_price: Annotated[
        int, typer.Option("--max-price-micro-per-kwh", min=0, help="The most that drivers pay.")
    ] = MAX_PRICE_MICRO_PER_KWH,
    discharge: Annotated[bool, typer.Option("--discharge/--no-discharge", help="Whether drivers sell back.")] = True,
    plans_file: PlansFile = None,
    set_points_file: SetPointsFile = None,
    progress_file: ProgressFile = None,
) -> None:
    """Serve vehicles: authorisations and battery readings of one recorded day, or of recorded weeks for good."""
    with _one_line_errors():
        site = read_site_map(map_file)
        visits = _visits(sessions, site, day, live_from, zone)
        source: VehicleSource = ReplayVehicles(
            visits, discharge=discharge, plans=_plans(plans_file, set_points_file, site)
        )
        if day is not None and site.sun is not None:
            source = VehiclesTogether([source, SunOwner(sun_of(site.sun, visits, _zone(zone)))])
        signers = keystore.open_keystore(folder, keystore.read_passphrase(passphrase_file))
        with _services("vehicles", backend, spool, progress_file) as at:
            oracle = VehicleOracle(
                source=source,
                signers=signers,
                network=at.network,
                spool=at.spool,
                client=at.client,
                clock=at.clock,
                progress=at.progress,
                max_price=PriceMicroPerKwh(max_price),
            )
            _run(at, oracle.run, lambda: oracle.counts)


@app.command("set-points")
def set_points(
    backend: Backend,
    site: Annotated[str, typer.Option("--site", help="Name of the site at the backend.")],
    out: Annotated[Path, typer.Option("--out", help="File that oracles follow with --set-points.")],
) -> None:
    """Write down what a site's schedule says, step by step, for modelled stations and vehicles."""
    with _one_line_errors():
        clock = SystemClock()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: clock.stop())
        with BackendClient(backend, clock) as client:
            Recorder(client, site, out, clock).run()


def main() -> None:
    """Entry point of `wattledger-oracle`."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    app()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Services:
    network: Network
    spool: Spool
    client: BackendClient
    clock: SystemClock
    progress: Progress


def _plans(plans_file: Path | None, set_points_file: Path | None, site: SiteMap) -> PlanFile | None:
    if plans_file is not None and set_points_file is not None:
        raise OracleError("give one of --plans and --set-points: a vehicle follows its agent or the site")
    if set_points_file is not None:
        return SetPointFile(set_points_file, site.scheduled or site.drivers)
    if plans_file is None:
        return None
    followers = site.scheduled or site.traders
    if not followers:
        raise OracleError("--plans needs a map that names traders, or who is scheduled")
    return PlanFile(plans_file, followers)


def _visits(sessions: Path, site: SiteMap, day: str | None, live_from: str | None, zone: str) -> Visits:
    if (day is None) == (live_from is None):
        raise OracleError("give one of --date (one recorded day) and --from (recorded weeks for good)")
    if day is not None:
        return RecordedVisits(read_sessions(sessions, _day(day), rated_power_w=site.rated_power_w), site)
    everything = read_all_sessions(sessions, rated_power_w=site.rated_power_w)
    return EndlessVisits(everything, site, from_s=_moment(live_from or ""), zone=_zone(zone))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OracleError(f"--date {text!r} is no day; write it as YYYY-MM-DD") from None


def _moment(text: str) -> UnixSeconds:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.timestamp() < 0:
        raise OracleError(f"--from {text!r} is no moment since 1970; write it as YYYY-MM-DDTHH:MM+00:00")
    return UnixSeconds(int(moment.timestamp()))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise OracleError(f"--zone {name!r} is no time zone; write it as Europe/Berlin") from None


@contextmanager
def _services(service: str, backend: str, spool: Path, progress_file: Path | None) -> Iterator[_Services]:
    clock = SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: clock.stop())
    with BackendClient(backend, clock) as client:
        network = client.network()
        with Spool(spool, owner=f"{service} on {network}") as opened:
            yield _Services(
                network=network,
                spool=opened,
                client=client,
                clock=clock,
                progress=Progress(service, progress_file, clock),
            )


def _run(at: _Services, work: Callable[[], None], counts: Callable[[], dict[str, int]]) -> None:
    at.progress.tell(counts())
    try:
        work()
    except BackendUnavailable:
        at.progress.tell(counts(), state="stopped" if at.clock.stopped else "failed")
        if not at.clock.stopped:
            raise
        return  # asked to stop while waiting for the backend; the spool keeps what was not sent
    except BaseException:
        at.progress.tell(counts(), state="failed")
        raise
    at.progress.tell(counts(), state="stopped" if at.clock.stopped else "done")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (WattledgerError, OSError, sqlite3.Error) as error:
        sys.stderr.write(f"wattledger-oracle: {' '.join(str(error).split())}\n")
        raise typer.Exit(1) from None


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _print_addresses(addresses: dict[str, bytes]) -> None:
    sys.stdout.write(json.dumps({name: address_text(address) for name, address in addresses.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
