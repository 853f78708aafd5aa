"""Four tamperings behind the platform's back, for the demo: a blob, a signed reading, an amount, what an order got."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from domain.cid import cid_of
from domain.errors import Malformed
from domain.evidence import STATEMENT_FORMAT, pack, unpack
from scripts.platform import Platform, PlatformFailed

STOLEN_MICRO = 1_000_000
STOLEN_WH = 1_000
BUSY_S = 10
FILL_BYTES = 4


def tamper(at: Platform) -> list[str]:
    """Does all four and says what was done, a line each."""
    blobs = _statement_blobs(at.blob_files())
    altered, host = blobs[0], blobs[len(blobs) // 3]
    donor = next((b for b in blobs if b[1]["statement"]["station"] != host[1]["statement"]["station"]), None)
    if donor is None or host[0] == altered[0]:
        raise PlatformFailed("this day is too small to tamper with: it needs statements of two stations at least")
    return [
        _alter_blob(*altered),
        _swap_reading(*host, donor[1]),
        _change_amount(at.database),
        _change_fill(at.database),
    ]


def _statement_blobs(files: Iterable[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """Files with a statement's evidence and more than a few readings, in a fixed order."""
    found = []
    for path in files:
        with suppress(Malformed):  # Kubo keeps other things as well.
            data = unpack(path.read_bytes())
            if STATEMENT_FORMAT.encode() not in data:
                continue
            value = json.loads(data)
            if len(value["readings"]) > 3:  # noqa: PLR2004
                found.append((path, value))
    return sorted(found, key=lambda f: (f[1]["statement"]["station"], f[1]["statement"]["sequence"]))


def _alter_blob(path: Path, value: dict[str, Any]) -> str:
    reading, cid = value["readings"][2], cid_of(path.read_bytes())
    reading["power_w"] += 1_000
    _write(path, value)
    return f"blob {cid}: power of reading {reading['sequence']} of station {reading['station']} raised by 1 kW"


def _swap_reading(path: Path, value: dict[str, Any], donor: dict[str, Any]) -> str:
    place, cid = value["readings"][1], cid_of(path.read_bytes())
    stranger = donor["readings"][1]
    value["readings"][1] = stranger
    _write(path, value)
    return (
        f"blob {cid}: reading {place['sequence']} of station {place['station']} replaced by the genuinely signed "
        f"reading {stranger['sequence']} of station {stranger['station']}"
    )


def _change_amount(database: Path) -> str:
    with sqlite3.connect(database, timeout=BUSY_S) as connection:
        station, sequence, row, owed = connection.execute(
            "SELECT station, sequence, row, owed_micro FROM statement_rows WHERE owed_micro > 0 "
            "ORDER BY owed_micro DESC, station, sequence, row LIMIT 1"
        ).fetchone()
        connection.execute(
            "UPDATE statement_rows SET owed_micro = ? WHERE station = ? AND sequence = ? AND row = ?",
            (owed + STOLEN_MICRO, station, sequence, row),
        )
    connection.close()
    return (
        f"the backend's database: row {row} of statement {sequence} of station {station} now says "
        f"{owed + STOLEN_MICRO} micro-euro instead of {owed}"
    )


def _change_fill(database: Path) -> str:
    """What an order got, beside the order and in the book that it is in."""
    with sqlite3.connect(database, timeout=BUSY_S) as connection:
        order, zone, interval_s, account, filled = connection.execute(
            "SELECT order_hash, zone, interval_s, account, filled_wh FROM orders WHERE filled_wh > 0 "
            "ORDER BY filled_wh DESC, serial LIMIT 1"
        ).fetchone()
        place = zone, interval_s
        hashes, forced, fills = connection.execute(
            "SELECT hashes, forced_nonces, fills FROM books WHERE zone = ? AND interval_s = ?", place
        ).fetchone()
        line = len(forced) + [hashes[at : at + 32] for at in range(0, len(hashes), 32)].index(order)
        more = (filled + STOLEN_WH).to_bytes(FILL_BYTES, "big")
        fills = fills[: line * FILL_BYTES] + more + fills[(line + 1) * FILL_BYTES :]
        connection.execute("UPDATE books SET fills = ? WHERE zone = ? AND interval_s = ?", (fills, *place))
        connection.execute("UPDATE orders SET filled_wh = ? WHERE order_hash = ?", (filled + STOLEN_WH, order))
    connection.close()
    return (
        f"the backend's database: line {line} of the book of zone {zone}, interval {interval_s}, an order of account "
        f"{account}, now got {filled + STOLEN_WH} Wh instead of {filled}"
    )


def _write(path: Path, value: dict[str, Any]) -> None:
    path.chmod(0o600)
    path.write_bytes(pack(value))
