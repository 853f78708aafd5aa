"""Drawing a statement up: rows from readings, each at the operator's latest tariff.

Energy that is traded is under a market tariff, as long as one covers it.
"""

from collections.abc import Sequence

from domain.errors import NoTariff, StatementRefused
from domain.metering import Basis, MeteredRow, meter_rows
from domain.reading import NO_SESSION
from domain.statement import MAX_TARIFF_OFFSET, UNBILLED_EXPORT, UNBILLED_IMPORT, IntervalStatement, Row
from domain.tariff import Direction, Tariff
from domain.units import TariffId

TARIFF_PAGE = 126


def draw_up(sequence: int, basis: Basis) -> IntervalStatement:
    """The statement that follows from the readings, at the operator's latest tariffs.

    NoTariff if the operator published none for a row; StatementRefused if there is no reading;
    StationIsSuspended as long as nothing that the station states is settled.
    """
    basis.station.check_active()
    if not basis.readings:
        raise StatementRefused(f"station {basis.station.station}: no reading since the last statement")
    metered = meter_rows(basis)
    tariffs = [_tariff_for(row, basis) for row in metered]
    used = [tariff.tariff for tariff in tariffs if tariff is not None]
    base = _tariff_base(used, basis)
    if used and max(used) - base > MAX_TARIFF_OFFSET:
        raise StatementRefused(
            f"station {basis.station.station}: tariffs {base} to {max(used)} are too far apart for one statement; "
            "close statements more often"
        )
    closing = basis.readings[-1].reading
    return IntervalStatement(
        station=basis.station.station,
        sequence=sequence,
        start_s=basis.start_s,
        duration_s=closing.time_s - basis.start_s,
        import_wh=closing.import_wh,
        export_wh=closing.export_wh,
        tariff_base=base,
        telemetry_root=basis.telemetry_root,
        rows=tuple(_row(row, basis.start_s, base, tariff) for row, tariff in zip(metered, tariffs, strict=True)),
    )


def lacks_market_price(basis: Basis) -> bool:
    """Whether energy of traders would be stated beside the market, because no tariff of it covers a row."""
    return any(
        basis.tariffs.find(basis.station.payee, row.direction.traded, row.start_s, row.end_s) is None
        for row in meter_rows(basis)
        if row.account in basis.traders
    )


def _tariff_for(row: MeteredRow, basis: Basis) -> Tariff | None:
    if row.session_id == NO_SESSION:
        return None
    station = basis.station
    for direction in (row.direction.traded, row.direction) if row.account in basis.traders else (row.direction,):
        try:
            return basis.tariffs.latest(station.station, station.payee, direction, row.start_s, row.end_s)
        except NoTariff:
            if direction == row.direction:
                raise
    return None


def _tariff_base(used: Sequence[TariffId], basis: Basis) -> TariffId:
    """The operator's first tariff of the page that the lowest one used is on.

    Statements of a day then share their base, and a batch looks its tariffs up once. If the page does not
    reach the highest one used, the base is the lowest one used.
    """
    if not used:
        return TariffId(0)
    lowest = min(used)
    page = lowest // TARIFF_PAGE * TARIFF_PAGE
    own = (t.tariff for t in basis.tariffs if t.payee == basis.station.payee)
    first = min(number for number in own if page <= number <= lowest)
    return first if max(used) - first <= MAX_TARIFF_OFFSET else lowest


def _row(row: MeteredRow, start_s: int, base: TariffId, tariff: Tariff | None) -> Row:
    unbilled = UNBILLED_IMPORT if row.direction == Direction.CHARGE else UNBILLED_EXPORT
    return Row(
        account=row.account,
        energy_wh=row.energy_wh,
        start_offset_s=row.start_s - start_s,
        duration_s=row.end_s - row.start_s,
        tariff_offset=unbilled if tariff is None else tariff.tariff - base,
    )
