"""A quick look at a whole series of readings: true only if nothing at all can be wrong with it.

It decides nothing else. A series for which it is false is gone through reading by reading.
"""

from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise

from domain.audit.proofs import StatementProof, VehicleProof
from domain.errors import ReadingRefused
from domain.evidence_columns import MeterColumns
from domain.reading import MeterReading, check_follows
from domain.station import Station
from domain.units import MARKET_INTERVAL_S, energy_limit_wh


def are_orderly(proof: StatementProof, *, station: Station, opening: MeterReading | None, opening_known: bool) -> bool:
    """Whether the station's present key signed every reading, and each follows the one before it.

    `opening` is where the station's statement before left off, None for its first.
    """
    readings, count = proof.readings, len(proof.readings)
    if count == 0 or not opening_known or station.replacements:
        return False
    if proof.signers.count(station.signer or "") != count or readings.station.count(station.station) != count:
        return False
    first = readings.sequence[0]
    if readings.sequence != array("q", range(first, first + count)):
        return False
    try:
        check_follows(readings.reading(0), opening, station)
    except ReadingRefused:
        return False
    return _registers_follow(readings, station)


def _registers_follow(readings: MeterColumns, station: Station) -> bool:
    """Whether each reading's time and registers follow those of the reading before; the first one follows nothing."""
    rated_w, sells = station.rated_power_w, station.bidirectional
    before_s, before_import_wh, before_export_wh = readings.time_s[0] - 1, readings.import_wh[0], readings.export_wh[0]
    for time_s, import_wh, export_wh in zip(readings.time_s, readings.import_wh, readings.export_wh, strict=True):
        if time_s <= before_s:
            return False
        if import_wh != before_import_wh or export_wh != before_export_wh:
            taken_wh, given_wh = import_wh - before_import_wh, export_wh - before_export_wh
            if taken_wh < 0 or given_wh < 0 or (given_wh and not sells):
                return False
            if taken_wh + given_wh > energy_limit_wh(rated_w, time_s - before_s):
                return False
            if before_s // MARKET_INTERVAL_S != (time_s - 1) // MARKET_INTERVAL_S:
                return False
            before_import_wh, before_export_wh = import_wh, export_wh
        before_s = time_s
    return True


def are_orderly_bms(
    proof: VehicleProof, *, keys_at: Callable[[int], Sequence[bytes]], sequence: int, time_s: int
) -> bool:
    """Whether a key of the account signed every reading, and each follows the one before it.

    `sequence` and `time_s` are those of the vehicle's last reading, 0 and -1 if it has none.
    """
    readings, count = proof.readings, len(proof.readings)
    if count == 0 or readings.account.count(proof.account) != count:
        return False
    # A key that may sign for a time may sign for all times before.
    if proof.signers[0] not in keys_at(max(readings.time_s)) or proof.signers.count(proof.signers[0]) != count:
        return False
    if readings.sequence != array("q", range(sequence + 1, sequence + 1 + count)):
        return False
    times = [time_s, *readings.time_s]
    return all(before < after for before, after in pairwise(times))
